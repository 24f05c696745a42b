"""From the picture to the ground: places, ellipses, and what is not known."""

import math

import numpy as np
import pytest
from ground_scenes import foot_of, misses, mistaken, pose_of, telemetry_of
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.pipeline.geo import Geo, place
from edge.places import Origin, Pose, PoseErrors, Telemetry
from edge.records import Track
from edge.simulate import load_scenario, truth_of
from edge.simulate.camera import Mount
from edge.simulate.scenario import Camera
from edge.terrain import Terrain

SIZE = {"width_px": 321, "height_px": 257}
HERE = Pose(49.0012, -111.96, 6.0, 10.0, -8.0, 0.0, 24.0)


def track(foot: tuple[float, float], velocity: tuple[float, float] = (0.0, 0.0), height: float = 30.0) -> Track:
    """Stand a body on a foot point."""
    x, y = foot
    return Track(1, "person", (x - 5, y - height, x + 5, y), 0.9, velocity, 0.0, 5.0, confirmed=True)


@given(
    st.floats(1, 200), st.floats(-180, 180), st.floats(-90, 10), st.floats(-40, 40), st.floats(5, 90),
    st.floats(-300, 300), st.floats(-300, 300),
)  # fmt: skip
def test_what_the_simulated_camera_projects_is_found_again(height, heading, tilt, roll, hfov, right, ahead):
    """The simulator's projection, written apart from this, is undone to a millimetre for any pose."""
    camera = Camera(height_m=height, heading_deg=0, tilt_deg=max(tilt, -90), roll_deg=roll, hfov_deg=hfov, **SIZE)
    projected, depth = Mount(camera, 1).at(0.0).project(np.array([[right, ahead, 0.0]]))
    assume(depth[0] > 0.5 and np.abs(projected).max() < 5000)
    view = Geo(pose=Pose(48.0, 11.0, height, heading, camera.tilt_deg, roll, hfov)).look(None, **SIZE)
    found = view.ground_m(tuple(projected[0]))
    assume(found is not None)
    turn = math.radians(heading)
    want = (right * math.cos(turn) + ahead * math.sin(turn), ahead * math.cos(turn) - right * math.sin(turn))
    assert math.dist(found, want) < 1e-3 * max(1.0, math.hypot(right, ahead) / height)


def test_a_camera_that_looks_down_the_road_sees_its_feet_where_trigonometry_says():
    """6 m up, the middle of the picture 8 degrees down: 42.7 m away, in the direction it looks."""
    view = Geo(pose=HERE).look(None, **SIZE)
    position = view.locate([(160.5, 128.5)], [30.0])
    east, north = Origin(HERE.lat_deg, HERE.lon_deg).to_metres(position.lat_deg, position.lon_deg)
    assert math.hypot(east, north) == pytest.approx(6.0 / math.tan(math.radians(8.0)), abs=1e-3)
    assert math.degrees(math.atan2(east, north)) == pytest.approx(10.0, abs=1e-3)
    assert view.bearing_deg((160.5, 128.5)) == pytest.approx(10.0)
    assert position.method == "ground-plane"
    assert position.major_deg == pytest.approx(10.0, abs=3.0)  # at a grazing angle the error lies along the view


def test_above_the_horizon_there_is_a_bearing_and_no_position():
    """A box in the sky stands on no ground; the direction is known all the same."""
    view = Geo(pose=HERE).look(None, **SIZE)
    placed = place([track((160.5, 5.0), height=4.0)], view)
    assert placed.position is None
    assert placed.speed_m_s is None
    assert placed.bearing_deg == pytest.approx(10.0)


def test_near_the_horizon_no_position_is_pretended():
    """Where a third of a degree of tilt decides between 300 m and nowhere, no position is told."""
    view = Geo(pose=HERE._replace(tilt_deg=-1.0), errors=PoseErrors(tilt_deg=0.5)).look(None, **SIZE)
    assert view.locate([(160.5, 129.0)], [8.0]) is None
    assert view.locate([(160.5, 240.0)], [8.0]) is not None


def test_without_a_pose_nothing_is_told():
    """A camera that nobody measured has no view, and its groups no place."""
    assert Geo().look(None, **SIZE) is None
    assert place([track((100.0, 100.0))], None) is None


@pytest.mark.parametrize(
    ("course_deg", "step_px"),
    [(10.0, (0.0, -1.0)), (190.0, (0.0, 1.0)), (100.0, (1.0, 0.0)), (280.0, (-1.0, 0.0))],
)
def test_course_and_speed_are_those_over_ground(course_deg, step_px):
    """Pixels up are away from the camera, pixels right are to its right, whatever the picture's perspective."""
    view = Geo(pose=HERE).look(None, **SIZE)
    foot = (160.5, 128.5)
    one_px = math.dist(view.ground_m(foot), view.ground_m((foot[0] + step_px[0], foot[1] + step_px[1])))
    placed = place([track(foot, (step_px[0] * 1.5 / one_px, step_px[1] * 1.5 / one_px))], view)
    assert placed.speed_m_s == pytest.approx(1.5, rel=0.05)
    assert placed.heading_deg == pytest.approx(course_deg, abs=1.0)


