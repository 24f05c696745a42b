"""CLEAR MOT: how many boxes are right, and how often a body changes its number.

Bernardin and Stiefelhagen, *Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics*, 2008, in the
reading of TrackEval: a body keeps the track it had in the previous frame when it still overlaps enough; a switch counts
against the last track it ever had.
"""

from dataclasses import dataclass

import numpy as np

from edge.evaluate.overlap import Floats, Integers, best_pairs
from edge.evaluate.tracks import TrackFrame, TrackFrames

_KEEPS = 1000.0
_NO_TRACK = -1
_MOSTLY_TRACKED = 0.8
_MOSTLY_LOST = 0.2
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Clear:
    """Counts of one clip; clips are added, ratios follow from the sums.

    Attributes:
        hits: true boxes that a said box found.
        misses: true boxes that none found.
        false: said boxes that found none.
        switches: a body went on under another number.
        fragments: a body was lost and found again.
        mostly_tracked: bodies found in more than four fifths of their frames.
        mostly_lost: bodies found in less than one fifth.
        bodies: true tracks.
        overlap_sum: sum of the overlaps of the hits.
    """

    hits: int = 0
    misses: int = 0
    false: int = 0
    switches: int = 0
    fragments: int = 0
    mostly_tracked: int = 0
    mostly_lost: int = 0
    bodies: int = 0
    overlap_sum: float = 0.0

    def __add__(self, other: "Clear") -> "Clear":
        return Clear(*(getattr(self, name) + getattr(other, name) for name in Clear.__dataclass_fields__))

    @property
    def mota(self) -> float | None:
        """One minus all errors per true box; None without true boxes."""
        true_boxes = self.hits + self.misses
        return (self.hits - self.false - self.switches) / true_boxes if true_boxes else None

    @property
    def motp(self) -> float | None:
        """Mean overlap of the hits."""
        return self.overlap_sum / self.hits if self.hits else None


def clear(tracks: TrackFrames, *, iou: float = 0.5) -> Clear:
    """Score one clip; a said box finds a true one from this ``iou`` on."""
    last_ever = np.full(tracks.true_tracks, _NO_TRACK, dtype=np.int64)
    just_now = last_ever.copy()
    frames_there, frames_found, stretches = (np.zeros(tracks.true_tracks, dtype=np.int64) for _ in range(3))
    hits = misses = false = switches = 0
    overlap_sum = 0.0
    for frame in tracks.frames:
        frames_there[frame.true_ids] += 1
        if len(frame.true_ids) == 0 or len(frame.said_ids) == 0:
            misses += len(frame.true_ids)
            false += len(frame.said_ids)
            continue  # a frame with nothing on one side interrupts no track, as in the reference
        rows, columns = best_pairs(_worth(frame, just_now, iou))
        close = frame.overlap[rows, columns] >= iou - _EPSILON
        found, said = frame.true_ids[rows[close]], frame.said_ids[columns[close]]
        before = last_ever[found]
        switches += int(((before != _NO_TRACK) & (before != said)).sum())
        was_lost = just_now == _NO_TRACK
        last_ever[found] = said
        just_now[:] = _NO_TRACK
        just_now[found] = said
        stretches += was_lost & (just_now != _NO_TRACK)
        frames_found[found] += 1
        hits += len(found)
        misses += len(frame.true_ids) - len(found)
        false += len(frame.said_ids) - len(found)
        overlap_sum += float(frame.overlap[rows[close], columns[close]].sum())
    share = frames_found / np.maximum(frames_there, 1)
    return Clear(
        hits=hits,
        misses=misses,
        false=false,
        switches=switches,
        fragments=int(np.maximum(stretches - 1, 0).sum()),
        mostly_tracked=int((share > _MOSTLY_TRACKED).sum()),
        mostly_lost=int((share < _MOSTLY_LOST).sum()),
        bodies=tracks.true_tracks,
        overlap_sum=overlap_sum,
    )


def _worth(frame: TrackFrame, just_now: Integers, iou: float) -> Floats:
    """Value pairs by overlap, and pairs that continue a track far above; too small an overlap is worth nothing."""
    continues = frame.said_ids[None, :] == just_now[frame.true_ids][:, None]
    return np.where(frame.overlap >= iou - _EPSILON, _KEEPS * continues + frame.overlap, 0.0)
