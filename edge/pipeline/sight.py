"""Is the picture worth anything: frozen or covered.

A raw thermal picture is never twice the same: the sensor's own noise sees to that. The same 16-bit content again is
therefore a closed shutter (0.5 to 3 s, the tracks wait). An 8-bit stream may have been smoothed and compressed until
stillness repeats itself, so there a repeat is no shutter; only when it lasts is the camera called frozen.
"""

import numpy as np

from edge.config import SightConfig
from edge.records import Frame, FrameStats, Sight

_FFC_AFTER_S = 0.35  # shorter repeats are a slow sensor in a fast stream (a 9 Hz core sent at 30 frames/s)


class SightKeeper:
    """Watches one camera's pictures."""

    def __init__(self, config: SightConfig) -> None:
        """Start with no picture seen."""
        self._config = config
        self._changed_t_s = 0.0

    def update(self, frame: Frame, stats: FrameStats) -> Sight:
        """Judge one frame.

        Args:
            frame: as captured; what it says of its own shutter wins over any guess.
            stats: what preprocessing found in its values.
        """
        raw = frame.pixels.dtype == np.uint16
        frozen_s = frame.t_s - self._changed_t_s if stats.repeats else 0.0
        if frozen_s == 0.0:
            self._changed_t_s = frame.t_s
        if frozen_s >= (self._config.frozen_after_s if raw else self._config.frozen_8bit_after_s):
            return Sight("blind", f"frozen: the same picture for {frozen_s:.0f} s", ffc=raw)
        guessed = raw and frame.ffc is None and frozen_s >= _FFC_AFTER_S
        if frame.ffc or guessed:
            return Sight("ok", "shutter closed", ffc=True)
        if stats.contrast_levels < self._config.min_contrast:
            told = f"covered or saturated: contrast of {stats.contrast_levels:.1f} levels"
            return Sight("blind", told, ffc=False)
        return Sight()
