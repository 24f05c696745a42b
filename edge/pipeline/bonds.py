"""Who goes with whom: a bond between two people grows while they are near and alike, and wears off while they are apart.

A bond is one number from 0 to 1. It grows by ``1 / hold_s`` a second and wears off by ``1 / split_after_s``; it ties when
it reaches 1 and lets go when it is back at 0. Between ``join_distance`` and ``leave_distance`` it stays as it is. So two
strangers who pass each other never tie, a straggler who catches up never parted, and a jitter of the boxes does nothing.
Somebody new has no history to weigh: beside a group and moving with it they belong to it from the first moment, else nine
people who enter the picture one by one would be nine groups that merge.

Bonds of people out of sight stand still: where they are is a guess. Distances are between feet, because a thermal body's
top is cut by hats and branches, in heights of the taller one, so a child beside its parents counts as near as they do.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.config import GroupsConfig
from edge.records import Track

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

_VELOCITY_S = 1.0  # time constant of the velocity that is compared
_NEW_DISAGREE = 2.0  # the velocity of somebody new is vague: so many times the usual difference is allowed
_NEIGHBOURS = 8  # only so many nearest people are looked at for new bonds: a crowd must not cost n x n
_DENSE = 40  # up to so many people a full table is cheaper than a tree


class Bonds:
    """All bonds of one camera, as arrays ordered by pair."""

    def __init__(self, config: GroupsConfig) -> None:
        """Start with no bonds."""
        self._config = config
        self._ids: Ids = np.empty(0, np.int64)
        self._velocity: Floats = np.empty((0, 2))
        self._pairs: Ids = np.empty((0, 2), np.int64)
        self._strength: Floats = np.empty(0)
        self._ties = np.empty(0, np.bool_)

    def update(self, people: Sequence[Track], t_s: float, elapsed_s: float) -> Ids:
        """Let ``elapsed_s`` pass with these people, ordered by id, and return the pairs of ids that are tied, (K, 2)."""
        ids = np.array([one.track_id for one in people], np.int64)
        feet = np.array([one.foot_px for one in people]).reshape(-1, 2)
        boxes = np.array([one.box for one in people]).reshape(-1, 4)
        height_px = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0).max(axis=1, initial=1.0)
        visible = np.array([one.last_seen_s == t_s for one in people], np.bool_)
        new = self._smooth_velocity(ids, np.array([one.velocity_px_s for one in people]).reshape(-1, 2), elapsed_s)
        if len(ids) < 2:  # noqa: PLR2004 - a pair
            self._keep(np.zeros(len(self._pairs), np.bool_))
            return self._pairs
        left, right = self._known(ids)
        more_left, more_right = self._candidates(ids, feet, height_px)
        known = len(left)
        left, right = np.concatenate([left, more_left]), np.concatenate([right, more_right])
        yardstick_px = np.maximum(height_px[left], height_px[right])
        apart = np.hypot(*(feet[left] - feet[right]).T) / yardstick_px
        differ = np.hypot(*(self._velocity[left] - self._velocity[right]).T) / yardstick_px
        near = apart <= self._config.join_distance_heights
        alike = differ <= self._config.velocity_agree_heights_s
        # only what is near makes a row; a newcomer's row starts tied
        fresh = new[left[known:]] | new[right[known:]]
        welcome = fresh & near[known:] & (differ[known:] <= _NEW_DISAGREE * self._config.velocity_agree_heights_s)
        enters = near[known:] & (welcome | alike[known:])
        strength = np.concatenate([self._strength, np.where(welcome, 1.0, 0.0)[enters]])
        ties = np.concatenate([self._ties, welcome[enters]])
        pairs = np.concatenate([self._pairs, np.stack([ids[more_left], ids[more_right]], axis=1)[enters]])
        chosen = np.concatenate([np.ones(known, np.bool_), enters])
        near, alike, apart = near[chosen], alike[chosen], apart[chosen]
        both_seen = (visible[left] & visible[right])[chosen]
        grows = both_seen & near & alike
        wears = both_seen & ((apart > self._config.leave_distance_heights) | (~alike & ~near))
        strength = strength + grows * (elapsed_s / max(self._config.hold_s, 1e-6))
        strength = np.clip(strength - wears * (elapsed_s / max(self._config.split_after_s, 1e-6)), 0.0, 1.0)
        ties = (ties | (strength >= 1.0 - 1e-9)) & (strength > 1e-9)
        self._pairs, self._strength, self._ties = pairs, strength, ties
        self._keep(ties | near)
        return self._pairs[self._ties]

    def _keep(self, those: npt.NDArray[np.bool_]) -> None:
        if not those.all():
            self._pairs, self._strength, self._ties = self._pairs[those], self._strength[those], self._ties[those]

    def _smooth_velocity(self, ids: Ids, velocity: Floats, elapsed_s: float) -> npt.NDArray[np.bool_]:
        """Follow everybody's velocity slowly and return who is new, (N,)."""
        if not len(self._ids):
            self._ids, self._velocity = ids, velocity
            return np.ones(len(ids), np.bool_)
        at = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        new = self._ids[at] != ids
        gain = 1.0 - np.exp(-elapsed_s / _VELOCITY_S)
        before = np.where(new[:, None], velocity, self._velocity[at])
        self._ids, self._velocity = ids, before + gain * (velocity - before)
        return np.asarray(new)

    def _known(self, ids: Ids) -> tuple[Ids, Ids]:
        """Drop the bonds of people who are gone; rows of both ends of the others."""
        at = np.minimum(np.searchsorted(ids, self._pairs), len(ids) - 1)
        here = (ids[at] == self._pairs).all(axis=1)
        self._keep(here)
        at = at[here]
        return at[:, 0], at[:, 1]

    def _candidates(self, ids: Ids, feet: Floats, height_px: Floats) -> tuple[Ids, Ids]:
        """Rows of pairs that may be near and have no bond yet; the lower id first."""
        count = len(ids)
        if count <= _DENSE:
            left, right = np.triu_indices(count, 1)
        else:
            from scipy.spatial import cKDTree  # noqa: PLC0415 - scipy takes most of a second to load

            reach_px = self._config.join_distance_heights * float(height_px.max())
            found = min(_NEIGHBOURS + 1, count)
            distance, nearest = cKDTree(feet).query(feet, k=found, distance_upper_bound=reach_px)
            rows, order = np.nonzero(np.isfinite(distance))
            others = np.asarray(nearest)[rows, order]
            code = np.unique((np.minimum(rows, others) * count + np.maximum(rows, others))[rows != others])
            left, right = code // count, code % count
        if len(self._pairs):
            at = np.searchsorted(ids, self._pairs)
            fresh = ~np.isin(left * count + right, at[:, 0] * count + at[:, 1])
            left, right = left[fresh], right[fresh]
        return left, right
