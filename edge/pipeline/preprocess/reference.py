"""The specification of the pass over the pixels, in numpy; the native twin must give the same bytes."""

from typing import Any

import numpy as np
import numpy.typing as npt

from edge.pipeline.preprocess.kernels import (
    BINS,
    CELL_PX,
    FACTOR,
    FINENESS,
    GRADIENT_MOST,
    GRADIENT_ROWS,
    NO_STRIPES,
    NONE_DEAD,
    PLACES,
    STEP_MOST,
    TILE_CELLS,
    TOP,
    Background,
    Cells,
    Exposure,
    Gain,
    Grey,
    Spots,
    Stretch,
    Stripes,
    check_faults,
    row_step,
)
from edge.records import Pixels

_STEPS_PX = (1, 2, 8)


class ReferenceKernels:
    """Plain passes; ``Kernels`` says what they do."""

    def __init__(self, gain: Gain, *, watch: bool = False) -> None:
        """Start without limits.

        Args:
            gain: how counts become levels.
            watch: sum cells.
        """
        self._gain = gain
        self._watch = watch
        self._limits: tuple[float, float] | None = None
        self._curve: npt.NDArray[np.float64] | None = None
        self._curve_over = Stretch(0, 1, 1, 0, 0)
        self._itemsize = 0
        self._layout: tuple[tuple[int, ...], int] = ((0, 0), 0)
        self._dead, self._stripes = NONE_DEAD, NO_STRIPES
        self.cells: Cells | None = None

    def mend(self, dead: Spots, stripes: Stripes = NO_STRIPES) -> None:
        """From the next frame on, take faults of the sensor out."""
        check_faults(dead, stripes, *self._layout)
        self._dead, self._stripes = dead, stripes

    def expose(self, pixels: Pixels, target: Grey, *, weight: float, learn: bool) -> Exposure:
        """Map one frame to levels and measure it."""
        if (pixels.shape, pixels.itemsize) != self._layout:
            self._layout, self._dead, self._stripes = (pixels.shape, pixels.itemsize), NONE_DEAD, NO_STRIPES
        pixels = mended(straightened(pixels, self._stripes), self._dead)
        step = row_step(*pixels.shape)
        sampled: npt.NDArray[Any] = np.ascontiguousarray(pixels[step // 2 :: step])
        minimum, counts = _histogram(sampled)
        cumulative = np.cumsum(counts)
        samples = int(cumulative[-1])
        low = minimum + int(np.searchsorted(cumulative, self._gain.low_share * samples, side="right"))
        high = minimum + int(np.searchsorted(cumulative, self._gain.high_share * samples))
        levels = np.arange(minimum, minimum + len(counts))
        if pixels.dtype == np.uint8:
            target[:] = ~pixels if self._gain.flip else pixels
        else:
            stretch = Stretch.between(*self._smoothed(low, high, weight, learn=learn))
            if self._gain.plateau_share is None:
                table = stretched(np.arange(TOP + 1), stretch)
            else:
                table = equalised(self._equaliser(minimum, counts, stretch, weight, learn=learn), stretch)
            target[:] = (~table if self._gain.flip else table)[pixels]
            levels = table[levels].astype(np.int64)
        steps = [_squared_steps(sampled[::GRADIENT_ROWS], apart_px) for apart_px in _STEPS_PX]
        return Exposure(
            low=low,
            high=high,
            median=minimum + int(np.searchsorted(cumulative, 0.5 * samples)),
            samples=samples,
            at_minimum=int(counts[0]),
            at_maximum=int(counts[-1]),
            steps=tuple(total for total, _ in steps),
            step_pixels=tuple(size for _, size in steps),
            levels_sum=int((counts * levels).sum()),
            levels_squares=int((counts * levels * levels).sum()),
            repeats=self._sum_cells(pixels) if self._watch else False,
        )

    def watch(self, background: Background, *, floor: int, weight: int, rounding: int) -> int:
        """Compare the latest cells with a background and learn."""
        assert self.cells is not None, "made without watch"
        apart = self.cells.astype(np.int64) * FINENESS - background.ground
        most = max(FACTOR * background.deviation_mean, floor)
        offset = int(np.clip(apart, -most, most).sum()) // apart.size
        apart -= offset
        usual = background.deviation.astype(np.int64)
        moving = np.abs(apart) > np.maximum(FACTOR * usual, floor)
        bounded = np.minimum(np.abs(apart), 4 * usual + floor)
        background.deviation += _learnt(bounded - usual, np.where(moving, 3, 0), weight, rounding)
        background.ground += offset + _learnt(apart, np.where(moving, 2, 0), weight, rounding)
        background.deviation_mean = int((background.deviation >> 6).sum(dtype=np.int64) << 6) // apart.size
        across = np.add.reduceat(moving.astype(np.uint8), np.arange(0, moving.shape[1], TILE_CELLS), axis=1)
        np.add.reduceat(across, np.arange(0, moving.shape[0], TILE_CELLS), axis=0, out=background.tiles)
        count = int(moving.sum())
        background.renewed = 8 * count > apart.size
        if background.renewed:
            background.ground[:] = self.cells * FINENESS
        return count

    def _smoothed(self, low: float, high: float, weight: float, *, learn: bool) -> tuple[float, float]:
        if not learn and self._limits is not None:
            return self._limits
        missing = self._gain.min_span - (high - low)
        if missing > 0:
            low, high = low - missing / 2, high + missing / 2
        if self._limits is not None and weight < 1.0:
            before = self._limits
            low, high = before[0] + weight * (low - before[0]), before[1] + weight * (high - before[1])
        self._limits = (low, high)
        return self._limits

    def _equaliser(
        self, minimum: int, counts: npt.NDArray[np.int64], stretch: Stretch, weight: float, *, learn: bool
    ) -> npt.NDArray[np.float64]:
        """Smooth over time what share of the levels lies below each 64th of the range; (65,), 0..1.

        Plateau equalisation after V. E. Vickers, "Plateau equalization algorithm for real-time display of high-quality
        infrared imagery", Optical Engineering 35(7), 1996. The histogram is smooth because its parts are wide and the
        curve is straight within each. When the limits move, the curve of before is read at the counts of the new parts:
        a level must not change faster than its curve.
        """
        assert self._gain.plateau_share is not None
        if not learn and self._curve is not None:
            return self._curve
        parts = np.minimum(_places(np.arange(minimum, minimum + len(counts)), stretch) // PLACES, BINS - 1)
        histogram = np.zeros(BINS, np.int64)
        np.add.at(histogram, parts, counts)
        most = max(1, int(self._gain.plateau_share * int(counts.sum())))
        cumulative = np.concatenate(([0], np.cumsum(np.minimum(histogram, most))))
        curve: npt.NDArray[np.float64] = cumulative / cumulative[-1]
        if self._curve is not None and weight < 1.0:
            before = _reread(self._curve, self._curve_over, stretch)
            curve = before + weight * (curve - before)
        self._curve, self._curve_over = curve, stretch
        return curve

    def _sum_cells(self, pixels: Pixels) -> bool:
        cells, before, itemsize = cells_of(pixels), self.cells, self._itemsize
        self.cells, self._itemsize = cells, pixels.itemsize
        return before is not None and itemsize == pixels.itemsize and np.array_equal(cells, before)


def straightened(pixels: Pixels, stripes: Stripes) -> Pixels:
    """Take from each column what it has too many."""
    return np.clip(pixels - stripes, 0, TOP).astype(np.uint16) if len(stripes) else pixels


def mended(pixels: Pixels, dead: Spots) -> Pixels:
    """Give each dead pixel the mean of the middle two of its neighbours' values."""
    if not len(dead):
        return pixels
    whole, (y, x) = pixels.copy(), dead.T
    sides = np.stack([pixels[y - 1, x], pixels[y + 1, x], pixels[y, x - 1], pixels[y, x + 1]]).astype(np.int32)
    whole[y, x] = (sides.sum(axis=0) - sides.max(axis=0) - sides.min(axis=0)) >> 1
    return whole


def _learnt(step: npt.NDArray[np.int64], halvings: npt.NDArray[np.int64], weight: int, rounding: int) -> Cells:
    return (((np.clip(step, -STEP_MOST, STEP_MOST) >> halvings) * weight + rounding) >> 10).astype(np.int32)


def _histogram(sampled: npt.NDArray[Any]) -> tuple[int, npt.NDArray[np.int64]]:
    """Count values; returns the smallest there is, and the counts from it to the largest."""
    histogram = np.bincount(sampled.ravel())
    present = np.flatnonzero(histogram)
    minimum, maximum = int(present[0]), int(present[-1])
    return minimum, histogram[minimum : maximum + 1]


def stretched(counts: npt.NDArray[np.integer], stretch: Stretch) -> Grey:
    """Map counts to levels as ``Stretch`` says."""
    within = np.clip(counts.astype(np.int64) - stretch.black, 0, stretch.span)
    return ((within * stretch.factor + stretch.half) * stretch.gain >> 23).astype(np.uint8)


def equalised(curve: npt.NDArray[np.float64], stretch: Stretch) -> Grey:
    """Give the level of every count, (65536,), along a curve of (65,) shares over the range of the stretch."""
    knots = np.rint(curve * (255.0 * PLACES)).astype(np.int64)
    place = _places(np.arange(TOP + 1), stretch)
    part = np.minimum(place // PLACES, BINS - 1)
    beyond = place - part * PLACES
    levels: Grey = ((knots[part] * (PLACES - beyond) + knots[part + 1] * beyond + (1 << 15)) >> 16).astype(np.uint8)
    return levels


def _reread(curve: npt.NDArray[np.float64], over: Stretch, at: Stretch) -> npt.NDArray[np.float64]:
    counts = at.black + np.arange(BINS + 1) * (at.span / BINS)
    place = np.clip((counts - over.black) * (BINS / over.span), 0.0, BINS)
    part = np.minimum(place.astype(np.int64), BINS - 1)
    moved: npt.NDArray[np.float64] = curve[part] + (place - part) * (curve[part + 1] - curve[part])
    return moved


def _places(counts: npt.NDArray[np.integer], stretch: Stretch) -> npt.NDArray[np.int64]:
    within = np.clip(counts.astype(np.int64) - stretch.black, 0, stretch.span)
    return within * (BINS * PLACES) // stretch.span


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


def _squared_steps(rows: npt.NDArray[Any], apart_px: int) -> tuple[int, int]:
    if rows.shape[1] <= apart_px:
        return 0, 0
    wide = rows.astype(np.int64)
    step = np.minimum(np.abs(wide[:, apart_px:] - wide[:, :-apart_px]), GRADIENT_MOST)
    return int((step * step).sum()), step.size
