"""Where a camera's bodies are on the earth, and where they go.

A fixed camera looks with its configured pose, a carried one with what its carrier told with each frame: the corners of
the picture, else the pose of the camera, else only where the carrier is, with a large error.
"""

import math
from collections.abc import Sequence

import numpy as np

from edge.pipeline.rays import Around, Eye, Matrix, View
from edge.places import LatLon, Origin, Placed, Pose, PoseErrors, Telemetry
from edge.records import Point, Track
from edge.terrain import Terrain

_FARTHEST_M = 20_000.0
_SPEED_STEP_S = 0.2
_STANDS_M_S = 0.25  # slower than this a group has no course


class Geo:
    """Gives the view of one camera's frames, all in one local plane."""

    def __init__(
        self,
        *,
        pose: Pose | None = None,
        errors: PoseErrors | None = None,
        hfov_deg: float | None = None,
        terrain: Terrain | None = None,
    ) -> None:
        """Take what is configured.

        Args:
            pose: of a fixed camera.
            errors: of that pose, or of what the carrier tells.
            hfov_deg: field of view of a carried camera that does not tell it.
            terrain: elevation grid.
        """
        self._errors = errors or PoseErrors()
        self._hfov_deg = hfov_deg
        self._terrain = terrain
        self._pose = pose
        self._origin = Origin(pose.lat_deg, pose.lon_deg) if pose else None
        self._fixed: tuple[tuple[int, int], View] | None = None

    def look(self, telemetry: Telemetry | None, *, width_px: int, height_px: int) -> View | None:
        """Give this frame's view; ``None`` where nothing is known of the pose."""
        size_px = (width_px, height_px)
        if telemetry is not None:
            return self._carried(telemetry, size_px)
        if self._pose is None:
            return None
        if self._fixed is None or self._fixed[0] != size_px:
            self._fixed = (size_px, self._standing(self._pose, size_px))
        return self._fixed[1]

    def _standing(self, pose: Pose, size_px: tuple[int, int]) -> View:
        eye = Eye(0.0, 0.0, pose.height_m, pose.heading_deg, pose.tilt_deg, pose.roll_deg, pose.hfov_deg)
        return View(
            self._origin or Origin(pose.lat_deg, pose.lon_deg),
            size_px,
            eye=eye,
            errors=self._errors,
            aspect=_aspect(pose.hfov_deg, pose.vfov_deg, size_px),
            terrain=self._terrain,
            method="terrain" if self._terrain else "ground-plane",
        )

    def _carried(self, told: Telemetry, size_px: tuple[int, int]) -> View | None:
        place = _middle(told)
        if place is None:
            return None
        self._origin = self._origin or Origin(*place)
        eye = self._carried_eye(told, self._origin)
        if told.corners is not None:
            corners = _homography(self._origin, told.corners, size_px)
            if corners is not None:
                return View(self._origin, size_px, eye=eye, errors=self._errors, corners=corners, method="corners")
        if eye is None:
            return Around(self._origin, size_px, told, self._errors) if told.lat_deg is not None else None
        return View(
            self._origin,
            size_px,
            eye=eye,
            errors=self._errors,
            aspect=_aspect(eye.hfov_deg, told.vfov_deg, size_px),
            terrain=self._terrain,
            method="terrain" if self._terrain else "ray",
        )

    def _carried_eye(self, told: Telemetry, origin: Origin) -> Eye | None:
        height_m = self._height_m(told, origin)
        hfov_deg = told.hfov_deg if told.hfov_deg is not None else self._hfov_deg
        needed = (told.lat_deg, told.lon_deg, height_m, told.heading_deg, told.tilt_deg, hfov_deg)
        lat_deg, lon_deg, height_m, heading_deg, tilt_deg, hfov_deg = needed
        if (
            lat_deg is None or lon_deg is None or height_m is None or height_m <= 0.0
            or heading_deg is None or tilt_deg is None or hfov_deg is None
        ):  # fmt: skip
            return None
        east_m, north_m = origin.to_metres(lat_deg, lon_deg)
        return Eye(east_m, north_m, height_m, heading_deg, tilt_deg, told.roll_deg or 0.0, hfov_deg)

    def _height_m(self, told: Telemetry, origin: Origin) -> float | None:
        """Give the carrier's height above the ground: the grid below it knows best, the ground it looks at next."""
        if (
            told.alt_m is not None
            and self._terrain is not None
            and told.lat_deg is not None
            and told.lon_deg is not None
        ):
            east_m, north_m = origin.to_metres(told.lat_deg, told.lon_deg)
            height_m = told.alt_m - float(self._terrain.at(origin, np.array([east_m]), np.array([north_m]))[0])
            return height_m if math.isfinite(height_m) else None
        if told.alt_m is not None and told.ground_alt_m is not None:
            return told.alt_m - told.ground_alt_m
        return told.height_m


