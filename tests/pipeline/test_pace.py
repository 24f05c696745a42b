"""Whoever stays too fast to be on foot is named, in metres where the ground is known, else in body heights."""

import pytest

from edge.config import GroupsConfig
from edge.pipeline.geo import Geo
from edge.pipeline.pace import Pace
from edge.places import Ground, Pose
from edge.records import Track

FPS = 5.0
LIMITS = GroupsConfig(max_speed_m_s=7.0, max_speed_heights_s=4.5)


def passing(speed_px_s: float, t_s: float, *, tall_px: float = 40.0, seen: bool = True) -> Track:
    """Somebody who passes across the view, in the lower middle of the picture."""
    box = (180.0, 200.0 - tall_px, 180.0 + 0.4 * tall_px, 200.0)
    return Track(1, "person", box, 0.9, (speed_px_s, 0.0), 0.0, t_s if seen else t_s - 0.1, True)


def watched(pace: Pace, speeds_px_s: list[float], ground: Ground | None = None, *, seen: bool = True) -> list[bool]:
    """Show one body frame after frame and note when it is named."""
    return [
        bool(pace.update([passing(speed_px_s, step / FPS, seen=seen)], step / FPS, ground))
        for step, speed_px_s in enumerate(speeds_px_s)
    ]


def mast(height_m: float = 6.0, tilt_deg: float = -12.0) -> Ground:
    """The ground as a camera on a mast sees it, 389 x 293 px."""
    view = Geo(pose=Pose(49.0, -111.9, height_m, 0.0, tilt_deg, 0.0, 26.0)).look(None, width_px=389, height_px=293)
    assert view is not None
    return view.ground_m


def test_who_stays_too_fast_is_named_once_it_lasted() -> None:
    """Five heights a second for 0.8 s: named then and not before."""
    assert watched(Pace(LIMITS), [200.0] * 6) == [False] * 4 + [True] * 2


def test_who_runs_is_never_named() -> None:
    """Four heights a second is a sprint."""
    assert not any(watched(Pace(LIMITS), [160.0] * 40))


def test_a_track_that_jumps_now_and_then_is_never_named() -> None:
    """It must last: one slow look between begins anew."""
    assert not any(watched(Pace(LIMITS), [400.0, 400.0, 400.0, 20.0] * 10))


def test_a_car_that_stops_is_somebody_after_a_while() -> None:
    """Whoever gets out of it is counted."""
    named = watched(Pace(LIMITS), [200.0] * 5 + [0.0] * 15)
    assert named[4:14] == [True] * 10
    assert not any(named[15:])


def test_where_the_ground_is_known_metres_decide() -> None:
    """From 6 m up a pixel spans 2.65 cm there: 240 px/s are 6.4 m/s and 300 are 7.9, whatever they are in heights."""
    assert not any(watched(Pace(LIMITS), [240.0] * 10, mast()))
    assert watched(Pace(LIMITS), [300.0] * 10, mast())[-1]


def test_a_pixel_is_taken_across_the_view_and_not_along_it() -> None:
    """From a low camera a pixel up the picture is many metres; nobody is thought faster than they are for that."""
    low = mast(height_m=2.0, tilt_deg=0.0)
    near, far = low((187.0, 201.0)), low((187.0, 199.0))
    assert near is not None
    assert far is not None
    assert far[1] - near[1] > 10 * 0.076  # what two pixels span across
    pace = Pace(LIMITS)
    tracks = [
        Track(1, "person", (180.0, 160.0, 196.0, 200.0), 0.9, (0.0, -60.0), 0.0, step / FPS, True) for step in range(10)
    ]
    assert not any(pace.update([track], track.last_seen_s, low) for track in tracks)


@pytest.mark.parametrize("ground", [None, mast(tilt_deg=30.0)])
def test_without_ground_under_the_feet_heights_decide(ground: Ground | None) -> None:
    """A pose that looks at the sky knows no metres."""
    assert watched(Pace(LIMITS), [200.0] * 6, ground)[-1]


def test_whoever_is_not_seen_is_not_judged() -> None:
    """Where a hidden body is and how fast is a guess."""
    assert not any(watched(Pace(LIMITS), [400.0] * 10, seen=False))


def test_nothing_is_kept_of_tracks_that_are_gone() -> None:
    """Memory goes with the track."""
    pace = Pace(LIMITS)
    assert watched(pace, [200.0] * 6)[-1]
    assert pace.update([], 1.2) == frozenset()
    assert pace.update([passing(200.0, 1.4)], 1.4) == frozenset()
