"""Capture: the world becomes ``Frame``s.

A camera is a context manager and an iterator. Opening is what can fail (``CameraError``); iterating yields frames,
raises ``CameraError`` when the camera is lost, and ends only when recorded footage is over. Recorded and simulated
footage is a camera too, so nothing downstream knows the difference.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from edge.places import TelemetryCount
from edge.records import Frame


class Camera(Protocol):
    """What the programs need of a camera.

    Attributes:
        camera_id: its id from the configuration.
    """

    camera_id: str

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            CameraError: it is not there or not what the configuration says.
        """

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; safe to call twice."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames in order of ``seq``.

        Raises:
            CameraError: the camera is lost, or a recording is damaged.
        """


@runtime_checkable
class HearsTelemetry(Protocol):
    """A camera whose carrier tells where it is, and which counts how much of that could be believed."""

    @property
    def telemetry_count(self) -> TelemetryCount | None:
        """What was read and refused; ``None`` where nothing is told at all."""
