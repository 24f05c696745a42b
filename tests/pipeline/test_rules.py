"""Lines are crossed once per direction and never by swaying; zones hold those whose feet stand in them."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import LineConfig, ZoneConfig
from edge.pipeline.rules import Rules, signed_distance
from edge.records import RuleEvents, Track, TrackCrossing

WIDTH_PX, HEIGHT_PX = 389, 293
LINE = LineConfig(id="border", points=((0.1, 0.5), (0.9, 0.5)), to_left="northward", to_right="southward")
MEADOW = ZoneConfig(id="meadow", points=((0.2, 0.2), (0.6, 0.2), (0.6, 0.6), (0.2, 0.6)))


def stand(x: float, y: float, t_s: float, *, seen: bool = True, confirmed: bool = True, track_id: int = 1) -> Track:
    """Put somebody of 40 px with their feet on a place."""
    box = (x - 8.0, y - 40.0, x + 8.0, y)
    return Track(track_id, "person", box, 0.9, (0.0, 0.0), 0.0, t_s if seen else t_s - 0.1, confirmed)


def walk(rules: Rules, feet: list[tuple[float, float]], **how: bool) -> list[TrackCrossing]:
    """Let somebody stand on one place after the other."""
    found: list[TrackCrossing] = []
    for step, (x, y) in enumerate(feet):
        track = stand(x, y, 0.1 * step, **how)
        found += rules.update([track], 0.1 * step, WIDTH_PX, HEIGHT_PX).crossings
    return found


def test_without_lines_and_zones_there_is_nothing_to_say() -> None:
    """No rules, no events."""
    assert Rules((), ()).update([stand(10, 10, 0.0)], 0.0, WIDTH_PX, HEIGHT_PX) == RuleEvents()


def test_each_direction_counts_once_for_each_track() -> None:
    """Up, down, up and down again is one crossing northward and one southward."""
    up = [(190.0, 170.0 - 4.0 * step) for step in range(12)]
    found = walk(Rules([LINE], ()), [*up, *up[::-1], *up, *up[::-1]])
    assert [(one.track_id, one.line, one.direction) for one in found] == [
        (1, "border", "northward"),
        (1, "border", "southward"),
    ]


def test_left_of_the_way_from_first_to_second_point_is_left() -> None:
    """Walking along the line from its first to its second point, those who come to the left hand cross to_left."""
    line = LineConfig(id="gate", points=((0.5, 0.9), (0.5, 0.1)), to_left="westward", to_right="eastward")
    assert [one.direction for one in walk(Rules([line], ()), [(250.0, 150.0), (140.0, 150.0)])] == ["westward"]


def test_beyond_its_ends_a_line_is_not_crossed() -> None:
    """A line is no longer than it is drawn."""
    assert walk(Rules([LINE], ()), [(380.0, 100.0), (380.0, 200.0)]) == []


def test_a_hidden_way_counts_when_the_walker_is_seen_again() -> None:
    """Who goes behind a bush on one side and comes out on the other has crossed."""
    rules = Rules([LINE], ())
    rules.update([stand(190, 170, 0.0)], 0.0, WIDTH_PX, HEIGHT_PX)
    assert rules.update([stand(190, 120, 1.0, seen=False)], 1.0, WIDTH_PX, HEIGHT_PX).crossings == ()
    assert len(rules.update([stand(190, 120, 2.0)], 2.0, WIDTH_PX, HEIGHT_PX).crossings) == 1


def test_a_track_not_yet_believed_counts_once_it_is() -> None:
    """A crossing before confirmation is told at confirmation."""
    rules = Rules([LINE], ())
    assert walk(rules, [(190.0, 170.0), (190.0, 120.0)], confirmed=False) == []
    assert len(rules.update([stand(190, 118, 1.0)], 1.0, WIDTH_PX, HEIGHT_PX).crossings) == 1


def test_while_the_shutter_is_closed_no_rule_fires() -> None:
    """A picture that is worthless moves nobody across a line."""
    rules = Rules([LINE], ())
    rules.update([stand(190, 170, 0.0)], 0.0, WIDTH_PX, HEIGHT_PX)
    assert rules.update([stand(190, 120, 1.0)], 1.0, WIDTH_PX, HEIGHT_PX, ffc=True).crossings == ()


def test_feet_in_a_zone_stay_in_it_until_clearly_outside() -> None:
    """The border of a zone has a band, and the first zone named wins."""
    rules = Rules((), [MEADOW, ZoneConfig(id="all", points=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))])
    places = [(150.0, 120.0), (236.0, 120.0), (260.0, 120.0)]
    zones = [rules.update([stand(x, y, step)], step, WIDTH_PX, HEIGHT_PX).zones for step, (x, y) in enumerate(places)]
    assert zones == [{1: "meadow"}, {1: "meadow"}, {1: "all"}]


def test_an_ignored_zone_ignores_and_has_no_name() -> None:
    """Who stands in an ignored zone is nobody."""
    events = Rules((), [ZoneConfig(id="lamp", points=MEADOW.points, ignore=True)]).update(
        [stand(150, 120, 0.0), stand(300, 250, 0.0, track_id=2)], 0.0, WIDTH_PX, HEIGHT_PX
    )
    assert events.ignored == frozenset({1})
    assert events.zones == {}


def utc(text: str) -> float:
    """Read a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("at", "crossings"), [("2026-02-03T21:59", 0), ("2026-02-03T22:00", 1), ("2026-02-04T05:59", 1)]
)
def test_a_line_counts_only_in_its_hours(at: str, crossings: int) -> None:
    """What is crossed by day at a line of the night is no event."""
    rules = Rules([LINE.model_copy(update={"hours": ("22:00-06:00",)})], ())
    told = [
        rules.update([stand(190, y, t_s)], t_s, WIDTH_PX, HEIGHT_PX, captured_utc_s=utc(at) + t_s).crossings
        for t_s, y in ((0.0, 170.0), (1.0, 120.0))
    ]
    assert [len(one) for one in told] == [0, crossings]


