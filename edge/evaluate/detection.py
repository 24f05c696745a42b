"""How good a detector is: one report from known persons and claimed boxes.

Three questions, kept apart because a detector can be good at one and bad at another. *Does it rank well?* AP and AR as
COCO defines them, over all scores. *Does it count well at the threshold that ships?* Persons per picture, false boxes
on pictures without anybody. *Can its scores be believed?* Precision against score, in bins.

Size bands go by height in pixels and not by COCO's areas: height is what decides whether a far person can be seen, and
it is what a manifest promises (``smallest_height_px``).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from edge.errors import ConfigError
from edge.evaluate.coco import ATTRIBUTES, Attribute, CocoTruth, TruthPicture
from edge.evaluate.detection_report import BestF1, Curve, DetectionReport, PictureVerdict, Row, ScoreBin
from edge.evaluate.matching import (
    COCO_IOU,
    Matches,
    PictureMatch,
    SizeBand,
    average_precision,
    gather,
    match_picture,
    precision_recall,
)
from edge.evaluate.overlap import Floats, Integers, Mask
from edge.records import Box, Detection

SIZE_EDGES_PX = (8.0, 12.0, 16.0, 24.0, 32.0, 64.0)
"""Heights at which the size table is cut."""

_BINS = 10
_ALL = SizeBand()


def evaluate_detection(
    truth: CocoTruth,
    detections: Mapping[str, Sequence[Detection]],
    *,
    score_threshold: float,
    iou: float = 0.5,
    size_edges_px: Sequence[float] = SIZE_EDGES_PX,
    max_detections: int = 100,
) -> DetectionReport:
    """Judge a detector.

    Args:
        truth: pictures with known persons.
        detections: boxes by ``file_name``, down to low scores, or AP will be too small; a missing picture means none.
        score_threshold: from which score on a box is believed, for everything but AP, AR and best F1.
        iou: how much a box must overlap a person to have found it, for everything but AP and AR.
        size_edges_px: heights at which the size table is cut.
        max_detections: how many of a picture's best boxes count, COCO's 100 by default.

    Raises:
        ConfigError: there are detections for a picture that the truth does not know, so the two do not belong together.
    """
    unknown = set(detections) - {picture.file_name for picture in truth.pictures}
    if unknown:
        raise ConfigError(f"detections of '{min(unknown)}', but truth '{truth.name}' has no such picture")
    persons_only = {name: [box for box in boxes if box.kind == "person"] for name, boxes in detections.items()}
    bands = (_ALL, *_size_bands(size_edges_px))
    overlaps = np.concatenate([[iou], COCO_IOU])
    given = [persons_only.get(picture.file_name, []) for picture in truth.pictures]
    matches = [
        match_picture(picture, boxes, bands=bands, overlaps=overlaps, max_detections=max_detections)
        for picture, boxes in zip(truth.pictures, given, strict=True)
    ]
    together = gather(matches, len(bands), len(overlaps))
    everything = np.ones(len(truth.pictures), dtype=np.bool_)
    bins, calibration_error = _reliability(together)
    return DetectionReport(
        truth=truth.name,
        score_threshold=score_threshold,
        iou=iou,
        overall=_row("all", together, everything, score_threshold),
        best_f1=_best_f1(together),
        calibration_error=calibration_error,
        reliability=bins,
        by_size=_by_size(together, bands, score_threshold),
        by_attribute=_by_attribute(truth.pictures, together, score_threshold),
        pictures=tuple(
            _verdict(picture, boxes, match, score_threshold)
            for picture, boxes, match in zip(truth.pictures, given, matches, strict=True)
        ),
        curve=_curve(together),
    )


def _size_bands(edges_px: Sequence[float]) -> tuple[SizeBand, ...]:
    edges = (0.0, *sorted(edges_px), float("inf"))
    return tuple(SizeBand(low, high) for low, high in pairwise(edges))


def _row(label: str, matches: Matches, pictures: Mask, threshold: float, band: int = 0) -> Row:
    """Score a subset; counts per picture make sense only for whole pictures, so only for the first band."""
    chosen = pictures[matches.picture]
    hit, excused = matches.hit[band][:, chosen], matches.excused[band][:, chosen]
    persons = int(matches.persons[pictures, band].sum())
    precisions = [average_precision(one, other, persons) for one, other in zip(hit[1:], excused[1:], strict=True)]
    ranked = [value for value in precisions if value is not None]
    believed = matches.scores[chosen] >= threshold
    right = int((hit[0] & believed).sum())
    said = int((~excused[0] & believed).sum())
    row = Row(
        label=label,
        pictures=int(pictures.sum()),
        persons=persons,
        ap50=precisions[0],
        ap50_95=float(np.mean(ranked)) if ranked else None,
        ar=float(hit[1:].sum(axis=1).mean() / persons) if persons else None,
        precision=right / said if said else None,
        recall=right / persons if persons else None,
    )
    return row if band else _with_counts(row, matches, pictures, threshold)


def _with_counts(row: Row, matches: Matches, pictures: Mask, threshold: float) -> Row:
    if row.pictures == 0:
        return row
    reported, true = _reported(matches, threshold)[pictures], matches.persons[pictures, 0]
    off = np.abs(reported - true)
    empty = true == 0
    return replace(
        row,
        count_mae=float(off.mean()),
        count_exact=float((off == 0).mean()),
        count_within_1=float((off <= 1).mean()),
        empty_pictures=int(empty.sum()),
        false_per_empty=float(reported[empty].mean()) if empty.any() else None,
    )


def _reported(matches: Matches, threshold: float) -> Integers:
    """Persons that the detector claims in each picture, outside the areas to ignore, shape (P,)."""
    counted = ~matches.excused[0, 0] & (matches.scores >= threshold)
    return np.bincount(matches.picture[counted], minlength=len(matches.persons)).astype(np.int64)


def _by_size(matches: Matches, bands: Sequence[SizeBand], threshold: float) -> tuple[Row, ...]:
    everything = np.ones(len(matches.persons), dtype=np.bool_)
    rows = [_row(band.label, matches, everything, threshold, index) for index, band in enumerate(bands) if index]
    return tuple(row for row in rows if row.persons)


def _by_attribute(
    pictures: Sequence[TruthPicture], matches: Matches, threshold: float
) -> Mapping[str, tuple[Row, ...]]:
    tables: dict[str, tuple[Row, ...]] = {}
    for attribute in ATTRIBUTES:
        members: dict[Attribute, Mask] = defaultdict(lambda: np.zeros(len(pictures), dtype=np.bool_))
        for index, picture in enumerate(pictures):
            if attribute in picture.attributes:
                members[picture.attributes[attribute]][index] = True
        if len(members) > 1:
            tables[attribute] = tuple(
                _row(str(value), matches, members[value], threshold) for value in sorted(members, key=_natural)
            )
    return tables


def _natural(value: Attribute) -> tuple[float, str]:
    return (float("inf"), value) if isinstance(value, str) else (float(value), "")


def _curve(matches: Matches) -> Curve:
    hit, excused = matches.hit[0, 0], matches.excused[0, 0]
    precision, recall = precision_recall(hit, excused, int(matches.persons[:, 0].sum()))
    return Curve(matches.scores[~excused], precision, recall)


def _best_f1(matches: Matches) -> BestF1 | None:
    """The best threshold; equal scores stand or fall together, so only the last of them is a possible place to cut."""
    curve = _curve(matches)
    if matches.persons[:, 0].sum() == 0 or len(curve.scores) == 0:
        return None
    f1 = 2 * curve.precision * curve.recall / np.maximum(curve.precision + curve.recall, np.finfo(np.float64).tiny)
    last_of_equals = np.append(curve.scores[1:] != curve.scores[:-1], True)
    best = int(np.argmax(np.where(last_of_equals, f1, -1.0)))
    return BestF1(*(float(part[best]) for part in (curve.scores, f1, curve.precision, curve.recall)))


def _reliability(matches: Matches) -> tuple[tuple[ScoreBin, ...], float | None]:
    """Compare score with precision in ten bins; the calibration error is their distance, a mean over detections."""
    judged = ~matches.excused[0, 0]
    scores, right = matches.scores[judged], matches.hit[0, 0][judged]
    place = np.minimum((scores * _BINS).astype(np.int64), _BINS - 1)
    bins = []
    for index in range(_BINS):
        inside = place == index
        count = int(inside.sum())
        mean_score = float(scores[inside].mean()) if count else None
        precision = float(right[inside].mean()) if count else None
        bins.append(ScoreBin(index / _BINS, (index + 1) / _BINS, count, mean_score, precision))
    if len(scores) == 0:
        return tuple(bins), None
    distances = [
        one.detections * abs(one.mean_score - one.precision)
        for one in bins
        if one.mean_score is not None and one.precision is not None
    ]
    return tuple(bins), sum(distances) / len(scores)


def _verdict(
    picture: TruthPicture, boxes: Sequence[Detection], match: PictureMatch, threshold: float
) -> PictureVerdict:
    believed = match.scores >= threshold
    found = np.flatnonzero(believed & match.hit[0, 0])
    false = np.flatnonzero(believed & ~match.hit[0, 0] & ~match.excused[0, 0])
    partners = set(match.partner[found].tolist())
    persons = np.flatnonzero(~picture.ignore).tolist()
    chosen = [boxes[index] for index in match.order]
    return PictureVerdict(
        file_name=picture.file_name,
        persons=len(persons),
        found=tuple((chosen[index].box, chosen[index].score) for index in found),
        false=tuple((chosen[index].box, chosen[index].score) for index in false),
        missed=tuple(_box(picture.boxes[index]) for index in persons if index not in partners),
        ignored=tuple(_box(corners) for corners in picture.boxes[picture.ignore]),
    )


def _box(corners: Floats) -> Box:
    x0, y0, x1, y1 = corners.tolist()
    return (x0, y0, x1, y1)
