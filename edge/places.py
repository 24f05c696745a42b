"""Places on the earth: where a camera is and looks, where a group is and how well that is known, and WGS 84 itself.

Angles are degrees, headings clockwise from true north; tilt is 0 at the horizon and negative downwards; a positive roll
turns the camera clockwise as seen from behind it. Errors are one standard deviation. Local coordinates are metres east
and north of an origin. What is not known is ``None``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

_EQUATOR_RADIUS_M = 6378137.0  # WGS 84, NIMA TR8350.2
_FLATTENING = 1 / 298.257223563
_ECCENTRICITY_SQUARED = _FLATTENING * (2 - _FLATTENING)
_ROUNDS = 4  # of Bowring's iteration; near the surface the second one is already exact to a micrometre

LatLon = tuple[float, float]

Ground = Callable[[tuple[float, float]], tuple[float, float] | None]
"""Gives metres east and north for a point of the picture in pixels; ``None`` where its ray meets no ground."""


class Pose(NamedTuple):
    """Where a camera stands and how it looks; height is above the ground that it looks at."""

    lat_deg: float
    lon_deg: float
    height_m: float
    heading_deg: float
    tilt_deg: float
    roll_deg: float
    hfov_deg: float
    vfov_deg: float | None = None


class PoseErrors(NamedTuple):
    """How well a pose is known, one standard deviation each.

    Attributes:
        position_m: of latitude and longitude, along each axis.
        height_m: of the camera above its ground.
        ground_m: of the ground itself: how uneven it is against the plane or the grid that stands for it.
        heading_deg, tilt_deg, roll_deg, hfov_deg: of the angles.
        corner_m: of picture corners that a carrier told without telling its own pose.
    """

    position_m: float = 3.0
    height_m: float = 0.2
    ground_m: float = 0.3
    heading_deg: float = 1.0
    tilt_deg: float = 0.3
    roll_deg: float = 0.5
    hfov_deg: float = 0.3
    corner_m: float = 15.0


class Telemetry(NamedTuple):
    """What the carrier of a camera told about one frame.

    Attributes:
        lat_deg, lon_deg: of the camera.
        alt_m: of the camera above the sea.
        height_m: of the camera above the ground; where the carrier cannot know that, above where it took off.
        ground_alt_m: of the ground in the middle of the picture, above the sea.
        heading_deg, tilt_deg, roll_deg: of the camera itself, whatever it hangs on.
        hfov_deg, vfov_deg: field of view.
        corners: latitude and longitude of the picture's corners: upper left, upper right, lower right, lower left.
        utc_s: when, by the carrier's clock, seconds since 1970.
    """

    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_m: float | None = None
    height_m: float | None = None
    ground_alt_m: float | None = None
    heading_deg: float | None = None
    tilt_deg: float | None = None
    roll_deg: float | None = None
    hfov_deg: float | None = None
    vfov_deg: float | None = None
    corners: tuple[LatLon, LatLon, LatLon, LatLon] | None = None
    utc_s: float | None = None


_MOST_TURN_DEG = 45.0  # between two words on the pose: more is no turn but a camera that looked straight down
_MOST_SPEED_M_S = 150.0  # of a carrier: more is a fault of its receiver
_METRES_A_DEGREE = 111_320.0
_MOVES = ("lat_deg", "alt_m", "height_m", "tilt_deg")
_TURNS = ("lon_deg", "heading_deg", "roll_deg")


def between(one: Telemetry, other: Telemetry, share: float, *, apart_s: float) -> Telemetry:
    """Give what a carrier would have told on its way: many tell once a second, and fly 15 m in it.

    Args:
        one: what it told first.
        other: what it told next.
        share: of the way from one to the other; above 1 the motion is taken to go on.
        apart_s: time between the two.

    Returns:
        Telemetry with place, height and angles on the way; all else, and everything after a jump, is the nearer one's.
    """
    near = one if share < 0.5 else other  # noqa: PLR2004
    if share <= 0.0 or share == 1.0 or not _is_a_way(one, other, apart_s):
        return near
    told = {}
    for name in (*_MOVES, *_TURNS):
        first, second = getattr(one, name), getattr(other, name)
        if first is not None and second is not None:
            step = second - first if name in _MOVES else _turn_deg(first, second)
            told[name] = first + share * step
    if "lat_deg" in told:
        told["lat_deg"] = max(-90.0, min(90.0, told["lat_deg"]))
    if "lon_deg" in told:
        told["lon_deg"] = _turn_deg(0.0, told["lon_deg"])
    corners = near.corners
    if one.corners is not None and other.corners is not None:
        first, second, third, fourth = (
            (a[0] + share * (b[0] - a[0]), _turn_deg(0.0, a[1] + share * _turn_deg(a[1], b[1])))
            for a, b in zip(one.corners, other.corners, strict=True)
        )
        corners = first, second, third, fourth
    return near._replace(corners=corners, **told)


def _is_a_way(one: Telemetry, other: Telemetry, apart_s: float) -> bool:
    if apart_s <= 0.0:
        return False
    if one.lat_deg is not None and other.lat_deg is not None and one.lon_deg is not None and other.lon_deg is not None:
        north_m = (other.lat_deg - one.lat_deg) * _METRES_A_DEGREE
        east_m = _turn_deg(one.lon_deg, other.lon_deg) * _METRES_A_DEGREE * math.cos(math.radians(one.lat_deg))
        if math.hypot(north_m, east_m) > _MOST_SPEED_M_S * apart_s:
            return False
    if one.heading_deg is None or other.heading_deg is None:
        return True
    return abs(_turn_deg(one.heading_deg, other.heading_deg)) <= _MOST_TURN_DEG


def _turn_deg(start: float, end: float) -> float:
    """Give the shorter way around from one angle to another, -180 to 180."""
    return (end - start + 180.0) % 360.0 - 180.0


@dataclass(frozen=True, slots=True)  # reports write it with ``asdict``, which takes no tuple for a record
class TelemetryCount:
    """How much of what a carrier told could be believed, since the camera was made.

    Attributes:
        read: packets, or blocks of a side file, that were read.
        refused: those that were not: a wrong checksum, cut off, no place on earth.
        why: what was wrong with the latest of them.
    """

    read: int = 0
    refused: int = 0
    why: str | None = None


class Position(NamedTuple):
    """A place with its error ellipse.

    Attributes:
        lat_deg, lon_deg: WGS 84.
        major_m, minor_m: half axes of the ellipse, one standard deviation; 2.146 times them hold nine in ten.
        major_deg: direction of the long axis, 0 to 180.
        method: how it was found: ``ground-plane``, ``terrain``, ``corners``, ``ray`` or ``carrier``.
    """

    lat_deg: float
    lon_deg: float
    major_m: float
    minor_m: float
    major_deg: float
    method: str

    @property
    def ce_m(self) -> float:
        """Horizontal error as one number: the root mean square distance."""
        return math.hypot(self.major_m, self.minor_m)


class Placed(NamedTuple):
    """Where a group is and where it goes, as far as that is known.

    Attributes:
        position: on the ground.
        bearing_deg: compass direction from the camera.
        heading_deg: course over ground; ``None`` for a group that stands.
        speed_m_s: speed over ground.
    """

    position: Position | None = None
    bearing_deg: float | None = None
    heading_deg: float | None = None
    speed_m_s: float | None = None


def metres_per_px(ground: Ground, point_px: tuple[float, float]) -> float | None:
    """Tell how many metres a pixel spans on the ground across the view, where it spans fewest; ``None`` if unknown."""
    x_px, y_px = point_px
    spans = []
    for dx_px, dy_px in ((0.5, 0.0), (0.0, 0.5)):
        ends = ground((x_px - dx_px, y_px - dy_px)), ground((x_px + dx_px, y_px + dy_px))
        if ends[0] is None or ends[1] is None:
            return None
        spans.append(math.dist(ends[0], ends[1]))
    return min(spans)


class Origin:
    """The plane that touches the ellipsoid at one place: metres east, north (and up) of it.

    Exact geometry through earth-centred coordinates (B. Hofmann-Wellenhof et al., *GNSS*, 2008, chapter 8); heights
    above the ellipsoid are left out, which moves a place 10 km away by less than a metre for each 600 m of height.
    """

    def __init__(self, lat_deg: float, lon_deg: float) -> None:
        """Touch the ellipsoid there."""
        self.lat_deg = lat_deg
        self.lon_deg = lon_deg
        latitude, longitude = math.radians(lat_deg), math.radians(lon_deg)
        self._centre = _to_earth(latitude, longitude)
        sin_lat, cos_lat = math.sin(latitude), math.cos(latitude)
        sin_lon, cos_lon = math.sin(longitude), math.cos(longitude)
        self._east = (-sin_lon, cos_lon, 0.0)
        self._north = (-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat)

    def to_metres(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        """Give metres east and north of the origin."""
        there = _to_earth(math.radians(lat_deg), math.radians(lon_deg))
        step = tuple(one - other for one, other in zip(there, self._centre, strict=True))
        return (
            sum(one * other for one, other in zip(step, self._east, strict=True)),
            sum(one * other for one, other in zip(step, self._north, strict=True)),
        )

    def to_degrees(self, east_m: float, north_m: float) -> LatLon:
        """Give latitude and longitude of a point of the plane."""
        x, y, z = (
            centre + east_m * east + north_m * north
            for centre, east, north in zip(self._centre, self._east, self._north, strict=True)
        )
        around = math.hypot(x, y)
        latitude = math.atan2(z, around * (1 - _ECCENTRICITY_SQUARED))
        for _ in range(_ROUNDS):
            sine = math.sin(latitude)
            bulge = _EQUATOR_RADIUS_M / math.sqrt(1 - _ECCENTRICITY_SQUARED * sine * sine)
            latitude = math.atan2(z + _ECCENTRICITY_SQUARED * bulge * sine, around)
        return math.degrees(latitude), math.degrees(math.atan2(y, x))


def _to_earth(latitude: float, longitude: float) -> tuple[float, float, float]:
    sine = math.sin(latitude)
    bulge = _EQUATOR_RADIUS_M / math.sqrt(1 - _ECCENTRICITY_SQUARED * sine * sine)
    around = bulge * math.cos(latitude)
    return around * math.cos(longitude), around * math.sin(longitude), bulge * (1 - _ECCENTRICITY_SQUARED) * sine
