"""Who goes with whom: a bond between two people grows while they are near and alike, and wears off while apart.

A bond is one number from 0 to 1. It grows by ``1 / hold_s`` a second and wears off by ``1 / split_after_s``; it ties
when it reaches 1 and lets go when it is back at 0. Between ``join_distance`` and ``leave_distance`` it stays as it
is. So two strangers who pass each other never tie, a straggler who catches up never parted, and a jitter of the boxes
does nothing. Somebody new has no history to weigh: beside a group and moving with it they belong to it from the first
moment, else nine people who enter the picture one by one would be nine groups that merge.

Bonds of people out of sight stand still: where they are is a guess. Distances are between feet, because a thermal
body's top is cut by hats and branches, in heights of the taller one, so a child beside its parents counts as near as
they do.
"""

import ctypes
import weakref
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.config import GroupsConfig
from edge.crowd import Library, library
from edge.near import fewest, within
from edge.records import Track

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

_TINY = 1e-9
_LOOK_S = 0.18  # nobody changes company faster: bonds are weighed so often, and at once when somebody comes or goes
_VELOCITY_S = 1.5  # time constant of the velocity that is compared
_YOUNG_S = 1.5  # nobody is a stranger to those beside them before this age ...
_YOUNG_HEIGHTS_S = 0.4  # ... unless their velocity, still vague, differs by this much more than is allowed
_DRIFTING = 1.5  # differing by so many times what is allowed, and no longer near, they part
_CLEARLY = 2.0  # differing by so many times what is allowed they walk different ways, however near they still are
_NEIGHBOURS = 8  # only so many nearest people are looked at for new bonds: a crowd must not cost n x n
_DENSE = 40  # up to so many people a full table is cheaper than a search


class Weighs(Protocol):
    """The bonds of one camera."""

    def update(self, people: Sequence[Track], group_of: Mapping[int, int], t_s: float, elapsed_s: float) -> Ids:
        """Let ``elapsed_s`` pass and tell who is tied.

        Args:
            people: everybody, ordered by id.
            group_of: the group in which each was last, by id; who is not in it is new.
            t_s: time of the frame.
            elapsed_s: time since the last frame.

        Returns:
            Pairs of ids, (K, 2).
        """

    def __len__(self) -> int:
        """Count the pairs that are remembered."""


def make_bonds(config: GroupsConfig) -> Weighs:
    """Begin with no bonds: the compiled ones where they were built, else their specification."""
    core = library()
    return Bonds(config) if core is None else CompiledBonds(config, core)


