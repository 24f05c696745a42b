"""Which detection is which person: COCO's greedy matching, and average precision from it.

Detections choose in the order of their score, each the free person that it overlaps most. An area to ignore may be
chosen by many; a detection that chose one is *excused*: neither right nor wrong. The same holds for persons outside the
size band that is being judged. Everything is done for all bands and all overlap thresholds at once, because the only
loop that cannot be a numpy expression is the one over the detections of a picture.

The rules are those of the COCO evaluation (Lin et al., *Microsoft COCO*, 2014, and its public tool), to the last tie;
a test holds the two equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.evaluate.coco import TruthPicture
from edge.evaluate.overlap import Floats, Integers, Mask, as_boxes, iou, share_inside
from edge.records import Detection

COCO_IOU: Floats = np.linspace(0.5, 0.95, 10)
"""The ten overlaps over which AP50-95 is a mean."""

_RECALLS: Floats = np.linspace(0.0, 1.0, 101)
_NOBODY = -1


@dataclass(frozen=True, slots=True)
class SizeBand:
    """Persons whose height in pixels is at least ``low_px`` and below ``high_px``."""

    low_px: float = 0.0
    high_px: float = float("inf")

    @property
    def label(self) -> str:
        """Words for a table."""
        if np.isinf(self.high_px):
            return f"{self.low_px:g} px and more"
        return f"{self.low_px:g} to {self.high_px:g} px"

    def outside(self, boxes: Floats) -> Mask:
        """Tell which of the boxes (N, 4) do not belong to it, shape (N,)."""
        height_px = boxes[:, 3] - boxes[:, 1]
        return np.asarray((height_px < self.low_px) | (height_px >= self.high_px), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class PictureMatch:
    """The fate of one picture's detections, best score first; B bands, T overlaps, D detections.

    Attributes:
        order: (D,) index of each into the list that was given.
        scores: (D,) their scores, falling.
        hit: (B, T, D) True where it found a person.
        excused: (B, T, D) True where it does not count, for or against.
        partner: (D,) index of the person it found at the first band and overlap, -1 for none.
        persons: (B,) number of persons to be found.
    """

    order: Integers
    scores: Floats
    hit: Mask
    excused: Mask
    partner: Integers
    persons: Integers


@dataclass(frozen=True, slots=True)
class Matches:
    """All pictures together, N detections, best score first; P pictures.

    Attributes:
        scores: (N,) falling; equal scores stay in the order of their pictures.
        picture: (N,) index of the picture.
        hit: (B, T, N) as in ``PictureMatch``.
        excused: (B, T, N) as in ``PictureMatch``.
        persons: (P, B) persons to be found.
    """

    scores: Floats
    picture: Integers
    hit: Mask
    excused: Mask
    persons: Integers


def match_picture(
    truth: TruthPicture,
    detections: Sequence[Detection],
    *,
    bands: Sequence[SizeBand],
    overlaps: Floats,
    max_detections: int,
) -> PictureMatch:
    """Let the best ``max_detections`` detections of one picture choose their persons."""
    given = np.array([detection.score for detection in detections], dtype=np.float64)
    order = np.argsort(-given, kind="stable")[:max_detections]
    boxes = as_boxes([detections[index].box for index in order])
    common = np.where(truth.ignore, share_inside(boxes, truth.boxes), iou(boxes, truth.boxes))
    ignored = np.stack([truth.ignore | band.outside(truth.boxes) for band in bands])
    hit, excused, partner = _choose(common, ignored, truth.ignore, np.minimum(overlaps, 1 - 1e-10))
    outside = np.stack([band.outside(boxes) for band in bands])[:, None, :]
    excused |= outside & ~hit
    return PictureMatch(order, given[order], hit, excused, partner, (~ignored).sum(axis=1))


def _choose(common: Floats, ignored: Mask, shared: Mask, overlaps: Floats) -> tuple[Mask, Mask, Integers]:
    """Walk the detections of one picture; see ``PictureMatch`` for what comes back."""
    detections, persons = common.shape
    shape = (len(ignored), len(overlaps), detections)
    hit, excused = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    partner = np.full(detections, _NOBODY, dtype=np.int64)
    if persons == 0:
        return hit, excused, partner
    taken = np.zeros((*shape[:2], persons), dtype=np.bool_)
    judged = ~ignored[:, None, :]
    # most detections of a low-score sweep touch nobody: they are wrong at once and need no step of their own
    for index in np.flatnonzero(common.max(axis=1) >= overlaps.min()):
        free = (common[index] >= overlaps[:, None]) & (~taken | shared)
        judged_free = free & judged
        found = judged_free.any(axis=-1)
        pool = np.where(found[..., None], judged_free, free)
        # the last of equals wins, as in the reference; hence the search from behind
        best = persons - 1 - np.argmax(np.where(pool, common[index], -1.0)[..., ::-1], axis=-1)
        chosen = pool.any(axis=-1)
        band, overlap = np.nonzero(chosen)
        taken[band, overlap, best[band, overlap]] = True
        hit[..., index] = found
        excused[..., index] = chosen & ~found
        if found[0, 0]:
            partner[index] = best[0, 0]
    return hit, excused, partner


def gather(matches: Sequence[PictureMatch], bands: int, overlaps: int) -> Matches:
    """Put the detections of all pictures into one falling order."""
    scores = np.concatenate([np.empty(0), *(match.scores for match in matches)])
    picture = np.repeat(np.arange(len(matches)), [len(match.scores) for match in matches])
    nothing = np.empty((bands, overlaps, 0), dtype=np.bool_)
    hit = np.concatenate([nothing, *(match.hit for match in matches)], axis=-1)
    excused = np.concatenate([nothing, *(match.excused for match in matches)], axis=-1)
    order = np.argsort(-scores, kind="stable")
    persons = np.array([match.persons for match in matches], dtype=np.int64).reshape(-1, bands)
    return Matches(scores[order], picture[order], hit[..., order], excused[..., order], persons)


def average_precision(hit: Mask, excused: Mask, persons: int) -> float | None:
    """Average precision over 101 recalls of detections (N,) in falling order; None when there is nobody to find."""
    if persons == 0:
        return None
    precision, recall = precision_recall(hit, excused, persons)
    if len(precision) == 0:
        return 0.0
    best_from_here_on = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, _RECALLS, side="left")
    reached = place < len(precision)
    return float(np.where(reached, best_from_here_on[np.minimum(place, len(precision) - 1)], 0.0).mean())


def precision_recall(hit: Mask, excused: Mask, persons: int) -> tuple[Floats, Floats]:
    """Precision and recall after each detection that is not excused, both (M,)."""
    right = np.cumsum(hit[~excused])
    said = np.arange(1, len(right) + 1)
    # the reference divides by said + spacing(1); written likewise, so that no tie falls the other way
    return right / (said + np.spacing(1.0)), right / max(persons, 1)
