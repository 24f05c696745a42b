"""The camera: projection, motion and places on the globe."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.simulate.camera import Globe, Mount
from edge.simulate.scenario import Camera

ODD = {"width_px": 203, "height_px": 131, "hfov_deg": 31.0}


def test_the_axis_goes_through_the_middle() -> None:
    """What lies on the optical axis falls on the middle of the frame, at any heading, tilt and roll."""
    camera = Camera(**ODD, height_m=10, tilt_deg=-30, roll_deg=17, heading_deg=123)
    pose = Mount(camera, seed=1).at(0.0)
    pixels, depth = pose.project(np.array([[0.0, 10 / math.tan(math.radians(30)), 0.0]]))
    assert pixels[0] == pytest.approx([203 / 2, 131 / 2], abs=1e-6)
    assert depth[0] == pytest.approx(20.0)


def test_the_edge_of_the_field_of_view_is_the_edge_of_the_frame() -> None:
    """A point half the field of view to the right falls on the frame's right edge."""
    pose = Mount(Camera(**ODD, height_m=2, tilt_deg=0), seed=1).at(0.0)
    far = 50.0
    pixels, _ = pose.project(np.array([[far * math.tan(math.radians(31 / 2)), far, 2.0]]))
    assert pixels[0] == pytest.approx([203.0, 131 / 2])


@given(
    x=st.integers(0, 202),
    y=st.integers(0, 130),
    tilt_deg=st.floats(-90, -20),
    roll_deg=st.floats(-30, 30),
)
def test_rays_and_projection_are_inverse(x: int, y: int, tilt_deg: float, roll_deg: float) -> None:
    """A point anywhere along the ray of a pixel's centre projects back onto that centre."""
    pose = Mount(Camera(**ODD, height_m=40, tilt_deg=tilt_deg, roll_deg=roll_deg), seed=1).at(0.0)
    ray = np.array([float(plane[y, x]) for plane in pose.rays()])
    pixels, _ = pose.project((pose.place_m + 37.0 * ray)[None])
    assert pixels[0] == pytest.approx([x + 0.5, y + 0.5], abs=0.01)


def test_an_orbit_keeps_looking_at_its_centre() -> None:
    """A drone on its circle keeps the centre of the circle in the middle of the frame."""
    tilt_deg = -math.degrees(math.atan2(70, 58))
    motion = {"kind": "orbit", "orbit_radius_m": 58, "orbit_period_s": 90, "shake_deg": 0}
    mount = Mount(Camera(**ODD, height_m=70, tilt_deg=tilt_deg, motion=motion), seed=1)
    for t_s in (0.0, 11.0, 45.0, 80.0):
        pixels, _ = mount.at(t_s).project(np.array([[0.0, 58.0, 0.0]]))
        assert pixels[0] == pytest.approx([203 / 2, 131 / 2], abs=1e-6)


def test_positions_follow_the_heading() -> None:
    """Straight ahead of a camera that looks east lies east of it, by the right number of degrees."""
    camera = Camera(lat_deg=49, lon_deg=-112, heading_deg=90)
    place = Globe(camera).position(0.0, 1000.0)
    assert place["lat"] == pytest.approx(49.0, abs=1e-7)
    # one degree of longitude at 49 degrees north is 73.17 km on the WGS84 ellipsoid
    assert place["lon"] - -112 == pytest.approx(1 / 73.17, rel=1e-3)
    assert Globe(camera).compass_deg(-1.0, 0.0) == pytest.approx(0.0)
