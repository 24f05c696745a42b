"""How well the node counts people in groups: one report from clips with truth and the results of their frames.

The chain is truth + results -> ``following`` (whom does each track follow?) -> ``attendance`` (who ought to be
counted?) -> here: told groups are matched with true ones by who is in them, and numbers, alerts and crossings are
compared. Only what the records say is used; how the node came to it does not matter.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np

from edge.evaluate.attendance import Attendance, GroupKey, Present
from edge.evaluate.clear import Clear, clear
from edge.evaluate.counting_report import ClipReport, CountingReport, GroupStory, Moment
from edge.evaluate.counting_score import AlertTally, CountingScore, CountTally, LineTally, MembershipTally
from edge.evaluate.crossings import Crossings, line_tally
from edge.evaluate.following import View, views
from edge.evaluate.hota import Hota, hota
from edge.evaluate.identity import Identity, identity
from edge.evaluate.overlap import best_pairs
from edge.evaluate.tracks import track_frames
from edge.evaluate.truth import Truth
from edge.records import Alert, Group, Result

ALLOWED_S = 3.0
"""Time from a group's becoming visible to its first alert, by default."""

REMEMBERED_S = 20.0
"""For how long a person who is hidden must still be counted, by default."""

_SAME_GROUP = 0.5
_LOYALTY = 0.5
_NARROW_UP_TO = 10
_MINUTE_S = 60.0
_TIGHT_S = 1e-6


@dataclass(frozen=True, slots=True)
class Clip:
    """What happened, and what the node said about each frame."""

    truth: Truth
    results: Sequence[Result]


def evaluate_counting(
    clips: Iterable[Clip],
    *,
    proven_height_px: float,
    allowed_s: float = ALLOWED_S,
    remembered_s: float = REMEMBERED_S,
) -> CountingReport:
    """Judge how well people are counted.

    Args:
        clips: consumed one by one, so that their results need not be in memory together.
        proven_height_px: from which height on the model was proven; less high persons are not judged.
        allowed_s: time that a visible group may take to its first alert, and to its right number.
        remembered_s: for how long a person who is hidden must still be counted.
    """
    reports = [
        _ClipJudge(clip.truth, Attendance(proven_height_px, allowed_s, remembered_s)).judge(clip.results)
        for clip in clips
    ]
    overall = reduce(add, (report.score for report in reports), CountingScore())
    return CountingReport(tuple(reports), overall, proven_height_px, allowed_s)


@dataclass(frozen=True, slots=True)
class _Told:
    """A number with its range, as told."""

    count: int = 0
    low: int = 0
    high: int = 0


@dataclass(slots=True)
class _Story:
    """What is known of one true group in the end."""

    peak: int = 0
    complete: tuple[Present, _Told] | None = None
    news: list[tuple[float, float]] = field(default_factory=list)  # when, and after how much visible time


