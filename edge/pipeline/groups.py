"""Tracks in, groups out: who belongs together, and how many they are.

A group is people near each other who move alike for long enough; one person alone is a group of one, so every believed
person is in exactly one group. Who goes with whom is decided by ``bonds``; here the tied people become groups with a
history. A group keeps its id when members leave or are hidden, because the control room follows a group and not its
persons. When groups merge the oldest id stays and the others end as ``merged``; when one splits, the larger part keeps
the id and the smaller becomes a group with a ``parent``.

Nothing here raises alerts or looks at pixels, and nothing is forgotten except by time.
"""

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edge.config import GroupsConfig
from edge.pipeline.bonds import Bonds
from edge.records import Box, CameraShift, Crossing, Group, Point, RuleEvents, Track

_TIGHT_S = 1e-4  # slack of comparisons: the same scene an hour later must give the same answer
_SURE_HIDDEN_S = 15.0  # hidden for longer, and a body may have gone another way
_PASSING_S = 3.0  # who was in a group for less never was of it: no parent is told
_STEP_S = 1.0  # one frame speaks for at most so much time; a stalled stream is no togetherness


@dataclass(slots=True)
class _Story:
    """What is remembered of one group."""

    group_id: int
    first_seen_s: float
    parent: int | None = None
    members: tuple[Track, ...] = ()
    empty_since_s: float | None = None
    zone: str | None = None
    zone_since_s: float | None = None
    crossed: Counter[tuple[str, str]] = field(default_factory=Counter)
    crossing: Crossing | None = None
    bounds: deque[tuple[float, int, int]] = field(default_factory=deque)
    count_max: int = 0
    told: Group | None = None


