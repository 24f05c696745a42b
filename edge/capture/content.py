"""Whether a camera sends anything new: a frozen camera goes on sending, so frames alone prove nothing."""

import zlib

import numpy as np

from edge.records import Pixels

_STRIDE = 4  # every fourth row: a sensor's noise is everywhere


class ContentWatch:
    """Remembers since when a camera has sent the same picture."""

    def __init__(self) -> None:
        """Start with no picture seen."""
        self._latest: int | None = None
        self._since_s = 0.0

    def same_for_s(self, pixels: Pixels, t_s: float) -> float:
        """Look at a picture and tell for how long it has been the same one."""
        content = zlib.crc32(np.ascontiguousarray(pixels[::_STRIDE]).data)
        if content != self._latest:
            self._latest, self._since_s = content, t_s
        return t_s - self._since_s

    def reopened(self, t_s: float) -> None:
        """Count from now on: the camera was opened again and gets its time to show something new."""
        self._since_s = t_s
