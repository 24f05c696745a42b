"""How one frame looks at the ground: from a point of the picture to a place on the earth, with its error ellipse.

The foot of a body is cast along its ray onto flat ground, onto an elevation grid, or, where the carrier told the
corners of the picture, through the homography that they span.

The ellipse is first-order propagation: the derivative of the place by each number of the pose and by the foot's pixels,
taken numerically because plane, grid and corners then share one formula, times the stated error of each (JCGM 100:2008,
5.1.2). Errors of the pose are common to all members of a group, those of their feet are not. Where one standard
deviation could lift the ray to the horizon, first order means nothing: there is a bearing then, and no position.

Pixel coordinates are continuous, as boxes are: the axis goes through (width / 2, height / 2). Lens distortion is left
out; ``edge calibrate`` shows what it costs.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.places import Origin, PoseErrors, Position, Telemetry
from edge.records import Point
from edge.terrain import Terrain

Matrix = npt.NDArray[np.float64]

_FARTHEST_M = 20_000.0
_LEAST_DROP = 1e-4  # of a ray of length 1: below this it never meets flat ground
_MOST_SHARE = 0.35  # of the range: a longer half axis than this is no position
_STEPS = np.array([0.5, 0.5, 0.05, 0.01, 0.01, 0.01, 0.01])  # m, m, m, then degrees: small against any curvature
_PIXEL_STEP = 0.25
_FOOT_PX = 0.7  # a box's edge is known to about a pixel ...
_FOOT_HEIGHTS = 0.05  # ... or to this share of the body, whichever is more: feet hide in snow and grass
_CARRIER_LEAST_M, _CARRIER_HEIGHTS = 50.0, 2.0  # a drone that says nothing of its camera may look anywhere around it


class Eye(NamedTuple):
    """Where the camera is in the local plane and how it looks: the numbers that an error ellipse is made of."""

    east_m: float
    north_m: float
    height_m: float
    heading_deg: float
    tilt_deg: float
    roll_deg: float
    hfov_deg: float


class View:
    """How one frame looks at the ground."""

    def __init__(
        self,
        origin: Origin,
        size_px: tuple[int, int],
        *,
        eye: Eye | None,
        errors: PoseErrors,
        aspect: float | None = None,
        terrain: Terrain | None = None,
        corners: Matrix | None = None,
        method: str = "ground-plane",
    ) -> None:
        """Look.

        Args:
            origin: of the local plane; the same for all frames of a camera.
            size_px: width and height of the frame.
            eye: pose, where it is known.
            errors: of the pose.
            aspect: vertical over horizontal focal length, where pixels are not square.
            terrain: elevation grid; flat ground without one.
            corners: (3, 3) homography from pixels to local metres, where the carrier told the corners.
            method: word for the position's ``method``.
        """
        self._origin = origin
        self._size_px = size_px
        self._eye = eye
        self._errors = errors
        self._aspect = aspect or 1.0
        self._terrain = terrain
        self._corners = corners
        self._method = method

    def ground_m(self, point_px: Point) -> Point | None:
        """Give metres east and north of the camera's origin; ``None`` where the ray meets no ground."""
        if self._corners is not None:
            return _mapped(self._corners, point_px)
        return self._cast(self._eye, *point_px) if self._eye is not None else None

    def bearing_deg(self, point_px: Point) -> float | None:
        """Give the compass direction from the camera to a point of the picture."""
        if self._eye is None:
            return None
        east, north, _ = self._ray(self._eye, *point_px)
        return math.degrees(math.atan2(east, north)) % 360.0

    def locate(self, feet_px: Sequence[Point], heights_px: Sequence[float]) -> Position | None:
        """Give the middle of some bodies.

        Args:
            feet_px: where they stand in the picture.
            heights_px: how tall they are there; the taller, the less exactly is the foot known in pixels.
        """
        places = [(self.ground_m(foot), foot, height) for foot, height in zip(feet_px, heights_px, strict=True)]
        found = [(place, foot, height) for place, foot, height in places if place is not None]
        if not found:
            return None
        covariance = self._covariance([foot for _, foot, _ in found], [height for _, _, height in found])
        if covariance is None:
            return None
        east_m, north_m = (sum(place[axis] for place, _, _ in found) / len(found) for axis in (0, 1))
        values, vectors = np.linalg.eigh(covariance)
        minor_m, major_m = (math.sqrt(max(float(value), 0.0)) for value in values)
        if self._eye is not None:
            range_m = math.dist((east_m, north_m), (self._eye.east_m, self._eye.north_m))
            if major_m > _MOST_SHARE * max(range_m, self._eye.height_m):
                return None
        major_deg = math.degrees(math.atan2(float(vectors[0, 1]), float(vectors[1, 1]))) % 180.0
        return Position(*self._origin.to_degrees(east_m, north_m), major_m, minor_m, major_deg, self._method)

    def _covariance(self, feet_px: Sequence[Point], heights_px: Sequence[float]) -> Matrix | None:
        """Propagate the errors of pose and feet to the mean place, (2, 2) square metres."""
        count = len(feet_px)
        covariance = np.zeros((2, 2))
        for foot, height in zip(feet_px, heights_px, strict=True):
            slope = _slope(self.ground_m, foot)
            if slope is None:
                return None
            covariance += slope @ slope.T * max(_FOOT_PX, _FOOT_HEIGHTS * height) ** 2 / count**2
        if self._eye is None:
            return covariance + np.eye(2) * self._errors.corner_m**2
        slopes = [self._pose_slope(self._eye, foot) for foot in feet_px]
        if any(slope is None for slope in slopes):
            return None
        mean = sum(slope for slope in slopes if slope is not None) / count
        told = self._errors
        sigmas = np.array(
            [
                told.position_m,
                told.position_m,
                math.hypot(told.height_m, told.ground_m),
                told.heading_deg,
                told.tilt_deg,
                told.roll_deg,
                told.hfov_deg,
            ]
        )
        scaled = mean * sigmas
        return covariance + scaled @ scaled.T

    def _pose_slope(self, eye: Eye, foot: Point) -> Matrix | None:
        """Derive the place by the seven numbers of the pose, (2, 7); ``None`` near the horizon."""
        numbers = np.array(eye)
        slope = np.empty((2, len(numbers)))
        for index, step in enumerate(_STEPS):
            ends = [self._cast(Eye(*(numbers + sign * step * _unit(index))), *foot) for sign in (1.0, -1.0)]
            if ends[0] is None or ends[1] is None:
                return None
            slope[:, index] = (np.array(ends[0]) - np.array(ends[1])) / (2 * step)
        lifted = eye._replace(tilt_deg=eye.tilt_deg + self._errors.tilt_deg)
        return slope if self._cast(lifted, *foot) is not None else None

    def _ray(self, eye: Eye, x_px: float, y_px: float) -> tuple[float, float, float]:
        """Give the direction of a pixel: east, north, up; 1 along the axis."""
        width_px, height_px = self._size_px
        focal_px = width_px / 2 / math.tan(math.radians(eye.hfov_deg) / 2)
        across = (x_px - width_px / 2) / focal_px
        down = (y_px - height_px / 2) / (focal_px * self._aspect)
        return turned(eye.heading_deg, eye.tilt_deg, eye.roll_deg, (across, down, 1.0))

    def _cast(self, eye: Eye, x_px: float, y_px: float) -> Point | None:
        """Follow a pixel's ray to the ground."""
        east, north, up = self._ray(eye, x_px, y_px)
        if self._terrain is not None:
            return self._cast_on_terrain(self._terrain, eye, (east, north, up))
        if up > -_LEAST_DROP or eye.height_m <= 0.0:
            return None
        reach = eye.height_m / -up
        if reach * math.hypot(east, north) > _FARTHEST_M:
            return None
        return eye.east_m + reach * east, eye.north_m + reach * north

    def _cast_on_terrain(self, terrain: Terrain, eye: Eye, ray: tuple[float, float, float]) -> Point | None:
        stands_m = terrain.at(self._origin, np.array([eye.east_m]), np.array([eye.north_m]))[0]
        level = math.hypot(ray[0], ray[1]) or 1e-9
        reach_m = np.arange(0.0, min(_FARTHEST_M, terrain.reach_m) + terrain.step_m, terrain.step_m)
        east_m, north_m = eye.east_m + reach_m * (ray[0] / level), eye.north_m + reach_m * (ray[1] / level)
        above_m = stands_m + eye.height_m + reach_m * (ray[2] / level) - terrain.at(self._origin, east_m, north_m)
        below = np.flatnonzero(above_m <= 0.0)  # beyond the grid's edge all is unknown, and a comparison with NaN false
        if not len(below) or below[0] == 0 or not np.isfinite(above_m[: below[0]]).all():
            return None
        last = below[0]
        share = above_m[last - 1] / (above_m[last - 1] - above_m[last])
        before = np.array([east_m[last - 1], north_m[last - 1]])
        step = np.array([east_m[last], north_m[last]]) - before
        return float(before[0] + share * step[0]), float(before[1] + share * step[1])


