"""The tracker's memory: the state of all bodies as arrays, and how it moves in time.

The motion model is a constant velocity disturbed by white noise, in seconds, so it means the same at 2 and at 60
frames/s. Both axes are alike and independent, so three numbers a body hold its covariance and a frame costs a handful
of array operations however many people are there; a full Kalman filter per body costs a hundred times that and gains
nothing here.
"""

import math
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edge.records import CameraShift, Detection

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Kind = TypeVar("Kind", bound=np.generic)

_MEASURED_PX = 1.5  # error of a box's place: a fixed part ...
_MEASURED_HEIGHTS = 0.03  # ... and a part that grows with the body
_NOISE_HEIGHTS2_S3 = 0.1  # density of the acceleration noise of a body that moves just as expected ...
_NEWBORN_HEIGHTS_S = 1.0  # standard deviation of an unknown velocity
_CALM, _WILD = 0.05, 8.0  # ... times its surprise, within these bounds: who stands is held still, who turns is followed
_SURPRISE_S = 0.4  # time constant of the surprise
_SIZE_S = 0.7  # time constant of the smoothed size
_STRENGTH_S = 2.0  # time constant of the strength
_TINY_S = 1e-6
_COAST_S = 4.0  # time constant of the velocity of a body out of sight: it may have stopped
_LOST_HEIGHTS = 1.5  # how far off places are after the camera moved nobody knows how


class Boxes:
    """The detections of one frame as arrays, in an order that does not depend on the order given.

    ``place`` (M, 2) float64 are the middles and ``size`` (M, 2) widths and heights in pixels, ``score`` (M,); ``kind`` (M,)
    are indices into the tracker's list of kinds.
    """

    def __init__(self, detections: Sequence[Detection], kinds: list[str]) -> None:
        """Sort them, and append kinds never seen before to ``kinds``."""
        ordered = sorted(detections)
        for one in ordered:
            if one.kind not in kinds:
                kinds.append(one.kind)
        rows = [
            ((x0 + x1) / 2.0, (y0 + y1) / 2.0, max(x1 - x0, 1.0), max(y1 - y0, 1.0), score, kinds.index(kind))
            for (x0, y0, x1, y1), score, kind in ordered
        ]
        numbers = np.array(rows, np.float64).reshape(-1, 6)
        self.place, self.size, self.score = numbers[:, :2], numbers[:, 2:4], numbers[:, 4]
        self.kind: Indices = numbers[:, 5].astype(np.intp)

    @property
    def height_px(self) -> Floats:
        """The longer sides, (M,)."""
        return np.asarray(self.size.max(axis=1, initial=1.0))

    def __len__(self) -> int:
        return len(self.score)


_ROW = np.dtype(
    [
        *((name, np.float64, 2) for name in ("place", "velocity", "size", "seen_place", "born_place", "seen_velocity")),
        *(
            (name, np.float64)
            for name in ("moved_heights", "place_var", "mixed_var", "velocity_var", "surprise", "score", "mean_score")
        ),
        *((name, np.float64) for name in ("strength", "first_seen_s", "last_seen_s", "hidden_s")),
        *((name, np.int64) for name in ("track_id", "hits", "looks")),
        *((name, np.bool_) for name in ("confirmed", "leaving")),
    ],
    align=True,
)
"""One body."""