def place(members: Sequence[Track], view: View | None) -> Placed | None:
    """Say where some bodies are together, and where they go; hidden ones count only when none is in sight."""
    if view is None or not members:
        return None
    seen = [track for track in members if track.hidden_s == 0.0] or list(members)
    position = view.locate([track.foot_px for track in seen], [track.height_px for track in seen])
    bearings = [bearing for track in seen if (bearing := view.bearing_deg(track.foot_px)) is not None]
    velocity = _velocity(seen, view) if position is not None else None
    speed_m_s = math.hypot(*velocity) if velocity is not None else None
    walks = velocity is not None and speed_m_s is not None and speed_m_s >= _STANDS_M_S
    placed = Placed(
        position=position,
        bearing_deg=_mean_direction(bearings),
        heading_deg=math.degrees(math.atan2(*velocity)) % 360.0 if velocity is not None and walks else None,
        speed_m_s=speed_m_s,
    )
    return None if placed == Placed() else placed


def _velocity(tracks: Sequence[Track], view: View) -> Point | None:
    """Carry the motion of the feet to the ground, mean over the bodies, metres per second east and north."""
    steps = []
    for track in tracks:
        x_px, y_px = track.foot_px
        dx_px, dy_px = (speed * _SPEED_STEP_S / 2 for speed in track.velocity_px_s)
        ends = view.ground_m((x_px - dx_px, y_px - dy_px)), view.ground_m((x_px + dx_px, y_px + dy_px))
        if ends[0] is not None and ends[1] is not None:
            steps.append((ends[1][0] - ends[0][0], ends[1][1] - ends[0][1]))
    if not steps:
        return None
    east_m, north_m = (sum(step[axis] for step in steps) / len(steps) for axis in (0, 1))
    return east_m / _SPEED_STEP_S, north_m / _SPEED_STEP_S


def _mean_direction(bearings_deg: Sequence[float]) -> float | None:
    if not bearings_deg:
        return None
    east, north = (sum(turn(math.radians(one)) for one in bearings_deg) for turn in (math.sin, math.cos))
    return math.degrees(math.atan2(east, north)) % 360.0


def _homography(origin: Origin, corners: Sequence[LatLon], size_px: tuple[int, int]) -> Matrix | None:
    """Span the picture over its four corners; ``None`` when they span nothing."""
    width_px, height_px = size_px
    picture = np.array([[0, 0], [width_px, 0], [width_px, height_px], [0, height_px]], np.float64)
    ground = np.array([origin.to_metres(*corner) for corner in corners])
    middle = ground.mean(axis=0)
    spread = ground - middle
    if not _is_convex(spread) or np.abs(spread).max() > _FARTHEST_M:
        return None
    mapping = _perspective(picture, spread)
    if mapping is None:
        return None
    shift = np.array([[1, 0, middle[0]], [0, 1, middle[1]], [0, 0, 1]])
    matrix: Matrix = shift @ mapping
    centre = matrix[2] @ np.array([width_px / 2, height_px / 2, 1.0])
    return matrix * math.copysign(1.0, centre) if abs(centre) > 0.0 else None


def _perspective(source: Matrix, target: Matrix) -> Matrix | None:
    """Find the homography (3, 3) that takes four points (4, 2) to four others; its last element is 1."""
    x, y = source.T
    (u, v), one, none = target.T, np.ones(4), np.zeros(4)
    # u = (h0 x + h1 y + h2) / (h6 x + h7 y + 1), v likewise with h3, h4, h5: linear in h
    rows = np.concatenate(
        (
            np.stack((x, y, one, none, none, none, -u * x, -u * y), axis=1),
            np.stack((none, none, none, x, y, one, -v * x, -v * y), axis=1),
        )
    )
    try:
        solved = np.linalg.solve(rows, np.concatenate((u, v)))
    except np.linalg.LinAlgError:
        return None
    return np.append(solved, 1.0).reshape(3, 3)


def _is_convex(corners: Matrix) -> bool:
    sides = np.roll(corners, -1, axis=0) - corners
    nexts = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * nexts[:, 1] - sides[:, 1] * nexts[:, 0]
    return bool((turns > 0).all() or (turns < 0).all())


def _aspect(hfov_deg: float, vfov_deg: float | None, size_px: tuple[int, int]) -> float | None:
    """Give vertical over horizontal focal length; ``None`` for square pixels."""
    if vfov_deg is None:
        return None
    width_px, height_px = size_px
    return (height_px / math.tan(math.radians(vfov_deg) / 2)) / (width_px / math.tan(math.radians(hfov_deg) / 2))


def _middle(told: Telemetry) -> LatLon | None:
    if told.lat_deg is not None and told.lon_deg is not None:
        return told.lat_deg, told.lon_deg
    return told.corners[0] if told.corners else None