def test_a_group_that_stands_has_no_course():
    """Noise is no direction."""
    placed = place([track((160.5, 128.5), (0.05, 0.02))], Geo(pose=HERE).look(None, **SIZE))
    assert placed.heading_deg is None
    assert placed.speed_m_s < 0.25


def test_who_is_hidden_does_not_move_the_group_while_others_are_seen():
    """Guessed places do not count beside seen ones, but alone they are better than nothing."""
    view = Geo(pose=HERE).look(None, **SIZE)
    seen, hidden = track((150.0, 140.0)), track((300.0, 250.0))._replace(hidden_s=3.0)
    assert place([seen, hidden], view) == place([seen], view)
    assert place([hidden], view).position is not None


def test_the_ellipse_of_many_is_no_smaller_than_their_common_error():
    """Forty feet average their own noise away, never the error of the pose that they share."""
    view = Geo(pose=HERE).look(None, **SIZE)
    one = view.locate([(160.5, 128.5)], [30.0])
    many = view.locate([(160.5, 128.5)] * 40, [30.0] * 40)
    sure = Geo(pose=HERE, errors=PoseErrors(0, 0, 0, 0, 0, 0, 0)).look(None, **SIZE)
    assert many.ce_m < one.ce_m
    assert many.ce_m > 3.0
    assert sure.locate([(160.5, 128.5)] * 40, [30.0] * 40).ce_m < one.ce_m / 10


@pytest.mark.parametrize("name", ["nine-in-snow", "abreast", "drone-orbit", "drone-transit"])
def test_the_true_place_is_in_the_ellipse_as_often_as_stated(name):
    """Over many wrongly measured poses: half the errors within the ellipse, nine in ten within the 90 % one."""
    luck = np.random.default_rng(20261124)
    truth = truth_of(load_scenario(name).model_copy(update={"duration_s": 6.0}))
    moving = truth["camera"]["moving"]
    errors = PoseErrors(position_m=3.0, height_m=3.0, ground_m=0.0, heading_deg=2.0) if moving else PoseErrors()
    size = {"width_px": truth["width_px"], "height_px": truth["height_px"]}
    inside, errors_m, stated_m = [], [], []
    for _ in range(400):
        frame = truth["frames"][luck.integers(len(truth["frames"]))]
        people = [one for one in frame["objects"] if one["kind"] == "person" and one["visible"] > 0.5]
        if not people:
            continue
        person = people[luck.integers(len(people))]
        pose = mistaken(pose_of(frame.get("camera", truth["camera"])), errors, luck)
        geo = Geo(pose=None if moving else pose, errors=errors)
        view = geo.look(telemetry_of(pose) if moving else None, **size)
        height_px = person["box"][3] - person["box"][1]
        foot = np.array(foot_of(person["box"])) + luck.normal(0, max(0.7, 0.05 * height_px), 2)
        position = view.locate([tuple(foot)], [height_px])
        if position is None:
            continue
        error_m, squared = misses(position, person["position"])
        errors_m.append(error_m)
        stated_m.append(position.ce_m)
        inside.append(squared <= 4.605)
    assert len(inside) > 200
    assert np.median(errors_m) <= np.median(stated_m)
    assert 0.85 <= np.mean(inside) <= 0.97, np.mean(inside)


def flat_grid(height_m: float = 800.0, **slope: float) -> Terrain:
    """Make a grid of 3 km around HERE whose height rises by so many metres a metre to the north and east."""
    step_deg = 30.0 / 111_320.0
    rows = np.arange(101)[:, None] - 50.0
    columns = np.arange(101)[None, :] - 50.0
    east_m = columns * 30.0 * math.cos(math.radians(HERE.lat_deg))
    heights = height_m + slope.get("north", 0.0) * -rows * 30.0 + slope.get("east", 0.0) * east_m
    return Terrain(
        heights.astype(np.float32),
        west_deg=HERE.lon_deg - 50 * step_deg,
        north_deg=HERE.lat_deg + 50 * step_deg,
        cell_deg=(step_deg, step_deg),
    )


def test_a_flat_grid_is_the_plane():
    """An elevation grid without hills gives the same places as none."""
    plain = Geo(pose=HERE).look(None, **SIZE)
    grid = Geo(pose=HERE, terrain=flat_grid()).look(None, **SIZE)
    for foot in [(160.5, 128.5), (20.0, 200.0), (300.0, 110.0)]:
        assert grid.ground_m(foot) == pytest.approx(plain.ground_m(foot), abs=0.05)
    assert grid.locate([(160.5, 128.5)], [30.0]).method == "terrain"


