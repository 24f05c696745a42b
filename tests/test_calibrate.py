"""The pose from marked points: found again from what the simulator projects, with honest errors and clear refusals."""

import json

import cv2
import numpy as np
import pytest
from calibrate_scene import as_toml, marked_points
from typer.testing import CliRunner

from edge.calibrate.points import Marked, read_points
from edge.calibrate.solve import project, solve
from edge.commands.calibrate import app
from edge.config import resolve
from edge.errors import ConfigError
from edge.places import Origin
from edge.simulate.scenario import Camera

CAMERA = Camera(
    height_m=6.0, heading_deg=123.0, tilt_deg=-8.0, roll_deg=1.5, hfov_deg=24.0, width_px=321, height_px=257
)
SIZE = (321, 257)
POSTS = [(-9.0, 49.0, 0.0), (8.5, 46.5, 0.0), (-4.0, 35.0, 0.0), (5.0, 31.0, 0.0), (0.0, 60.0, 0.0), (9.0, 75.0, 0.0)]


def off_m(calibration) -> float:
    """Give how far the found place is from the true one."""
    there = Origin(calibration.pose.lat_deg, calibration.pose.lon_deg)
    return float(np.hypot(*there.to_metres(CAMERA.lat_deg, CAMERA.lon_deg)))


@pytest.mark.parametrize("fov", [24.0, None])
def test_exact_points_give_the_exact_pose(fov):
    """With the field of view given, and with six points also without."""
    found = solve(Marked.model_validate({"camera": {"hfov_deg": fov}, "point": marked_points(CAMERA, POSTS)}), SIZE)
    assert off_m(found) < 0.2
    pose = found.pose
    assert (pose.height_m, pose.heading_deg, pose.tilt_deg) == pytest.approx((6.0, 123.0, -8.0), abs=0.1)
    assert (pose.roll_deg, pose.hfov_deg) == pytest.approx((1.5, 24.0), abs=0.1)
    assert found.rms_px < 0.1
    assert found.doubts == ()


def test_four_points_are_enough_where_the_lens_is_known():
    """The least that is asked for."""
    found = solve(
        Marked.model_validate({"camera": {"hfov_deg": 24.0}, "point": marked_points(CAMERA, POSTS[:4])}), SIZE
    )
    assert off_m(found) < 0.3


def test_marks_a_pixel_off_give_errors_that_cover_the_truth():
    """Over many sets of marks: the true heading, tilt and height lie within two of the stated errors."""
    inside = []
    for seed in range(12):
        points = marked_points(CAMERA, POSTS, luck=1.0, seed=seed)
        found = solve(Marked.model_validate({"camera": {"hfov_deg": 24.0}, "point": points}), SIZE)
        for name, true in (("heading_deg", 123.0), ("tilt_deg", -8.0), ("height_m", 6.0)):
            inside.append(abs(getattr(found.pose, name) - true) <= 2.0 * getattr(found.errors, name))
    assert np.mean(inside) >= 0.85


def test_a_wrong_point_is_named():
    """Mapped 30 m away: it stands out, and a person is told which it is."""
    points = marked_points(CAMERA, [*POSTS, (2.0, 40.0, 0.0)])
    points[2]["lat_deg"] += 0.00030
    found = solve(Marked.model_validate({"camera": {"hfov_deg": 24.0}, "point": points}), SIZE)
    assert found.doubts


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda points: points[:3], "4 or more"),
        (lambda points: [*points, {**points[0], "x_px": 999.0}], "outside the 321x257"),
        (lambda points: [*points, points[0]], "same pixel"),
        (lambda points: [{**points[0], "y": 3}, *points[1:]], "unknown setting 'point.0.y'"),
    ],
)
def test_what_cannot_be_solved_is_refused_in_words(tmp_path, change, words):
    """The message says what to change."""
    file = tmp_path / "points.toml"
    file.write_text(as_toml(change(marked_points(CAMERA, POSTS)), {"hfov_deg": 24.0}))
    with pytest.raises(ConfigError) as told:
        solve(read_points(file), SIZE)
    assert words in str(told.value)


def test_a_table_is_read_too(tmp_path):
    """The same points as CSV; a cell that is no number is named."""
    points = marked_points(CAMERA, POSTS)
    rows = [",".join(points[0]), *(",".join(str(cell) for cell in point.values()) for point in points)]
    file = tmp_path / "points.csv"
    file.write_text("\n".join(rows))
    assert [one.x_px for one in read_points(file).point] == [point["x_px"] for point in points]
    file.write_text("x_px,y_px,lat_deg,lon_deg\n1,2,here,4\n")
    with pytest.raises(ConfigError, match="lat_deg"):
        read_points(file)


def test_what_is_drawn_is_where_the_simulator_puts_it():
    """The grid is projected with the found pose: a post's foot lands on its mark."""
    found = solve(Marked.model_validate({"camera": {"hfov_deg": 24.0}, "point": marked_points(CAMERA, POSTS)}), SIZE)
    for point in marked_points(CAMERA, POSTS):
        east, north = Origin(found.pose.lat_deg, found.pose.lon_deg).to_metres(point["lat_deg"], point["lon_deg"])
        assert project(found.pose, [(east, north, 0.0)], SIZE)[0] == pytest.approx(
            (point["x_px"], point["y_px"]), abs=0.2
        )
    assert project(found.pose, [(-east, -north, 0.0)], SIZE) == [None]


def test_the_command_prints_a_section_that_a_configuration_takes(tmp_path):
    """And draws the picture: the horizon's colour is in it."""
    (tmp_path / "points.toml").write_text(as_toml(marked_points(CAMERA, POSTS), {"hfov_deg": 24.0}))
    cv2.imwrite(str(tmp_path / "shot.png"), np.full((257, 321), 90, np.uint8))
    arguments = [str(tmp_path / name) for name in ("points.toml", "shot.png")]
    told = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / "seen.png")])
    assert told.exit_code == 0
    import tomllib

    section = tomllib.loads(told.stdout)["camera"]["pose"]
    camera = {"id": "north", "source": "footage:x.mkv", "pose": section}
    assert resolve({"camera": [camera]}).config.camera[0].pose.heading_deg == pytest.approx(123.0, abs=0.1)
    drawn = cv2.imread(str(tmp_path / "seen.png"))
    assert drawn.shape[1] == 960
    assert (np.abs(drawn.astype(int) - (60, 200, 255)).sum(axis=2) < 60).sum() > 300
    as_json = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / "seen.png"), "--json"])
    assert json.loads(as_json.stdout)["rms_px"] < 0.1
