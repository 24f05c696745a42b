"""How a moving camera shifts the picture, from its true poses: what a perfect motion estimate would say."""

import numpy as np

from edge.evaluate.overlap import Floats, Mask
from edge.evaluate.truth import TruthCamera, TruthFrame
from edge.records import CameraShift

_EARTH_RADIUS_M = 6371008.8
_GRID = np.stack(np.meshgrid(np.linspace(0.05, 0.95, 7), np.linspace(0.05, 0.95, 7)), axis=-1).reshape(-1, 2)
_FARTHEST_HEIGHTS = 60.0  # ground farther than this many camera heights tells more about the horizon than about people
_LEAST_POINTS = 6


def shift_between(before: TruthFrame, after: TruthFrame, width_px: int, height_px: int) -> CameraShift:
    """Fit the shift that moves the ground of one frame onto that of the next; the identity for a fixed camera."""
    if before.camera is None or after.camera is None:
        return CameraShift()
    size = np.array((width_px, height_px), dtype=np.float64)
    pixels = _GRID * size
    ground_m, seen = _to_ground(before.camera, pixels, size)
    moved, ahead = _to_pixels(after.camera, ground_m + _step_m(after.camera, before.camera), size)
    usable = seen & ahead
    if usable.sum() < _LEAST_POINTS:
        return CameraShift(known=False)
    known = np.hstack([pixels[usable], np.ones((int(usable.sum()), 1))])
    matrix = np.linalg.lstsq(known, moved[usable], rcond=None)[0].T
    (a, b, dx_px), (c, d, dy_px) = matrix.tolist()
    return CameraShift(dx_px, dy_px, (a, b, c, d))


def _step_m(origin: TruthCamera, place: TruthCamera) -> Floats:
    """Where ``place`` is as seen from below ``origin``: east, north, 0; metres."""
    north_m = np.radians(place.lat - origin.lat) * _EARTH_RADIUS_M
    east_m = np.radians(place.lon - origin.lon) * _EARTH_RADIUS_M * np.cos(np.radians(origin.lat))
    return np.array((east_m, north_m, 0.0))


def _axes(camera: TruthCamera) -> Floats:
    """Right, down and forward of the picture in the world's east, north and up, one a row."""
    heading, tilt, roll = np.radians((camera.heading_deg, camera.tilt_deg, camera.roll_deg))
    forward = np.array((np.sin(heading) * np.cos(tilt), np.cos(heading) * np.cos(tilt), np.sin(tilt)))
    level_right = np.array((np.cos(heading), -np.sin(heading), 0.0))
    level_down = np.cross(forward, level_right)
    right = np.cos(roll) * level_right + np.sin(roll) * level_down
    down = np.cos(roll) * level_down - np.sin(roll) * level_right
    return np.stack((right, down, forward))


def _focal_px(camera: TruthCamera, size: Floats) -> float:
    return float(size[0] / 2 / np.tan(np.radians(camera.hfov_deg) / 2))


def _to_ground(camera: TruthCamera, pixels: Floats, size: Floats) -> tuple[Floats, Mask]:
    rays = np.hstack([(pixels - size / 2) / _focal_px(camera, size), np.ones((len(pixels), 1))]) @ _axes(camera)
    down = -rays[:, 2]
    seen = down * _FARTHEST_HEIGHTS > np.linalg.norm(rays, axis=1)
    reach = camera.height_m / np.where(seen, down, 1.0)
    ground_m = rays * reach[:, None]
    ground_m[:, 2] = 0.0
    return ground_m, seen


def _to_pixels(camera: TruthCamera, ground_m: Floats, size: Floats) -> tuple[Floats, Mask]:
    seen = (ground_m - (0.0, 0.0, camera.height_m)) @ _axes(camera).T
    ahead = seen[:, 2] > 0
    scale = _focal_px(camera, size) / np.where(ahead, seen[:, 2], 1.0)
    return size / 2 + seen[:, :2] * scale[:, None], ahead
