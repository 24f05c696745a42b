"""Boxes out of a detector: thresholds and suppression, as the node does them after the graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.pipeline.decode import suppress as as_the_node

Float = npt.NDArray[np.float32]


def suppress(rows: Float, score: float, nms_iou: float = 0.5, most: int = 300) -> Float:
    """The best rows of (N, 5) x0, y0, x1, y1, probability, as the node thins and places them, best first."""
    rows = rows[rows[:, 4] >= score]
    kept, placed = as_the_node(rows[:, :4], rows[:, 4], np.zeros(len(rows), np.intp), nms_iou)
    return np.concatenate((placed, rows[kept, 4:]), axis=1)[:most]


def iou(a: Float, b: Float) -> Float:
    """(A, B) overlaps of all pairs; 0 for empty boxes."""
    size = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.clip(size, 0, None).prod(2)
    union = (a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1)[None] - shared
    out: Float = shared / np.maximum(union, 1e-6)
    return out
