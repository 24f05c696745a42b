"""What one would write without a core of our own: the same job in OpenCV, as fast as we could make it, and in plain numpy.

The OpenCV one takes every short cut that we found: the same sampled rows, a histogram no wider than their values, passes
that saturate instead of clipping, buffers that stay, a mean of areas for the cells. Tests hold it against the
specification, so that it does the job and not less. The numpy one is what programs for such cameras usually do.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.config import PreprocessConfig
from edge.pipeline.preprocess.kernels import (
    BINS,
    FACTOR,
    GRADIENT_ROWS,
    TILE_CELLS,
    TOP,
    WEIGHT_ONE,
    Grey,
    cells_shape,
    row_step,
)
from edge.records import Pixels

Floats = npt.NDArray[np.float32]

_FLOOR_COUNTS = 2.0
_STEPS_PX = (1, 2, 8)
_PADDING = 114


@dataclass(slots=True)
class Seen:
    """What the OpenCV composition says of a picture's worth, and of what moves in it.

    Attributes:
        median: count.
        share_at_minimum: of the samples.
        share_at_maximum: of the samples.
        contrast_levels: standard deviation of the samples' levels.
        steps: mean squared difference of pixels 1, 2 and 8 columns apart.
        repeats: the picture is that of the frame before.
        moving: cells that move.
        tiles: cells that move in each tile of 8x8.
    """

    median: float
    share_at_minimum: float
    share_at_maximum: float
    contrast_levels: float
    steps: tuple[float, ...]
    repeats: bool
    moving: int
    tiles: Grey


class OpenCvComposition:
    """One camera's preparation in OpenCV calls; sides of the picture are multiples of 32 px."""

    def __init__(self, config: PreprocessConfig, height_px: int, width_px: int) -> None:
        """Take all memory at once."""
        self._shares = (config.low_percentile / 100, 0.5, config.high_percentile / 100)
        self._least_span = config.min_span_counts
        self._step = row_step(height_px, width_px)
        self.tensor: Grey = np.full((1, 1, height_px, width_px), _PADDING, np.uint8)
        self._picture = self.tensor[0, 0]
        self._above = np.empty((height_px, width_px), np.uint16)
        self._limits: tuple[float, float] | None = None
        self._plateau_share = config.plateau_share if config.agc == "plateau" else None
        self._curve: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None
        self._table = np.empty(TOP + 1, np.uint8)
        self._histogram: tuple[int, Floats] = (0, np.zeros(1, np.float32))
        self._median = 0.0
        shape = cells_shape(height_px, width_px)
        self._means = [np.empty(shape, np.uint16) for _ in range(2)]
        self._cells, self._apart, self._distance, self._threshold = (np.empty(shape, np.float32) for _ in range(4))
        self._ground, self._deviation = (np.zeros(shape, np.float32) for _ in range(2))
        self._moves = np.empty(shape, np.uint8)
        self._resting = np.empty(shape, np.uint8)

    def prepare(self, pixels: Pixels, weight: float) -> Grey:
        """Limits from the sampled rows, smoothed; levels into the model's input.

        Args:
            pixels: (H, W) uint16.
            weight: of this frame's limits against those before.
        """
        rows = np.ascontiguousarray(pixels[self._step // 2 :: self._step])
        least, most, _, _ = cv2.minMaxLoc(rows)
        first, bins = int(least), int(most - least) + 1
        histogram = cv2.calcHist([rows], [0], None, [bins], [first, first + bins]).ravel()
        self._histogram = first, histogram
        cumulative = np.cumsum(histogram, dtype=np.float64)
        low, median, high = first + np.searchsorted(cumulative, np.multiply(self._shares, rows.size)).astype(float)
        self._median = median
        missing = self._least_span - (high - low)
        if missing > 0:
            low, high = low - missing / 2, high + missing / 2
        if self._limits is not None:
            before = self._limits
            low, high = before[0] + weight * (low - before[0]), before[1] + weight * (high - before[1])
        self._limits = (low, high)
        black, white = np.floor(low), np.ceil(high)
        if self._plateau_share is not None:
            self._equalise(black, white, self._plateau_share * rows.size, weight)
            cv2.LUT(pixels, self._table, dst=self._picture)
            return self.tensor
        cv2.subtract(pixels, float(black), dst=self._above)  # saturates: what is colder is black
        cv2.convertScaleAbs(self._above, dst=self._picture, alpha=255.0 / (white - black))  # and what is hotter white
        return self.tensor

    def _equalise(self, black: float, white: float, most: float, weight: float) -> None:
        """Lay the table of levels from the histogram's parts, none more than ``most``, and the curve of before."""
        first, histogram = self._histogram
        above = np.arange(first, first + histogram.size) - black
        parts = (above * (BINS / (white - black))).clip(0, BINS - 1).astype(np.intp)
        cumulative = np.cumsum(np.minimum(np.bincount(parts, histogram, BINS), max(most, 1.0)))
        knots, curve = np.linspace(black, white, BINS + 1), np.concatenate(([0.0], cumulative / cumulative[-1]))
        if self._curve is not None:
            before = np.interp(knots, *self._curve)
            curve = before + weight * (curve - before)
        self._curve = knots, curve
        lowest, highest = max(int(black), 0), min(int(white), TOP)
        self._table[:lowest] = round(255 * curve[0])
        self._table[lowest:highest] = np.rint(np.interp(np.arange(lowest, highest), knots, 255 * curve))
        self._table[highest:] = round(255 * curve[-1])

    def watch(self, pixels: Pixels, weight: int) -> Seen:
        """What sight and gate need, after ``prepare`` of the same picture.

        Args:
            pixels: (H, W) uint16.
            weight: of this frame against the background, 0..1024.
        """
        _, histogram = self._histogram
        samples = float(pixels[self._step // 2 :: self._step].size)
        _, deviation = cv2.meanStdDev(np.ascontiguousarray(self._picture[self._step // 2 :: self._step]))
        few = pixels[self._step // 2 :: self._step * GRADIENT_ROWS]
        steps = tuple(
            cv2.norm(few[:, apart:], few[:, :-apart], cv2.NORM_L2SQR) / (few.size - apart * len(few))
            for apart in _STEPS_PX
        )
        before, means = self._means[1], self._means[0]
        shape = (means.shape[1], means.shape[0])
        cv2.resize(pixels, shape, dst=means, interpolation=cv2.INTER_AREA)
        self._means.reverse()
        moving = self._differ(means, weight)
        return Seen(
            median=self._median,
            share_at_minimum=float(histogram[0]) / samples,
            share_at_maximum=float(histogram[-1]) / samples,
            contrast_levels=float(deviation[0, 0]),
            steps=steps,
            repeats=bool(np.array_equal(means, before)),
            moving=moving,
            tiles=self._count_tiles(),
        )

    def _differ(self, means: npt.NDArray[np.uint16], weight: int) -> int:
        """Compare with the background and learn, as ``Kernels.watch`` says, in single precision."""
        np.copyto(self._cells, means, casting="unsafe")
        cv2.subtract(self._cells, self._ground, dst=self._apart)
        most = max(FACTOR * cv2.mean(self._deviation)[0], _FLOOR_COUNTS)
        np.clip(self._apart, -most, most, out=self._distance)
        offset = cv2.mean(self._distance)[0]
        cv2.subtract(self._apart, offset, dst=self._apart)
        cv2.absdiff(self._apart, 0.0, dst=self._distance)
        cv2.multiply(self._deviation, FACTOR, dst=self._threshold)
        cv2.max(self._threshold, _FLOOR_COUNTS, dst=self._threshold)
        cv2.compare(self._distance, self._threshold, cv2.CMP_GT, dst=self._moves)
        cv2.bitwise_not(self._moves, dst=self._resting)
        cv2.multiply(self._deviation, 4.0, dst=self._threshold)
        cv2.add(self._threshold, _FLOOR_COUNTS, dst=self._threshold)
        cv2.min(self._distance, self._threshold, dst=self._distance)
        cv2.add(self._ground, offset, dst=self._ground)
        cv2.accumulateWeighted(self._cells, self._ground, weight / WEIGHT_ONE, mask=self._resting)
        cv2.accumulateWeighted(self._distance, self._deviation, weight / WEIGHT_ONE, mask=self._resting)
        moving = cv2.countNonZero(self._moves)
        if moving:
            cv2.accumulateWeighted(self._cells, self._ground, weight / 4 / WEIGHT_ONE, mask=self._moves)
            cv2.accumulateWeighted(self._distance, self._deviation, weight / 8 / WEIGHT_ONE, mask=self._moves)
        if 8 * moving > self._moves.size:
            np.copyto(self._ground, self._cells)
        return moving

    def _count_tiles(self) -> Grey:
        size = (self._moves.shape[1] // TILE_CELLS, self._moves.shape[0] // TILE_CELLS)
        shares = cv2.resize(self._moves, size, interpolation=cv2.INTER_AREA)  # of 255, so that 64 cells are 255
        counts: Grey = cv2.convertScaleAbs(shares, alpha=TILE_CELLS * TILE_CELLS / 255.0)
        return counts


class NumpyComposition:
    """The usual few lines of numpy: percentiles of the whole frame, a stretch in floating point, a padded copy."""

    def __init__(self, config: PreprocessConfig, multiple_px: int) -> None:
        """Start without limits."""
        self._percentiles = (config.low_percentile, config.high_percentile)
        self._multiple_px = multiple_px
        self._limits: npt.NDArray[np.float64] | None = None

    def prepare(self, pixels: Pixels, weight: float) -> Grey:
        """Make the model's input of one (H, W) uint16 picture."""
        limits = np.percentile(pixels, self._percentiles)
        self._limits = limits if self._limits is None else self._limits + weight * (limits - self._limits)
        black, white = self._limits
        levels = np.clip((pixels - black) * (255.0 / (white - black)), 0.0, 255.0).astype(np.uint8)
        height_px, width_px = (-(-side // self._multiple_px) * self._multiple_px for side in pixels.shape)
        tensor = np.full((1, 1, height_px, width_px), _PADDING, np.uint8)
        tensor[0, 0, : pixels.shape[0], : pixels.shape[1]] = levels
        return tensor