def test_rising_ground_is_met_sooner():
    """Ground that rises by 5 % ahead is met where height / (tan(tilt) + slope) says."""
    pose = HERE._replace(heading_deg=0.0)
    view = Geo(pose=pose, terrain=flat_grid(north=0.05)).look(None, **SIZE)
    _, north = view.ground_m((160.5, 128.5))
    assert north == pytest.approx(6.0 / (math.tan(math.radians(8.0)) + 0.05), rel=0.01)


def test_beyond_the_grid_nothing_is_known():
    """A ray that leaves the grid before it meets the ground has no place."""
    view = Geo(pose=HERE._replace(tilt_deg=-0.1), terrain=flat_grid()).look(None, **SIZE)
    assert view.ground_m((160.5, 128.5)) is None


def corners_of(geo: Geo, told: Telemetry) -> tuple:
    """Cast the corners of the picture to the ground, as a drone does before it tells them."""
    view = geo.look(told, **SIZE)
    origin = Origin(told.lat_deg, told.lon_deg)
    return tuple(origin.to_degrees(*view.ground_m(corner)) for corner in [(0, 0), (321, 0), (321, 257), (0, 257)])


DRONE = Telemetry(
    lat_deg=48.1, lon_deg=11.5, height_m=70.0, heading_deg=200.0, tilt_deg=-50.0, roll_deg=3.0, hfov_deg=32.0
)


def test_told_corners_and_the_ray_agree():
    """On flat ground the homography of the corners is the same as following each ray."""
    by_ray = Geo().look(DRONE, **SIZE)
    by_corners = Geo().look(DRONE._replace(corners=corners_of(Geo(), DRONE)), **SIZE)
    for foot in [(10.0, 20.0), (160.5, 128.5), (300.0, 240.0)]:
        assert by_corners.ground_m(foot) == pytest.approx(by_ray.ground_m(foot), abs=0.05)
    assert by_corners.locate([(160.5, 128.5)], [20.0]).method == "corners"
    assert by_ray.locate([(160.5, 128.5)], [20.0]).method == "ray"


def test_corners_alone_are_enough():
    """A carrier that tells the footprint and not its pose gives positions, and no bearing."""
    told = Telemetry(corners=corners_of(Geo(), DRONE))
    view = Geo().look(told, **SIZE)
    position = view.locate([(160.5, 128.5)], [20.0])
    assert 15.0 < position.ce_m < 30.0
    assert view.bearing_deg((160.5, 128.5)) is None


@pytest.mark.parametrize("twist", [(0, 0, 0, 0), (0, 2, 1, 3)])
def test_corners_that_span_nothing_are_left_alone(twist):
    """Four times the same point, or a bow tie: the ray is used instead."""
    corners = corners_of(Geo(), DRONE)
    view = Geo().look(DRONE._replace(corners=tuple(corners[index] for index in twist)), **SIZE)
    assert view.locate([(160.5, 128.5)], [20.0]).method == "ray"


def test_a_drone_that_tells_only_where_it_is_gives_its_own_place_with_a_large_error():
    """Older side files lack the gimbal: within 190 m of the drone is better than nothing, and says so."""
    told = Telemetry(lat_deg=48.1, lon_deg=11.5, height_m=70.0)
    placed = place([track((160.5, 128.5), (5.0, 0.0))], Geo().look(told, **SIZE))
    assert (placed.position.lat_deg, placed.position.lon_deg) == (48.1, 11.5)
    assert placed.position.method == "carrier"
    assert placed.position.ce_m > 190.0
    assert placed.speed_m_s is None


def test_metres_of_a_moving_camera_stay_in_one_plane():
    """The same spot seen from two places of a flight is the same spot."""
    geo = Geo()
    first = geo.look(DRONE, **SIZE).ground_m((160.5, 128.5))
    moved = Origin(48.1, 11.5).to_degrees(30.0, -20.0)
    second = geo.look(DRONE._replace(lat_deg=moved[0], lon_deg=moved[1]), **SIZE).ground_m((160.5, 128.5))
    assert (second[0] - first[0], second[1] - first[1]) == pytest.approx((30.0, -20.0), abs=0.01)


def test_the_ground_ahead_decides_over_the_sea_level():
    """What matters is the height above the ground in the picture, not above where the drone took off."""
    told = DRONE._replace(alt_m=870.0, ground_alt_m=800.0, height_m=500.0)
    assert Geo().look(told, **SIZE).ground_m((160.5, 128.5)) == Geo().look(DRONE, **SIZE).ground_m((160.5, 128.5))


def test_the_field_of_view_may_come_from_the_configuration():
    """DJI side files do not tell it."""
    told = DRONE._replace(hfov_deg=None)
    assert Geo().look(told, **SIZE).locate([(160.5, 128.5)], [20.0]).method == "carrier"
    assert Geo(hfov_deg=32.0).look(told, **SIZE).locate([(160.5, 128.5)], [20.0]).method == "ray"
