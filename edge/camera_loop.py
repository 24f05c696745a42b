"""One camera's thread: keeps it open for ever, fills its slot, and remembers what went wrong.

``run`` retries, ``run_once`` only works. Whatever happens to one camera, the rest of the node goes on.
"""

import subprocess
import threading
from dataclasses import dataclass, field
from typing import NamedTuple

from edge.capture import Camera, HearsTelemetry
from edge.capture.slot import Slots
from edge.clock import Clock
from edge.config import CameraConfig
from edge.delivery.loglimit import LimitedLog
from edge.errors import CameraError
from edge.metrics import Metrics
from edge.places import TelemetryCount
from edge.records import Sight

_REOPEN_FIRST_S = 0.5
_POWER_CYCLE_TIMEOUT_S = 30.0


class Outage(NamedTuple):
    """A time in which a camera gave nothing.

    Attributes:
        reason: what was wrong at first.
        began_utc_s: when.
        lasted_s: until the next frame; ``None`` while it goes on.
    """

    reason: str
    began_utc_s: float
    lasted_s: float | None = None


@dataclass(slots=True)
class CameraState:
    """What the node knows of one camera's well-being.

    ``sight``, ``seen``, ``count`` and ``others`` are written by the frame loop, the rest by the camera's own.
    """

    fault: str | None = None
    over: bool = False
    last_frame_s: float | None = None
    sight: Sight = field(default_factory=Sight)
    count: int | None = None
    others: dict[str, int] | None = None
    next_seq: int | None = None
    seen: bool = False
    outages: int = 0
    last_outage: Outage | None = None
    telemetry: TelemetryCount | None = None


class CameraLoop:
    """Keeps one camera open and its slot filled."""

    def __init__(
        self,
        config: CameraConfig,
        camera: Camera,
        slots: Slots,
        state: CameraState,
        clock: Clock,
        metrics: Metrics,
        stopping: threading.Event,
    ) -> None:
        """Start nothing yet."""
        self._config = config
        self._camera = camera
        self._hears = camera if isinstance(camera, HearsTelemetry) else None
        self._slots = slots
        self._state = state
        self._clock = clock
        self._metrics = metrics
        self._stopping = stopping
        self._log = LimitedLog(__name__, clock)
        self._lost_s = 0.0
        self._back_s: float | None = None
        self._steady_s = max(config.power_cycle_after_s, 2 * config.frozen_reopen_s)
        self._power_cycle_due_s = 0.0
        self.bug: Exception | None = None
        self._thread = threading.Thread(target=self._guarded, name=f"capture-{camera.camera_id}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread; it is a daemon, so a driver that hangs cannot hold up a stop."""
        self._thread.join(timeout_s)

    def _guarded(self) -> None:
        """Carry an error that nobody expected to the node, which ends with it: silence would look like an empty scene."""
        try:
            self.run()
        except Exception as error:  # noqa: BLE001
            self.bug = error
            self._stopping.set()
        finally:
            self._slots.close(self._camera.camera_id)

    def run(self) -> None:
        """Open the camera again for ever, with a capped back-off, until the node stops or the footage is over."""
        pause_s = _REOPEN_FIRST_S
        while not self._stopping.is_set():
            try:
                self.run_once()
                self._state.over = True  # recorded footage ends; that is no fault
                break
            except CameraError as error:
                if self._state.fault is None:
                    pause_s = _REOPEN_FIRST_S
                    self._begin_outage(str(error))
                else:
                    pause_s = min(2 * pause_s, self._config.reopen_max_s)
                self._state.fault = str(error)
                self._metrics.count("camera_lost")
                name = self._camera.camera_id
                self._log.warning("camera lost", camera=name, why=str(error), again_in_s=pause_s)
                self._power_cycle_when_due()
                self._clock.wait(self._stopping, pause_s)

    def run_once(self) -> None:
        """Open the camera and lay its frames into the slot until footage ends or the node stops.

        Raises:
            CameraError: it cannot be opened or is lost.
        """
        name = self._camera.camera_id
        with self._camera as camera:
            self._log.info("camera open", camera=name)
            for frame in camera:
                if self._state.fault is not None:  # only a frame proves that it works
                    self._end_outage()
                self._state.last_frame_s = self._clock.monotonic_s()
                if self._state.next_seq is not None and frame.seq > self._state.next_seq:
                    self._metrics.count(f"frames_lost/{name}", frame.seq - self._state.next_seq)
                self._state.next_seq = frame.seq + 1
                self._metrics.count(f"frames_captured/{name}")
                self._note_telemetry()
                if self._slots.put(frame):
                    self._metrics.count(f"frames_replaced/{name}")
                if self._stopping.is_set():
                    return

    def _note_telemetry(self) -> None:
        count = self._hears.telemetry_count if self._hears else None
        if count is None or count == self._state.telemetry:
            return
        known, name = self._state.telemetry or TelemetryCount(), self._camera.camera_id
        if self._state.telemetry is None and not self._config.moving:
            self._log.warning("telemetry comes, but camera.moving is false: set it if this camera flies", camera=name)
        self._metrics.count(f"telemetry_read/{name}", count.read - known.read)
        self._metrics.count(f"telemetry_refused/{name}", count.refused - known.refused)
        if count.refused > known.refused:
            self._log.warning("telemetry refused", camera=name, why=count.why, refused=count.refused, read=count.read)
        self._state.telemetry = count

    def _begin_outage(self, reason: str) -> None:
        now_s = self._clock.monotonic_s()
        self._lost_s = now_s
        # one that is lost again and again, or gives one frozen picture after another, has not really been back
        if self._back_s is None or now_s - self._back_s > self._steady_s:
            self._power_cycle_due_s = now_s + self._config.power_cycle_after_s
        self._state.outages += 1
        self._state.last_outage = Outage(reason, self._clock.utc_s())

    def _end_outage(self) -> None:
        self._back_s = self._clock.monotonic_s()
        lasted_s = round(self._back_s - self._lost_s, 1)
        outage, self._state.fault = self._state.last_outage, None
        if outage is not None:
            self._state.last_outage = outage._replace(lasted_s=lasted_s)
        self._log.info("camera is back", camera=self._camera.camera_id, after_s=lasted_s)

    def _power_cycle_when_due(self) -> None:
        command = self._config.power_cycle
        if not command or self._clock.monotonic_s() < self._power_cycle_due_s:
            return
        name = self._camera.camera_id
        self._metrics.count(f"power_cycles/{name}")
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_POWER_CYCLE_TIMEOUT_S)  # noqa: S603
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self._log.warning("camera.power_cycle failed", camera=name, why=str(error))
        else:
            self._log.info("camera was switched off and on", camera=name, command=list(command))
        self._power_cycle_due_s = self._clock.monotonic_s() + self._config.power_cycle_after_s
