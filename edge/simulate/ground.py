"""Everything behind the figures: uneven ground, roads, distant hills, sky; temperatures without a camera's faults.

One small tile of smooth noise, repeated at several sizes and turned each time, makes ground that is uneven at every
scale from a footprint to a field and never repeats visibly. Unevenness finer than a pixel's footprint fades out, as it
does on a real sensor; without that, far ground would sparkle when the camera moves.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.simulate.camera import Pose
from edge.simulate.scenario import Road, Scenario

Picture = npt.NDArray[np.float32]
Reals = npt.NDArray[np.floating[Any]]

_TILE_PX = 512
_CELL_PX = 8.0  # one bump of the tile
_FARTHEST_M = 1500.0
_INVISIBLE = 1.6  # bumps smaller than the footprint by this factor are left out
_COARSE_PX = 16.0
_STRIP_PX = 32
_GRID_PX = 16


@dataclass(frozen=True, slots=True)
class Surface:
    """What a ground is like: temperature against the weather's ground, emissivity, unevenness per octave.

    ``octaves`` are (size of a bump in m, standard deviation in C, how much longer than wide).
    """

    warmer_c: float
    emissivity: float
    octaves: tuple[tuple[float, float, float], ...]
    patch_c: float


_SURFACES: dict[str, Surface] = {
    "snow": Surface(
        0.0, 0.985, ((0.16, 0.15, 1.0), (0.5, 0.25, 1.0), (1.9, 0.3, 2.5), (8.0, 0.35, 3.0), (45.0, 0.5, 1.5)), 0.0
    ),
    "grass": Surface(
        0.5, 0.975, ((0.13, 0.7, 1.0), (0.45, 0.6, 1.0), (1.7, 0.45, 1.0), (7.0, 0.4, 1.3), (40.0, 0.6, 1.0)), 0.6
    ),
    "stone": Surface(
        1.0, 0.95, ((0.2, 0.7, 1.0), (0.7, 0.9, 1.0), (2.4, 0.7, 1.4), (9.0, 0.6, 1.0), (50.0, 0.7, 1.0)), 1.2
    ),
    "asphalt": Surface(
        1.5, 0.955, ((0.25, 0.1, 1.0), (0.8, 0.12, 1.0), (3.0, 0.2, 4.0), (14.0, 0.35, 2.0), (60.0, 0.4, 1.0)), 0.5
    ),
    "soil": Surface(
        0.8, 0.96, ((0.14, 0.4, 1.0), (0.5, 0.45, 1.0), (1.8, 0.45, 3.0), (7.0, 0.4, 1.0), (40.0, 0.5, 1.0)), 0.7
    ),
}
_HILLS_WARMER_C = -1.5


@dataclass(frozen=True, slots=True)
class Backdrop:
    """The scene without figures.

    Attributes:
        warm_c: (H, W) float32 apparent temperature at the surface, before the air in between.
        range_m: (H, W) float32 distance.
        ground: (H, W) float32, 1 on the ground, 0 elsewhere.
    """

    warm_c: Picture
    range_m: Picture
    ground: Picture


@lru_cache(maxsize=1)
def _tile() -> Picture:
    generator = np.random.default_rng(20_260_203)
    white = generator.standard_normal((_TILE_PX, _TILE_PX)).astype(np.float32)
    wide = cv2.copyMakeBorder(white, 32, 32, 32, 32, cv2.BORDER_WRAP)
    smooth = cv2.GaussianBlur(wide, (0, 0), _CELL_PX / 2.6)[32:-32, 32:-32]
    even = np.ascontiguousarray((smooth - smooth.mean()) / smooth.std(), dtype=np.float32)
    return cv2.copyMakeBorder(even, 0, 2, 0, 2, cv2.BORDER_WRAP)  # type: ignore[no-any-return]


def _noise(x: Reals, y: Reals) -> Picture:
    """Sample the tile at coordinates in bumps, repeating for ever; mean 0, standard deviation 1."""
    columns, rows = (np.asarray(part * np.float32(_CELL_PX / _TILE_PX), np.float32) for part in (x, y))
    # into the tile first: OpenCV's own wrapping takes a path that is three times slower
    columns = (columns - np.floor(columns)) * np.float32(_TILE_PX)
    rows = (rows - np.floor(rows)) * np.float32(_TILE_PX)
    return cv2.remap(_tile(), columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[no-any-return]


def textured_patch(
    bounds: tuple[int, int, int, int], anchor: tuple[float, float], px_per_m: float, seed: int
) -> Picture:
    """Give noise of two sizes, 0.35 m and 0.12 m on the body, over a patch of the picture, hanging on ``anchor``."""
    x0, y0, x1, y1 = bounds
    across = ((np.arange(x0, x1, dtype=np.float32) + 0.5 - anchor[0]) / px_per_m)[None, :].repeat(y1 - y0, axis=0)
    down = ((np.arange(y0, y1, dtype=np.float32) + 0.5 - anchor[1]) / px_per_m)[:, None].repeat(x1 - x0, axis=1)
    shift = np.float32((seed * 7.31) % 61 + 300)
    coarse = _noise((across / 0.35 + shift).astype(np.float32), (down / 0.35 + shift * 0.7).astype(np.float32))
    fine = _noise((across / 0.12 + shift).astype(np.float32), (down / 0.12 + shift).astype(np.float32))
    return 0.8 * coarse + 0.6 * fine / (1 + (2 / (0.12 * px_per_m)) ** 2)


def backdrop(scenario: Scenario, pose: Pose, margin_px: int = 0) -> Backdrop:
    """Paint ground, hills and sky as seen from ``pose``, with a margin around the picture for later shifts."""
    right, ahead, up = pose.rays(margin_px)
    length = np.sqrt(right * right + ahead * ahead + up * up)
    down = np.minimum(up, np.float32(-1e-4))
    reach = np.float32(-pose.place_m[2]) / down
    range_m = reach * length
    too_far = range_m > _FARTHEST_M
    if too_far.any():
        reach[too_far] = np.float32(_FARTHEST_M) / length[too_far]
        range_m[too_far] = _FARTHEST_M
    x = right * reach + np.float32(pose.place_m[0])
    y = ahead * reach + np.float32(pose.place_m[1])
    grazing = np.minimum(np.float32(pose.place_m[2]) / range_m, np.float32(1))
    # between the footprint's width and its much larger depth: the eye reads far ground as bands, but faint ones
    footprint_m = range_m / np.float32(pose.focal_px) / np.maximum(grazing, np.float32(1e-3)) ** np.float32(0.8)
    warm_c = _ground_c(scenario, x, y, footprint_m, grazing)
    ground = np.ones_like(warm_c)
    above = up >= 0
    if above.any():
        rows = np.flatnonzero(above.any(axis=1))
        band = slice(int(rows[0]), int(rows[-1]) + 1)
        sky = _above_c(scenario, pose, right[band], ahead[band], np.maximum(up[band], 0))
        warm_c[band] = np.where(above[band], sky, warm_c[band])
        range_m[above], ground[above] = _FARTHEST_M, 0
    return Backdrop(warm_c, range_m, ground)


def _ground_c(scenario: Scenario, x: Reals, y: Reals, footprint_m: Reals, grazing: Reals) -> Picture:
    surface, weather = _SURFACES[scenario.terrain.surface], scenario.weather
    warm = np.full(x.shape, weather.ground_c + surface.warmer_c, np.float32)
    shift = scenario.seed % 97 + 500
    finest_m, largest_m = float(footprint_m.min()), float(footprint_m.max())
    for number, (size_m, deviation_c, longer) in enumerate(surface.octaves):
        if finest_m > _INVISIBLE * size_m:
            continue
        bumps = _bumps(x, y, size_m, longer, 0.6 + 1.1 * number, shift, coarse=largest_m * _COARSE_PX < size_m)
        amplitude = np.float32(deviation_c * scenario.terrain.contrast) / (
            1 + np.square(footprint_m * np.float32(2 / size_m))
        )
        warm += bumps * amplitude
        if surface.patch_c and number == len(surface.octaves) - 2:
            # bare spots among grass, wet spots among stones: two levels with a soft edge, not another hill of noise
            warm += np.float32(surface.patch_c * scenario.terrain.contrast) * np.clip(bumps * 3 - 2, -1, 1)
    for road in scenario.terrain.roads:
        _pave(warm, road, x, y, footprint_m)
    # at grazing angles the ground mirrors the sky: far ground looks colder than near ground
    steep = 1 - grazing
    mirror = np.float32(1 - surface.emissivity) + np.float32(0.10) * steep * (steep * steep) ** 2
    return warm + mirror * (np.float32(weather.sky_c) - warm)


def _bumps(x: Reals, y: Reals, size_m: float, longer: float, turn: float, shift: int, *, coarse: bool) -> Picture:
    """Give one octave; where its bumps are many pixels large everywhere, a quarter of the resolution is enough."""
    shape = (x.shape[1], x.shape[0])
    if coarse:
        quarter = (shape[0] // 4, shape[1] // 4)
        x, y = (cv2.resize(part, quarter, interpolation=cv2.INTER_AREA) for part in (x, y))
    cosine, sine = math.cos(turn), math.sin(turn)
    along = x * np.float32(cosine / size_m / longer) + y * np.float32(sine / size_m / longer)
    beside = y * np.float32(cosine / size_m) - x * np.float32(sine / size_m)
    bumps = _noise(along + np.float32(shift), beside + np.float32(shift * 0.61))
    return cv2.resize(bumps, shape, interpolation=cv2.INTER_LINEAR) if coarse else bumps


def _pave(warm: Picture, road: Road, x: Reals, y: Reals, footprint_m: Reals) -> None:
    # a road is smoother than what it crosses: its own temperature replaces half of the unevenness below
    mean = np.float32(warm.mean())
    for top in range(0, warm.shape[0], _STRIP_PX):
        rows = slice(top, top + _STRIP_PX)
        columns = _columns_near(road, x[rows], y[rows])
        if columns is not None:
            part = (rows, columns)
            warm[part] = _paved(warm[part], road, _distance_m(road, x[part], y[part]), footprint_m[part], mean)


def _columns_near(road: Road, x: Reals, y: Reals) -> slice | None:
    """Find where in a strip a road can be, on a coarse grid: most strips see nothing of it, or a short piece."""
    at = np.unique(np.append(np.arange(0, x.shape[1], _GRID_PX), x.shape[1] - 1))
    ends = [0, x.shape[0] // 2, -1]
    coarse_x, coarse_y = x[ends][:, at], y[ends][:, at]
    gaps = [np.hypot(np.diff(coarse_x, axis=axis), np.diff(coarse_y, axis=axis)).max() for axis in (0, 1)]
    near = np.flatnonzero((_distance_m(road, coarse_x, coarse_y) < road.width_m / 2 + 1 + sum(gaps)).any(axis=0))
    if not len(near):
        return None
    return slice(int(at[max(near[0] - 1, 0)]), int(at[min(near[-1] + 1, len(at) - 1)]) + 1)


def _distance_m(road: Road, x: Reals, y: Reals) -> Reals:
    nearest: Reals = np.full(x.shape, 1e9, np.float32)
    for (x0, y0), (x1, y1) in pairwise(road.path_m):
        length = math.hypot(x1 - x0, y1 - y0) + 1e-9
        step_x, step_y = np.float32((x1 - x0) / length), np.float32((y1 - y0) / length)
        along = (x - np.float32(x0)) * step_x + (y - np.float32(y0)) * step_y
        beside = (y - np.float32(y0)) * step_x - (x - np.float32(x0)) * step_y
        beyond = np.maximum(np.maximum(-along, along - np.float32(length)), 0)
        nearest = np.minimum(nearest, np.sqrt(beside * beside + beyond * beyond))
    return nearest


def _paved(warm: Picture, road: Road, nearest: Reals, footprint_m: Reals, mean: np.float32) -> Picture:
    soft = np.maximum(footprint_m, np.float32(0.08))
    inside = np.clip((np.float32(road.width_m / 2) - nearest) / soft + np.float32(0.5), 0, 1)
    paved: Picture = warm + inside * (np.float32(road.warmer_c) + np.float32(0.5) * (mean - warm))
    if road.edge_warmer_c:
        kerb = np.clip(
            (np.float32(0.25) - np.abs(nearest - np.float32(road.width_m / 2))) / soft + np.float32(0.5), 0, 1
        )
        paved += kerb * np.float32(road.edge_warmer_c) * np.minimum(np.float32(0.6) / soft, np.float32(1))
    return paved


def _above_c(scenario: Scenario, pose: Pose, right: Reals, ahead: Reals, up: Reals) -> Reals:
    """Give hills and sky for directions at or above the horizon."""
    weather = scenario.weather
    elevation = np.degrees(np.arctan2(up, np.hypot(right, ahead)))
    azimuth = np.degrees(np.arctan2(right, ahead)) + np.float32(scenario.seed % 360)
    rough = 0.55 * _strip(azimuth, 7, 0) + 0.3 * _strip(azimuth, 1.3, 9) + 0.22 * _strip(azimuth, 0.25, 31)
    skyline = scenario.terrain.skyline_deg * np.clip(1 + 0.7 * rough, 0.15, 3)
    clouds = _noise(azimuth / 12 + 200, elevation / 4 + 200) + 0.5 * _noise(azimuth / 4 + 200, elevation / 1.5 + 200)
    climb = 1 - np.exp(-elevation / 9)
    depth_c = weather.air_c - weather.sky_c - 2
    sky = weather.air_c - 2 - depth_c * climb + clouds * 0.06 * depth_c * climb
    hills = (
        weather.air_c + _HILLS_WARMER_C + 0.8 * _noise(azimuth * np.float32(5) + 200, elevation * np.float32(5) + 200)
    )
    edge = np.clip((skyline - elevation) * np.float32(pose.focal_px * math.pi / 180) + 0.5, 0, 1)
    above: Reals = hills * edge + sky * (1 - edge)
    return above


def _strip(azimuth: Reals, size_deg: float, row: int) -> Picture:
    return _noise(azimuth / size_deg + 200, np.full_like(azimuth, row))
