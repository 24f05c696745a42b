"""One alert for each group: new, updates, end; loud enough, not too often, and the same in every replay."""

from itertools import groupby, pairwise

import pytest
from chain import Chain
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import Shot, Walker, film, in_line

from edge.config import AlertsConfig, LineConfig, ZoneConfig
from edge.pipeline.alerts import AlertRaiser
from edge.records import Alert, Crossing, Group, Track

SIZE = {"width_px": 389, "height_px": 293}
BORDER = LineConfig(id="border", points=((0.5, 0.9), (0.5, 0.1)), to_right="eastward")


def group(t_s: float, **changed: object) -> Group:
    """Make a group of one that was first seen at 0 and is seen now; what is no word of a group changes its only member."""
    track = Track(1, "person", (10.0, 10.0, 20.0, 50.0), 0.9, (10.0, 0.0), 0.0, t_s, confirmed=True)
    of_track = {name: changed.pop(name) for name in set(changed) - set(Group._fields)}
    return Group(1, (track._replace(**of_track),), 1, 1, 1, 1, 0.0)._replace(**changed)


def tell(raiser: AlertRaiser, t_s: float, *groups: Group) -> tuple[Alert, ...]:
    """Give one frame's groups."""
    return raiser.update(groups, t_s=t_s, captured_utc_s=1e9 + t_s, **SIZE)


def raiser(**settings_: object) -> AlertRaiser:
    """Build a raiser with one line and one zone."""
    return AlertRaiser(
        AlertsConfig(**settings_), camera="north", boot_id="boot", lines=[BORDER], zones=[zone("meadow")]
    )


def zone(name: str, **settings_: object) -> ZoneConfig:
    """Make a zone; where it lies does not matter here."""
    return ZoneConfig(id=name, points=((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)), **settings_)


def run(one: AlertRaiser, until_s: float, step_s: float = 0.5, **changed: object) -> list[Alert]:
    """Let time pass with one group and list what is told."""
    times = [step_s * index for index in range(round(until_s / step_s) + 1)]
    return [alert for t_s in times for alert in tell(one, t_s, group(t_s, **changed))]


def test_a_group_is_told_once_it_was_followed_for_long_enough() -> None:
    """Not before raise_after_s, then once, with the first revision."""
    (alert,) = run(raiser(raise_after_s=2.0), 8.0)
    assert (alert.phase, alert.rev, alert.captured_utc_s) == ("new", 1, 1e9 + 2.0)
    assert alert.first_seen_utc_s == 1e9


def test_at_two_frames_a_second_a_walker_is_told_within_three_seconds() -> None:
    """The default time holds at the slowest rate, detector misses included."""
    chain = Chain().watch(film([Walker((60.0, 200.0), (20.0, 0.0))], seconds=8.0, fps=2.0, missed=0.1, seed=3))
    (alert,) = chain.phases("new")
    assert alert.captured_utc_s - 1e9 <= 3.0


def test_a_changed_count_is_told_at_most_every_few_seconds() -> None:
    """Updates keep their distance and skip what did not change."""
    one = raiser(update_every_s=3.0)
    run(one, 2.0)
    alerts = [
        alert
        for index in range(24)
        for alert in tell(one, 2.5 + 0.5 * index, group(2.5 + 0.5 * index, count=1 + index % 5, count_high=9))
    ]
    times = [alert.captured_utc_s for alert in alerts]
    assert [alert.rev for alert in alerts] == list(range(2, 2 + len(alerts)))
    assert len(alerts) >= 3
    assert all(later - earlier >= 3.0 - 1e-3 for earlier, later in pairwise(times))


def test_a_new_heading_is_told_and_a_wavering_one_is_not() -> None:
    """Eight sectors with some slack; standing still is no heading."""
    one = raiser(update_every_s=0.5)
    run(one, 2.0)
    wavering = [
        tell(one, 3.0 + index, group(3.0 + index, velocity_px_s=(10.0, 4.0 * (-1) ** index))) for index in range(6)
    ]
    assert not any(wavering)
    (alert,) = tell(one, 10.0, group(10.0, velocity_px_s=(0.0, -10.0)))
    assert alert.phase == "update"


