"""From a model's output tensors to boxes: ours, and the exports of other people's training tools.

Each decoder turns the first batch entry into ``(boxes (N, 4) float32 x0 y0 x1 y1 in input pixels, scores (N,), class
numbers (N,))``. Low scores go first, so that thousands of candidates cost nothing; what is left is thinned by NMS, the
boxes that stay being placed by all that gave way to them.
"""

from collections.abc import Callable, Sequence
from operator import or_
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Decoded = tuple[Array, Array, Array]
Decoder = Callable[[Sequence[Array], float, tuple[int, int]], Decoded]

_MOST_CANDIDATES = 1000  # of the best scores; forty people in a picture make about three hundred
_BLOCK = 32  # candidates that are held against all the rest at once
_BOX = 4
_YOLOX_STRIDES = (8, 16, 32)


def decode_boxes(outputs: Sequence[Array], score_low: float, size_px: tuple[int, int]) -> Decoded:
    """This project's own kind: one (1, N, 4 + classes) tensor of corners and class probabilities, NMS outside."""
    del size_px
    rows = outputs[0][0]
    return _keep(rows[:, :_BOX], rows[:, _BOX:], score_low)


def decode_yolox(outputs: Sequence[Array], score_low: float, size_px: tuple[int, int]) -> Decoded:
    """YOLOX as exported without decoding: (1, N, 5 + classes) of offsets in cells, log sizes, objectness, classes.

    Source: YOLOX, arXiv:2107.08430; strides 8, 16, 32, cells row by row, finest level first.
    """
    rows = outputs[0][0]
    scores = rows[:, _BOX + 1 :] * rows[:, _BOX : _BOX + 1]
    keep, kinds, best = _best(scores, score_low)
    cells, strides = _cells(size_px, _YOLOX_STRIDES)
    rows, cells, strides = rows[keep], cells[keep], strides[keep]
    centre = (rows[:, :2] + cells) * strides
    size = np.exp(rows[:, 2:_BOX]) * strides
    return np.concatenate((centre - size / 2, centre + size / 2), axis=1), best, kinds


def decode_yolov8(outputs: Sequence[Array], score_low: float, size_px: tuple[int, int]) -> Decoded:
    """YOLOv8-style: one (1, 4 + classes, N) tensor of centres and sizes in input pixels, class probabilities."""
    del size_px
    rows = outputs[0][0].T
    keep, kinds, best = _best(rows[:, _BOX:], score_low)
    return _corners(rows[keep, :_BOX]), best, kinds


def decode_detr(outputs: Sequence[Array], score_low: float, size_px: tuple[int, int]) -> Decoded:
    """DETR-style: logits (1, N, classes) and boxes (1, N, 4) as centre and size in fractions of the input."""
    height_px, width_px = size_px
    first, second = outputs[0][0], outputs[1][0]
    logits, boxes = (second, first) if first.shape[1] == _BOX and second.shape[1] != _BOX else (first, second)
    keep, kinds, best = _best(1.0 / (1.0 + np.exp(-logits)), score_low)
    scale = np.array([width_px, height_px, width_px, height_px], np.float32)
    return _corners(boxes[keep]) * scale, best, kinds


DECODERS: dict[str, Decoder] = {
    "boxes": decode_boxes,
    "yolox": decode_yolox,
    "yolov8": decode_yolov8,
    "detr": decode_detr,
}
OUTPUTS = {"boxes": 1, "yolox": 1, "yolov8": 1, "detr": 2}


