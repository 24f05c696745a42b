"""How much boxes overlap, and the best way to pair two sets of things.

Boxes are (N, 4) float64 arrays of ``x0, y0, x1, y1`` in pixels. A box without area overlaps nothing.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.records import Box

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def as_boxes(boxes: Sequence[Box]) -> Floats:
    """Stack boxes to (N, 4), also when there is none."""
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)


def area_px(boxes: Floats) -> Floats:
    """Area of each box, square pixels, shape (N,)."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def intersection_px(rows: Floats, columns: Floats) -> Floats:
    """Common area of every pair, square pixels, shape (R, C)."""
    low = np.maximum(rows[:, None, :2], columns[None, :, :2])
    high = np.minimum(rows[:, None, 2:], columns[None, :, 2:])
    size = np.maximum(high - low, 0.0)
    return np.asarray(size[..., 0] * size[..., 1], dtype=np.float64)


def iou(rows: Floats, columns: Floats) -> Floats:
    """Intersection over union of every pair, shape (R, C)."""
    common = intersection_px(rows, columns)
    union = area_px(rows)[:, None] + area_px(columns)[None, :] - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def share_inside(rows: Floats, columns: Floats) -> Floats:
    """Which share of each row's box lies inside each column's box, shape (R, C)."""
    common = intersection_px(rows, columns)
    own = np.broadcast_to(area_px(rows)[:, None], common.shape)
    return np.divide(common, own, out=np.zeros_like(common), where=own > 0)


def best_pairs(worth: Floats) -> tuple[Integers, Integers]:
    """Pair rows with columns so that the sum of ``worth`` (R, C) is largest; the shorter side is paired completely."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  scipy takes most of a second to import

    rows, columns = linear_sum_assignment(worth, maximize=True)
    return np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