def test_priority_and_reasons_come_from_line_zone_and_count() -> None:
    """The loudest of what applies, and words for each."""
    calm, loud = run(raiser(), 2.0)[0], run(raiser(), 2.0, crossing=Crossing("border", "eastward", 4))[0]
    many = run(raiser(important_count=5), 2.0, count=6, count_high=6)[0]
    assert (calm.priority, calm.reasons) == ("routine", ("one person",))
    assert (loud.priority, loud.reasons) == ("urgent", ("line border crossed eastward by 4",))
    assert (many.priority, many.reasons) == ("important", ("5 or more people",))


def test_entering_a_zone_and_leaving_it_are_told() -> None:
    """Through the meadow and out again: an update with the zone, and one without."""
    strip = (0.3, 0.0), (0.7, 0.0), (0.7, 1.0), (0.3, 1.0)
    chain = Chain(zones=[ZoneConfig(id="meadow", points=strip)])
    chain.watch(film([Walker((20.0, 200.0), (20.0, 0.0))], seconds=17.0))
    told = [alert.group.zone for alert in chain.alerts if alert.phase != "end"]
    assert [name for name, _ in groupby(told)] == [None, "meadow", None]


def test_a_zone_counts_from_its_dwell_on() -> None:
    """A stay that is long enough raises the priority of a group already told."""
    one = AlertRaiser(
        AlertsConfig(), camera="north", boot_id="boot", zones=[zone("camp", min_dwell_s=10.0, priority="urgent")]
    )
    alerts = run(one, 20.0, zone="camp", zone_since_s=0.0)
    assert [(alert.phase, alert.priority) for alert in alerts] == [("new", "routine"), ("update", "urgent")]
    assert alerts[-1].reasons == ("in zone camp for 10 s",)


def test_groups_below_the_least_count_are_not_told() -> None:
    """The camera's least count and the zone's both hold."""
    assert run(raiser(min_count=2), 8.0) == []
    one = AlertRaiser(AlertsConfig(), camera="north", boot_id="boot", zones=[zone("camp", min_count=3)])
    assert run(one, 8.0, zone="camp", count=2) == []


def test_a_group_that_was_never_told_ends_in_silence() -> None:
    """No end without a new."""
    one = raiser()
    assert tell(one, 0.5, group(0.5)) == ()
    assert tell(one, 1.0, group(0.5, ended="left")) == ()


def test_nobody_is_told_while_nobody_is_seen() -> None:
    """A group that is out of sight (or behind a closed shutter) is not raised."""
    one = raiser()
    assert tell(one, 0.0, group(0.0)) == ()
    assert tell(one, 5.0, group(0.0)) == ()


def test_the_end_names_its_reason_and_the_group_it_joined() -> None:
    """A merge says into whose alert; the story is closed."""
    one = raiser()

    def apart(t_s: float, **changed: object) -> Group:
        return group(t_s, group_id=2, box=(200.0, 10.0, 210.0, 50.0), **changed)

    told = [alert for step in range(5) for alert in tell(one, 0.5 * step, group(0.5 * step), apart(0.5 * step))]
    (end,) = tell(one, 3.0, group(3.0), apart(3.0, ended="merged", merged_into=1))
    assert (end.phase, end.rev, end.merged_into) == ("end", 2, told[0].alert_id)
    assert end.alert_id == told[1].alert_id
    assert one.close("stopped", t_s=4.0, captured_utc_s=1e9 + 4.0, **SIZE)[0].alert_id == told[0].alert_id


def test_a_newcomer_beside_a_told_group_is_not_told_alone() -> None:
    """Whoever walks with a group is about to join it; only after some seconds beside it are they told on their own."""
    one = raiser()
    run(one, 2.0)
    times = [2.5 + 0.5 * step for step in range(17)]
    told = [alert for t_s in times for alert in tell(one, t_s, group(t_s), group(t_s, group_id=2, first_seen_s=2.0))]
    assert [(alert.phase, alert.captured_utc_s - 1e9) for alert in told] == [("new", 9.0)]


@pytest.mark.parametrize(("behind_heights", "told_at_s"), [(3.7, 9.0), (4.3, 3.5)])
def test_whoever_follows_a_told_group_at_its_pace_is_not_told_alone(behind_heights: float, told_at_s: float) -> None:
    """The next of a line that comes up from behind a ridge is about to join; who is farther behind is told in time."""
    one = raiser()
    run(one, 2.0)
    x0 = 10.0 - 40.0 * behind_heights
    follower = {"group_id": 2, "first_seen_s": 2.0, "box": (x0, 10.0, x0 + 10.0, 50.0)}
    times = [2.5 + 0.5 * step for step in range(17)]
    told = [alert for t_s in times for alert in tell(one, t_s, group(t_s), group(t_s, **follower))]
    assert [(alert.phase, alert.captured_utc_s - 1e9) for alert in told] == [("new", told_at_s)]


