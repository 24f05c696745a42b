"""Whom each track follows: the node's word laid over the truth, frame by frame.

A seen track follows the true person that its box overlaps best; a hidden one keeps following whom it followed, because
that is what it claims. From this come all questions about tracks and groups, so none of them looks at boxes again.

A track that follows nobody is *false*, unless it lies on somebody or something that is not judged (see
``truth.is_judged``): then it is *excused*.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edge.evaluate.overlap import as_boxes, best_pairs, iou, share_inside
from edge.evaluate.tracks import IdentifiedBoxes
from edge.evaluate.truth import IGNORE, PERSON, Truth, TruthFrame, TruthObject, is_judged
from edge.records import Result, Track

_FOLLOWS_IOU = 0.3  # boxes of far people are small: two pixels off at 8 px width is already half
_EXCUSED_SHARE = 0.5
_FORGETS_S = 1.0  # a seen track off its person for this long follows nobody any more
_SAME_MOMENT_S = 1e-6


@dataclass(frozen=True, slots=True)
class View:
    """One frame of truth and what the node said about it.

    Attributes:
        t_s: time of the frame in the truth.
        lasts_s: time until the next frame.
        ffc: the shutter was closed.
        persons: the true persons in the picture, by id, hidden ones included.
        judged: ids of those who are to be found.
        seen: the believed tracks that were seen in this frame.
        follows: whom a track follows, by track id; hidden tracks included; no entry for nobody.
        excused: track ids that lie, or lay when last seen, on somebody or something that is not judged.
        result: what the node said; ``None`` where it said nothing (a dropped frame).
    """

    t_s: float
    lasts_s: float
    ffc: bool
    persons: Mapping[int, TruthObject]
    judged: frozenset[int]
    seen: tuple[Track, ...]
    follows: Mapping[int, int]
    excused: frozenset[int]
    result: Result | None

    def boxes(self) -> tuple[IdentifiedBoxes, IdentifiedBoxes]:
        """Give the true and the said boxes that tracking is measured on."""
        true = sorted(self.judged)
        said = [track for track in self.seen if track.track_id not in self.excused]
        return (
            (true, as_boxes([self.persons[one].box for one in true])),
            ([track.track_id for track in said], as_boxes([track.box for track in said])),
        )


def views(truth: Truth, results: Sequence[Result], *, proven_height_px: float) -> Iterator[View]:
    """Lay the results over the truth.

    Args:
        truth: the clip as it was.
        results: the clip as the node saw it, in any order; matched to frames by time.
        proven_height_px: persons less high are not judged.
    """
    follows: dict[int, int] = {}
    excused: frozenset[int] = frozenset()
    strays_since_s: dict[int, float] = {}
    for frame, lasts_s, result in _aligned(truth, results):
        persons = {one.id: one for one in frame.objects if one.kind == PERSON}
        judged = frozenset(one.id for one in persons.values() if is_judged(one, proven_height_px))
        seen = _seen(result)
        found = _pairs(seen, persons, judged)
        if not truth.identified:
            follows = {}  # ids mean nothing from one frame to the next
        for track in seen:
            _remember(track.track_id, found, frame.t_s, follows, strays_since_s)
        excused = (excused - {track.track_id for track in seen}) | _excused(seen, found, frame, judged)
        yield View(
            t_s=frame.t_s,
            lasts_s=lasts_s,
            ffc=frame.ffc,
            persons=persons,
            judged=judged,
            seen=seen,
            follows=dict(follows),
            excused=excused,
            result=result,
        )


def _aligned(truth: Truth, results: Sequence[Result]) -> Iterator[tuple[TruthFrame, float, Result | None]]:
    """Pair every true frame with the result nearest in time, at most half a period away."""
    period_s = 1.0 / truth.fps
    ordered = sorted(results, key=lambda result: result.t_s)
    times_s = np.array([result.t_s for result in ordered])
    ends = [*(after.t_s for _, after in pairwise(truth.frames)), None]
    for frame, end_s in zip(truth.frames, ends, strict=False):
        lasts_s = period_s if end_s is None else end_s - frame.t_s
        nearest = int(np.abs(times_s - frame.t_s).argmin()) if ordered else 0
        near = bool(ordered) and abs(ordered[nearest].t_s - frame.t_s) <= period_s / 2
        yield frame, lasts_s, ordered[nearest] if near else None


def _seen(result: Result | None) -> tuple[Track, ...]:
    """Choose the tracks that are claims about this very frame; a hidden track's box is a guess and is not measured."""
    if result is None:
        return ()
    return tuple(
        track
        for track in result.tracks
        if track.confirmed and track.kind == PERSON and track.last_seen_s >= result.t_s - _SAME_MOMENT_S
    )


def _pairs(seen: Sequence[Track], persons: Mapping[int, TruthObject], judged: frozenset[int]) -> dict[int, int]:
    """Pair seen tracks with persons; those to be found come first, for they hide the others and not the reverse."""
    ids = sorted(persons)
    overlap = iou(as_boxes([track.box for track in seen]), as_boxes([persons[one].box for one in ids]))
    first = np.array([one in judged for one in ids], dtype=np.float64)
    worth = np.where(overlap >= _FOLLOWS_IOU, overlap + first, 0.0)
    rows, columns = best_pairs(worth)
    return {
        seen[row].track_id: ids[column]
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if worth[row, column] > 0
    }


def _remember(
    track_id: int, found: Mapping[int, int], t_s: float, follows: dict[int, int], strays_since_s: dict[int, float]
) -> None:
    if track_id in found:
        follows[track_id] = found[track_id]
        strays_since_s.pop(track_id, None)
    elif t_s - strays_since_s.setdefault(track_id, t_s) >= _FORGETS_S:
        follows.pop(track_id, None)


def _excused(
    seen: Sequence[Track], found: Mapping[int, int], frame: TruthFrame, judged: frozenset[int]
) -> frozenset[int]:
    """Find the tracks that follow somebody who is not judged, or lie half inside something that is not."""
    unjudged = [one for one in frame.objects if one.kind == IGNORE or (one.kind == PERSON and one.id not in judged)]
    inside = share_inside(as_boxes([track.box for track in seen]), as_boxes([one.box for one in unjudged]))
    in_area = np.any(inside >= _EXCUSED_SHARE, axis=1)
    return frozenset(
        track.track_id
        for row, track in enumerate(seen)
        if (found[track.track_id] not in judged if track.track_id in found else in_area[row])
    )
