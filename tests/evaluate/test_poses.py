"""The picture's shift from true camera poses."""

import numpy as np
import pytest

from edge.evaluate.poses import shift_between
from edge.evaluate.truth import TruthCamera, TruthFrame, parse_truth
from edge.records import CameraShift
from edge.simulate import load_scenario, truth_of

WIDTH_PX, HEIGHT_PX = 333, 201
DOWN = {"lat": 49.0, "lon": -111.96, "height_m": 80.0, "heading_deg": 0.0, "tilt_deg": -90.0, "hfov_deg": 40.0}


def frame(t_s=0.0, **camera):
    """Make a frame with a camera."""
    return TruthFrame(t_s=t_s, camera=TruthCamera(**{**DOWN, **camera}))


def moved(shift, x, y):
    """Move a point by a shift."""
    a, b, c, d = shift.linear
    return (a * x + b * y + shift.dx_px, c * x + d * y + shift.dy_px)


def test_a_fixed_camera_does_not_shift():
    """Frames without a camera of their own give the identity."""
    assert shift_between(TruthFrame(t_s=0.0), TruthFrame(t_s=1.0), WIDTH_PX, HEIGHT_PX) == CameraShift()


def test_flying_north_over_the_ground_moves_it_down_the_picture():
    """Looking straight down, ten metres north move the ground by ten metres' worth of pixels."""
    shift = shift_between(frame(), frame(lat=49.0 + 10.0 / 111194.9), WIDTH_PX, HEIGHT_PX)
    px_per_m = WIDTH_PX / 2 / np.tan(np.radians(20.0)) / 80.0
    assert (shift.dx_px, shift.dy_px) == pytest.approx((0.0, 10.0 * px_per_m), abs=0.05)
    assert shift.linear == pytest.approx((1.0, 0.0, 0.0, 1.0), abs=1e-4)


def test_a_turn_turns_the_picture_about_its_middle():
    """A quarter turn to the right moves what was on the right to the top, and the middle stays."""
    shift = shift_between(frame(), frame(heading_deg=90.0), WIDTH_PX, HEIGHT_PX)
    assert moved(shift, WIDTH_PX / 2, HEIGHT_PX / 2) == pytest.approx((WIDTH_PX / 2, HEIGHT_PX / 2), abs=0.01)
    assert moved(shift, WIDTH_PX / 2 + 50, HEIGHT_PX / 2) == pytest.approx((WIDTH_PX / 2, HEIGHT_PX / 2 - 50), abs=0.01)


def test_a_camera_that_looks_at_the_sky_knows_no_shift():
    """Without ground in the picture the shift is unknown, not zero."""
    assert not shift_between(frame(tilt_deg=30.0), frame(tilt_deg=30.0), WIDTH_PX, HEIGHT_PX).known


def test_sitting_people_stay_where_the_shift_says():
    """In the simulated orbit the shift predicts the feet of people to within their own steps."""
    truth = parse_truth(truth_of(load_scenario("drone-orbit")), source="drone-orbit")
    errors = []
    for before, after in zip(truth.frames[10:40], truth.frames[11:41], strict=True):
        shift = shift_between(before, after, truth.width_px, truth.height_px)
        then = {one.id: one.box for one in before.objects}
        for one in after.objects:
            if one.id in then:
                x, y = moved(shift, (then[one.id][0] + then[one.id][2]) / 2, then[one.id][3])
                errors.append(np.hypot(x - (one.box[0] + one.box[2]) / 2, y - one.box[3]))
    assert np.median(errors) < 2.0
