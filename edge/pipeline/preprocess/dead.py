"""Finding dead pixels: those that stick out of all their neighbours, at the same place, look after look.

A lens spreads a point over several pixels, so what towers above its four neighbours by many times the noise mostly comes
from the sensor, or from a wire that crackles; the latter strikes elsewhere the next time. A lamp much smaller than a pixel
may count as one, which does no harm: nothing so small is a person. Two alike side by side hide each other.
"""

import numpy as np
import numpy.typing as npt

from edge.pipeline.preprocess.kernels import NONE_DEAD, Spots
from edge.records import Pixels

LOOK_EVERY_S = 10.0
STICKS_OUT_NOISES = 16.0
"""At 12 the tips of twigs were taken for dead now and then; noise alone never sticks out so far. At 50 mK: 0.8 degrees."""
STICKS_OUT_LEAST = 12
"""Counts; for pictures with hardly any noise."""
_ROWS = 8  # at a time: a frame must not cost memory


class DeadPixels:
    """Looks at one camera's frames now and then and remembers who stuck out the last time."""

    def __init__(self) -> None:
        """Start with a sensor that has never been looked at."""
        self._due_t_s = -np.inf
        self._stuck: npt.NDArray[np.bool_] = np.zeros((0, 0), np.bool_)
        self.spots: Spots = NONE_DEAD

    def look(self, pixels: Pixels, t_s: float) -> bool:
        """Look for those that stick out at this look and did at the one before: ``spots``.

        Args:
            pixels: (H, W), as they came from the camera, at least 3x3 for anything to be found.
            t_s: of the frame. Between looks nothing is done.

        Returns:
            Whether other pixels are dead than before.
        """
        if t_s < self._due_t_s and self._stuck.shape == pixels.shape:
            return False
        self._due_t_s = t_s + LOOK_EVERY_S
        if self._stuck.shape != pixels.shape:
            self._stuck = np.zeros(pixels.shape, np.bool_)
        found = [NONE_DEAD]
        for top in range(1, pixels.shape[0] - 1, _ROWS):
            rows = slice(top, min(top + _ROWS, pixels.shape[0] - 1))
            now = _sticks_out(pixels[rows.start - 1 : rows.stop + 1].astype(np.int32))
            before = self._stuck[rows, 1:-1]
            found.append(np.argwhere(now & before).astype(np.int32) + np.array((top, 1), np.int32))
            before[:] = now
        spots = np.concatenate(found)
        changed = not np.array_equal(spots, self.spots)
        self.spots = spots
        return changed


def _sticks_out(block: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Say which inner pixels of (h, w) are far beyond all four neighbours; (h - 2, w - 2)."""
    middle = block[1:-1, 1:-1]
    sides = (block[:-2, 1:-1], block[2:, 1:-1], block[1:-1, :-2], block[1:-1, 2:])
    if not middle.size:
        return np.zeros(middle.shape, np.bool_)
    # of white noise the difference to the mean of four has 1.12 times its deviation, and half lie within 0.67 of that
    usual = float(np.median(np.abs(4 * middle - sides[0] - sides[1] - sides[2] - sides[3]))) / (4 * 1.12 * 0.67)
    least = max(STICKS_OUT_NOISES * usual, STICKS_OUT_LEAST)
    high = np.maximum(np.maximum(sides[0], sides[1]), np.maximum(sides[2], sides[3]))
    low = np.minimum(np.minimum(sides[0], sides[1]), np.minimum(sides[2], sides[3]))
    out: npt.NDArray[np.bool_] = (middle - high > least) | (low - middle > least)
    return out
