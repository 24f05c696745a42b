"""Hours of the week in which a rule holds, on the clock of one place.

``fri-sun 22:00-06:00`` begins on Friday, Saturday and Sunday at ten in the evening and lasts into the next morning: a
span belongs to the day on which it begins. It is the clock on the wall that counts, so in the night in which clocks
change such a span is an hour shorter or longer, as the shift of whoever is on watch.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(?:(?P<days>[a-z]{3}(?:[,-][a-z]{3})*) )?(\d\d):([0-5]\d)-(\d\d):([0-5]\d)")
_DAY_MIN = 24 * 60


class Span(NamedTuple):
    """Minutes of a day, on some days of the week.

    Attributes:
        weekdays: on which it begins, 0 is Monday.
        start_min: first minute of it, since midnight.
        end_min: first minute after it; not after ``start_min`` means on the next day.
    """

    weekdays: frozenset[int]
    start_min: int
    end_min: int


def parse_span(text: str) -> Span:
    """Read ``22:00-06:00``, ``mon-fri 08:00-17:30`` or ``sat,sun 00:00-24:00``.

    Raises:
        ValueError: it is nothing of that kind.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is no span of hours; write it like 'mon-fri 22:00-06:00' or '22:00-06:00'")
    hour, minute, end_hour, end_minute = map(int, found.groups()[1:])
    start_min, end_min = 60 * hour + minute, 60 * end_hour + end_minute
    if start_min >= _DAY_MIN or end_min > _DAY_MIN:
        raise ValueError(f"'{text}': a day has the hours from 00:00 to 24:00")
    if start_min == end_min:
        raise ValueError(f"'{text}' ends when it begins; the whole day is 00:00-24:00")
    return Span(_weekdays(found["days"]), start_min, end_min)


def _weekdays(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    days = set[int]()
    for part in text.split(","):
        first, *more = (_weekday(name) for name in part.split("-"))
        last = more[-1] if more else first
        if len(more) > 1:
            raise ValueError(f"'{part}' is no span of days; write it like mon-fri")
        days.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return frozenset(days)


def _weekday(name: str) -> int:
    if name not in _DAYS:
        raise ValueError(f"'{name}' is no day; the days are {', '.join(_DAYS)}")
    return _DAYS.index(name)


def within_spans(spans: Iterable[Span], local: datetime) -> bool:
    """Say whether one of the spans holds at a moment of the clock on the wall."""
    today, minute = local.weekday(), 60 * local.hour + local.minute
    for days, start_min, end_min in spans:
        if start_min < end_min:
            holds = today in days and start_min <= minute < end_min
        else:
            holds = (today in days and minute >= start_min) or ((today - 1) % 7 in days and minute < end_min)
        if holds:
            return True
    return False


def read_time_zone(name: str) -> tzinfo:
    """Give a time zone by its IANA name.

    Raises:
        ValueError: this system does not know it.
    """
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415  (most nodes keep UTC)

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"'{name}' is no time zone that this system knows; use UTC or a name such as America/Winnipeg "
            "(the names come with the system's package tzdata)"
        ) from None
