"""Two sets of tracks over the same frames: what every tracking measure is a function of."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edge.evaluate.overlap import Floats, Integers, iou


@dataclass(frozen=True, slots=True)
class TrackFrame:
    """One frame; G true boxes, D said boxes.

    Attributes:
        true_ids: (G,) numbers of the true tracks, 0..``true_tracks`` - 1, each at most once.
        said_ids: (D,) numbers of the said tracks, likewise.
        overlap: (G, D) IoU of every pair, 0..1.
    """

    true_ids: Integers
    said_ids: Integers
    overlap: Floats


@dataclass(frozen=True, slots=True)
class TrackFrames:
    """A clip's tracks, frame by frame in order of time."""

    frames: tuple[TrackFrame, ...]
    true_tracks: int
    said_tracks: int

    @property
    def true_boxes(self) -> int:
        """Number of true boxes in all frames."""
        return sum(len(frame.true_ids) for frame in self.frames)

    @property
    def said_boxes(self) -> int:
        """Number of said boxes in all frames."""
        return sum(len(frame.said_ids) for frame in self.frames)


IdentifiedBoxes = tuple[Sequence[Hashable], Floats]
"""Ids and their boxes (N, 4) in one frame."""


def track_frames(frames: Iterable[tuple[IdentifiedBoxes, IdentifiedBoxes]]) -> TrackFrames:
    """Number the ids of true and said boxes from 0 and measure the overlaps.

    Args:
        frames: for each frame the true boxes and the said boxes; an id at most once in a frame.
    """
    true_numbers: dict[Hashable, int] = {}
    said_numbers: dict[Hashable, int] = {}
    numbered = tuple(
        TrackFrame(_numbers(true_ids, true_numbers), _numbers(said_ids, said_numbers), iou(true_boxes, said_boxes))
        for (true_ids, true_boxes), (said_ids, said_boxes) in frames
    )
    return TrackFrames(numbered, len(true_numbers), len(said_numbers))


def _numbers(ids: Sequence[Hashable], known: dict[Hashable, int]) -> Integers:
    return np.array([known.setdefault(one, len(known)) for one in ids], dtype=np.int64)
