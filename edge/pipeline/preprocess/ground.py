"""What one camera usually sees, learnt over seconds from its counts, and where a frame differs from it.

It works on counts and never on the stretched picture, whose every pixel moves when something hot comes in. Each cell of
4x4 pixels knows its usual value and its usual deviation: branches in wind, snowfall and noise raise their own threshold,
drift is followed, and what all cells do together (a shutter's correction) is taken out first.
"""

import math

import numpy as np

from edge.pipeline.preprocess.kernels import (
    CELL_PX,
    FINENESS,
    WEIGHT_ONE,
    Background,
    Kernels,
    cells_shape,
    new_background,
)
from edge.records import Frame, Motion

_MEMORY_S = 8.0  # shorter: who crawls becomes ground before leaving the cell; longer: drift looks like motion
_STRIDE = 633  # the golden ratio of 1024: the roundings of successive frames lie far apart and average out soon
_FLOOR = 2.0  # counts or levels, of a cell's mean: whatever a quiet cell's deviation, less is no motion


class Ground:
    """The background of one camera."""

    def __init__(self, kernels: Kernels) -> None:
        """Start knowing nothing: the first frame is all motion.

        Args:
            kernels: of the same camera, made with ``watch``.
        """
        self._kernels = kernels
        self._background: Background | None = None
        self._layout: tuple[tuple[int, ...], int] | None = None
        self._learnt_t_s = -math.inf
        self._learnt = 0
        self._weight_left = 0.0
        self._was_shut = False

    def update(self, frame: Frame, *, ffc: bool) -> Motion | None:
        """Judge the frame that the kernels have just exposed.

        Args:
            frame: the same.
            ffc: the camera shows its shutter: that is no ground, and what it shows next is another picture.

        Raises:
            ValueError: the frame is of another size.
        """
        if ffc:
            self._was_shut = True
            return None
        layout = (frame.pixels.shape, frame.pixels.itemsize)
        if self._background is None or layout != self._layout:
            self._background, self._layout = new_background(cells_shape(*layout[0])), layout
            self._learnt = 0
        cells = self._kernels.cells
        if cells is None or cells.shape != self._background.ground.shape:
            raise ValueError(f"a frame of {layout[0]} is not the one that was prepared last")
        opened, self._was_shut = self._was_shut, False
        if opened:
            np.multiply(cells, FINENESS, out=self._background.ground)
        floor = round(_FLOOR * CELL_PX * CELL_PX * FINENESS)
        weight = self._weight(frame.t_s)
        rounding = self._learnt * _STRIDE % WEIGHT_ONE
        moving = self._kernels.watch(self._background, floor=floor, weight=weight, rounding=rounding)
        return Motion(moving, opened or self._background.renewed, self._background.tiles)

    def _weight(self, t_s: float) -> int:
        """Weigh a frame by the time since the one before, in 1024ths; what is cut off is kept for the next one.

        Every frame is learnt: of a stream that repeats every third picture (and of a clip played in a circle) a choice of
        frames would show some noises only, and the others would be motion for ever.
        """
        since_s, self._learnt_t_s = max(t_s - self._learnt_t_s, 0.0), t_s
        self._learnt += 1
        usual = -math.expm1(-since_s / _MEMORY_S)
        wanted = (
            WEIGHT_ONE * max(usual, 1 / self._learnt) + self._weight_left
        )  # the mean of all, until there are enough
        weight = min(int(wanted), WEIGHT_ONE)
        self._weight_left = wanted - weight
        return weight
