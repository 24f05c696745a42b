"""The slot of one: between each camera and the pipeline lies at most one frame, and the newest wins.

An alarm about ten seconds ago is worse than a missed frame, so nothing queues; every replacement is counted. With
several cameras one worker takes the freshest frame of the camera that was served longest ago, so none starves.
"""

import threading
from collections.abc import Iterable

from edge.records import Frame


class Slots:
    """One slot a camera, shared by the capture threads (``put``) and the pipeline worker (``take``)."""

    def __init__(self, cameras: Iterable[str]) -> None:
        """Start with every slot empty."""
        self._changed = threading.Condition()
        self._frames: dict[str, Frame | None] = dict.fromkeys(cameras)
        self._served: dict[str, int] = dict.fromkeys(self._frames, 0)
        self._serving = 0
        self._closed: set[str] = set()

    def put(self, frame: Frame) -> bool:
        """Lay a frame into its camera's slot; return whether an older one was thrown away for it."""
        with self._changed:
            replaced = self._frames[frame.camera] is not None
            self._frames[frame.camera] = frame
            self._changed.notify()
            return replaced

    def close(self, camera: str) -> None:
        """Say that no more frames will come from this camera (footage is over)."""
        with self._changed:
            self._closed.add(camera)
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Frame | None:
        """Take the frame of the camera served longest ago, waiting up to ``timeout_s`` for one."""
        with self._changed:
            self._changed.wait_for(self._anything, timeout_s)
            waiting = [camera for camera, frame in self._frames.items() if frame is not None]
            if not waiting:
                return None
            camera = min(waiting, key=self._served.__getitem__)
            self._serving += 1
            self._served[camera] = self._serving
            frame, self._frames[camera] = self._frames[camera], None
            return frame

    @property
    def over(self) -> bool:
        """True when every camera is closed and every slot is empty."""
        with self._changed:
            return len(self._closed) == len(self._frames) and not self._filled()

    def _anything(self) -> bool:
        return self._filled() or len(self._closed) == len(self._frames)

    def _filled(self) -> bool:
        return any(frame is not None for frame in self._frames.values())