class GroupCounter:
    """Groups and counts the people of one camera."""

    def __init__(self, config: GroupsConfig) -> None:
        """Start with nobody."""
        self._config = config
        self._bonds = Bonds(config)
        self._stories: dict[int, _Story] = {}
        self._group_of: dict[int, int] = {}
        self._next_id = 1
        self._t_s: float | None = None

    def update(
        self,
        tracks: Sequence[Track],
        events: RuleEvents,
        t_s: float,
        shift: CameraShift = CameraShift(),  # noqa: B008 - a frozen value
        *,
        ffc: bool = False,
    ) -> tuple[Group, ...]:
        """Take the tracks of one frame and tell which groups there are.

        Args:
            tracks: all tracks of the frame, hidden and not yet believed ones included.
            events: what the lines and zones say about them.
            t_s: when the frame was captured; never goes back.
            shift: how the scene moved in the picture since the last frame.
            ffc: the picture is worthless: no group changes and none ends.

        Returns:
            The living groups, and once those that have just ended; ordered by id.
        """
        elapsed_s = 0.0 if self._t_s is None else min(max(t_s - self._t_s, 0.0), _STEP_S)
        self._t_s = t_s
        people = [
            one for one in tracks if one.confirmed and one.kind == "person" and one.track_id not in events.ignored
        ]
        if ffc:
            return tuple(story.told for story in self._living() if story.told is not None)
        ties = self._bonds.update(people, self._group_of, t_s, elapsed_s)
        ended = self._settle(_together(people, ties.tolist()), people, t_s)
        self._note_events(events, t_s)
        # seen once may be a false box; seen twice in the same place is probably the next member
        pending = [one for one in tracks if not one.confirmed and one.kind == "person" and one.first_seen_s < one.last_seen_s]
        told = [self._tell(story, pending, t_s) for story in self._living()]
        return tuple(sorted([*told, *ended], key=lambda one: one.group_id))

    def _living(self) -> list[_Story]:
        return [self._stories[one] for one in sorted(self._stories)]

    def _settle(self, sets: list[list[int]], people: Sequence[Track], t_s: float) -> list[Group]:
        """Give every set of people a group, and return the groups that ended by that."""
        by_id = {one.track_id: one for one in people}
        heir = _heirs(sets, self._group_of)
        ended: list[Group] = []
        group_of: dict[int, int] = {}
        for index, members in enumerate(sets):
            claims = [group for group, chosen in heir.items() if chosen == index]
            if claims:
                story = self._stories[min(claims)]
                for group in sorted(claims)[1:]:
                    ended.append(self._merge(self._stories.pop(group), story))
            else:
                story = self._found(members, by_id)
            story.members = tuple(by_id[one] for one in members)
            story.empty_since_s = None
            story.first_seen_s = min(story.first_seen_s, min(one.first_seen_s for one in story.members))
            group_of.update(dict.fromkeys(members, story.group_id))
        occupied = set(group_of.values())
        self._group_of = group_of
        for story in self._living():
            if story.group_id not in occupied:
                ended.extend(self._fade(story, t_s))
        return ended

    def _found(self, members: Sequence[int], by_id: dict[int, Track]) -> _Story:
        """Begin a group, or let one that has just lost everybody go on with these people."""
        origins = Counter(
            self._group_of[one]
            for one in members
            if one in self._group_of and by_id[one].last_seen_s - by_id[one].first_seen_s > _PASSING_S
        )
        parent = min(origins, key=lambda group: (-origins[group], group)) if origins else None
        if parent is None:
            for story in self._living():
                if story.empty_since_s is not None and self._resumes(story, [by_id[one] for one in members]):
                    return story
        first_seen_s = min(by_id[one].first_seen_s for one in members)
        story = _Story(self._next_id, first_seen_s, parent)
        self._next_id += 1
        self._stories[story.group_id] = story
        return story

    def _resumes(self, story: _Story, newcomers: Sequence[Track]) -> bool:
        reach = self._config.leave_distance_heights
        return any(_apart(one, old) <= reach for one in newcomers for old in story.members)

    def _merge(self, younger: _Story, older: _Story) -> Group:
        older.crossed.update(younger.crossed)
        older.crossing = older.crossing or younger.crossing
        told = younger.told or _render(younger, younger.members, (0, 0, 0))
        return replace(told, ended="merged", merged_into=older.group_id)

    def _fade(self, story: _Story, t_s: float) -> list[Group]:
        """End a group that has had nobody for long enough."""
        if story.empty_since_s is None:
            story.empty_since_s = t_s
        if t_s - story.empty_since_s < self._config.end_after_s - _TIGHT_S:
            return []
        del self._stories[story.group_id]
        return [replace(story.told, ended="left")] if story.told else []

    def _note_events(self, events: RuleEvents, t_s: float) -> None:
        for one in events.crossings:
            story = self._stories.get(self._group_of.get(one.track_id, 0))
            if story is not None:
                story.crossed[one.line, one.direction] += 1
                story.crossing = Crossing(one.line, one.direction, story.crossed[one.line, one.direction])
        for story in self._stories.values():
            if story.empty_since_s is None:
                zones = Counter(events.zones[one.track_id] for one in story.members if one.track_id in events.zones)
                zone = min(zones, key=lambda name: (-zones[name], name)) if zones else None
                if zone != story.zone:
                    story.zone, story.zone_since_s = zone, None if zone is None else t_s

    def _tell(self, story: _Story, pending: Sequence[Track], t_s: float) -> Group:
        if story.empty_since_s is not None and story.told is not None:
            return story.told
        count = len(story.members)
        low, high = _bounds(story.members, [one for one in pending if self._is_beside(one, story.members)])
        story.bounds.append((t_s, low, high))
        while story.bounds[0][0] < t_s - self._config.window_s - _TIGHT_S:
            story.bounds.popleft()
        story.count_max = max(story.count_max, count)
        least = max(min(low for _, low, _ in story.bounds), 1)
        most = max(high for _, _, high in story.bounds)
        story.told = _render(story, story.members, (count, min(least, count), max(most, count)))
        return story.told

    def _is_beside(self, one: Track, members: Sequence[Track]) -> bool:
        """Tell whether somebody not yet believed would belong to a group if they were."""
        return any(_apart(one, other) <= self._config.join_distance_heights for other in members)


