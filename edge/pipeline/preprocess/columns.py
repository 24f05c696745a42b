"""Finding stripes: what each column of a sensor adds to all of its pixels, as readout circuits do between two shutters.

Each column is compared with the mean of those around it, row by row; the median over the rows is the column's own, as long
as no more than half of the rows cross something upright. So a tree or a person is none, but a pole from the top of the
picture to its foot is, and therefore no column is corrected by more than a few times the noise.
"""

import math

import numpy as np
import numpy.typing as npt

from edge.pipeline.preprocess.kernels import NO_STRIPES, Stripes
from edge.records import Pixels

LOOK_EVERY_S = 1.0
_MEMORY_S = 30.0  # stripes change with the shutter, and hardly between; scenes move
_MOST_NOISES = 8.0
_AROUND_PX = 4  # on each side
_ROWS = 24  # as many as fit 64 kB at 640 columns: a frame must not cost memory
_PASSES = 2


class ColumnStripes:
    """Looks at one camera's frames now and then and remembers what its columns add."""

    def __init__(self) -> None:
        """Start with a sensor that has never been looked at."""
        self._due_t_s = -math.inf
        self._looks = 0
        self._exact: npt.NDArray[np.float64] = np.zeros(0)
        self.stripes: Stripes = NO_STRIPES

    def restart(self) -> None:
        """A shutter was closed: the next looks replace what was known, since every stripe may be another one."""
        self._looks = 0

    def look(self, pixels: Pixels, t_s: float) -> bool:
        """Look for stripes, and remember the mean of the last half minute: ``stripes``.

        Args:
            pixels: (H, W) uint16, as they came from the camera; narrower than nine columns there are no stripes.
            t_s: of the frame. Between looks nothing is done.

        Returns:
            Whether the stripes are others than before.
        """
        if t_s < self._due_t_s and len(self._exact) == pixels.shape[1]:
            return False
        self._due_t_s = t_s + LOOK_EVERY_S
        if len(self._exact) != pixels.shape[1]:
            self._exact, self.stripes = np.zeros(pixels.shape[1]), NO_STRIPES
            self._looks = 0
        if pixels.shape[1] <= 2 * _AROUND_PX:
            return False
        self._looks += 1
        weight = max(1 / self._looks, -math.expm1(-LOOK_EVERY_S / _MEMORY_S))
        step = max(1, pixels.shape[0] // _ROWS)
        found, noise = _stripes_of(pixels[step // 2 :: step])
        self._exact += weight * (found.clip(-_MOST_NOISES * noise, _MOST_NOISES * noise) - self._exact)
        stripes = np.rint(self._exact).astype(np.int32)
        changed = not np.array_equal(stripes, self.stripes)
        self.stripes = stripes
        return changed


def _stripes_of(rows: Pixels) -> tuple[npt.NDArray[np.float64], float]:
    """Give what each column of (h, W) adds beside its neighbours, (W,), and the noise of a pixel; both in counts.

    Twice, because the first time the neighbours' own stripes are in their mean; not oftener, or slopes of the scene
    would be taken for stripes too. Beyond the rim a slope goes on as it is.
    """
    block = np.pad(rows.astype(np.float32), ((0, 0), (_AROUND_PX, _AROUND_PX)), "reflect", reflect_type="odd")
    inner = block[:, _AROUND_PX:-_AROUND_PX]
    found = np.zeros(rows.shape[1])
    for _ in range(_PASSES):
        apart = inner - np.lib.stride_tricks.sliding_window_view(block, 2 * _AROUND_PX + 1, axis=1).mean(axis=2)
        left = np.median(apart, axis=0)
        inner -= left
        found += left
    return found, float(np.median(np.abs(apart - left))) / 0.67  # half of white noise lies within 0.67 of its deviation