def test_closing_ends_everything_once() -> None:
    """When the node stops each open alert ends, and a second stop says nothing."""
    one = raiser()
    run(one, 2.0)
    (end,) = one.close("stopped", t_s=3.0, captured_utc_s=1e9 + 3.0, **SIZE)
    assert (end.phase, end.group.ended, end.reasons) == ("end", "stopped", ("the node stopped",))
    assert one.close("stopped", t_s=3.0, captured_utc_s=1e9 + 3.0, **SIZE) == ()


def test_a_straggler_raises_no_second_new_at_once() -> None:
    """One person who lags behind for less than split_after_s stays one of the group."""
    walkers = in_line(4, (200.0, 180.0), (12.0, 0.0), 30.0)
    lag = Walker((0, 0), path=lambda t_s: (80.0 + 12.0 * t_s - min(max(t_s - 4.0, 0.0), 2.0) * 10.0, 180.0))
    chain = Chain().watch(film([*walkers, lag], seconds=12.0))
    assert len(chain.phases("new")) == 1


def test_a_line_crossed_by_four_is_told_with_their_number() -> None:
    """The chain from boxes to the alert's words."""
    chain = Chain(lines=[BORDER]).watch(
        film(in_line(4, (150.0, 180.0), (20.0, 0.0), 25.0), seconds=12.0, jitter_px=1.0)
    )
    assert len(chain.crossings) == 4
    last = chain.phases("update")[-1]
    assert last.priority == "urgent"
    assert last.group.crossing == Crossing("border", "eastward", 4)


def test_a_replay_gives_the_same_alerts() -> None:
    """Same frames, same alerts, ids included; another boot gives other ids."""
    shots = list(film(in_line(4, (150.0, 180.0), (20.0, 0.0), 25.0), seconds=8.0, missed=0.1, jitter_px=1.0))
    assert Chain().watch(shots).alerts == Chain().watch(shots).alerts
    mine, other = run(raiser(), 2.0)[0], AlertRaiser(AlertsConfig(), camera="north", boot_id="other")
    assert mine.alert_id != run(other, 2.0)[0].alert_id


@settings(max_examples=10, deadline=None)
@given(offset_s=st.floats(0.0, 1e6))
def test_a_constant_time_offset_changes_nothing_but_times(offset_s: float) -> None:
    """The same night an hour later is told in the same words."""
    shots = list(film(in_line(3, (150.0, 180.0), (20.0, 0.0), 25.0), seconds=8.0, missed=0.1, jitter_px=1.0))
    later = [Shot(shot.t_s + offset_s, shot.detections, shot.truth) for shot in shots]
    told = [
        [(one.phase, one.rev, one.group.count, one.reasons) for one in Chain().watch(film_).alerts]
        for film_ in (shots, later)
    ]
    assert told[0] == told[1]


def test_a_group_of_which_it_is_doubtful_that_anybody_is_there_is_told_once_it_is_probable() -> None:
    """A cow's back that now and then looks like a person waits; min_confidence 0 tells it at once."""
    careful, bold = raiser(min_confidence=0.6), raiser(min_confidence=0.0)
    assert run(careful, 5.0, belief=0.4) == []
    (alert,) = tell(careful, 5.5, group(5.5, belief=0.7))
    assert alert.phase == "new"
    assert run(bold, 5.0, belief=0.4)[0].captured_utc_s == 1e9 + 1.5


def test_a_stone_in_sight_tells_nobody_who_is_hidden() -> None:
    """Somebody sure behind a bush and something doubtful beside it are no news; the one who comes out is."""
    one = raiser()
    (stone,), (person,) = group(9.0, belief=0.2).members, group(4.0, track_id=2, hidden_s=5.0).members
    assert tell(one, 9.0, group(9.0, members=(stone, person))) == ()
    out = person._replace(hidden_s=0.0, last_seen_s=9.5)
    assert [alert.phase for alert in tell(one, 9.5, group(9.5, members=(stone, out)))] == ["new"]
