"""Where the camera is at each moment, and where a point of the scene falls in its picture.

A pinhole over flat ground. Pixel coordinates are continuous: pixel (i, j) covers [i, i+1) x [j, j+1), so the axis goes
through (width / 2, height / 2). Lens distortion is left out: at these fields of view it moves nobody by a pixel, and
the truth would have to carry it.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.simulate.scenario import Camera

Floats = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]

NEAR_M = 0.3
_EQUATOR_RADIUS_M = 6378137.0
_ECCENTRICITY_SQUARED = 6.69437999014e-3


@dataclass(frozen=True, slots=True)
class Pose:
    """The camera at one moment.

    Attributes:
        place_m: (3,) scene frame: right, ahead, up.
        rotation: (3, 3), scene to camera axes (right, down, along the optical axis).
        focal_px: focal length.
        heading_deg, tilt_deg, roll_deg: compass direction of the axis, tilt (negative is down), roll.
    """

    place_m: Floats
    rotation: Floats
    focal_px: float
    width_px: int
    height_px: int
    heading_deg: float
    tilt_deg: float
    roll_deg: float

    def project(self, points_m: Floats) -> tuple[Floats, Floats]:
        """Project scene points.

        Args:
            points_m: (N, 3) scene frame.

        Returns:
            (N, 2) pixels and (N,) depth along the axis in metres; points nearer than ``NEAR_M`` are pushed to it, so
            their pixels mean nothing and callers look at the depth first.
        """
        seen = (points_m - self.place_m) @ self.rotation.T
        depth = seen[:, 2]
        scale = self.focal_px / np.maximum(depth, NEAR_M)
        pixels = np.empty((len(points_m), 2))
        pixels[:, 0] = self.width_px / 2 + seen[:, 0] * scale
        pixels[:, 1] = self.height_px / 2 + seen[:, 1] * scale
        return pixels, depth

    def rays(self, margin_px: int = 0) -> tuple[Plane, Plane, Plane]:
        """Give the direction of every pixel's centre: right, ahead and up, (H, W) float32 each, 1 along the axis."""
        across = (np.arange(-margin_px, self.width_px + margin_px) + 0.5 - self.width_px / 2) / self.focal_px
        down = (np.arange(-margin_px, self.height_px + margin_px) + 0.5 - self.height_px / 2) / self.focal_px
        right, below, axis = self.rotation
        # one sum per plane: a (H, W, 3) array would be walked with strides by everything that follows
        columns = (across[None, :] * right[:, None] + axis[:, None]).astype(np.float32)
        rows = (down[None, :] * below[:, None]).astype(np.float32)
        x, y, z = (columns[k][None, :] + rows[k][:, None] for k in range(3))
        return x, y, z


class Mount:
    """What carries the camera: gives its pose at any time."""

    def __init__(self, camera: Camera, seed: int) -> None:
        self._camera = camera
        self._focal_px = camera.width_px / 2 / math.tan(math.radians(camera.hfov_deg) / 2)
        generator = np.random.default_rng([seed, 11])
        self._phases = generator.uniform(0, 2 * math.pi, (3, 3))

    @property
    def moves(self) -> bool:
        """Whether the pose changes at all."""
        return self._camera.motion.kind != "fixed"

    @property
    def travels(self) -> bool:
        """Whether the camera leaves its place, not only turns about it."""
        return self._camera.motion.kind in ("orbit", "transit")

    def at(self, t_s: float) -> Pose:
        """Give the pose at ``t_s``."""
        camera, motion = self._camera, self._camera.motion
        right_m, ahead_m, turn_deg = 0.0, 0.0, 0.0
        if motion.kind == "transit":
            course = math.radians(motion.course_deg)
            right_m, ahead_m = motion.speed_m_s * t_s * math.sin(course), motion.speed_m_s * t_s * math.cos(course)
        elif motion.kind == "orbit":
            angle = 2 * math.pi * t_s / motion.orbit_period_s
            right_m = -motion.orbit_radius_m * math.sin(angle)
            ahead_m = motion.orbit_radius_m * (1 - math.cos(angle))
            turn_deg = math.degrees(angle)
        swing = self._swing_deg(t_s) if self.moves else np.zeros(3)
        return self._pose(
            np.array([right_m, ahead_m, camera.height_m]),
            turn_deg + swing[0],
            camera.tilt_deg + swing[1],
            camera.roll_deg + swing[2],
        )

    def _swing_deg(self, t_s: float) -> Floats:
        # three incommensurate frequencies: no visible period, and no random walk that would wander off the scene
        motion = self._camera.motion
        rates = np.array([1.0, 1.618, 2.71]) * motion.shake_hz * 2 * math.pi
        weights = np.array([0.55, 0.3, 0.15])
        largest = np.array([1.0, 0.7, 0.5]) * motion.shake_deg
        return (np.sin(rates * t_s + self._phases) * weights).sum(axis=1) * largest  # type: ignore[no-any-return]

    def _pose(self, place_m: Floats, turn_deg: float, tilt_deg: float, roll_deg: float) -> Pose:
        turn, tilt, roll = math.radians(turn_deg), math.radians(tilt_deg), math.radians(roll_deg)
        axis = np.array([math.sin(turn) * math.cos(tilt), math.cos(turn) * math.cos(tilt), math.sin(tilt)])
        level_right = np.array([math.cos(turn), -math.sin(turn), 0.0])
        level_down = np.cross(axis, level_right)
        right = math.cos(roll) * level_right + math.sin(roll) * level_down
        down = -math.sin(roll) * level_right + math.cos(roll) * level_down
        camera = self._camera
        return Pose(
            place_m=place_m,
            rotation=np.stack([right, down, axis]),
            focal_px=self._focal_px,
            width_px=camera.width_px,
            height_px=camera.height_px,
            heading_deg=(camera.heading_deg + turn_deg) % 360,
            tilt_deg=tilt_deg,
            roll_deg=roll_deg,
        )


class Globe:
    """Turns places of the scene frame into latitude and longitude; WGS84 radii, good to centimetres within 1 km."""

    def __init__(self, camera: Camera) -> None:
        latitude = math.radians(camera.lat_deg)
        bulge = 1 - _ECCENTRICITY_SQUARED * math.sin(latitude) ** 2
        self._north_radius_m = _EQUATOR_RADIUS_M * (1 - _ECCENTRICITY_SQUARED) / bulge**1.5
        self._east_radius_m = _EQUATOR_RADIUS_M / math.sqrt(bulge) * math.cos(latitude)
        self._camera = camera
        self._heading = math.radians(camera.heading_deg)

    def compass_deg(self, right_m: float, ahead_m: float) -> float:
        """Give the compass direction of a step in the scene frame."""
        return (math.degrees(math.atan2(right_m, ahead_m)) + self._camera.heading_deg) % 360

    def position(self, right_m: float, ahead_m: float) -> dict[str, Any]:
        """Give ``{"lat", "lon"}`` in degrees, rounded to a centimetre."""
        north_m = ahead_m * math.cos(self._heading) - right_m * math.sin(self._heading)
        east_m = ahead_m * math.sin(self._heading) + right_m * math.cos(self._heading)
        return {
            "lat": round(self._camera.lat_deg + math.degrees(north_m / self._north_radius_m), 7),
            "lon": round(self._camera.lon_deg + math.degrees(east_m / self._east_radius_m), 7),
        }
