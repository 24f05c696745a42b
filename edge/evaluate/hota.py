"""HOTA: detection and association in one number, over nineteen strictnesses of overlap.

Luiten et al., *HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking*, 2020. At each overlap ``alpha`` HOTA
is the geometric mean of how well bodies are found (``deta``) and of how well one body's boxes stay together (``assa``).
"""

from dataclasses import dataclass

import numpy as np

from edge.evaluate.overlap import Floats, Integers, best_pairs
from edge.evaluate.tracks import TrackFrames

ALPHAS: Floats = np.arange(0.05, 0.99, 0.05)
"""The overlaps over which HOTA is a mean."""

_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, eq=False)
class Hota:
    """Sums of one clip at each alpha, all (19,); clips are added, ratios follow from the sums.

    Attributes:
        hits: true boxes that were found.
        misses: true boxes that were not.
        false: said boxes that found nothing.
        association_sum: over the hits, the share of frames that the two tracks have in common.
        overlap_sum: sum of the overlaps of the hits.
    """

    hits: Integers
    misses: Integers
    false: Integers
    association_sum: Floats
    overlap_sum: Floats

    def __add__(self, other: "Hota") -> "Hota":
        return Hota(*(getattr(self, name) + getattr(other, name) for name in Hota.__dataclass_fields__))

    @classmethod
    def zero(cls) -> "Hota":
        """Give what adds nothing."""
        whole, real = np.zeros(len(ALPHAS), dtype=np.int64), np.zeros(len(ALPHAS))
        return cls(whole, whole, whole, real, real)

    @property
    def hota(self) -> float | None:
        """Mean over the alphas of ``sqrt(deta * assa)``; None where there is no box at all."""
        return self._mean(np.sqrt(self._deta() * self._assa()))

    @property
    def deta(self) -> float | None:
        """How well bodies are found."""
        return self._mean(self._deta())

    @property
    def assa(self) -> float | None:
        """How well the boxes of one body stay together."""
        return self._mean(self._assa())

    @property
    def loca(self) -> float | None:
        """Mean overlap of the hits; 1 at an alpha without hits."""
        return self._mean(np.where(self.hits > 0, self.overlap_sum / np.maximum(self.hits, 1), 1.0))

    def _deta(self) -> Floats:
        boxes = np.maximum(1, self.hits + self.misses + self.false)
        return np.asarray(self.hits / boxes, dtype=np.float64)

    def _assa(self) -> Floats:
        return np.asarray(self.association_sum / np.maximum(1, self.hits), dtype=np.float64)

    def _mean(self, values: Floats) -> float | None:
        return float(values.mean()) if self.hits[0] + self.misses[0] + self.false[0] else None


def hota(tracks: TrackFrames) -> Hota:
    """Score one clip."""
    true_frames, said_frames = _lengths(tracks)
    alignment = _alignment(tracks, true_frames, said_frames)
    common = np.zeros((len(ALPHAS), tracks.true_tracks, tracks.said_tracks))
    hits, overlap_sum = np.zeros(len(ALPHAS), dtype=np.int64), np.zeros(len(ALPHAS))
    for frame in tracks.frames:
        worth = alignment[frame.true_ids[:, None], frame.said_ids[None, :]] * frame.overlap
        rows, columns = best_pairs(worth)
        overlap = frame.overlap[rows, columns]
        close = overlap >= ALPHAS[:, None] - _EPSILON
        hits += close.sum(axis=1)
        overlap_sum += (close * overlap).sum(axis=1)
        common[:, frame.true_ids[rows], frame.said_ids[columns]] += close
    either = np.maximum(1, true_frames[:, None] + said_frames[None, :] - common)
    return Hota(
        hits=hits,
        misses=tracks.true_boxes - hits,
        false=tracks.said_boxes - hits,
        association_sum=(common * common / either).sum(axis=(1, 2)),
        overlap_sum=overlap_sum,
    )


def _lengths(tracks: TrackFrames) -> tuple[Floats, Floats]:
    true_frames, said_frames = np.zeros(tracks.true_tracks), np.zeros(tracks.said_tracks)
    for frame in tracks.frames:
        true_frames[frame.true_ids] += 1
        said_frames[frame.said_ids] += 1
    return true_frames, said_frames


def _alignment(tracks: TrackFrames, true_frames: Floats, said_frames: Floats) -> Floats:
    """How well two tracks go together over the whole clip, (true, said): the frame's pairing prefers such pairs."""
    together = np.zeros((tracks.true_tracks, tracks.said_tracks))
    for frame in tracks.frames:
        overlap = frame.overlap
        either = overlap.sum(axis=0)[None, :] + overlap.sum(axis=1)[:, None] - overlap
        part = np.divide(overlap, either, out=np.zeros_like(overlap), where=either > _EPSILON)
        together[frame.true_ids[:, None], frame.said_ids[None, :]] += part
    return together / (true_frames[:, None] + said_frames[None, :] - together)
