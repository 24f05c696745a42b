"""Footage that behaves like a camera on a pole: paced by the clock, stamped now, starting again at its end."""

import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from edge.capture.footage import Footage
from edge.clock import Clock
from edge.places import TelemetryCount
from edge.records import Frame


class LiveFootage:
    """Plays ``Footage`` in real time, so that ``edge run`` and the demonstration need no camera."""

    def __init__(self, footage: Footage, clock: Clock, *, loop: bool, stopping: threading.Event) -> None:
        """Wrap ``footage``.

        Args:
            footage: what to play.
            clock: paces and stamps the frames.
            loop: start again at the end; the frames' times keep growing, and so does their ``scene``.
            stopping: set when the node stops, ends a wait at once.
        """
        self.camera_id = footage.camera_id
        self._footage = footage
        self._clock = clock
        self._loop = loop
        self._stopping = stopping
        self._showings = 0

    def __enter__(self) -> Self:
        """Open the footage."""
        self._footage.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the footage."""
        self._footage.__exit__(kind, error, trace)

    @property
    def telemetry_count(self) -> TelemetryCount | None:
        """How much telemetry was read and refused; ``None`` where there is none."""
        return self._footage.telemetry_count

    def __iter__(self) -> Iterator[Frame]:
        """Yield each frame when it is due.

        Raises:
            CameraError: as ``Footage``.
        """
        seq = 0
        offset_s = last_s = self._clock.monotonic_s()  # like a device's stamps: still growing after it was opened again
        while not self._stopping.is_set():
            first_s: float | None = None
            step_s = self._footage.nominal_step_s
            scene, self._showings = self._showings, self._showings + 1
            for frame in self._footage:
                first_s = frame.t_s if first_s is None else first_s
                t_s = offset_s + frame.t_s - first_s
                step_s, last_s = (t_s - last_s if t_s > offset_s else step_s), t_s
                self._clock.wait(self._stopping, max(0.0, t_s - self._clock.monotonic_s()))
                if self._stopping.is_set():
                    return
                yield frame._replace(seq=seq, t_s=t_s, captured_utc_s=self._clock.utc_s(), scene=scene)
                seq += 1
            if not self._loop:
                return
            offset_s = last_s + step_s
            self._footage.__exit__(None, None, None)  # a decoder is read once; a second showing opens the file again
            self._footage.__enter__()
