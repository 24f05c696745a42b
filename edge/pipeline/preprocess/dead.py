"""Finding dead pixels: those that stick out of all their neighbours, at the same place, look after look.

A lens spreads a point over several pixels, so what towers above its four neighbours by many times the noise mostly comes
from the sensor, or from a wire that crackles; the latter strikes elsewhere the next time. A lamp much smaller than a pixel
may count as one, which does no harm: nothing so small is a person. Two alike side by side hide each other.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.pipeline.preprocess.kernels import NONE_DEAD, Spots
from edge.records import Pixels

LOOK_EVERY_S = 10.0
STICKS_OUT_NOISES = 16.0
"""At 12 the tips of twigs were taken for dead now and then; noise alone never sticks out so far. At 50 mK: 0.8 degrees."""
STICKS_OUT_LEAST = 12
"""Counts; for pictures with hardly any noise."""
_ROWS = 3  # at a time: a frame must not cost more than 64 kB, and all of this is less at 640 columns


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
            if (both := now & before).any():
                found.append(np.argwhere(both).astype(np.int32) + np.array((top, 1), np.int32))
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
    apart = 4 * middle
    for side in sides:
        apart -= side
    usual = float(np.median(np.abs(apart, out=apart))) / (4 * 1.12 * 0.67)
    least = max(STICKS_OUT_NOISES * usual, STICKS_OUT_LEAST)
    out = _beyond(middle, sides, np.maximum, apart) > least
    out |= _beyond(middle, sides, np.minimum, apart) < -least
    return out


def _beyond(
    middle: npt.NDArray[np.int32],
    sides: Sequence[npt.NDArray[np.int32]],
    farthest: np.ufunc,
    room: npt.NDArray[np.int32],
) -> npt.NDArray[np.int32]:
    """Give how far each is above the largest of its sides, or the smallest, as ``farthest`` says; in ``room``."""
    farthest(sides[0], sides[1], out=room)
    for side in sides[2:]:
        farthest(room, side, out=room)
    return np.subtract(middle, room, out=room)
