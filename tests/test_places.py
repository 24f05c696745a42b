"""WGS 84: metres and degrees, against an independent library."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.places import Origin, Position

pymap3d = pytest.importorskip("pymap3d", reason="pymap3d is not installed (extra dev)")

latitudes = st.floats(-85, 85)
longitudes = st.floats(-180, 180)
offsets = st.floats(-10_000, 10_000)


@given(latitudes, longitudes, offsets, offsets)
def test_degrees_and_back_are_the_same_place(lat, lon, east, north):
    """A point of the plane comes back within a tenth of a metre, 14 km away too."""
    origin = Origin(lat, lon)
    back = origin.to_metres(*origin.to_degrees(east, north))
    assert math.dist(back, (east, north)) < 0.1


@given(latitudes, longitudes, offsets, offsets)
def test_metres_agree_with_another_library(lat, lon, east, north):
    """pymap3d gives the same metres for the same degrees."""
    there = pymap3d.enu2geodetic(east, north, 0.0, lat, lon, 0.0)
    assert Origin(lat, lon).to_degrees(east, north) == pytest.approx(there[:2], abs=1e-8)
    want = pymap3d.geodetic2enu(there[0], there[1], 0.0, lat, lon, 0.0)[:2]
    assert math.dist(Origin(lat, lon).to_metres(there[0], there[1]), want) < 1e-3


def test_the_date_line_is_no_wall():
    """A step east over 180 degrees is a step of metres."""
    east, north = Origin(52.0, 179.9999).to_metres(52.0, -179.9999)
    assert (east, north) == pytest.approx((13.73, 0.0), abs=0.05)


def test_one_number_for_an_ellipse_is_the_root_mean_square():
    """3 m by 4 m are 5 m."""
    assert Position(0, 0, 4.0, 3.0, 0, "ray").ce_m == 5.0
