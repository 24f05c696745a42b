"""The pose that explains the marked points best, and how well they fix it.

Least squares over the distances in the picture between where a point was marked and where the pose puts it, from many
starts, because seen from the wrong side a few points on flat ground look almost right. The errors of the pose are those
of the fit, with the scatter of the residuals (at least a pixel) as the error of a mark; the places of the points on the
map shift everything together, so their error is added to that of the position.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.calibrate.points import KnownCamera, Marked
from edge.errors import ConfigError
from edge.pipeline.rays import turned
from edge.places import Origin, Pose, PoseErrors

Numbers = npt.NDArray[np.float64]

_NAMES = ("east_m", "north_m", "height_m", "heading_deg", "tilt_deg", "roll_deg", "hfov_deg")
_LOWEST = np.array([-1e5, -1e5, 0.3, -1e4, -90.0, -180.0, 1.0])
_HIGHEST = np.array([1e5, 1e5, 5e3, 1e4, 45.0, 180.0, 150.0])
_SCALES = np.array([10.0, 10.0, 3.0, 5.0, 5.0, 5.0, 5.0])
_START_RANGES = (0.3, 0.8, 2.0, 5.0)  # of the extent of the points
_START_HEIGHTS_M = (3.0, 8.0, 30.0, 100.0)
_START_HFOV_DEG = 30.0
_BEST_STARTS = 10
_BEHIND_PX = 1e4
_LEAST_MARK_PX = 1.0
_LEAST_ERROR = PoseErrors(0.0, 0.05, 0.3, 0.1, 0.05, 0.05, 0.05)
_LOOSE_DEG, _LOOSE_SHARE = 3.0, 0.3


@dataclass(frozen=True, slots=True)
class Residual:
    """How far one point is from where the pose puts it."""

    name: str
    x_px: float
    y_px: float
    fitted_x_px: float
    fitted_y_px: float

    @property
    def off_px(self) -> float:
        """Distance in the picture."""
        return math.hypot(self.x_px - self.fitted_x_px, self.y_px - self.fitted_y_px)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A pose with its errors, what is left at each point, and what a person should know about it."""

    pose: Pose
    errors: PoseErrors
    residuals: tuple[Residual, ...]
    size_px: tuple[int, int]
    doubts: tuple[str, ...]

    @property
    def rms_px(self) -> float:
        """Root mean square of the residuals."""
        return math.sqrt(sum(one.off_px**2 for one in self.residuals) / len(self.residuals))


def solve(marked: Marked, size_px: tuple[int, int], *, solve_fov: bool = False) -> Calibration:
    """Find the pose.

    Args:
        marked: the points and what is known of the camera.
        size_px: width and height of the picture that they were marked in.
        solve_fov: find the field of view too, although one is given.

    Raises:
        ConfigError: a point lies outside the picture, or the points do not fix a pose.
    """
    _check(marked, size_px)
    origin = Origin(
        sum(one.lat_deg for one in marked.point) / len(marked.point),
        sum(one.lon_deg for one in marked.point) / len(marked.point),
    )
    places = np.array([(*origin.to_metres(one.lat_deg, one.lon_deg), one.height_m) for one in marked.point])
    marks = np.array([(one.x_px, one.y_px) for one in marked.point])
    free = _free(marked.camera, solve_fov=solve_fov)
    if int(free.sum()) > 2 * len(places):
        raise ConfigError(
            f"{len(places)} points cannot fix {int(free.sum())} numbers; mark more, or give camera.hfov_deg"
        )
    numbers, slopes = _fit(marked.camera, origin, places, marks, free, size_px)
    fitted = _projected(numbers, places, size_px)
    residuals = tuple(
        Residual(one.name or f"point {index + 1}", one.x_px, one.y_px, float(fitted[index, 0]), float(fitted[index, 1]))
        for index, one in enumerate(marked.point)
    )
    sigmas = _sigmas(slopes, residuals, free)
    lat_deg, lon_deg = origin.to_degrees(numbers[0], numbers[1])
    _, _, height_m, heading_deg, tilt_deg, roll_deg, hfov_deg = (float(number) for number in numbers)
    pose = Pose(lat_deg, lon_deg, height_m, heading_deg % 360.0, tilt_deg, roll_deg, hfov_deg)
    errors = _errors(sigmas, marked.point_error_m)
    calibration = Calibration(pose, errors, residuals, size_px, ())
    return replace(calibration, doubts=tuple(_doubts(calibration)))


