"""Tracks in, groups out: who belongs together, and how many they are.

A group is people near each other who move alike for long enough; one person alone is a group of one, so every
believed person is in exactly one group. Who goes with whom is decided by ``bonds``; here the tied people become
groups with a history. A group keeps its id when members leave or are hidden, because the control room follows a group
and not its persons. When groups merge the oldest id stays and the others end as ``merged``; when one splits, the
larger part keeps the id and the smaller becomes a group with a ``parent``.

The count is the number of members that are not doubted, and membership is already an estimate over time: a body enters
it once it was seen often enough, and stays in it while hidden, until it has left the picture or was out of sight for the
tracker's ``hidden_s``. So no frame's misses or false boxes move it. The range says what may be otherwise, and spans what
was possible within the last ``window_s``. Its lower end follows from how far each member is believed to be one person who
is still there (see ``belief``). Its upper end cannot follow from anybody seen: it adds those beside the group who are
about to be believed, and one or two more while the group still gathers, for measured on simulated scenes that is when people
are lacking.

Nothing here raises alerts or looks at pixels, and nothing is forgotten except by time.
"""

import math
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge.config import GroupsConfig
from edge.pipeline.bonds import make_bonds
from edge.pipeline.company import apart_heights, together
from edge.pipeline.plan import on_plan
from edge.places import Ground
from edge.records import PERSON, CameraShift, Crossing, Group, RuleEvents, Track

_TIGHT_S = 1e-4  # slack of comparisons: the same scene an hour later must give the same answer
_SURE = 0.65  # the lower end of a range is reached with this probability; measured, the range then holds
_BEGINS_S = 4.0  # in so many seconds after its first sight a group lacks two in one of ten looks, ...
_GATHERS_S = 8.0  # in so many seconds after its first sight a group lacks somebody in one of three looks ...
_ARRIVED_S = 3.0  # ... and so it does when somebody has just been added
_DOUBTED = 0.3  # believed less, and a body is not counted
_CERTAIN = 0.98  # believed so much, and a body is not doubted
_PASSING_S = 3.0  # who was in a group for less never was of it: no parent is told
_GLANCE_S = 0.6  # out of sight for less is a missed box
_STEP_S = 1.0  # one frame speaks for at most so much time; a stalled stream is no togetherness


