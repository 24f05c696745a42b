"""The tracker's memory: the state of all bodies as arrays, and how it moves in time.

The motion model is a constant velocity disturbed by white noise, in seconds, so it means the same at 2 and at 60
frames/s. Both axes are alike and independent, so three numbers a body hold its covariance and a frame costs a handful
of array operations however many people are there; a full Kalman filter per body costs a hundred times that and gains
nothing here.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.records import CameraShift, Detection

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

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

    ``place`` (M, 2) float64 are the middles and ``size`` (M, 2) widths and heights in pixels; ``kind`` (M,) are indices
    into the tracker's list of kinds.
    """

    def __init__(self, detections: Sequence[Detection], kinds: list[str]) -> None:
        """Sort them, and append kinds never seen before to ``kinds``."""
        ordered = sorted((one.box, one.score, one.kind) for one in detections)
        for _, _, kind in ordered:
            if kind not in kinds:
                kinds.append(kind)
        corners = np.array([box for box, _, _ in ordered], np.float64).reshape(-1, 4)
        self.size = np.maximum(corners[:, 2:] - corners[:, :2], 1.0)
        self.place = (corners[:, :2] + corners[:, 2:]) / 2.0
        self.height_px = self.size.max(axis=1, initial=1.0)
        self.score = np.array([score for _, score, _ in ordered], np.float64)
        self.kind = np.array([kinds.index(kind) for _, _, kind in ordered], np.intp)

    def __len__(self) -> int:
        return len(self.score)