def suppress(boxes: Array, scores: Array, kinds: Array, iou: float) -> tuple[npt.NDArray[np.intp], Array]:
    """Greedy non-maximum suppression within each class; what is suppressed still helps to place the box that stays.

    A box that stays becomes the mean of all that gave way to it, weighted by their scores: several cells answer for one
    body, and their errors differ. On the labelled recordings this is worth 0.01 AP50 (models/README.md). A candidate
    gives way to the best box that it overlaps, so that of two people side by side neither is drawn to the other.

    The best of what is left are held against each other and against all the rest, a block at a time: a call into numpy
    for each candidate would cost more than the arithmetic.

    Args:
        boxes: (N, 4) corners.
        scores: (N,) above 0.
        kinds: (N,) class numbers.
        iou: overlap above which one of two boxes gives way.

    Returns:
        Indices that stay, best score first, and their boxes (K, 4) float32; equal scores keep their order, so that a
        replay repeats exactly.
    """
    order = np.argsort(-scores, kind="stable")[:_MOST_CANDIDATES]
    sides = np.ascontiguousarray(boxes[order].T, np.float32)
    weights = scores[order]
    groups = kinds[order] if kinds.any() else None
    kept, placed = [order[:0]], [np.empty((0, _BOX), np.float32)]
    while order.size:
        over = _overlaps(sides, iou)
        if groups is not None:
            over &= groups[: len(over), None] == groups
        best = _best_of_block(over[:, : len(over)].tolist())
        claims = over[best]
        claims[np.arange(len(best)), best] = True  # a box without area overlaps nothing, not even itself
        kept.append(order[best])
        placed.append(_means(claims, sides, weights))
        rest = ~np.logical_or.reduce(claims)
        rest[: len(over)] = False
        order, sides, weights = order[rest], sides[:, rest], weights[rest]
        groups = None if groups is None else groups[rest]
    return np.concatenate(kept), np.concatenate(placed)


def _means(claims: npt.NDArray[np.bool_], sides: Array, weights: Array) -> Array:
    """Mean boxes (K, 4) of what each of K claims (K, N), a box that several claim going to the first of them."""
    taken = np.flatnonzero(np.logical_or.reduce(claims))
    owner = claims[:, taken].argmax(axis=0)
    weight = weights[taken]
    total = np.bincount(owner, weight, len(claims))
    sums = [np.bincount(owner, weight * side[taken], len(claims)) for side in sides]
    means: Array = (np.stack(sums, axis=1) / total[:, None]).astype(np.float32)
    return means


def _overlaps(sides: Array, iou: float) -> npt.NDArray[np.bool_]:
    """Say which of the first block's boxes share more than ``iou`` with which of all (4, N); returns (block, N)."""
    first = sides[:, :_BLOCK, None]
    inner = np.minimum(first[2], sides[2])
    inner -= np.maximum(first[0], sides[0])
    np.maximum(inner, 0.0, out=inner)
    height = np.minimum(first[3], sides[3])
    height -= np.maximum(first[1], sides[1])
    np.maximum(height, 0.0, out=height)
    inner *= height
    areas = (sides[2] - sides[0]) * (sides[3] - sides[1])
    union = areas[:_BLOCK, None] + areas
    union -= inner
    union *= iou
    over: npt.NDArray[np.bool_] = inner > union
    return over


def _best_of_block(over: list[list[bool]]) -> list[int]:
    best: list[int] = []
    lost = [False] * len(over)
    for number, beaten in enumerate(over):
        if not lost[number]:
            best.append(number)
            lost = list(map(or_, lost, beaten))
    return best


def _keep(boxes: Array, scores: Array, score_low: float) -> Decoded:
    keep, kinds, best = _best(scores, score_low)
    return boxes[keep], best, kinds


def _best(scores: Array, score_low: float) -> tuple[npt.NDArray[np.intp], Array, Array]:
    top = scores[:, 0] if scores.shape[1] == 1 else scores.max(axis=1)
    keep = np.flatnonzero(top >= score_low)
    kinds = np.zeros(keep.size, np.intp) if scores.shape[1] == 1 else scores[keep].argmax(axis=1)
    return keep, kinds, top[keep]


def _corners(centres: Array) -> Array:
    half = centres[:, 2:_BOX] / 2
    return np.concatenate((centres[:, :2] - half, centres[:, :2] + half), axis=1)


def _cells(size_px: tuple[int, int], strides: Sequence[int]) -> tuple[Array, Array]:
    height_px, width_px = size_px
    cells, sizes = [], []
    for stride in strides:
        rows, columns = height_px // stride, width_px // stride
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack((x, y), axis=-1).reshape(-1, 2))
        sizes.append(np.full((rows * columns, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(sizes).astype(np.float32)