class Bonds:
    """All bonds of one camera, as arrays ordered by pair: the specification of ``CompiledBonds``."""

    def __init__(self, config: GroupsConfig) -> None:
        """Start with no bonds."""
        self._config = config
        self._ids: Ids = np.empty(0, np.int64)
        self._velocity: Floats = np.empty((0, 2))
        self._pairs: Ids = np.empty((0, 2), np.int64)
        self._strength: Floats = np.empty(0)
        self._ties = np.empty(0, np.bool_)
        self._waited_s = 0.0

    def update(self, people: Sequence[Track], group_of: Mapping[int, int], t_s: float, elapsed_s: float) -> Ids:
        """Let ``elapsed_s`` pass and tell who is tied."""
        ids = np.array([one.track_id for one in people], np.int64)
        self._waited_s += elapsed_s
        if self._waited_s < _LOOK_S and np.array_equal(ids, self._ids):
            return self._pairs[self._ties]
        elapsed_s, self._waited_s = self._waited_s, 0.0
        feet, height_px = _feet(people)
        visible = np.array([one.last_seen_s == t_s for one in people], np.bool_)
        group = np.array([group_of.get(one.track_id, 0) for one in people], np.int64)
        self._smooth_velocity(ids, np.array([one.velocity_px_s for one in people]).reshape(-1, 2), elapsed_s)
        if len(ids) < 2:  # noqa: PLR2004 - a pair
            self._keep(np.zeros(len(self._pairs), np.bool_))
            return self._pairs
        left, right = self._known(ids)
        parted = (group[left] != group[right]) & (group[left] > 0) & (group[right] > 0) & self._ties
        self._strength, self._ties = np.where(parted, 0.0, self._strength), self._ties & ~parted
        more_left, more_right = self._candidates(ids, feet, height_px)
        known = len(left)
        left, right = np.concatenate([left, more_left]), np.concatenate([right, more_right])
        yardstick_px = np.maximum(height_px[left], height_px[right])
        apart = np.hypot(*(feet[left] - feet[right]).T) / yardstick_px
        speed = np.hypot(*self._velocity.T)
        differ = np.hypot(*(self._velocity[left] - self._velocity[right]).T) / yardstick_px
        allowed = (
            self._config.velocity_agree_heights_s
            + self._config.velocity_agree_share * np.maximum(speed[left], speed[right]) / yardstick_px
        )
        near, alike = apart <= self._config.join_distance_heights, differ <= allowed
        fresh = slice(known, None)
        age_s = np.array([t_s - one.first_seen_s for one in people])
        new = (np.minimum(age_s[left], age_s[right]) <= _YOUNG_S) | (group[left] == 0) | (group[right] == 0)
        together = (group[left[fresh]] == group[right[fresh]]) & (apart[fresh] <= self._config.leave_distance_heights)
        welcome = new & near & (differ <= allowed + _YOUNG_HEIGHTS_S)
        welcome &= ~_between_groups(left, right, apart, welcome, group, age_s > _YOUNG_S)
        enters = welcome[fresh] | together | (near[fresh] & alike[fresh])
        begun = (welcome[fresh] | together)[enters]
        strength = np.concatenate([self._strength, np.zeros(len(begun))])
        strength = np.where(np.concatenate([welcome[:known], begun]), 1.0, strength)
        mistaken = (new & (differ > allowed + _YOUNG_HEIGHTS_S))[np.concatenate([np.ones(known, np.bool_), enters])]
        strength = np.where(mistaken, 0.0, strength)  # a runner who only seemed to belong, before the speed was known
        ties = np.concatenate([self._ties, begun])
        pairs = np.concatenate([self._pairs, np.stack([ids[more_left], ids[more_right]], axis=1)[enters]])
        chosen = np.concatenate([np.ones(known, np.bool_), enters])
        near, alike, apart = near[chosen], alike[chosen], apart[chosen]
        unlike = (differ > _CLEARLY * allowed + _YOUNG_HEIGHTS_S / 2.0)[chosen]
        drifting, both_seen = (differ > _DRIFTING * allowed)[chosen] & ~near, (visible[left] & visible[right])[chosen]
        grows = both_seen & near & alike
        wears = both_seen & ((apart > self._config.leave_distance_heights) | unlike | drifting)
        strength = strength + grows * (elapsed_s / max(self._config.hold_s, _TINY))
        strength = np.clip(strength - wears * (elapsed_s / max(self._config.split_after_s, _TINY)), 0.0, 1.0)
        ties = (ties | (strength >= 1.0 - _TINY)) & (strength > _TINY)
        self._pairs, self._strength, self._ties = pairs, strength, ties
        self._keep(ties | (apart <= self._config.leave_distance_heights))  # a worn bond is kept lest it look new
        return self._pairs[self._ties]

    def __len__(self) -> int:
        return len(self._pairs)

    def _keep(self, those: npt.NDArray[np.bool_]) -> None:
        if not those.all():
            self._pairs, self._strength, self._ties = self._pairs[those], self._strength[those], self._ties[those]

    def _smooth_velocity(self, ids: Ids, velocity: Floats, elapsed_s: float) -> None:
        if not len(self._ids):
            self._ids, self._velocity = ids, velocity
            return
        at = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        before = np.where((self._ids[at] == ids)[:, None], self._velocity[at], velocity)
        gain = 1.0 - np.exp(-elapsed_s / _VELOCITY_S)
        self._ids, self._velocity = ids, before + gain * (velocity - before)

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
            left, right = _all_pairs(count)
        else:
            reach_px = np.full(count, self._config.leave_distance_heights * float(height_px.max()))
            rows, others, _ = fewest(*within(feet, reach_px, feet), _NEIGHBOURS + 1)
            code = np.unique((np.minimum(rows, others) * count + np.maximum(rows, others))[rows != others])
            left, right = code // count, code % count
        if len(self._pairs):
            at = np.searchsorted(ids, self._pairs)
            fresh = ~np.isin(left * count + right, at[:, 0] * count + at[:, 1])
            left, right = left[fresh], right[fresh]
        return left, right