class Bodies:
    """All tracks as arrays of one length, ordered by id; pixels and seconds.

    ``place`` (N, 2) are middles of boxes, ``size`` (N, 2) widths and heights, ``velocity`` (N, 2). ``place_var``,
    ``mixed_var`` and ``velocity_var`` are the covariance of one axis. ``surprise`` is how far boxes lay off lately, 1 is as
    expected. ``seen_place`` and ``seen_velocity`` are where it was last seen and how it moved then, turned along
    with the camera. ``strength`` is the mean score over the last seconds in which it could be seen, misses counted as
    none, and ``moved_heights`` how far it ever was from where it began: a person scores high and is seldom missed, a
    stone or a cow's back now and then looks like one. ``votes`` (N, kinds) is how often it was called what.
    """

    def __init__(self) -> None:
        """Start with nobody."""
        self.track_id = np.empty(0, np.int64)
        self.place = np.empty((0, 2))
        self.velocity = np.empty((0, 2))
        self.size = np.empty((0, 2))
        self.seen_place = np.empty((0, 2))
        self.born_place = np.empty((0, 2))
        self.moved_heights = np.empty(0)
        self.seen_velocity = np.empty((0, 2))
        self.place_var = np.empty(0)
        self.mixed_var = np.empty(0)
        self.velocity_var = np.empty(0)
        self.surprise = np.empty(0)
        self.score = np.empty(0)
        self.strength = np.empty(0)
        self.first_seen_s = np.empty(0)
        self.last_seen_s = np.empty(0)
        self.hidden_s = np.empty(0)
        self.hits = np.empty(0, np.int64)
        self.looks = np.empty(0, np.int64)
        self.confirmed = np.empty(0, np.bool_)
        self.leaving = np.empty(0, np.bool_)
        self.votes = np.empty((0, 1))

    def __len__(self) -> int:
        return len(self.track_id)

    @property
    def height_px(self) -> Floats:
        """The yardstick of each body, (N,): the longer side, for those who crawl or are seen from above."""
        return np.asarray(self.size.max(axis=1, initial=1.0))

    def keep(self, those: Flags) -> None:
        """Forget all others."""
        for name, column in vars(self).items():
            setattr(self, name, column[those])

    def take_over(self, old: int, new: int) -> None:
        """Let the body in row ``old`` go on as what row ``new`` saw, under its own id."""
        for name, column in vars(self).items():
            if name not in {"track_id", "first_seen_s"}:
                column[old] = column[new]

    def move_with_camera(self, shift: CameraShift) -> None:
        """Move places and velocities as the scene moved in the picture; widen the doubt where nobody knows how."""
        if not shift.known:
            self.place_var += (_LOST_HEIGHTS * self.height_px) ** 2
        elif shift != _STILL:
            turn = np.array(shift.linear).reshape(2, 2).T
            offset = np.array((shift.dx_px, shift.dy_px))
            self.place = self.place @ turn + offset
            self.seen_place = self.seen_place @ turn + offset
            self.born_place = self.born_place @ turn + offset
            self.velocity = self.velocity @ turn
            self.seen_velocity = self.seen_velocity @ turn
            self.size = self.size * np.sqrt(abs(np.linalg.det(turn)))

    def coast(self, elapsed_s: float) -> None:
        """Predict all for the time ``elapsed_s`` later; those out of sight slow down."""
        noise = _NOISE_HEIGHTS2_S3 * self.height_px**2 * np.clip(self.surprise, _CALM, _WILD)
        hidden = self.hidden_s > 0.0
        if hidden.any():
            self.velocity[hidden] *= np.exp(-elapsed_s / _COAST_S)
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
        measured = boxes.place[columns]
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
        self.surprise[rows] += trust * (1.0 - np.exp(-elapsed_s / _SURPRISE_S)) * (strain - self.surprise[rows])
        self.hits[rows] += 1
        # the mean of the first few boxes, then a moving mean over _SIZE_S
        size_gain = np.maximum(1.0 / self.hits[rows], 1.0 - np.exp(-elapsed_s / _SIZE_S))
        self.size[rows] += (trust * size_gain)[:, None] * (boxes.size[columns] - self.size[rows])
        self.seen_place[rows] = self.place[rows]
        way_px = np.hypot(*(self.place[rows] - self.born_place[rows]).T)
        self.moved_heights[rows] = np.maximum(self.moved_heights[rows], way_px / self.height_px[rows])
        self.seen_velocity[rows] = self.velocity[rows]
        self.score[rows] = boxes.score[columns]
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
        votes = np.zeros((count, self.votes.shape[1]))
        votes[np.arange(count), boxes.kind[columns]] = 1.0
        new: dict[str, npt.NDArray[np.generic]] = {
            "track_id": np.arange(first_id, first_id + count),
            "place": boxes.place[columns],
            "velocity": velocity,
            "size": boxes.size[columns],
            "seen_place": boxes.place[columns],
            "born_place": boxes.place[columns],
            "moved_heights": np.zeros(count),
            "seen_velocity": velocity,
            "place_var": measured_var(height_px),
            "mixed_var": np.zeros(count),
            "velocity_var": (_NEWBORN_HEIGHTS_S * height_px) ** 2,
            "surprise": np.ones(count),
            "score": boxes.score[columns],
            "strength": boxes.score[columns],
            "first_seen_s": np.full(count, t_s),
            "last_seen_s": np.full(count, t_s),
            "hidden_s": np.zeros(count),
            "hits": np.ones(count, np.int64),
            "looks": np.ones(count, np.int64),
            "confirmed": np.zeros(count, np.bool_),
            "leaving": np.zeros(count, np.bool_),
            "votes": votes,
        }
        for name, column in vars(self).items():
            setattr(self, name, np.concatenate([column, new[name]]))

    def know_kinds(self, count: int) -> None:
        """Make room for the votes of newly met kinds."""
        missing = count - self.votes.shape[1]
        if missing > 0:
            self.votes = np.pad(self.votes, ((0, 0), (0, missing)))


_STILL = CameraShift()


def measured_var(height_px: Floats) -> Floats:
    """Variance of the place of a measured box, one axis, in square pixels; (N,)."""
    return (_MEASURED_PX + _MEASURED_HEIGHTS * height_px) ** 2
