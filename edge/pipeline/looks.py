"""Several looks at one picture become one list of detections, each person once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.records import Detection

Window = tuple[int, int, int, int]

_SEAM_PX = 2.0
"""A box that comes so near to a seam is taken for cut by it; pixels of the frame."""
_SAME = 0.5
"""Two boxes of different looks that share this part of the smaller one are one person ..."""
_COARSE = 0.5
"""... of whom the closer look knows more: where it is sure, the other's score counts half for the choice."""


def shift_into_frame(found: Sequence[Detection], window: Window, size_px: tuple[int, int]) -> list[Detection]:
    """Move what one close-up shows to its place in the frame, without what its seams cut through.

    Args:
        found: boxes in pixels of the frame, from the window's corner.
        window: x0, y0, x1, y1 of the close-up in the frame.
        size_px: height and width of the frame. Its own edges are no seams.
    """
    x0, y0, x1, y1 = window
    left = _SEAM_PX if x0 > 0 else -np.inf
    top = _SEAM_PX if y0 > 0 else -np.inf
    right = x1 - x0 - _SEAM_PX if x1 < size_px[1] else np.inf
    bottom = y1 - y0 - _SEAM_PX if y1 < size_px[0] else np.inf
    return [
        d._replace(box=(d.box[0] + x0, d.box[1] + y0, d.box[2] + x0, d.box[3] + y0))
        for d in found
        if d.box[0] > left and d.box[1] > top and d.box[2] < right and d.box[3] < bottom
    ]


def merge(whole: Sequence[Detection], closer: Sequence[Sequence[Detection]], sure: float) -> tuple[Detection, ...]:
    """Join the look at the whole with the closer ones.

    Of two boxes of one kind in different looks that show the same person the better stays; boxes of one look are left
    alone, since they have been held against each other.

    Args:
        whole: of the look at the whole picture.
        closer: of each close-up, in pixels of the frame.
        sure: from this score on a close-up overrules the look at the whole.

    Returns:
        Best first.
    """
    if not any(closer):
        return tuple(whole)
    all_found = [*whole, *(d for look in closer for d in look)]
    looks = np.repeat(np.arange(len(closer) + 1), [len(whole), *map(len, closer)])
    boxes = np.array([d.box for d in all_found])
    scores = np.array([d.score for d in all_found])
    kinds = np.array([d.kind for d in all_found])
    same = (_shared(boxes) > _SAME) & (looks[:, None] != looks) & (kinds[:, None] == kinds)
    worth = scores.copy()
    overruled = (looks == 0) & (same & (looks != 0) & (scores >= sure)).any(axis=1)
    worth[overruled] *= _COARSE
    lost = np.zeros(len(all_found), bool)
    for n in np.argsort(-worth, kind="stable"):
        if not lost[n]:
            lost |= same[n]
            lost[n] = False
    stay = np.flatnonzero(~lost)
    return tuple(all_found[n] for n in stay[np.argsort(-scores[stay], kind="stable")])


def _shared(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, N) part of the smaller of two boxes that lies in the other."""
    size = np.minimum(boxes[:, None, 2:], boxes[:, 2:]) - np.maximum(boxes[:, None, :2], boxes[:, :2])
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    shared: npt.NDArray[np.float64] = size.clip(0).prod(axis=2) / np.maximum(np.minimum(area[:, None], area), 1e-9)
    return shared
