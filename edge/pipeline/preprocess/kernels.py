"""What the passes over the pixels take and give: the contract between the specification and its native twin.

Pixels are treated in whole numbers, so that both give the same bytes on every processor.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edge.records import MOTION_TILE_PX, Pixels

Grey = npt.NDArray[np.uint8]
Cells = npt.NDArray[np.int32]
Spots = npt.NDArray[np.int32]
"""(N, 2) rows and columns of pixels, in reading order, none of them on the rim of the picture."""
Stripes = npt.NDArray[np.int32]
"""(W,) counts that each column of a 16-bit picture has too many; (0,): none are known."""

CELL_PX = 4
TILE_CELLS = MOTION_TILE_PX // CELL_PX
"""A tile of the map of motion is 8x8 cells, 32x32 px."""
FINENESS = 16
"""A background is kept in 16ths of a cell's sum, 256ths of a count."""
FACTOR = 7
"""A cell moves when it differs by more than so many of its mean deviations; 5.6 standard deviations of white noise."""
WEIGHT_ONE = 1024
"""Weight of a frame that is learnt at once."""
BINS = 64
"""Parts of the range that are equalised."""
PLACES = 256
"""Steps within each part."""
STEP_MOST = 1 << 19
"""The longest step of a background before it is weighted; a longer one is made in several frames."""
SAMPLES = 1 << 15
"""About as many pixels as a histogram looks at; of larger pictures it takes every second, third, ... row."""
GRADIENT_ROWS = 8
"""Of the sampled rows every eighth is asked for its gradients."""
GRADIENT_MOST = 4095
"""Counts; a steeper step counts as this, so that a row's sum of squares fits a 32-bit word (in blocks of 128)."""
TOP = 65535
_SPAN_MOST = TOP - 129  # room for the rounding


class Gain(NamedTuple):
    """How one camera's counts become levels.

    Attributes:
        low_share: share of pixels that may be black.
        high_share: share of pixels that must not be whiter than white.
        min_span: counts between black and white at least; a narrower range is widened about its middle.
        flip: the camera shows warm as dark; the picture is turned over.
        plateau_share: None: levels are linear between black and white. Else they are equalised: where counts are frequent,
            levels lie closer; no 64th of the range is taken for more frequent than this share of the samples.
    """

    low_share: float
    high_share: float
    min_span: float
    flip: bool = False
    plateau_share: float | None = None


class Exposure(NamedTuple):
    """What one frame's values say; all from a histogram of the sampled rows (see ``row_step``), but for ``repeats``.

    Attributes:
        low: the smallest value with more than ``low_share`` of the samples at or below it.
        high: the smallest value with at least ``high_share`` of the samples at or below it.
        median: the smallest value with at least half of the samples at or below it.
        samples: how many pixels were looked at.
        at_minimum: how many samples have the smallest value.
        at_maximum: how many samples have the largest value.
        steps: sums of squared differences between pixels 1, 2 and 8 columns apart, on every eighth sampled row.
        step_pixels: how many differences are in each of those sums.
        levels_sum: sum of the samples' levels, before they are turned over.
        levels_squares: sum of their squares.
        repeats: every cell is that of the frame before; False where no cells are wanted.
    """

    low: int
    high: int
    median: int
    samples: int
    at_minimum: int
    at_maximum: int
    steps: tuple[int, ...]
    step_pixels: tuple[int, ...]
    levels_sum: int
    levels_squares: int
    repeats: bool


