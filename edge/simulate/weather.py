"""What lies between the scene and the lens: attenuation by range, reflected sky on bodies, rain and snow in the air."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from edge.simulate.camera import Pose
from edge.simulate.scenario import Weather

Picture = npt.NDArray[np.float32]

_CLEAR_PER_KM = 0.12
# Long-wave extinction of precipitation as power laws of the rate: good to a factor of two, like all of their kind.
_RAIN_PER_KM = 0.38
_RAIN_POWER = 0.6
_SNOW_PER_KM = 2.6
_SNOW_POWER = 0.75
_CLOTH_EMISSIVITY = 0.95
_DROP_REACH_M = 14.0  # farther drops and flakes are finer than a pixel and only dim the picture
_MOST_DROPS = 900


def extinction_per_m(weather: Weather) -> float:
    """Give the extinction coefficient: contrast falls by ``exp(-coefficient * range)``."""
    per_km: float = (
        _CLEAR_PER_KM
        + _RAIN_PER_KM * weather.rain_mm_h**_RAIN_POWER
        + _SNOW_PER_KM * weather.snowfall_mm_h**_SNOW_POWER
    )
    if weather.fog_m is not None:
        per_km += 1000 / weather.fog_m
    return per_km / 1000


def through_air(warm_c: Picture | float, range_m: Picture | float, weather: Weather) -> Picture | float:
    """Give what arrives of a surface's temperature after so much air: the rest is the air's own."""
    passed = np.exp(-extinction_per_m(weather) * np.asarray(range_m, np.float32))
    return weather.air_c + (np.asarray(warm_c, np.float32) - weather.air_c) * passed  # type: ignore[no-any-return]


def upright_apparent_c(warm_c: Picture, weather: Weather) -> Picture:
    """Give the apparent temperature of an upright surface: mostly its own, a little of what it mirrors."""
    around_c = (weather.sky_c + weather.ground_c) / 2
    return warm_c + (1 - _CLOTH_EMISSIVITY) * (around_c - warm_c)


def precipitate(picture: Picture, weather: Weather, pose: Pose, rate_hz: float, generator: np.random.Generator) -> None:
    """Draw this frame's rain streaks and snowflakes into ``picture`` (H, W), in place.

    Each drop lives one frame: at the shutter times of microbolometers a drop crosses the near volume within one, so
    drops that were followed from frame to frame would be less true, not more.
    """
    if weather.rain_mm_h > 0:
        _streaks(picture, weather, pose, rate_hz, generator)
    if weather.snowfall_mm_h > 0:
        _flakes(picture, weather, pose, generator)


def _ranges_m(count: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    # the seen volume grows with the square of the range, so most are far
    ranges: npt.NDArray[np.float64] = np.maximum(_DROP_REACH_M * generator.uniform(0, 1, count) ** (1 / 3), 0.7)
    return ranges


def _places(count: int, pose: Pose, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    places: npt.NDArray[np.float64] = generator.uniform(0, 1, (count, 2)) * np.array([pose.width_px, pose.height_px])
    return places


def _streaks(picture: Picture, weather: Weather, pose: Pose, rate_hz: float, generator: np.random.Generator) -> None:
    count = min(_MOST_DROPS, int(28 * weather.rain_mm_h**0.7))
    exposure_s = min(0.012, 1 / rate_hz)
    veil = np.zeros_like(picture)
    for range_m, (x, y) in zip(_ranges_m(count, generator), _places(count, pose, generator), strict=True):
        px_per_m = pose.focal_px / range_m
        fall_px, drift_px = 6.0 * exposure_s * px_per_m, weather.wind_m_s * exposure_s * px_per_m
        opacity = min(1.0, 0.002 * px_per_m) * 0.75
        end = (int((x + drift_px) * 8), int((y + fall_px) * 8))
        cv2.line(veil, (int(x * 8), int(y * 8)), end, opacity, 1, cv2.LINE_8, 3)
    picture += veil * (np.float32(weather.air_c - 0.5) - picture)


def _flakes(picture: Picture, weather: Weather, pose: Pose, generator: np.random.Generator) -> None:
    count = min(_MOST_DROPS, int(170 * weather.snowfall_mm_h**0.7))
    veil = np.zeros_like(picture)
    for range_m, (x, y) in zip(_ranges_m(count, generator), _places(count, pose, generator), strict=True):
        radius_px = 0.006 * pose.focal_px / range_m
        opacity = float(min(0.9, math.pi * min(radius_px, 1.0) ** 2 * 0.6))
        cv2.circle(veil, (int(x * 8), int(y * 8)), int(max(radius_px, 0.5) * 8), opacity, -1, cv2.LINE_8, 3)
    picture += veil * (np.float32(weather.air_c + 0.3) - picture)
