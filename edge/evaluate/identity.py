"""IDF1: for how long each body kept *its* number.

Ristani et al., *Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking*, 2016. One said track at
most belongs to each true one; they are paired so that the most boxes agree. Pairing to the most agreements is the same
as the paper's pairing to the fewest errors, because every box that does not agree is an error on its own side.
"""

from dataclasses import dataclass

import numpy as np

from edge.evaluate.overlap import best_pairs
from edge.evaluate.tracks import TrackFrames


@dataclass(frozen=True, slots=True)
class Identity:
    """Counts of one clip; clips are added, ratios follow from the sums.

    Attributes:
        agreed: boxes in which body and number belong together.
        missed: other true boxes.
        false: other said boxes.
    """

    agreed: int = 0
    missed: int = 0
    false: int = 0

    def __add__(self, other: "Identity") -> "Identity":
        return Identity(self.agreed + other.agreed, self.missed + other.missed, self.false + other.false)

    @property
    def idf1(self) -> float | None:
        """Harmonic mean of identity precision and recall; None where there is no box at all."""
        boxes = self.agreed + (self.missed + self.false) / 2
        return self.agreed / boxes if boxes else None


def identity(tracks: TrackFrames, *, iou: float = 0.5) -> Identity:
    """Score one clip; a said box agrees with a true one from this ``iou`` on."""
    together = np.zeros((tracks.true_tracks, tracks.said_tracks))
    for frame in tracks.frames:
        rows, columns = np.nonzero(frame.overlap >= iou)
        together[frame.true_ids[rows], frame.said_ids[columns]] += 1
    agreed = int(together[best_pairs(together)].sum())
    return Identity(agreed, tracks.true_boxes - agreed, tracks.said_boxes - agreed)
