"""Hours of the week are those of the clock on the wall, and belong to the day on which they begin."""

from datetime import UTC, datetime, timedelta

import pytest

from edge.config import CameraConfig, LineConfig
from edge.config.hours import parse_span, read_time_zone, within_spans


def holds(span: str, local: str) -> bool:
    """Say whether a span holds at a moment of the week of Monday, 2 February 2026."""
    return within_spans([parse_span(span)], datetime.fromisoformat(local))


@pytest.mark.parametrize(
    ("span", "local", "expected"),
    [
        ("08:00-17:30", "2026-02-02T08:00", True),
        ("08:00-17:30", "2026-02-02T17:30", False),
        ("00:00-24:00", "2026-02-02T23:59:59", True),
        ("mon-fri 00:00-24:00", "2026-02-07T12:00", False),
        ("sat,sun 00:00-24:00", "2026-02-08T12:00", True),
        ("fri-mon 00:00-24:00", "2026-02-02T12:00", True),
        ("fri-mon 00:00-24:00", "2026-02-03T12:00", False),
    ],
)
def test_a_span_holds_from_its_first_minute_to_before_its_last(span: str, local: str, expected: bool) -> None:
    """Days may be listed, spanned, and spanned over the end of the week."""
    assert holds(span, local) is expected


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-02-06T21:59", False),
        ("2026-02-06T22:00", True),
        ("2026-02-07T05:59", True),
        ("2026-02-07T06:00", False),
        ("2026-02-07T22:00", False),
        ("2026-02-06T05:00", False),
    ],
)
def test_a_span_over_midnight_belongs_to_the_day_on_which_it_begins(local: str, expected: bool) -> None:
    """Friday's night ends on Saturday morning; Friday morning is of Thursday's night."""
    assert holds("fri 22:00-06:00", local) is expected


@pytest.mark.parametrize(("night", "hours"), [("2026-03-07", 7), ("2026-10-31", 9), ("2026-02-03", 8)])
def test_in_the_night_in_which_clocks_change_a_span_is_an_hour_shorter_or_longer(night: str, hours: int) -> None:
    """The watch from ten to six is on the wall's clock: in Winnipeg the clocks change on 8 March and 1 November 2026."""
    zone = read_time_zone("America/Winnipeg")
    noon = datetime.fromisoformat(f"{night}T12:00").replace(tzinfo=zone).astimezone(UTC)
    minutes = (noon + timedelta(minutes=step) for step in range(24 * 60))
    span = [parse_span("22:00-06:00")]
    assert sum(within_spans(span, minute.astimezone(zone)) for minute in minutes) == 60 * hours


@pytest.mark.parametrize(
    ("span", "why"),
    [
        ("8:00-17:00", "write it like"),
        ("mon-fri", "write it like"),
        ("25:00-06:00", "from 00:00 to 24:00"),
        ("22:00-24:01", "from 00:00 to 24:00"),
        ("06:00-06:00", "00:00-24:00"),
        ("mo\u00f1 08:00-09:00", "write it like"),
        ("foo 08:00-09:00", "the days are mon"),
        ("mon-tue-wed 08:00-09:00", "mon-fri"),
    ],
)
def test_what_is_no_span_of_hours_is_refused_with_the_way_to_write_it(span: str, why: str) -> None:
    """The message shows how it is written."""
    with pytest.raises(ValueError, match=why):
        LineConfig(id="gate", points=((0.0, 0.5), (1.0, 0.5)), hours=(span,))


@pytest.mark.parametrize("name", ["Winnipeg", "America", "../etc/passwd", ""])
def test_an_unknown_time_zone_is_refused(name: str) -> None:
    """The message names one that is known."""
    with pytest.raises(ValueError, match="America/Winnipeg"):
        CameraConfig(id="north", source="footage:clip.mkv", time_zone=name)
