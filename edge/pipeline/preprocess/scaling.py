"""The specification of scaling a picture to the model's input: bilinear, in whole numbers.

Pixels are areas, so the middle of one is at half a pixel; what would lie beyond the outermost middles repeats them.
Weights are 256ths and nothing is rounded but the result, so that every processor gives the same bytes; they lie within two
levels of OpenCV's, nearly always within one.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.pipeline.preprocess.kernels import Grey

_WHOLE = 256
_SHIFT = 16  # both weights
_HALF = 1 << 15
_FULL_PX = 640 * 512
_MOST = 2.0


class Places(NamedTuple):
    """Where the pixels of one side come from.

    Attributes:
        first: index of the nearer to the beginning of the two pixels that are mixed.
        second: index of the other one.
        weight: of the other one, 256ths, uint16.
    """

    first: npt.NDArray[np.intp]
    second: npt.NDArray[np.intp]
    weight: npt.NDArray[np.uint16]


def places(length_px: int, wanted_px: int) -> Places:
    """Lay ``wanted_px`` pixels over ``length_px``."""
    middle = (np.arange(wanted_px) + 0.5) * (length_px / wanted_px) - 0.5
    middle = middle.clip(0, length_px - 1)
    first = np.floor(middle).astype(np.intp)
    weight = np.rint((middle - first) * _WHOLE).astype(np.uint16)
    return Places(first, np.minimum(first + 1, length_px - 1), weight)


class Resample:
    """Scales pictures of one size to another."""

    def __init__(self, rows: Places, columns: Places) -> None:
        """Take what ``places`` gives for the height and for the width."""
        self._rows, self._columns = rows, columns

    def __call__(self, picture: Grey, target: Grey) -> None:
        """Fill ``target`` (h, w) from ``picture`` (H, W), both uint8 with any distance between rows.

        Raises:
            ValueError: the places were made for other sizes.
        """
        rows, columns = self._rows, self._columns
        check_places(picture, target, rows, columns)
        high = picture[rows.first] * (_WHOLE - rows.weight)[:, None]  # at most 255 * 256: it fits 16 bits
        high += picture[rows.second] * rows.weight[:, None]
        wide = np.take(high, columns.first, axis=1) * (_WHOLE - columns.weight).astype(np.uint32)
        wide += np.take(high, columns.second, axis=1) * columns.weight.astype(np.uint32)
        wide += _HALF
        wide >>= _SHIFT
        target[:] = wide


def check_places(picture: Grey, target: Grey, rows: Places, columns: Places) -> None:
    """Refuse pictures that the places were not made for.

    Raises:
        ValueError: compiled code would read or write beyond them.
    """
    wanted = (len(rows.first), len(columns.first))
    if target.shape != wanted or target.strides[1] != 1:
        raise ValueError(f"the target must be {wanted} with its pixels side by side, not {target.shape}")
    if picture.shape[0] <= rows.second[-1] or picture.shape[1] <= columns.second[-1]:
        raise ValueError(f"the places lie beyond a picture of {picture.shape}")


def scale_to_fill(height_px: int, width_px: int, multiple_px: int) -> float:
    """Give the enlargement at which a small picture costs the model what one of 640x512 does, 1 to 2.

    People of 8-20 px are found far better enlarged, and taller ones as well as before (measured in models/README.md).
    The width stays a multiple of ``multiple_px``, so that little of the input is filled up with grey.
    """
    widest_px = width_px * math.sqrt(_FULL_PX / (height_px * width_px))
    scale = widest_px // multiple_px * multiple_px / width_px
    return min(max(scale, 1.0), _MOST)