class CompiledBonds:
    """The same in ``edge/crowd/bonds.cpp``, which keeps the bonds."""

    def __init__(self, config: GroupsConfig, core: Library) -> None:
        """Start with no bonds."""
        self._core = core
        self._settings = np.array(
            (
                *(config.join_distance_heights, config.leave_distance_heights),
                *(config.velocity_agree_heights_s, config.velocity_agree_share),
                *(config.hold_s, config.split_after_s),
                *(_YOUNG_S, _YOUNG_HEIGHTS_S, _DRIFTING, _CLEARLY, _TINY, _NEIGHBOURS, _DENSE),
            )
        )
        self._at_settings = self._settings.ctypes.data
        self._bonds = core.edge_bonds_new()
        weakref.finalize(self, core.edge_bonds_free, self._bonds)
        self._ids: list[int] = []
        self._ties: Ids = np.empty((0, 2), np.int64)
        self._waited_s = 0.0

    def update(self, people: Sequence[Track], group_of: Mapping[int, int], t_s: float, elapsed_s: float) -> Ids:
        """Let ``elapsed_s`` pass and tell who is tied."""
        ids = [one.track_id for one in people]
        self._waited_s += elapsed_s
        if self._waited_s < _LOOK_S and ids == self._ids:
            return self._ties
        elapsed_s, self._waited_s, self._ids = self._waited_s, 0.0, ids
        listed: list[float] = []
        for one in people:  # in the order of ``Person`` in bonds.cpp
            listed += (one.track_id, *one.box, *one.velocity_px_s, one.last_seen_s == t_s)
            listed += (group_of.get(one.track_id, 0), t_s - one.first_seen_s)
        rows = array("d", listed)
        gain = 1.0 - float(np.exp(-elapsed_s / _VELOCITY_S))
        count = self._core.edge_bonds_weigh(
            self._bonds, rows.buffer_info()[0], len(people), elapsed_s, gain, self._at_settings
        )
        ties = (
            ctypes.string_at(self._core.edge_bonds_ties(self._bonds), count * 2 * self._ties.itemsize) if count else b""
        )
        self._ties = np.frombuffer(ties, np.int64).reshape(-1, 2)
        return self._ties

    def __len__(self) -> int:
        return int(self._core.edge_bonds_remembered(self._bonds))


def _feet(people: Sequence[Track]) -> tuple[Floats, Floats]:
    """Places of feet (N, 2) and longer sides of boxes (N,) in pixels."""
    boxes = np.array([one.box for one in people]).reshape(-1, 4)
    feet = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2.0, boxes[:, 3]], axis=1)
    return feet, np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0).max(axis=1, initial=1.0)


@lru_cache(maxsize=_DENSE + 1)
def _all_pairs(count: int) -> tuple[Ids, Ids]:
    return np.triu_indices(count, 1)


def _between_groups(
    left: Ids,
    right: Ids,
    apart: Floats,
    welcome: npt.NDArray[np.bool_],
    group: Ids,
    old: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Find the pairs by which somebody new would tie two groups that both were there before; (pairs,).

    Two groups that pass each other must not become one because a person is first seen between them: whoever is new
    belongs to the group of the nearest who would have them.
    """
    home = np.where(np.isin(group, group[old & (group > 0)]), group, 0)
    for new, host in ((left, right), (right, left)):
        found = np.nonzero(welcome & (home[new] == 0) & (home[host] > 0))[0]
        if len(found):
            found = found[np.argsort(-apart[found], kind="stable")]  # the nearest is written last and stays
            nearest = np.full(len(group), -1)
            nearest[new[found]] = found
            chosen = nearest[nearest >= 0]
            home[new[chosen]] = home[host[chosen]]
    return np.asarray((home[left] > 0) & (home[right] > 0) & (home[left] != home[right]))