@dataclass(slots=True)
class _Story:
    """What is remembered of one group."""

    group_id: int
    first_seen_s: float
    parent: int | None = None
    members: tuple[Track, ...] = ()
    joined_s: float = 0.0
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
        self._bonds = make_bonds(config)
        self._in_metres = False
        self._stories: dict[int, _Story] = {}
        self._group_of: dict[int, int] = {}
        self._next_id = 1
        self._t_s: float | None = None
        self._company: tuple[tuple[int, ...], bytes, frozenset[int]] | None = None
        self._homes: dict[tuple[int, ...], tuple[_Story, list[int]]] = {}

    def update(
        self,
        tracks: Sequence[Track],
        events: RuleEvents,
        t_s: float,
        shift: CameraShift = CameraShift(),  # noqa: ARG002, B008 - a frozen value
        *,
        ffc: bool = False,
        ground: Ground | None = None,
    ) -> tuple[Group, ...]:
        """Take the tracks of one frame and tell which groups there are.

        Args:
            tracks: all tracks of the frame, hidden and not yet believed ones included.
            events: what the lines and zones say about them.
            t_s: when the frame was captured; never goes back.
            shift: how the scene moved in the picture; tracks carry it already, so nothing more is done with it.
            ffc: the picture is worthless: no group changes and none ends.
            ground: gives metres for a point of the picture, where the pose of the camera is known.

        Returns:
            The living groups, and once those that have just ended; ordered by id.
        """
        elapsed_s = 0.0 if self._t_s is None else min(max(t_s - self._t_s, 0.0), _STEP_S)
        self._t_s = t_s
        people = [one for one in tracks if one.confirmed and one.kind == PERSON and one.track_id not in events.ignored]
        if ffc:
            return tuple(story.told for story in self._living() if story.told is not None)
        ties = self._bonds.update(self._stand(people, ground), self._group_of, t_s, elapsed_s)
        vague = frozenset([one.track_id for one in people if one.hidden_s > _GLANCE_S or one.belief < _DOUBTED])
        company = (tuple([one.track_id for one in people]), ties.tobytes(), vague)
        ended = []
        if company != self._company:  # most frames change nothing, and sorting it out costs most
            self._company = company
            ended = self._settle(together(people, ties, vague), people)
        for story, rows in self._homes.values():
            story.members = tuple([people[row] for row in rows])
        ended += self._fade(t_s)
        self._note_events(events, t_s)
        arriving = self._arriving(tracks, people)
        told = [self._tell(story, arriving.get(story.group_id, 0), t_s) for story in self._living()]
        return tuple(sorted([*told, *ended], key=lambda one: one.group_id) if ended else told)

    def forget(self) -> None:
        """Know of nobody any more, and say nothing of their end; no id is given twice."""
        self._bonds = make_bonds(self._config)
        self._in_metres = False
        self._stories, self._group_of = {}, {}
        self._company, self._homes = None, {}

    def _stand(self, people: Sequence[Track], ground: Ground | None) -> Sequence[Track]:
        """Give where people stand for their bonds: on the plan if nearness is in metres and all their ground is known."""
        near_m = self._config.near_m
        plan = None
        if near_m is not None and ground is not None:
            plan = on_plan(people, ground, near_m, self._config.join_distance_heights)
        if people and (plan is not None) != self._in_metres:
            # the new bonds are told who was in one group, and tie them at once
            self._bonds, self._in_metres = make_bonds(self._config), plan is not None
        return people if plan is None else plan

    def _living(self) -> list[_Story]:
        return [self._stories[one] for one in sorted(self._stories)]

    def _settle(self, sets: list[list[int]], people: Sequence[Track]) -> list[Group]:
        """Give every set of people (their rows) a group, and return the groups that ended by that.

        A set that was there before keeps its group: in a crowd somebody comes or goes in every frame, and most sets stay.
        """
        rows_of = {tuple([people[row].track_id for row in rows]): rows for rows in sets}
        changed = [members for members in rows_of if members not in self._homes]
        claims_of: dict[int, list[int]] = {}
        for group, index in _heirs(changed, self._group_of).items():
            claims_of.setdefault(index, []).append(group)
        stories: dict[tuple[int, ...], _Story] = {}
        ended: list[Group] = []
        for index, members in enumerate(changed):
            those = [people[row] for row in rows_of[members]]
            claims = sorted(claims_of.get(index, ()))
            if claims:
                story = self._stories[claims[0]]
                ended.extend(self._merge(self._stories.pop(group), story) for group in claims[1:])
            else:
                story = self._found(those)
            story.empty_since_s = None
            story.first_seen_s = min(story.first_seen_s, *[one.first_seen_s for one in those])
            story.joined_s = max([one.first_seen_s for one in those])
            stories[members] = story
        self._homes = {
            members: (stories.get(members) or self._homes[members][0], rows) for members, rows in rows_of.items()
        }
        self._group_of = {one: story.group_id for members, (story, _) in self._homes.items() for one in members}
        return ended

    def _found(self, members: Sequence[Track]) -> _Story:
        """Begin a group, or let one that has just lost everybody go on with these people."""
        origins = Counter(
            self._group_of[one.track_id]
            for one in members
            if one.track_id in self._group_of and one.last_seen_s - one.first_seen_s > _PASSING_S
        )
        parent = min(origins, key=lambda group: (-origins[group], group)) if origins else None
        if parent is None:
            for story in self._living():
                if story.empty_since_s is not None and self._resumes(story, members):
                    return story
        story = _Story(self._next_id, min(one.first_seen_s for one in members), parent)
        self._next_id += 1
        self._stories[story.group_id] = story
        return story

    def _resumes(self, story: _Story, newcomers: Sequence[Track]) -> bool:
        reach = self._config.leave_distance_heights
        return any(apart_heights(one, old) <= reach for one in newcomers for old in story.members)

    def _merge(self, younger: _Story, older: _Story) -> Group:
        older.crossed.update(younger.crossed)
        older.crossing = older.crossing or younger.crossing
        told = younger.told or _render(younger, (0, 0, 0))
        return told._replace(ended="merged", merged_into=older.group_id)

    def _fade(self, t_s: float) -> list[Group]:
        """End the groups that have had nobody for long enough."""
        if len(self._homes) == len(self._stories):
            return []
        ended = []
        occupied = {story.group_id for story, _ in self._homes.values()}
        for story in self._living():
            if story.group_id in occupied:
                continue
            if story.empty_since_s is None:
                story.empty_since_s = t_s
            if t_s - story.empty_since_s >= self._config.end_after_s - _TIGHT_S:
                del self._stories[story.group_id]
                if story.told:
                    ended.append(story.told._replace(ended="left"))
        return ended

    def _note_events(self, events: RuleEvents, t_s: float) -> None:
        for one in events.crossings:
            story = self._stories.get(self._group_of.get(one.track_id, 0))
            if story is not None:
                story.crossed[one.line, one.direction] += 1
                story.crossing = Crossing(one.line, one.direction, story.crossed[one.line, one.direction])
        for story in self._stories.values():
            if story.empty_since_s is None and (events.zones or story.zone):
                zones = Counter(events.zones[one.track_id] for one in story.members if one.track_id in events.zones)
                zone = min(zones, key=lambda name: (-zones[name], name)) if zones else None
                if zone != story.zone:
                    story.zone, story.zone_since_s = zone, None if zone is None else t_s

    def _arriving(self, tracks: Sequence[Track], people: Sequence[Track]) -> Mapping[int, int]:
        """Count by group those who are about to be believed and stand beside one of its members."""
        # seen once may be a false box; seen twice in the same place is probably the next member
        coming = [
            one
            for one in tracks
            if not one.confirmed and one.kind == PERSON and one.first_seen_s < one.last_seen_s and not one.leaving
        ]
        if not coming or not people:
            return {}
        found = Counter[int]()
        join = self._config.join_distance_heights
        boxes = [one.box for one in people]
        heights_px = [bottom - top for _, top, _, bottom in boxes]
        tallest_px = max(heights_px)
        # by x, so that each looks only at those beside it
        feet = sorted([((left + right) / 2, bottom, row) for row, (left, _, right, bottom) in enumerate(boxes)])
        for one in coming:
            (x, y), height_px = one.foot_px, max(one.height_px, 1.0)
            reach_px = join * max(height_px, tallest_px)
            nearest_px, nearest = reach_px, -1
            for their_x, their_y, row in feet[bisect_left(feet, (x - reach_px,)) :]:
                if their_x > x + reach_px:
                    break
                apart_px = math.hypot(their_x - x, their_y - y)
                if apart_px < nearest_px or (apart_px == nearest_px and not -1 < nearest < row):
                    nearest_px, nearest = apart_px, row
            if nearest >= 0 and nearest_px <= join * max(height_px, heights_px[nearest]):
                found[self._group_of[people[nearest].track_id]] += 1
        return found

    def _tell(self, story: _Story, arriving: int, t_s: float) -> Group:
        if story.empty_since_s is not None and story.told is not None:
            return story.told._replace(waiting=True)
        count, low, high = _bounds(story, arriving, t_s)
        bounds = story.bounds
        if bounds and bounds[-1][1] == low and bounds[-1][2] == high:
            bounds.pop()  # the same as before: told once, with the time when it last held
        bounds.append((t_s, low, high))
        while bounds[0][0] < t_s - self._config.window_s - _TIGHT_S:
            bounds.popleft()
        if len(bounds) > 1:
            low, high = min([low for _, low, _ in bounds]), max([high for _, _, high in bounds])
        story.count_max = max(story.count_max, count)
        story.told = _render(story, (count, min(max(low, 1), count), max(high, count)))
        return story.told


