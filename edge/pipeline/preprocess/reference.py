"""The specification of the passes over the pixels, in numpy and OpenCV; the native twin must give the same bytes."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.pipeline.preprocess.kernels import (
    CELL_PX,
    GRADIENT_MOST,
    GRADIENT_ROWS,
    TOP,
    Cells,
    Grey,
    Stretch,
    Survey,
    row_step,
)
from edge.records import Pixels

_STEPS_PX = (1, 2, 8)


class ReferenceKernels:
    """Plain passes; ``Kernels`` says what each does."""

    def __init__(self) -> None:
        """Start with an empty histogram."""
        self._counts = np.zeros(1, np.int64)
        self._minimum = 0

    def survey(self, pixels: Pixels, low_share: float, high_share: float) -> Survey:
        """Look at the sampled rows."""
        step = row_step(*pixels.shape)
        sampled: npt.NDArray[Any] = np.ascontiguousarray(pixels[step // 2 :: step])
        bins = 256 if pixels.dtype == np.uint8 else TOP + 1
        histogram = cv2.calcHist([sampled], [0], None, [bins], [0, bins]).ravel()
        present = np.flatnonzero(histogram)
        minimum, maximum = int(present[0]), int(present[-1])
        self._counts = histogram[minimum : maximum + 1].astype(np.int64)
        self._minimum = minimum
        cumulative = np.cumsum(self._counts)
        samples = int(cumulative[-1])
        steps = [_squared_steps(sampled[::GRADIENT_ROWS], apart_px) for apart_px in _STEPS_PX]
        return Survey(
            low=minimum + int(np.searchsorted(cumulative, low_share * samples, side="right")),
            high=minimum + int(np.searchsorted(cumulative, high_share * samples)),
            median=minimum + int(np.searchsorted(cumulative, 0.5 * samples)),
            minimum=minimum,
            maximum=maximum,
            samples=samples,
            at_minimum=int(self._counts[0]),
            at_maximum=int(self._counts[-1]),
            steps=(steps[0][0], steps[1][0], steps[2][0]),
            step_pixels=(steps[0][1], steps[1][1], steps[2][1]),
        )

    def levels(self, pixels: Pixels, stretch: Stretch, target: Grey, *, flip: bool) -> Cells:
        """Map through a table: OpenCV has one for 16 bits since 4.14."""
        table = np.full(TOP + 1, 255, np.uint8)
        table[: stretch.black] = 0
        top = stretch.black + stretch.span
        table[stretch.black : top] = stretched(np.arange(stretch.black, top), stretch)
        target[:] = cv2.LUT(pixels, cv2.bitwise_not(table).ravel() if flip else table)
        return cells_of(pixels)

    def pass_8_bits(self, pixels: Pixels, target: Grey, *, flip: bool) -> Cells:
        """Copy."""
        target[:] = ~pixels if flip else pixels
        return cells_of(pixels)

    def spread(self, stretch: Stretch | None) -> tuple[int, int]:
        """Sum over the bins of the histogram."""
        values = np.arange(self._minimum, self._minimum + len(self._counts))
        levels = values if stretch is None else stretched(values, stretch).astype(np.int64)
        return int((self._counts * levels).sum()), int((self._counts * levels * levels).sum())


def stretched(counts: npt.NDArray[np.integer], stretch: Stretch) -> Grey:
    """Map counts to levels as ``Stretch`` says."""
    shifted = np.clip(counts.astype(np.int64) - stretch.black, 0, stretch.span) << stretch.shift
    return ((shifted * stretch.gain >> 16) + 64 >> 7).astype(np.uint8)


def cells_of(pixels: Pixels) -> Cells:
    """Sum each cell of 4x4 pixels; (ceil(H / 4), ceil(W / 4)) int32."""
    rows, columns = (_cell_starts(side) for side in pixels.shape)
    wide: npt.NDArray[np.int32] = pixels.astype(np.int32)
    bands = np.zeros((len(rows), pixels.shape[1]), np.int32)
    for down in range(min(CELL_PX, pixels.shape[0])):
        bands += wide[rows + down]
    cells = np.zeros((len(rows), len(columns)), np.int32)
    for right in range(min(CELL_PX, pixels.shape[1])):
        cells += bands[:, columns + right]
    return cells


def _cell_starts(side_px: int) -> npt.NDArray[np.intp]:
    return np.minimum(np.arange(0, side_px, CELL_PX), max(side_px - CELL_PX, 0))


def _squared_steps(rows: Pixels, apart_px: int) -> tuple[int, int]:
    if rows.shape[1] <= apart_px:
        return 0, 0
    wide = rows.astype(np.int64)
    step = np.minimum(np.abs(wide[:, apart_px:] - wide[:, :-apart_px]), GRADIENT_MOST)
    return int((step * step).sum()), step.size
