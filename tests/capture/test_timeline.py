"""Stamps of other clocks on our own hand: growing, never in the future, following drift and steps."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.capture.timeline import Timeline


def placed(clock, timeline, arrivals_and_stamps):
    """Place frames that arrive at given times; return their ``t_s``."""
    out = []
    for arrival_s, stamp_s in arrivals_and_stamps:
        clock.now_s = arrival_s
        out.append(timeline.place(stamp_s)[0])
    return out


def test_distances_are_those_of_the_stamps(clock):
    """Jitter of the network does not become jitter of the scene."""
    timeline = Timeline(clock)
    arrivals = [100.0, 100.13, 100.21, 100.34]
    stamps = [7.0, 7.1, 7.2, 7.3]
    times = placed(clock, timeline, zip(arrivals, stamps, strict=True))
    assert [round(t_s - times[0], 6) for t_s in times] == [0.0, 0.1, 0.2, 0.3]


def test_a_burst_after_a_stall_keeps_its_old_times(clock):
    """Frames that waited four seconds are four seconds old."""
    timeline = Timeline(clock)
    times = placed(clock, timeline, [(10.0, 0.0), (14.0, 0.1), (14.0, 0.2), (14.0, 4.0)])
    assert [round(t_s, 6) for t_s in times] == [10.0, 10.1, 10.2, 14.0]
    assert timeline.steps == 0


def test_a_clock_that_steps_is_followed_and_counted(clock):
    """Back by an hour or forth by a day: the next frame is now."""
    timeline = Timeline(clock)
    times = placed(clock, timeline, [(10.0, 5000.0), (10.1, 1400.0), (10.2, 1400.1), (10.3, 90_000.0)])
    assert [round(t_s, 3) for t_s in times] == [10.0, 10.1, 10.2, 10.3]
    assert timeline.steps == 2


def test_a_slow_clock_is_followed(clock):
    """A camera whose clock runs 200 ppm slow is not seven seconds behind after ten hours."""
    timeline = Timeline(clock)
    for index in range(36_000):
        clock.now_s = 10.0 + index
        t_s, _ = timeline.place(index * (1 - 2e-4))
    assert clock.now_s - t_s < 0.05
    assert timeline.steps == 0


def test_the_wall_time_is_that_of_the_frame_not_of_its_arrival(clock):
    """A delayed frame says when it was seen; a step of our own wall clock does not touch ``t_s``."""
    timeline = Timeline(clock)
    timeline.reopened(same_clock=True)
    clock.now_s = 50.0
    first = timeline.place(49.5)
    clock.offset_s += 3600.0
    second = timeline.place(49.6)
    assert first[1] == clock.offset_s - 3600.0 + 49.5
    assert second == (49.6, clock.offset_s + 49.6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.floats(0.0, 5.0), st.one_of(st.none(), st.floats(-1e9, 1e9)), st.booleans()),
        min_size=1,
        max_size=60,
    )
)
def test_times_always_grow_and_never_lie_ahead(clock, events):
    """Whatever a source stamps and however often it is opened again."""
    clock.now_s = 0.0
    timeline, last_s = Timeline(clock), None
    for pause_s, stamp_s, reopened in events:
        clock.now_s += pause_s + 0.001
        if reopened:
            timeline.reopened()
        t_s, _ = timeline.place(stamp_s)
        assert t_s <= clock.now_s
        assert last_s is None or t_s > last_s
        last_s = t_s
