"""What the tests of positions share: cameras with known truth, and how far a told place is from it."""

import math
from typing import Any

import numpy as np

from edge.places import Origin, Pose, PoseErrors, Position, Telemetry
from edge.records import Point

NINETY_PERCENT = 4.605  # of the chi-squared distribution with two degrees of freedom


def pose_of(camera: dict[str, Any], **changed: float) -> Pose:
    """Read a truth file's camera."""
    told = {
        "lat_deg": camera["lat"],
        "lon_deg": camera["lon"],
        **{name: camera[name] for name in ("height_m", "heading_deg", "tilt_deg", "roll_deg", "hfov_deg")},
    }
    return Pose(**{**told, **changed})


def telemetry_of(pose: Pose) -> Telemetry:
    """Tell a pose as a drone would."""
    return Telemetry(
        lat_deg=pose.lat_deg,
        lon_deg=pose.lon_deg,
        height_m=pose.height_m,
        heading_deg=pose.heading_deg,
        tilt_deg=pose.tilt_deg,
        roll_deg=pose.roll_deg,
        hfov_deg=pose.hfov_deg,
    )


def mistaken(pose: Pose, errors: PoseErrors, luck: np.random.Generator) -> Pose:
    """Draw what an installer or a sensor would say of a pose, with errors as large as stated."""
    east_m, north_m = luck.normal(0, errors.position_m, 2)
    lat_deg, lon_deg = Origin(pose.lat_deg, pose.lon_deg).to_degrees(east_m, north_m)
    return Pose(
        lat_deg,
        lon_deg,
        max(0.5, pose.height_m + luck.normal(0, math.hypot(errors.height_m, errors.ground_m))),
        pose.heading_deg + luck.normal(0, errors.heading_deg),
        pose.tilt_deg + luck.normal(0, errors.tilt_deg),
        pose.roll_deg + luck.normal(0, errors.roll_deg),
        pose.hfov_deg + luck.normal(0, errors.hfov_deg),
    )


def misses(position: Position, truth: dict[str, float]) -> tuple[float, float]:
    """Give the error in metres, and squared in units of the stated ellipse."""
    origin = Origin(position.lat_deg, position.lon_deg)
    east_m, north_m = origin.to_metres(truth["lat"], truth["lon"])
    turn = math.radians(position.major_deg)
    along = east_m * math.sin(turn) + north_m * math.cos(turn)
    across = east_m * math.cos(turn) - north_m * math.sin(turn)
    return math.hypot(east_m, north_m), (along / position.major_m) ** 2 + (across / position.minor_m) ** 2


def foot_of(box: Any) -> Point:
    """Give the middle of a box's lower edge."""
    return ((box[0] + box[2]) / 2, box[3])
