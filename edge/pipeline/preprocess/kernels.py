"""What the passes over the pixels take and give: the contract between the specification and its native twin.

Everything in here is whole numbers, so that both give the same bytes on every processor.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.records import Pixels

Grey = npt.NDArray[np.uint8]
Cells = npt.NDArray[np.int32]

CELL_PX = 4
TILE_CELLS = 8
SAMPLES = 1 << 16
"""About as many pixels as a histogram looks at; of larger pictures it takes every second, third, ... row."""
GRADIENT_ROWS = 4
"""Of the sampled rows every fourth is asked for its gradients."""
GRADIENT_MOST = 4095
"""Counts; a steeper step counts as this, so that a row's sum of squares fits a 32-bit word (in blocks of 128)."""
TOP = 65535


@dataclass(frozen=True, slots=True)
class Survey:
    """What a histogram of the sampled rows says.

    Attributes:
        low: the smallest count with more than ``low_share`` of the samples at or below it.
        high: the smallest count with at least ``high_share`` of the samples at or below it.
        median: the smallest count with at least half of the samples at or below it.
        minimum: the smallest sample.
        maximum: the largest sample.
        samples: how many pixels were looked at.
        at_minimum: how many samples have the smallest value.
        at_maximum: how many samples have the largest value.
        steps: sums of squared differences between pixels 1, 2 and 8 columns apart.
        step_pixels: how many differences are in each of those sums.
    """

    low: int
    high: int
    median: int
    minimum: int
    maximum: int
    samples: int
    at_minimum: int
    at_maximum: int
    steps: tuple[int, int, int]
    step_pixels: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A linear mapping of counts to levels in whole numbers: black is 0, ``black + span`` is 255.

    ``level = ((min(max(counts - black, 0), span) << shift) * gain >> 16) + 64 >> 7``; within 0.012 levels of the true
    quotient before it is rounded, and all in 16-bit words.
    """

    black: int
    span: int
    shift: int
    gain: int

    @classmethod
    def between(cls, low: float, high: float) -> "Stretch":
        """Map ``low`` to black and ``high`` to white, both rounded outward to whole counts and moved into 0..65535."""
        black, white = math.floor(low), math.ceil(high)
        span = min(max(white - black, 1), TOP)
        black = min(max(black, 0), TOP - span)
        shift = 16 - span.bit_length()
        return cls(black, span, shift, round(255 * 128 * 65536 / (span << shift)))


class Kernels(Protocol):
    """The passes over the pixels of one camera. Holds scratch memory, so one for each camera.

    ``pixels`` are (H, W) uint8 or uint16 with any distance between rows.
    """

    def survey(self, pixels: Pixels, low_share: float, high_share: float) -> Survey:
        """Look at the sampled rows; see ``row_step``."""

    def levels(self, pixels: Pixels, stretch: Stretch, target: Grey, *, flip: bool) -> Cells:
        """Map a 16-bit picture to levels, turned over if ``flip``.

        Args:
            pixels: (H, W) uint16.
            stretch: the mapping.
            target: (H, W) uint8, written; any distance between rows.
            flip: white becomes black.

        Returns:
            (ceil(H / 4), ceil(W / 4)) int32: the sum of each cell of 4x4 counts; the last cell of a row and of a column
            is moved back so that it lies inside the picture. Overwritten by the next call.
        """

    def pass_8_bits(self, pixels: Pixels, target: Grey, *, flip: bool) -> Cells:
        """Copy an 8-bit picture, turned over if ``flip``; otherwise as ``levels``."""

    def spread(self, stretch: Stretch | None) -> tuple[int, int]:
        """Sum of the levels, and of their squares, over the samples of the latest survey; ``None``: they are levels."""


def row_step(height_px: int, width_px: int) -> int:
    """Give the distance between two rows that a survey looks at; it starts at half of it."""
    return max(1, height_px * width_px // SAMPLES)
