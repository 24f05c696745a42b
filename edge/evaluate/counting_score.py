"""Sums that the counting report is made of. Clips are added; every share follows from the sums, never from shares."""

from dataclasses import dataclass, field
from typing import Self

from edge.evaluate.clear import Clear
from edge.evaluate.hota import Hota
from edge.evaluate.identity import Identity

_SWITCH_UNIT_MIN = 10.0
_HOUR_S = 3600.0


class _Adds:
    """Adds two of a kind, field by field."""

    def __add__(self, other: Self) -> Self:
        names: tuple[str, ...] = tuple(getattr(self, "__dataclass_fields__", ()))
        return type(self)(**{name: getattr(self, name) + getattr(other, name) for name in names})


def ratio(part: float, whole: float) -> float | None:
    """Divide; None where there was nothing."""
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class CountTally(_Adds):
    """Told numbers against true ones, weighted: by seconds over time, by one for each final count.

    Attributes:
        weight: all that was judged.
        error: weight times distance from the truth.
        exact: weight where the distance was 0.
        within_1: weight where it was at most 1.
        covered: weight where the told range held the true number.
        narrow_weight: weight of true numbers up to ten, for which a width is wanted.
        width: weight of those times the width of the told range.
        unjudged: weight times the number of people who may be counted or not.
    """

    weight: float = 0.0
    error: float = 0.0
    exact: float = 0.0
    within_1: float = 0.0
    covered: float = 0.0
    narrow_weight: float = 0.0
    width: float = 0.0
    unjudged: float = 0.0

    @property
    def mae(self) -> float | None:
        """Mean absolute error, persons."""
        return ratio(self.error, self.weight)

    @property
    def exact_share(self) -> float | None:
        """Share that was right."""
        return ratio(self.exact, self.weight)

    @property
    def within_1_share(self) -> float | None:
        """Share that was at most one off."""
        return ratio(self.within_1, self.weight)

    @property
    def coverage(self) -> float | None:
        """Share in which the told range held the true number."""
        return ratio(self.covered, self.weight)

    @property
    def mean_width(self) -> float | None:
        """Mean width of the told range while the true number was at most ten; 0 for a range of one number."""
        return ratio(self.width, self.narrow_weight)

    @property
    def mean_unjudged(self) -> float | None:
        """Mean number of people who may be counted or not: how much freedom the truth leaves."""
        return ratio(self.unjudged, self.weight)


@dataclass(frozen=True, slots=True)
class MembershipTally(_Adds):
    """Groups by who is in them, in seconds; a told group is right when half of all concerned are common to both."""

    right: float = 0.0
    told: float = 0.0
    true: float = 0.0

    @property
    def precision(self) -> float | None:
        """Share of told group time that is right."""
        return ratio(self.right, self.told)

    @property
    def recall(self) -> float | None:
        """Share of true group time that was told rightly."""
        return ratio(self.right, self.true)


@dataclass(frozen=True, slots=True)
class AlertTally(_Adds):
    """True groups that had to be told, and what was told.

    Attributes:
        due: groups to be told.
        one_new: of these, told by exactly one ``new``.
        missed: of these, never told.
        in_time: of these, told within the allowed time.
        false: ``new`` alerts about nobody.
        delays_s: for each told group, time from visible to told.
    """

    due: int = 0
    one_new: int = 0
    missed: int = 0
    in_time: int = 0
    false: int = 0
    delays_s: tuple[float, ...] = ()

    @property
    def one_new_share(self) -> float | None:
        """Share told by exactly one ``new``."""
        return ratio(self.one_new, self.due)

    @property
    def in_time_share(self) -> float | None:
        """Share told within the allowed time."""
        return ratio(self.in_time, self.due)

    @property
    def slowest_s(self) -> float | None:
        """The longest delay of those that were told."""
        return max(self.delays_s, default=None)


@dataclass(frozen=True, slots=True)
class LineTally(_Adds):
    """Crossings, summed over lines and directions.

    Attributes:
        true: crossings that happened.
        told: crossings that were told.
        off: sum of the differences per line and direction.
        clips: clips with a line.
        clips_off: clips in which a number was wrong.
    """

    true: int = 0
    told: int = 0
    off: int = 0
    clips: int = 0
    clips_off: int = 0


@dataclass(frozen=True, slots=True)
class CountingScore(_Adds):
    """Everything that is measured on one clip, or on many together.

    Attributes:
        duration_s: length of the footage.
        person_minutes: how long persons were to be found, all together.
        hota: detection and association.
        clear: boxes and switches.
        identity: lasting numbers.
        membership: who is in which group.
        alerts: what the control room was told.
        count: number of people of each group over time.
        final: number of people of each group when it was last complete.
        people: number of all people in the picture over time.
        lines: crossings.
    """

    duration_s: float = 0.0
    person_minutes: float = 0.0
    hota: Hota = field(default_factory=Hota.zero)
    clear: Clear = field(default_factory=Clear)
    identity: Identity = field(default_factory=Identity)
    membership: MembershipTally = field(default_factory=MembershipTally)
    alerts: AlertTally = field(default_factory=AlertTally)
    count: CountTally = field(default_factory=CountTally)
    final: CountTally = field(default_factory=CountTally)
    people: CountTally = field(default_factory=CountTally)
    lines: LineTally = field(default_factory=LineTally)

    @property
    def switches_per_10_person_min(self) -> float | None:
        """How often a person changes its number in ten minutes of being followed."""
        return ratio(self.clear.switches * _SWITCH_UNIT_MIN, self.person_minutes)

    @property
    def false_alerts_per_h(self) -> float | None:
        """Alerts about nobody per hour of footage."""
        return ratio(self.alerts.false * _HOUR_S, self.duration_s)