class Stretch(NamedTuple):
    """A linear mapping of counts to levels in whole numbers: black is 0, ``black + span`` is 255.

    ``level = (min(max(counts - black, 0), span) * factor + half) * gain >> 23``; within 0.012 levels of the true quotient
    before it is rounded, and every step in 16-bit words. ``factor`` is a power of two.
    """

    black: int
    span: int
    factor: int
    half: int
    gain: int

    @classmethod
    def between(cls, low: float, high: float) -> "Stretch":
        """Map ``low`` to black and ``high`` to white, both rounded outward to whole counts and moved into 0..65535."""
        black, white = math.floor(low), math.ceil(high)
        span = min(max(white - black, 1), _SPAN_MOST)
        black = min(max(black, 0), TOP - span)
        factor = 1 << ((_SPAN_MOST // span).bit_length() - 1)
        gain = round(255 * 128 * 65536 / (span * factor))
        return cls(black, span, factor, round(64.5 * 65536 / gain), gain)


@dataclass(slots=True)
class Background:
    """What one camera's cells usually are.

    Attributes:
        ground: (rows, columns) int32, 256ths of a count.
        deviation: (rows, columns) int32, mean absolute difference from it.
        tiles: (ceil(rows / 8), ceil(columns / 8)) uint8, how many cells of each tile move in the latest frame.
        deviation_mean: mean of ``deviation``, rounded down.
        renewed: more than an eighth of the cells moved in the latest frame, and it became the ground.
    """

    ground: Cells
    deviation: Cells
    tiles: npt.NDArray[np.uint8]
    deviation_mean: int = 0
    renewed: bool = False


NONE_DEAD: Spots = np.zeros((0, 2), np.int32)
NO_STRIPES: Stripes = np.zeros(0, np.int32)


class Kernels(Protocol):
    """The pass over the pixels of one camera; remembers its limits and the cells of its latest frame."""

    def mend(self, dead: Spots, stripes: Stripes = NO_STRIPES) -> None:
        """From the next frame on, take faults of the sensor out of all that ``expose`` and ``watch`` do.

        First each column loses its stripe, within 0..65535. Then each dead pixel is the mean, rounded down, of the middle
        two of its four neighbours' values: one dead neighbour does no harm.

        Args:
            dead: of frames of the latest one's size and depth; they are forgotten with the first frame of another.
            stripes: likewise; of 16-bit frames only, each within -65535..65535.

        Raises:
            ValueError: one lies on the rim of the latest frame, or beyond it, or the stripes are not those of its columns.
        """

    def expose(self, pixels: Pixels, target: Grey, *, weight: float, learn: bool) -> Exposure:
        """Map one frame to levels and measure it.

        Args:
            pixels: (H, W) uint16, mapped between smoothed limits; or uint8, copied. Any distance between rows.
            target: (H, W) uint8, written; any distance between rows.
            weight: of this frame's limits, and of its curve of levels, against those before, 0..1.
            learn: False: limits and curve stay (the first frame sets them all the same).
        """

    def watch(self, background: Background, *, floor: int, weight: int, rounding: int) -> int:
        """Compare the latest cells with a background, write ``background.tiles``, and learn.

        In whole numbers, of 256ths of a count, with ``>>`` rounding down:

        - all cells may have moved together (drift, a shutter): their common offset is the mean of all differences, each
          clipped at 7 times the mean deviation (``background.deviation_mean``), or at ``floor`` where that is more;
        - a cell moves when what is left of its difference is more than 7 times its own mean deviation and than ``floor``;
        - ``ground += offset + (difference * weight + rounding >> 10)``, ``deviation += (min(|difference|, 4 * deviation +
          floor) - deviation) * weight + rounding >> 10``, steps clipped at ``STEP_MOST``; where a cell moves, a quarter of
          the step for the ground and an eighth for the deviation, rounded down: whoever passes by is hardly learnt;
        - where more than an eighth of the cells move, the picture is another one: ground is set to it.

        Args:
            background: of the cells' shape.
            floor: least difference that counts as motion.
            weight: of this frame against those before, 0..1024.
            rounding: 0..1023, another one for every frame: steps of less than a whole number then come true on average.

        Returns:
            How many cells move.
        """

    @property
    def cells(self) -> Cells | None:
        """The latest frame's cells, (ceil(H / 4), ceil(W / 4)) int32; None where they are not wanted.

        Each is the sum of 4x4 values; the last of a row and of a column is moved back so that it lies inside the picture.
        """


def check_faults(dead: Spots, stripes: Stripes, shape: tuple[int, ...], itemsize: int) -> None:
    """Refuse dead pixels that are not within the rim of (H, W), and stripes that are not those of W columns of 16 bits.

    Raises:
        ValueError: they are not.
    """
    if len(dead) and not ((dead > 0) & (dead < np.subtract(shape, 1))).all():
        raise ValueError(f"dead pixels must lie within the rim of a frame of {shape}")
    if len(stripes) and (itemsize == 1 or stripes.shape != shape[1:] or (np.abs(stripes) > TOP).any()):
        raise ValueError(f"stripes must be those of the columns of a 16-bit frame of {shape}")


def new_background(shape: tuple[int, int]) -> Background:
    """Make a background that knows nothing.

    Args:
        shape: of the cells.
    """
    tiles = (-(-shape[0] // TILE_CELLS), -(-shape[1] // TILE_CELLS))
    return Background(np.zeros(shape, np.int32), np.zeros(shape, np.int32), np.zeros(tiles, np.uint8))


def row_step(height_px: int, width_px: int) -> int:
    """Give the distance between two rows that are sampled; the first is at half of it."""
    return max(1, height_px * width_px // SAMPLES)


def cells_shape(height_px: int, width_px: int) -> tuple[int, int]:
    """Give the number of rows and columns of cells."""
    return -(-height_px // CELL_PX), -(-width_px // CELL_PX)