def project(
    pose: Pose, places_m: Sequence[Sequence[float]], size_px: tuple[int, int]
) -> list[tuple[float, float] | None]:
    """Put places (metres east, north and up of the ground below the camera) into the picture; ``None`` behind it."""
    numbers = np.array([0.0, 0.0, pose.height_m, pose.heading_deg, pose.tilt_deg, pose.roll_deg, pose.hfov_deg])
    fitted = _projected(numbers, np.asarray(places_m, float), size_px)
    return [None if one[0] <= -_BEHIND_PX else (float(one[0]), float(one[1])) for one in fitted]


def _check(marked: Marked, size_px: tuple[int, int]) -> None:
    for index, one in enumerate(marked.point, start=1):
        if one.x_px > size_px[0] or one.y_px > size_px[1]:
            raise ConfigError(
                f"point {index} at {one.x_px:g}, {one.y_px:g} lies outside the {size_px[0]}x{size_px[1]} picture"
            )
    corners = {(round(one.x_px), round(one.y_px)) for one in marked.point}
    if len(corners) < len(marked.point):
        raise ConfigError("two points are marked at the same pixel; each needs its own")


def _free(camera: KnownCamera, *, solve_fov: bool) -> npt.NDArray[np.bool_]:
    placed = camera.lat_deg is not None
    return np.array(
        [not placed, not placed, camera.height_m is None, True, True, True, solve_fov or camera.hfov_deg is None]
    )


def _projected(numbers: Numbers, places_m: Numbers, size_px: tuple[int, int]) -> Numbers:
    """Project (N, 3) places with the seven numbers of a pose; what lies behind the camera goes far out of the picture."""
    east_m, north_m, height_m, heading_deg, tilt_deg, roll_deg, hfov_deg = numbers
    axes = np.array([turned(heading_deg, tilt_deg, roll_deg, axis) for axis in ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0))])
    seen = (places_m - np.array([east_m, north_m, height_m])) @ axes.T
    focal_px = size_px[0] / 2 / math.tan(math.radians(hfov_deg) / 2)
    ahead = seen[:, 2] > 1e-3  # noqa: PLR2004
    depth = np.where(ahead, seen[:, 2], 1.0)
    pixels = seen[:, :2] / depth[:, None] * focal_px + np.array(size_px) / 2
    return np.where(ahead[:, None], pixels, -_BEHIND_PX)


def _fit(
    camera: KnownCamera,
    origin: Origin,
    places: Numbers,
    marks: Numbers,
    free: npt.NDArray[np.bool_],
    size_px: tuple[int, int],
) -> tuple[Numbers, Numbers]:
    """Give the best of many fits, and its derivatives by the free numbers (2 N, free)."""
    from scipy.optimize import least_squares  # noqa: PLC0415  it takes most of a second

    def off(values: Numbers, start: Numbers) -> Numbers:
        numbers = start.copy()
        numbers[free] = values
        return (_projected(numbers, places, size_px) - marks).ravel()

    starts = sorted(_starts(camera, origin, places), key=lambda start: float(np.abs(off(start[free], start)).sum()))
    best: Any = None
    for start in starts[:_BEST_STARTS]:
        found = least_squares(
            off, start[free], args=(start,), bounds=(_LOWEST[free], _HIGHEST[free]), x_scale=_SCALES[free], max_nfev=200
        )
        if best is None or found.cost < best[0].cost:
            best = (found, start)
    found, start = best
    numbers = start.copy()
    numbers[free] = found.x
    return numbers, np.asarray(found.jac)