def _apart(one: Track, other: Track) -> float:
    """Distance between the feet of two people in heights of the taller one."""
    return math.hypot(one.foot_px[0] - other.foot_px[0], one.foot_px[1] - other.foot_px[1]) / max(
        one.height_px, other.height_px, 1.0
    )


def _bounds(members: Sequence[Track], arriving: Sequence[Track]) -> tuple[int, int]:
    """Bound how many there are now.

    At least those who are not on their way out of the picture and not hidden for long, at most one more for each who is
    about to be believed.
    """
    sure = sum(not one.leaving and one.hidden_s < _SURE_HIDDEN_S for one in members)
    return sure, len(members) + len(arriving)


def _together(people: Sequence[Track], ties: Sequence[Sequence[int]]) -> list[list[int]]:
    """Join tied people into sets of ids; each ordered, and ordered by their first.

    Somebody hidden belongs to a set but holds no two together: where they are is a guess, and two parts of a group that
    walk away from each other must not stay one because of a person last seen between them.
    """
    by_id = {one.track_id: one for one in people}
    hidden = {one.track_id for one in people if one.hidden_s > 0.0}
    root = {one: one for one in by_id}

    def find(one: int) -> int:
        while root[one] != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    def join(left: int, right: int) -> None:
        first, second = sorted((find(left), find(right)))
        root[second] = first

    anchors: dict[int, list[int]] = {}
    loose = []
    for left, right in ties:
        if left not in hidden and right not in hidden:
            join(left, right)
        elif left in hidden and right in hidden:
            loose.append((left, right))
        else:
            anchors.setdefault(left if left in hidden else right, []).append(right if left in hidden else left)
    anchored = set()
    for one, others in sorted(anchors.items()):
        join(one, min(others, key=lambda other, one=one: (_apart(by_id[one], by_id[other]), other)))
        anchored.add(one)
    for left, right in sorted(loose):
        if left not in anchored or right not in anchored:
            join(left, right)
            if left in anchored or right in anchored:
                anchored.update((left, right))
    sets: dict[int, list[int]] = {}
    for one in by_id:
        sets.setdefault(find(one), []).append(one)
    return [sorted(sets[one]) for one in sorted(sets)]


def _heirs(sets: Sequence[Sequence[int]], group_of: dict[int, int]) -> dict[int, int]:
    """Find for each group the set that carries it on: the one with most of its people, else the one with the oldest."""
    best: dict[int, tuple[int, int, int]] = {}
    for index, members in enumerate(sets):
        shares = Counter(group_of[one] for one in members if one in group_of)
        for group, share in shares.items():
            oldest = min(one for one in members if group_of.get(one) == group)
            rank = (-share, oldest, index)
            best[group] = min(best.get(group, rank), rank)
    return {group: index for group, (_, _, index) in best.items()}


def _render(story: _Story, members: tuple[Track, ...], counts: tuple[int, int, int]) -> Group:
    count, low, high = counts
    boxes = np.array([one.box for one in members])
    hull: Box = (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())
    velocity: Point = tuple(np.mean([one.velocity_px_s for one in members], axis=0).tolist())
    return Group(
        group_id=story.group_id,
        members=members,
        count=count,
        count_low=low,
        count_high=high,
        count_max=story.count_max,
        confidence=1.0 - float(np.prod([1.0 - one.score for one in members])),
        box=hull,
        velocity_px_s=velocity,
        first_seen_s=story.first_seen_s,
        last_seen_s=max(one.last_seen_s for one in members),
        zone=story.zone,
        crossing=story.crossing,
        parent=story.parent,
        zone_since_s=story.zone_since_s,
    )
