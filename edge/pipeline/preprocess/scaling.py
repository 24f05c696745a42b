"""The specification of scaling a picture to the model's input: bilinear, in whole numbers.

Pixels are areas, so the middle of one is at half a pixel; what would lie beyond the outermost middles repeats them.
Weights are 256ths and nothing is rounded but the result, so that every processor gives the same bytes; they lie within two
levels of OpenCV's, nearly always within one.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.pipeline.preprocess.kernels import Grey

_WHOLE = 256
_SHIFT = 16  # both weights
_HALF = 1 << 15


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


def resample(picture: Grey, target: Grey, rows: Places, columns: Places) -> None:
    """Fill ``target`` (h, w) from ``picture`` (H, W), both uint8 with any distance between rows."""
    high = picture[rows.first] * (_WHOLE - rows.weight)[:, None]  # at most 255 * 256: it fits 16 bits
    high += picture[rows.second] * rows.weight[:, None]
    wide = np.take(high, columns.first, axis=1) * (_WHOLE - columns.weight).astype(np.uint32)
    wide += np.take(high, columns.second, axis=1) * columns.weight.astype(np.uint32)
    wide += _HALF
    wide >>= _SHIFT
    target[:] = wide