@dataclass(slots=True)
class _ClipJudge:
    """Walks through one clip."""

    truth: Truth
    attendance: Attendance
    stories: dict[GroupKey, _Story] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    crossings: Crossings = field(default_factory=Crossings)
    membership: MembershipTally = field(default_factory=MembershipTally)
    count: CountTally = field(default_factory=CountTally)
    people: CountTally = field(default_factory=CountTally)
    false_alerts: int = 0
    loyal: dict[GroupKey, int] = field(default_factory=dict)

    def judge(self, results: Sequence[Result]) -> ClipReport:
        """Score the whole clip."""
        seen: list[View] = []
        told: tuple[Group, ...] = ()
        for view in views(self.truth, results, proven_height_px=self.attendance.proven_height_px):
            seen.append(view)
            present = self.attendance.update(view)
            if view.result is not None:  # where the node said nothing its last word stands
                told = tuple(group for group in view.result.groups if group.ended is None)
                self.crossings.note(view.result.groups)
            self._count_people(view, present, told)
            if self.truth.identified:
                self._count_groups(view, present, told)
                self._attribute(view)
        return ClipReport(
            self.truth.name, self._score(seen), self.truth.identified, tuple(self.moments), tuple(self._told_stories())
        )

    def _count_people(self, view: View, present: Mapping[GroupKey, Present], told: Sequence[Group]) -> None:
        """Compare the number of all people in the picture with the sum of the told groups."""
        sure = sum(len(group.sure) for group in present.values())
        maybe = sum(len(group.maybe) for group in present.values())
        told = [group for group in told if group.present]
        members = [track.track_id for group in told for track in group.members]
        # members on an area that is not judged may stand for people that the truth does not list
        unlisted = sum(one in view.excused and one not in view.follows for one in members)
        total = _Told(*(sum(getattr(group, end) for group in told) for end in ("count", "count_low", "count_high")))
        self.people += _tally(total, sure, sure + maybe + unlisted, view.lasts_s)
        self.moments.append(Moment(view.t_s, sure, sure + maybe + unlisted, total.count, total.low, total.high))

    def _count_groups(self, view: View, present: Mapping[GroupKey, Present], told: Sequence[Group]) -> None:
        """Match told and true groups by who is in them, and compare the numbers of each pair."""
        follow = [
            {view.follows[one.track_id] for one in group.members if one.track_id in view.follows} for group in told
        ]
        partner = self._partners(present, follow, told)
        for key, group in present.items():
            story = self.stories.setdefault(key, _Story())
            if not group.sure or not group.settled:
                continue
            index = partner.get(key)
            said = _Told() if index is None else _Told(told[index].count, told[index].count_low, told[index].count_high)
            low, high = len(group.sure), len(group.sure) + len(group.maybe)
            self.count += _tally(said, low, high, view.lasts_s)
            if low >= story.peak:
                story.peak, story.complete = low, (group, said)
            right = index is not None and _agrees(group, follow[index], _strangers(told[index], view))
            self.membership += MembershipTally(right=view.lasts_s * right, true=view.lasts_s)
        owner = {index: present[key] for key, index in partner.items()}
        for index, one in enumerate(told):
            asked = owner[index].settled and bool(owner[index].sure) if index in owner else _is_judged(one, view)
            if asked:
                self.membership += MembershipTally(told=view.lasts_s)

    def _partners(
        self, present: Mapping[GroupKey, Present], follow: Sequence[set[int]], told: Sequence[Group]
    ) -> dict[GroupKey, int]:
        """Pair true groups with told ones so that most persons are in the right place; ties go to the old partner."""
        keys = list(present)
        common = np.array(
            [[len(persons & (present[key].sure | present[key].maybe)) for persons in follow] for key in keys]
        )
        common = common.reshape(len(keys), len(told))
        loyal = np.array([[self.loyal.get(key) == group.group_id for group in told] for key in keys])
        rows, columns = best_pairs(np.where(common > 0, common + _LOYALTY * loyal.reshape(common.shape), 0.0))
        pairs = {
            keys[row]: column
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if common[row, column]
        }
        self.loyal.update({key: told[column].group_id for key, column in pairs.items()})
        return pairs

    def _attribute(self, view: View) -> None:
        """Give every new alert to the true group that most of its members belong to; one about nobody is false."""
        for alert in view.result.alerts if view.result is not None else ():
            if alert.phase != "new":
                continue
            key = self._meant(alert, view)
            if key is not None:
                story = self.stories.setdefault(key, _Story())
                story.news.append((view.t_s, self.attendance.visible_s(key)))
            elif _is_judged(alert.group, view):
                self.false_alerts += 1

    def _meant(self, alert: Alert, view: View) -> GroupKey | None:
        persons = [view.follows[one.track_id] for one in alert.group.members if one.track_id in view.follows]
        keys = Counter(key for person in persons if (key := self.attendance.group_of(person)) is not None)
        return max(keys, key=lambda key: (keys[key], str(key))) if keys else None

    def _score(self, seen: Sequence[View]) -> CountingScore:
        open_shutter = [view for view in seen if not view.ffc] if self.truth.identified else []
        tracks = track_frames(view.boxes() for view in open_shutter)
        judged_s = sum(len(view.judged) * view.lasts_s for view in open_shutter)
        self._share_news_of_splits()
        return CountingScore(
            duration_s=self.truth.duration_s,
            person_minutes=judged_s / _MINUTE_S,
            hota=hota(tracks) if open_shutter else Hota.zero(),
            clear=clear(tracks) if open_shutter else Clear(),
            identity=identity(tracks) if open_shutter else Identity(),
            membership=self.membership,
            alerts=self._alert_tally(),
            count=self.count,
            final=reduce(add, (self._final(key) for key in self._due()), CountTally()),
            people=self.people,
            lines=line_tally(self.truth, seen, self.crossings) if self.truth.identified else LineTally(),
        )

    def _due(self) -> list[GroupKey]:
        """List the groups that had to be told: visible for long enough, and more than one person who left a group."""
        parents = {group.id: group.parent for group in self.truth.groups}
        return [
            key
            for key, story in self.stories.items()
            if self.attendance.visible_s(key) >= self.attendance.allowed_s - _TIGHT_S
            and not (isinstance(key, int) and parents.get(key) is not None and story.peak == 1)
        ]

    def _share_news_of_splits(self) -> None:
        """Let either half of a split be the new one: a second ``new`` of the parent counts for a child without any."""
        for group in self.truth.groups:
            child = self.stories.get(group.id)
            parent = self.stories.get(group.parent) if group.parent is not None else None
            first_s = self.attendance.first_s(group.id)
            if child is None or parent is None or child.news or first_s is None:
                continue
            for index, (t_s, _) in enumerate(parent.news):
                if index > 0 and t_s >= first_s:
                    child.news.append((t_s, t_s - first_s))
                    del parent.news[index]
                    break

    def _alert_tally(self) -> AlertTally:
        due = [self.stories[key] for key in self._due()]
        delays_s = tuple(story.news[0][1] for story in due if story.news)
        return AlertTally(
            due=len(due),
            one_new=sum(len(story.news) == 1 for story in due),
            missed=sum(not story.news for story in due),
            in_time=sum(delay_s <= self.attendance.allowed_s + _TIGHT_S for delay_s in delays_s),
            false=self.false_alerts,
            delays_s=delays_s,
        )

    def _final(self, key: GroupKey) -> CountTally:
        """Compare the number told when the group was last complete: later its members leave the picture one by one."""
        complete = self.stories[key].complete
        if complete is None:
            return CountTally()
        group, told = complete
        return _tally(told, len(group.sure), len(group.sure) + len(group.maybe), 1.0)

    def _told_stories(self) -> Iterable[GroupStory]:
        due = set(self._due())
        for key, story in self.stories.items():
            true, told = story.complete or (None, None)
            yield GroupStory(
                group=key,
                due=key in due,
                visible_s=self.attendance.visible_s(key),
                people=(len(true.sure), len(true.sure) + len(true.maybe)) if true else None,
                told=(told.count, told.low, told.high) if told else None,
                new_at_s=tuple(t_s for t_s, _ in story.news),
            )


def _tally(told: _Told, low: int, high: int, weight: float) -> CountTally:
    """Compare a told number with a true one that lies between two ends."""
    off = max(low - told.count, told.count - high, 0)
    narrow = weight * (low <= _NARROW_UP_TO)
    return CountTally(
        weight=weight,
        error=weight * off,
        exact=weight * (off == 0),
        within_1=weight * (off <= 1),
        covered=weight * (told.low <= high and told.high >= low),
        narrow_weight=narrow,
        width=narrow * (told.high - told.low),
        unjudged=weight * (high - low),
    )


def _strangers(group: Group, view: View) -> int:
    """Count the members that are nobody."""
    return sum(one.track_id not in view.follows and one.track_id not in view.excused for one in group.members)


def _is_judged(group: Group, view: View) -> bool:
    """Tell whether a told group is more than people and areas that are not judged."""
    return _strangers(group, view) > 0 or any(view.follows.get(one.track_id) in view.judged for one in group.members)


def _agrees(true: Present, follow: set[int], strangers: int) -> bool:
    """Tell whether at least half of all concerned are in both groups; who may or may not be counted is no concern."""
    common = len(follow & (true.sure | true.maybe))
    either = len(true.sure | follow) + strangers
    return common >= _SAME_GROUP * either
