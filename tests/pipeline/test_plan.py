"""Nearness in metres: who stands far behind another is near them in the picture and not on the ground."""

import pytest

from edge.config import GroupsConfig
from edge.pipeline.geo import Geo
from edge.pipeline.groups import GroupCounter
from edge.pipeline.plan import on_plan
from edge.places import Ground, Pose
from edge.records import Group, Point, RuleEvents, Track

FPS = 5.0
IN_METRES = GroupsConfig(near_m=4.0)
NEAR, BESIDE, BEHIND = (180.0, 199.5), (280.0, 199.5), (180.0, 117.0)  # 22 m away, 2.7 m beside that, 12 m behind that


def mast(tilt_deg: float = -12.0) -> Ground:
    """The ground as a camera 6 m up sees it, 389 x 293 px."""
    view = Geo(pose=Pose(49.0, -111.9, 6.0, 0.0, tilt_deg, 0.0, 26.0)).look(None, width_px=389, height_px=293)
    assert view is not None
    return view.ground_m


def stand(track_id: int, foot: Point, t_s: float) -> Track:
    """Somebody of 64 px who has stood there for long."""
    box = (foot[0] - 12.0, foot[1] - 64.0, foot[0] + 12.0, foot[1])
    return Track(track_id, "person", box, 0.9, (0.0, 0.0), -60.0, t_s, True)


def watched(config: GroupsConfig, feet: list[Point], grounds: list[Ground | None]) -> list[tuple[Group, ...]]:
    """Let people stand for a frame on each of the grounds."""
    counter, told = GroupCounter(config), []
    for step, ground in enumerate(grounds):
        t_s = step / FPS
        tracks = [stand(1 + at, foot, t_s) for at, foot in enumerate(feet)]
        told.append(counter.update(tracks, RuleEvents(), t_s, ground=ground))
    return told


def test_who_stands_far_behind_another_is_no_company_of_theirs() -> None:
    """Twelve metres behind is little more than a height in the picture: one group in heights, two in metres."""
    feet, long = [NEAR, BEHIND], [mast()] * 30
    assert len(watched(GroupsConfig(), feet, long)[-1]) == 1
    assert len(watched(IN_METRES, feet, long)[-1]) == 2


def test_who_stands_beside_another_is_their_company_in_metres_too() -> None:
    """Under three metres apart."""
    ((group,),) = watched(IN_METRES, [NEAR, BESIDE], [mast()] * 30)[-1:]
    assert group.count == 2


@pytest.mark.parametrize("ground", [None, mast(tilt_deg=30.0)])
def test_where_the_ground_is_not_known_nearness_is_in_heights(ground: Ground | None) -> None:
    """No pose, or feet above the horizon."""
    assert len(watched(IN_METRES, [NEAR, BEHIND], [ground] * 30)[-1]) == 1


def test_a_pose_that_is_lost_and_found_changes_no_group() -> None:
    """A drone that does not tell its pose for a while, with people who are near both ways."""
    grounds = ([mast()] * 10 + [None] * 10) * 3
    told = watched(IN_METRES, [NEAR, BESIDE], grounds)
    assert {group.group_id for groups in told[1:] for group in groups} == {1}


def test_on_the_plan_near_metres_are_as_many_bodies_as_make_people_near() -> None:
    """Four metres become two and a half bodies; velocities are in heights of 1.7 m across the view."""
    ground = mast()
    walking = stand(1, NEAR, 0.0)._replace(velocity_px_s=(64.2, 0.0))  # 1.7 m/s where a pixel spans 2.65 cm
    plan = on_plan([walking, stand(2, BESIDE, 0.0)], ground, 4.0, 2.5)
    assert plan is not None
    one, other = plan
    place, beside = ground(NEAR), ground(BESIDE)
    assert place is not None
    assert beside is not None
    apart_m = beside[0] - place[0]
    assert (other.foot_px[0] - one.foot_px[0]) / one.height_px == pytest.approx(apart_m * 2.5 / 4.0)
    assert one.velocity_px_s[0] / one.height_px == pytest.approx(1.0, abs=0.02)