def test_who_crossed_before_the_hours_begin_is_not_counted_when_they_do() -> None:
    """A line goes on watching the sides while it does not hold; who then comes back within the hours is counted."""
    rules = Rules([LINE.model_copy(update={"hours": ("22:00-06:00",)})], ())
    before, within = utc("2026-02-03T21:59:58"), utc("2026-02-03T22:00:01")
    told = [
        rules.update([stand(190, y, at)], at, WIDTH_PX, HEIGHT_PX, captured_utc_s=at).crossings
        for at, y in ((before, 170.0), (before + 1, 120.0), (within, 120.0), (within + 1, 170.0))
    ]
    assert [[one.direction for one in crossings] for crossings in told] == [[], [], [], ["southward"]]


def test_a_zone_is_there_only_in_its_hours_on_the_clock_of_its_place() -> None:
    """At 23:30 in Winnipeg it is 05:30 in UTC; before and after its hours an ignored zone ignores nobody."""
    zone = ZoneConfig(id="yard", points=MEADOW.points, ignore=True, hours=("tue 23:00-24:00",))
    rules = Rules((), [zone], time_zone="America/Winnipeg")
    ignored = [
        rules.update([stand(150, 120, at)], at, WIDTH_PX, HEIGHT_PX, captured_utc_s=at).ignored
        for at in (utc("2026-02-03T23:30"), utc("2026-02-04T05:30"), utc("2026-02-04T06:00"))
    ]
    assert ignored == [frozenset(), frozenset({1}), frozenset()]


def test_memory_goes_with_the_track() -> None:
    """Nothing is kept of a track that is gone."""
    rules = Rules([LINE], [MEADOW])
    walk(rules, [(190.0, 170.0), (190.0, 120.0)])
    rules.update([], 5.0, WIDTH_PX, HEIGHT_PX)
    assert rules._memories == {}


@settings(max_examples=60, deadline=None)
@given(sway=st.lists(st.tuples(st.floats(-3, 3), st.floats(-1.9, 1.9)), min_size=2, max_size=60))
def test_jitter_on_a_line_adds_nothing(sway: list[tuple[float, float]]) -> None:
    """Somebody of 40 px who stands on the line and sways by less than the dead band never crosses it."""
    feet = [(190.0 + dx, 0.5 * HEIGHT_PX + dy) for dx, dy in sway]
    assert walk(Rules([LINE], ()), feet) == []


@settings(max_examples=60, deadline=None)
@given(x=st.floats(-50, 450), y=st.floats(-50, 350))
def test_signed_distance_agrees_with_the_rectangle(x: float, y: float) -> None:
    """For a rectangle the distance to the border has a closed form; the polygon's must equal it."""
    corners = np.array([(80.0, 60.0), (230.0, 60.0), (230.0, 170.0), (80.0, 170.0)])
    inside = min(x - 80.0, 230.0 - x, y - 60.0, 170.0 - y)
    outside = np.hypot(max(80.0 - x, 0.0, x - 230.0), max(60.0 - y, 0.0, y - 170.0))
    expected = inside if inside >= 0.0 else -outside
    assert signed_distance(np.array([(x, y)]), corners)[0] == pytest.approx(expected, abs=1e-6)
