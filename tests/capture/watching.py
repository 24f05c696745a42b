"""The node's own way with a camera, for tests: its loop, its slot of one, and somebody who takes the frames."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.camera_loop import CameraLoop, CameraState
from edge.capture.slot import Slots
from edge.capture.sources import open_source
from edge.clock import SystemClock
from edge.config import CameraConfig
from edge.metrics import Metrics
from edge.records import Frame


class Watched:
    """One camera kept open by the node's ``CameraLoop``.

    Attributes:
        state: what the node knows of it.
        seen: every frame taken, with the second it was taken in.
    """

    def __init__(self, source: str, folder: Path, **settings: Any) -> None:
        """Start to watch."""
        section = CameraConfig(id="drone", source=source, **{"stall_after_s": 1.5, **settings})
        clock = SystemClock()
        self.state, self.metrics, self._stopping = CameraState(), Metrics(clock), threading.Event()
        self.seen: list[tuple[float, Frame]] = []
        self._slots = Slots(["drone"])
        self.camera = open_source(section, clock, self._stopping, base=folder)
        self._loop = CameraLoop(section, self.camera, self._slots, self.state, clock, self.metrics, self._stopping)
        self._taking = threading.Thread(target=self._take)
        self._loop.start()
        self._taking.start()

    def _take(self) -> None:
        while not self._stopping.is_set():
            frame = self._slots.take(0.1)
            if frame is not None:
                self.seen.append((time.monotonic(), frame))

    def frames(self, more: int, timeout_s: float = 15.0) -> list[Frame]:
        """Wait for so many more frames and give them."""
        begin = len(self.seen)
        self.until(lambda: len(self.seen) >= begin + more, timeout_s)
        return [frame for _, frame in self.seen[begin:]]

    def lost(self, timeout_s: float = 15.0) -> str:
        """Wait until the node says that the camera is lost; give its words."""
        outages = self.state.outages
        self.until(lambda: self.state.outages > outages or self.state.fault is not None, timeout_s)
        return self.state.last_outage.reason

    def back_after_s(self) -> float:
        """Wait for the next frame from now; give how long that took."""
        begin_s = time.monotonic()
        self.frames(1)
        return time.monotonic() - begin_s

    def until(self, true: Callable[[], bool], timeout_s: float = 15.0) -> None:
        """Wait for something to become true."""
        deadline_s = time.monotonic() + timeout_s
        while not true():
            assert time.monotonic() < deadline_s, f"did not happen in time; the camera's fault: {self.state.fault}"
            time.sleep(0.02)

    def close(self) -> None:
        """Stop watching."""
        self._stopping.set()
        self._loop.join(5.0)
        self._taking.join()
        assert self._loop.bug is None
