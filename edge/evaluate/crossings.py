"""Line crossings, told against true.

A told group carries how often its members crossed its latest line, and a group that joins another hands its number on.
So the crossings are the *steps* of those numbers, with what was handed over taken off.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge.evaluate.counting_score import LineTally
from edge.evaluate.following import View
from edge.evaluate.truth import Truth
from edge.records import Group

LineKey = tuple[str, str]
"""A line and a direction."""


@dataclass(slots=True)
class Crossings:
    """Adds up what the groups of one clip say."""

    told: Counter[LineKey] = field(default_factory=Counter)
    _last: dict[int, Counter[LineKey]] = field(default_factory=dict)

    def note(self, groups: Iterable[Group]) -> None:
        """Take the groups of one frame, ended ones included."""
        for group in groups:
            last = self._last.setdefault(group.group_id, Counter())
            if group.crossing is not None:
                key = (group.crossing.line, group.crossing.direction)
                self.told[key] += max(group.crossing.crossed - last[key], 0)
                last[key] = max(group.crossing.crossed, last[key])
        for group in groups:
            if group.merged_into is not None:
                self._last.setdefault(group.merged_into, Counter()).update(self._last.pop(group.group_id))


def line_tally(truth: Truth, seen: Sequence[View], crossings: Crossings) -> LineTally:
    """Compare the clip's lines.

    As with counts a told number is right between two ends: the crossings in the picture of those who were at some time to
    be found, and of everybody. Crossings outside the picture do not count.
    """
    if not truth.lines:
        return LineTally()
    inside = [
        ((line.id, crossing.direction), crossing.object)
        for line in truth.lines
        for crossing in line.crossings
        if _is_inside(crossing.object, crossing.t_s, seen)
    ]
    findable = frozenset[int]().union(*(view.judged for view in seen))
    least = Counter(key for key, person in inside if person in findable)
    most = Counter(key for key, _ in inside)
    told = Counter(
        {key: crossed for key, crossed in crossings.told.items() if key[0] in {line.id for line in truth.lines}}
    )
    off = sum(max(least[key] - told[key], told[key] - most[key], 0) for key in most | told)
    return LineTally(true=least.total(), told=told.total(), off=off, clips=1, clips_off=int(off > 0))


def _is_inside(person: int, t_s: float, seen: Sequence[View]) -> bool:
    nearest = min(seen, key=lambda view: abs(view.t_s - t_s), default=None)
    return nearest is not None and person in nearest.persons
