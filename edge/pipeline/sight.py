"""Is the picture worth anything: frozen or covered.

A thermal picture is never twice the same: the sensor's own noise sees to that. The same content again is therefore a
closed shutter (0.5 to 3 s, the tracks wait) and, when it lasts, a dead camera.
"""

import numpy as np
import numpy.typing as npt

from edge.config import SightConfig
from edge.records import Frame, Pixels, Sight

_FFC_AFTER_S = 0.35  # shorter repeats are a slow sensor in a fast stream (a 9 Hz core sent at 30 frames/s)
_SAMPLE_STRIDE = 4  # every fourth pixel of every fourth row still holds thousands of noisy values


class SightKeeper:
    """Watches one camera's pictures."""

    def __init__(self, config: SightConfig) -> None:
        """Start with no picture seen."""
        self._config = config
        self._sample: Pixels | None = None
        self._changed_t_s = 0.0

    def update(self, frame: Frame, picture: npt.NDArray[np.uint8]) -> Sight:
        """Judge one frame.

        Args:
            frame: as captured; its own ``ffc`` flag wins over any guess.
            picture: (H, W) uint8, the same frame after AGC.
        """
        sample = frame.pixels[::_SAMPLE_STRIDE, ::_SAMPLE_STRIDE].copy()
        if self._sample is None or sample.shape != self._sample.shape or not np.array_equal(sample, self._sample):
            self._sample, self._changed_t_s = sample, frame.t_s
        frozen_s = frame.t_s - self._changed_t_s
        if frozen_s >= self._config.frozen_after_s:
            return Sight("blind", f"frozen: the same picture for {frozen_s:.0f} s", ffc=True)
        if frame.ffc or frozen_s >= _FFC_AFTER_S:
            return Sight("ok", "shutter closed", ffc=True)
        contrast = float(picture[::_SAMPLE_STRIDE, ::_SAMPLE_STRIDE].std())
        if contrast < self._config.min_contrast:
            return Sight("blind", f"covered or saturated: contrast of {contrast:.1f} levels", ffc=False)
        return Sight()