class _Column(Generic[Kind]):
    """One value of all bodies: a view into their rows, so that what is assigned is written there."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, bodies: "Bodies", _owner: type) -> npt.NDArray[Kind]:
        return bodies.rows[self._name]

    def __set__(self, bodies: "Bodies", values: npt.NDArray[Kind]) -> None:
        bodies.rows[self._name] = values


class Bodies:
    """All tracks as rows of one array, ordered by id; pixels and seconds.

    ``place`` (N, 2) are middles of boxes, ``size`` (N, 2) widths and heights, ``velocity`` (N, 2). ``place_var``,
    ``mixed_var`` and ``velocity_var`` are the covariance of one axis. ``surprise`` is how far boxes lay off lately, 1 is as
    expected. ``seen_place`` and ``seen_velocity`` are where it was last seen and how it moved then, turned along
    with the camera. ``mean_score`` is the mean of all its boxes, ``strength`` that over the last seconds in which it could
    be seen, misses counted as none, and ``moved_heights`` how far it ever was from where it began: a person scores high and
    is seldom missed, a stone or a cow's back now and then looks like one. ``votes`` (N, kinds) is how often it was called
    what.
    """

    track_id = _Column[np.int64]()
    place = _Column[np.float64]()
    velocity = _Column[np.float64]()
    size = _Column[np.float64]()
    seen_place = _Column[np.float64]()
    born_place = _Column[np.float64]()
    moved_heights = _Column[np.float64]()
    seen_velocity = _Column[np.float64]()
    place_var = _Column[np.float64]()
    mixed_var = _Column[np.float64]()
    velocity_var = _Column[np.float64]()
    surprise = _Column[np.float64]()
    score = _Column[np.float64]()
    mean_score = _Column[np.float64]()
    strength = _Column[np.float64]()
    first_seen_s = _Column[np.float64]()
    last_seen_s = _Column[np.float64]()
    hidden_s = _Column[np.float64]()
    hits = _Column[np.int64]()
    looks = _Column[np.int64]()
    confirmed = _Column[np.bool_]()
    leaving = _Column[np.bool_]()

    def __init__(self) -> None:
        """Start with nobody."""
        self.rows = np.empty(0, _ROW)
        self.votes = np.empty((0, 1))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def height_px(self) -> Floats:
        """The yardstick of each body, (N,): the longer side, for those who crawl or are seen from above."""
        return np.asarray(self.size.max(axis=1, initial=1.0))

    def keep(self, those: Flags) -> None:
        """Forget all others."""
        self.rows, self.votes = self.rows[those], self.votes[those]

    def take_over(self, old: int, new: int) -> None:
        """Let the body in row ``old`` go on as what row ``new`` saw, under its own id."""
        track_id, first_seen_s = self.track_id[old], self.first_seen_s[old]
        self.rows[old], self.votes[old] = self.rows[new], self.votes[new]
        self.track_id[old], self.first_seen_s[old] = track_id, first_seen_s

    def move_with_camera(self, shift: CameraShift) -> None:
        """Move places and velocities as the scene moved in the picture; widen the doubt where nobody knows how."""
        if not shift.known:
            self.place_var += (_LOST_HEIGHTS * self.height_px) ** 2
        elif shift != _STILL:
            a, b, c, d = shift.linear
            offset = np.array((shift.dx_px, shift.dy_px))

            def turned(of: Floats) -> Floats:  # no matrix product: it rounds as the processor likes
                return np.stack((a * of[:, 0] + b * of[:, 1], c * of[:, 0] + d * of[:, 1]), axis=1)

            self.place = turned(self.place) + offset
            self.seen_place = turned(self.seen_place) + offset
            self.born_place = turned(self.born_place) + offset
            self.velocity = turned(self.velocity)
            self.seen_velocity = turned(self.seen_velocity)
            self.size = self.size * math.sqrt(abs(a * d - b * c))

    def coast(self, elapsed_s: float) -> None:
        """Predict all for the time ``elapsed_s`` later; those out of sight slow down."""
        noise = _NOISE_HEIGHTS2_S3 * self.height_px**2 * np.clip(self.surprise, _CALM, _WILD)
        hidden = self.hidden_s > 0.0
        if hidden.any():
            self.velocity[hidden] *= gains(elapsed_s).kept
        self.place = self.place + self.velocity * elapsed_s
        self.place_var = (
            self.place_var
            + 2.0 * self.mixed_var * elapsed_s
            + self.velocity_var * elapsed_s**2
            + noise * (elapsed_s**3 / 3.0)
        )
        self.mixed_var = self.mixed_var + self.velocity_var * elapsed_s + noise * (elapsed_s**2 / 2.0)
        self.velocity_var = self.velocity_var + noise * elapsed_s

    def see(self, rows: Indices, boxes: Boxes, columns: Indices, trust: Floats, t_s: float, elapsed_s: float) -> None:
        """Correct the bodies in ``rows`` by the boxes in ``columns``, as far as each pair is trusted (K,)."""
        measured, by = boxes.place[columns], gains(elapsed_s)
        place_var, mixed_var = self.place_var[rows], self.mixed_var[rows]
        total_var = place_var + measured_var(self.height_px[rows])
        gain, velocity_gain = trust * place_var / total_var, trust * mixed_var / total_var
        missed_by = measured - self.place[rows]
        self.place[rows] += gain[:, None] * missed_by
        self.velocity[rows] += velocity_gain[:, None] * missed_by
        self.place_var[rows] = place_var * (1.0 - gain)
        self.mixed_var[rows] = mixed_var * (1.0 - gain)
        self.velocity_var[rows] -= velocity_gain * mixed_var
        strain = (missed_by**2).sum(axis=1) / (2.0 * total_var)
        self.surprise[rows] += trust * by.surprise * (strain - self.surprise[rows])
        self.hits[rows] += 1
        # the mean of the first few boxes, then a moving mean over _SIZE_S
        size_gain = np.maximum(1.0 / self.hits[rows], by.size)
        self.size[rows] += (trust * size_gain)[:, None] * (boxes.size[columns] - self.size[rows])
        self.seen_place[rows] = self.place[rows]
        way_px = np.hypot(*(self.place[rows] - self.born_place[rows]).T)
        self.moved_heights[rows] = np.maximum(self.moved_heights[rows], way_px / self.height_px[rows])
        self.seen_velocity[rows] = self.velocity[rows]
        self.score[rows] = boxes.score[columns]
        self.mean_score[rows] += (boxes.score[columns] - self.mean_score[rows]) / self.hits[rows]
        gap_s = self.hidden_s[rows] + max(elapsed_s, _TINY_S)
        strength_gain = np.maximum(1.0 / self.hits[rows], 1.0 - np.exp(-gap_s / _STRENGTH_S))
        lately = boxes.score[columns] * (max(elapsed_s, _TINY_S) / gap_s)
        self.strength[rows] += strength_gain * (lately - self.strength[rows])
        self.last_seen_s[rows] = t_s
        self.hidden_s[rows] = 0.0
        self.leaving[rows] = False
        self.votes[rows, boxes.kind[columns]] += 1.0

    def add(self, first_id: int, boxes: Boxes, columns: Indices, velocity: Floats, t_s: float) -> None:
        """Begin a body for each of these boxes, expected to move with ``velocity`` (K, 2)."""
        count = len(columns)
        height_px = boxes.height_px[columns]
        new = np.zeros(count, _ROW)
        new["track_id"] = np.arange(first_id, first_id + count)
        new["place"] = new["seen_place"] = new["born_place"] = boxes.place[columns]
        new["velocity"] = new["seen_velocity"] = velocity
        new["size"] = boxes.size[columns]
        new["place_var"] = measured_var(height_px)
        new["velocity_var"] = (_NEWBORN_HEIGHTS_S * height_px) ** 2
        new["surprise"] = 1.0
        new["score"] = new["mean_score"] = new["strength"] = boxes.score[columns]
        new["first_seen_s"] = new["last_seen_s"] = t_s
        new["hits"] = new["looks"] = 1
        votes = np.zeros((count, self.votes.shape[1]))
        votes[np.arange(count), boxes.kind[columns]] = 1.0
        self.rows, self.votes = np.concatenate([self.rows, new]), np.concatenate([self.votes, votes])

    def know_kinds(self, count: int) -> None:
        """Make room for the votes of newly met kinds."""
        missing = count - self.votes.shape[1]
        if missing > 0:
            self.votes = np.pad(self.votes, ((0, 0), (0, missing)))


_STILL = CameraShift()


class Gains(NamedTuple):
    """What a time does to all bodies alike: weights of what is new, and the share of a hidden body's velocity kept."""

    surprise: float
    size: float
    kept: float


def gains(elapsed_s: float) -> Gains:
    """Find the gains after ``elapsed_s``."""
    return Gains(
        surprise=1.0 - math.exp(-elapsed_s / _SURPRISE_S),
        size=1.0 - math.exp(-elapsed_s / _SIZE_S),
        kept=math.exp(-elapsed_s / _COAST_S),
    )


SETTINGS = (
    *(
        _MEASURED_PX,
        _MEASURED_HEIGHTS,
        _NOISE_HEIGHTS2_S3,
        _CALM,
        _WILD,
        _STRENGTH_S,
        _TINY_S,
        _SURPRISE_S,
        _SIZE_S,
        _COAST_S,
    ),
    *(_NEWBORN_HEIGHTS_S, _LOST_HEIGHTS),
)
"""What the compiled tracker needs of this module."""


def measured_var(height_px: Floats) -> Floats:
    """Variance of the place of a measured box, one axis, in square pixels; (N,)."""
    return (_MEASURED_PX + _MEASURED_HEIGHTS * height_px) ** 2
