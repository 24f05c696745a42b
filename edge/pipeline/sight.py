"""Is the picture worth anything: frozen or covered.

A raw thermal picture is never twice the same: the sensor's own noise sees to that. The same 16-bit content again is
therefore a closed shutter (0.5 to 3 s, the tracks wait). An 8-bit stream may have been smoothed and compressed until
stillness repeats itself, so there a repeat is no shutter; only when it lasts is the camera called frozen.
"""

import numpy as np
import numpy.typing as npt

from edge.config import SightConfig
from edge.records import Frame, Pixels, Sight

_FFC_AFTER_S = 0.35  # shorter repeats are a slow sensor in a fast stream (a 9 Hz core sent at 30 frames/s)
_STRIDE = 4  # contrast is judged on every fourth pixel of every fourth row


class SightKeeper:
    """Watches one camera's pictures."""

    def __init__(self, config: SightConfig) -> None:
        """Start with no picture seen."""
        self._config = config
        self._latest: Pixels | None = None
        self._changed_t_s = 0.0

    def update(self, frame: Frame, picture: npt.NDArray[np.uint8]) -> Sight:
        """Judge one frame.

        Args:
            frame: as captured; what it says of its own shutter wins over any guess.
            picture: (H, W) uint8, the same frame after AGC.
        """
        raw = frame.pixels.dtype == np.uint16
        frozen_s = frame.t_s - self._changed_t_s if self._is_the_same(frame.pixels) else 0.0
        if frozen_s == 0.0:
            self._changed_t_s = frame.t_s
        if frozen_s >= (self._config.frozen_after_s if raw else self._config.frozen_8bit_after_s):
            return Sight("blind", f"frozen: the same picture for {frozen_s:.0f} s", ffc=raw)
        guessed = raw and frame.ffc is None and frozen_s >= _FFC_AFTER_S
        if frame.ffc or guessed:
            return Sight("ok", "shutter closed", ffc=True)
        contrast = float(picture[::_STRIDE, ::_STRIDE].std())
        if contrast < self._config.min_contrast:
            return Sight("blind", f"covered or saturated: contrast of {contrast:.1f} levels", ffc=False)
        return Sight()

    def _is_the_same(self, pixels: Pixels) -> bool:
        """Compare with the picture before, which is kept as a copy: the camera may use its buffer again."""
        if self._latest is None or self._latest.shape != pixels.shape or self._latest.dtype != pixels.dtype:
            self._latest = pixels.copy()
            return False
        same = np.array_equal(self._latest, pixels)
        if not same:
            np.copyto(self._latest, pixels, casting="no")
        return same