def _starts(camera: KnownCamera, origin: Origin, places: Numbers) -> list[Numbers]:
    """Guess: from every side, from near and far, low and high, always looking at the middle of the points."""
    extent_m = max(float(np.ptp(places[:, :2], axis=0).max()), 5.0)
    if camera.lat_deg is not None and camera.lon_deg is not None:
        grounds = [origin.to_metres(camera.lat_deg, camera.lon_deg)]
    else:
        grounds = [
            (share * extent_m * math.sin(turn), share * extent_m * math.cos(turn))
            for share in _START_RANGES
            for turn in np.linspace(0, 2 * math.pi, 12, endpoint=False)
        ]
    heights = (camera.height_m,) if camera.height_m is not None else _START_HEIGHTS_M
    starts = []
    for east_m, north_m in grounds:
        for height_m in heights:
            heading_deg = math.degrees(math.atan2(-east_m, -north_m)) % 360.0
            tilt_deg = -math.degrees(math.atan2(height_m, max(math.hypot(east_m, north_m), 1.0)))
            hfov_deg = camera.hfov_deg or _START_HFOV_DEG
            starts.append(np.array([east_m, north_m, height_m, heading_deg, tilt_deg, 0.0, hfov_deg]))
    return starts


def _sigmas(slopes: Numbers, residuals: Sequence[Residual], free: npt.NDArray[np.bool_]) -> Numbers:
    """Give one standard deviation of each number; 0 for what was given."""
    spare = max(2 * len(residuals) - int(free.sum()), 1)
    mark_px = max(_LEAST_MARK_PX, math.sqrt(sum(one.off_px**2 for one in residuals) / spare))
    scaled = slopes * _SCALES[free]
    try:
        covariance = np.linalg.inv(scaled.T @ scaled)
    except np.linalg.LinAlgError:
        raise ConfigError(
            "the points do not fix a pose: they lie on one line, or camera.height_m or camera.hfov_deg must be given"
        ) from None
    sigmas = np.zeros(len(_NAMES))
    sigmas[free] = np.sqrt(np.maximum(np.diag(covariance), 0.0)) * _SCALES[free] * mark_px
    return sigmas


def _errors(sigmas: Numbers, point_error_m: float) -> PoseErrors:
    least = _LEAST_ERROR
    return PoseErrors(
        position_m=math.hypot(float(max(sigmas[:2])), point_error_m),
        height_m=max(float(sigmas[2]), least.height_m),
        ground_m=least.ground_m,
        heading_deg=max(float(sigmas[3]), least.heading_deg),
        tilt_deg=max(float(sigmas[4]), least.tilt_deg),
        roll_deg=max(float(sigmas[5]), least.roll_deg),
        hfov_deg=max(float(sigmas[6]), least.hfov_deg),
    )


def _doubts(calibration: Calibration) -> list[str]:
    """Say what a person should look at before believing it."""
    found = []
    offs = sorted(one.off_px for one in calibration.residuals)
    worst = max(calibration.residuals, key=lambda one: one.off_px)
    if worst.off_px > max(3.0 * offs[len(offs) // 2], 0.02 * calibration.size_px[0]):
        found.append(
            f"{worst.name} is {worst.off_px:.0f} px off, far more than the others: is it marked and mapped rightly?"
        )
    elif calibration.rms_px > 0.02 * calibration.size_px[0]:
        found.append(
            f"the points are {calibration.rms_px:.0f} px off: is the field of view right, and the ground flat?"
        )
    errors, pose = calibration.errors, calibration.pose
    if max(errors.tilt_deg, errors.heading_deg) > _LOOSE_DEG or errors.height_m > _LOOSE_SHARE * pose.height_m:
        found.append(
            "the points fix the pose only loosely: add some nearer and farther, or give camera.height_m and place"
        )
    return found
