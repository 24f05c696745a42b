"""How many people of each true group the node ought to know of, frame by frame.

A number of people has two ends, because not everybody there can be counted. *Sure* are those who can be seen, and those
who were seen and then went behind something: hiding is not leaving, so for ``remembered_s`` they still have to be
counted. *Maybe* are the others in the picture: too small, never yet seen, or hidden for longer. A told number is right
anywhere between the sure ones alone and all together.

A group is *settled* when it has been visible for the time that the node is allowed for a first alert, and nobody has
changed groups for as long. Before that, no number is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.evaluate.following import View
from edge.evaluate.truth import TruthObject

GroupKey = int | str
"""A true group's id, or the name of a person without a group."""

_TIGHT_S = 1e-6


@dataclass(frozen=True, slots=True)
class Present:
    """One true group in one frame: who is surely to be counted, and who else is there."""

    sure: frozenset[int]
    maybe: frozenset[int]
    settled: bool


@dataclass(slots=True)
class _Life:
    visible_s: float = 0.0
    visible_when_regrouped_s: float = 0.0
    first_s: float | None = None


@dataclass(slots=True)
class Attendance:
    """Follows the true groups of one clip.

    Attributes:
        proven_height_px: persons less high may be counted or not.
        allowed_s: time from visible to settled.
        remembered_s: how long a hidden person must still be counted.
    """

    proven_height_px: float
    allowed_s: float
    remembered_s: float
    _judged_s: dict[int, float] = field(default_factory=dict)
    _group_of: dict[int, GroupKey] = field(default_factory=dict)
    _lives: dict[GroupKey, _Life] = field(default_factory=dict)

    def update(self, view: View) -> Mapping[GroupKey, Present]:
        """Take one frame and tell who is present, by group."""
        self._judged_s.update(dict.fromkeys(view.judged, view.t_s))
        members: dict[GroupKey, list[TruthObject]] = {}
        for person in view.persons.values():
            members.setdefault(self._regroup(person), []).append(person)
        for key, persons in members.items():
            if not view.ffc and any(one.id in view.judged for one in persons):
                life = self._lives[key]
                life.visible_s += view.lasts_s
                life.first_s = view.t_s if life.first_s is None else life.first_s
        return {key: self._present(key, persons, view.t_s) for key, persons in members.items()}

    def group_of(self, person: int) -> GroupKey | None:
        """Tell the group of a person, the last one for somebody who has left the picture."""
        return self._group_of.get(person)

    def visible_s(self, key: GroupKey) -> float:
        """Tell for how long a group has been visible: some member to be found, and the shutter open."""
        return self._lives[key].visible_s

    def first_s(self, key: GroupKey) -> float | None:
        """Tell when a group was first visible."""
        return self._lives[key].first_s

    def _regroup(self, person: TruthObject) -> GroupKey:
        key = person.group if person.group is not None else f"person {person.id}"
        life = self._lives.setdefault(key, _Life())
        before = self._group_of.get(person.id, key)
        if before != key:
            life.visible_when_regrouped_s = life.visible_s
            self._lives[before].visible_when_regrouped_s = self._lives[before].visible_s
        self._group_of[person.id] = key
        return key

    def _present(self, key: GroupKey, persons: list[TruthObject], t_s: float) -> Present:
        sure = frozenset(one.id for one in persons if self._is_sure(one, t_s))
        life = self._lives[key]
        settled = life.visible_s - life.visible_when_regrouped_s >= self.allowed_s - _TIGHT_S
        return Present(sure, frozenset(one.id for one in persons) - sure, settled)

    def _is_sure(self, person: TruthObject, t_s: float) -> bool:
        if person.id not in self._judged_s or person.height_px < self.proven_height_px:
            return False
        return t_s - self._judged_s[person.id] <= self.remembered_s + _TIGHT_S