def _bounds(story: _Story, arriving: int, t_s: float) -> tuple[int, int, int]:
    """Count how many there are now, and bound it from below and from above.

    Who is doubted is not counted. At least as many as there are with ``_SURE`` probability, each member being there or not
    on its own. At most one more for each who is doubted; or one for each about to be believed and one, at first two, while
    the group still gathers: its first is seldom all of it, the others are behind something, too far or hidden by the first.
    """
    members = story.members
    beliefs = [one.belief for one in members]
    counted = sum([belief >= _DOUBTED for belief in beliefs])
    there = [belief for one, belief in zip(members, beliefs, strict=True) if not one.leaving]
    followed_s = t_s - story.first_seen_s
    gathers = followed_s < _GATHERS_S or t_s - story.joined_s < _ARRIVED_S
    unseen = 2 if followed_s < _BEGINS_S else int(gathers)
    more = max(len(members) - counted, arriving + unseen)
    return max(counted, 1), _at_least(there, _SURE), counted + more


def _at_least(chances: Sequence[float], sure: float) -> int:
    """Find the largest number of independent events that happen with probability ``sure`` or more."""
    certain = 0
    shares = [1.0]  # probability that so many of the doubtful ones happen
    for chance in chances:
        if chance >= _CERTAIN:
            certain += 1
            continue
        shares = [
            (shares[k] * (1.0 - chance) if k < len(shares) else 0.0) + (shares[k - 1] * chance if k else 0.0)
            for k in range(len(shares) + 1)
        ]
    tail = 0.0
    for number in range(len(shares) - 1, 0, -1):
        tail += shares[number]
        if tail >= sure:
            return certain + number
    return certain


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


def _render(story: _Story, counts: tuple[int, int, int]) -> Group:
    count, low, high = counts
    return Group(
        group_id=story.group_id,
        members=story.members,
        count=count,
        count_low=low,
        count_high=high,
        count_max=story.count_max,
        first_seen_s=story.first_seen_s,
        zone=story.zone,
        crossing=story.crossing,
        parent=story.parent,
        zone_since_s=story.zone_since_s,
    )