class Around(View):
    """A carrier that tells where it is but not where its camera looks: the position is its own, with a large error."""

    def __init__(self, origin: Origin, size_px: tuple[int, int], told: Telemetry, errors: PoseErrors) -> None:
        super().__init__(origin, size_px, eye=None, errors=errors, method="carrier")
        self._told = told

    def locate(self, feet_px: Sequence[Point], heights_px: Sequence[float]) -> Position | None:  # noqa: ARG002
        """Give where the carrier itself is."""
        if self._told.lat_deg is None or self._told.lon_deg is None:
            return None
        radius_m = _CARRIER_LEAST_M + _CARRIER_HEIGHTS * max(self._told.height_m or 0.0, 0.0)
        return Position(self._told.lat_deg, self._told.lon_deg, radius_m, radius_m, 0.0, "carrier")


def turned(
    heading_deg: float, tilt_deg: float, roll_deg: float, ray: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Turn a direction of the camera (right, down, along the axis) to east, north and up."""
    heading, tilt, roll = math.radians(heading_deg), math.radians(tilt_deg), math.radians(roll_deg)
    sin_h, cos_h, sin_t, cos_t = math.sin(heading), math.cos(heading), math.sin(tilt), math.cos(tilt)
    sin_r, cos_r = math.sin(roll), math.cos(roll)
    across, down, along = ray
    # roll first: what is right and down when the horizon is level
    right, below = cos_r * across - sin_r * down, sin_r * across + cos_r * down
    east = right * cos_h + below * sin_h * sin_t + along * sin_h * cos_t
    north = -right * sin_h + below * cos_h * sin_t + along * cos_h * cos_t
    return east, north, along * sin_t - below * cos_t


def _slope(ground_m: Callable[[Point], Point | None], foot: Point) -> Matrix | None:
    """Derive the place by the two pixels of the foot, (2, 2) metres per pixel."""
    slope = np.empty((2, 2))
    for axis in (0, 1):
        step = (_PIXEL_STEP, 0.0) if axis == 0 else (0.0, _PIXEL_STEP)
        ends = [ground_m((foot[0] + sign * step[0], foot[1] + sign * step[1])) for sign in (1.0, -1.0)]
        if ends[0] is None or ends[1] is None:
            return None
        slope[:, axis] = (np.array(ends[0]) - np.array(ends[1])) / (2 * _PIXEL_STEP)
    return slope


def _unit(index: int) -> Matrix:
    unit = np.zeros(len(_STEPS))
    unit[index] = 1.0
    return unit


def _mapped(homography: Matrix, point_px: Point) -> Point | None:
    east, north, scale = homography @ np.array([point_px[0], point_px[1], 1.0])
    # beyond the horizon of the four corners the scale changes its sign
    return (float(east / scale), float(north / scale)) if scale > 0.0 else None
