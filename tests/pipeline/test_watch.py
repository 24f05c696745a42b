"""The alert that a camera cannot see: when it is raised, what ends it, and that it is one story."""

from hypothesis import given
from hypothesis import strategies as st

from edge.pipeline.watch import SightWatch


def watch() -> SightWatch:
    """Watch the camera of these tests: blind for ten seconds is an alert."""
    return SightWatch("north", boot_id="B", alert_after_s=10.0)


def told(sight: SightWatch, script):
    """Play (time, state, cause) and give the alerts."""
    alerts = [sight.update(state, cause, cause, t_s=t_s, utc_s=1000.0 + t_s) for t_s, state, cause in script]
    return [alert for alert in alerts if alert is not None]


def test_blind_that_lasts_is_one_alert_with_its_beginning():
    """Ten seconds after it began, with the time at which it began, and once."""
    script = [(t, "blind", "frozen") for t in range(5, 30)]
    (alert,) = told(watch(), [(0, "ok", None), *script])
    assert (alert.phase, alert.rev, alert.state, alert.cause) == ("new", 1, "blind", "frozen")
    assert (alert.since_utc_s, alert.utc_s) == (1005.0, 1015.0)


def test_what_passes_is_no_alert():
    """A shutter, a bird, a re-opened camera."""
    assert told(watch(), [(0, "blind", "covered"), (9, "blind", "covered"), (9.5, "ok", None), (12, "ok", None)]) == []


def test_degraded_is_no_alert():
    """It stands in the health."""
    assert told(watch(), [(t, "degraded", "crossover") for t in range(60)]) == []


def test_seeing_again_ends_it_under_the_same_id():
    """Two seconds of sight, not one lucky frame."""
    sight = watch()
    (new,) = told(sight, [(0, "blind", "frozen"), (10, "blind", "frozen")])
    assert told(sight, [(11, "ok", None), (11.5, "blind", "frozen"), (13, "ok", None), (14.9, "ok", None)]) == []
    (end,) = told(sight, [(15, "ok", None)])
    assert (end.alert_id, end.rev, end.phase, end.state, end.cause) == (new.alert_id, 2, "end", "ok", None)
    assert end.reason == "the camera sees again"


def test_another_cause_is_an_update():
    """First frozen, then unplugged: the same trouble, told again, at most every five seconds."""
    sight = watch()
    told(sight, [(0, "blind", "frozen"), (10, "blind", "frozen")])
    assert told(sight, [(11, "offline", "fault")]) == []
    (update,) = told(sight, [(15, "offline", "fault")])
    assert (update.phase, update.rev, update.state, update.cause) == ("update", 2, "offline", "fault")


def test_a_node_that_stops_ends_what_it_told():
    """With the reason that it stopped: the camera is as blind as before."""
    sight = watch()
    assert sight.close("stopped", utc_s=0.0) is None
    told(sight, [(0, "offline", "no-frames"), (10, "offline", "no-frames")])
    end = sight.close("stopped", utc_s=1020.0)
    assert (end.phase, end.state, end.ended, end.reason) == ("end", "offline", "stopped", "the node stopped")


def test_the_next_trouble_has_an_id_of_its_own_even_when_the_clock_was_set_back():
    """Ids follow from boot, camera and number, not from the wall clock alone."""
    sight, ids = watch(), []
    for start in (0, 100):
        for t_s in (start, start + 10, start + 20, start + 23):
            state = "blind" if t_s <= start + 10 else "ok"
            alert = sight.update(state, None, None, t_s=t_s, utc_s=1000.0 + t_s - start)
            ids += [alert.alert_id] if alert is not None and alert.phase == "new" else []
    assert len(set(ids)) == 2


@given(st.lists(st.tuples(st.floats(0.1, 8.0), st.sampled_from(["ok", "degraded", "blind", "offline"])), max_size=60))
def test_every_story_is_new_updates_end(script):
    """Whatever a camera does, revisions grow by one and each story ends before the next begins."""
    sight, t_s, open_id, rev = watch(), 0.0, None, 0
    for step, state in script:
        t_s += step
        alert = sight.update(state, None, None, t_s=t_s, utc_s=t_s)
        if alert is None:
            continue
        assert (alert.phase == "new") == (open_id is None)
        rev = 1 if open_id is None else rev + 1
        assert (alert.rev, alert.alert_id) == (rev, open_id or alert.alert_id)
        open_id = None if alert.phase == "end" else alert.alert_id
