"""What an uncooled sensor makes of a temperature picture: blur, noise, pattern, drift, shutter, 16-bit values."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.simulate.scenario import Scenario, Sensor

Picture = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint16]

_ZERO_C_IN_K = 273.15
_COUNTS_ZERO = 8192.0  # counts of the common cores sit around the middle of 14 bits at room temperature
_COUNTS_ROOM_C = 20.0
_COUNT_C = 0.025
_AGC_PERCENTILES = (0.5, 99.7)
_AGC_MEMORY_S = 1.5
_AGC_LEAST_SPAN_C = 4.0
_FULL = 65535
_GREY = 255.0


@dataclass(frozen=True, slots=True)
class Scale:
    """What a value of the output means: ``value * scale + offset`` in C; both None for an 8-bit picture after AGC."""

    kind: str
    scale: float | None
    offset: float | None


_SCALES = {
    "counts": Scale("counts", _COUNT_C, _COUNTS_ROOM_C - _COUNTS_ZERO * _COUNT_C),
    "centikelvin": Scale("centikelvin", 0.01, -_ZERO_C_IN_K),
    "kelvin64": Scale("kelvin64", 1 / 64, -_ZERO_C_IN_K),
    "agc8": Scale("agc8", None, None),
}


def scale_of(sensor: Sensor) -> Scale:
    """Give what the values of this sensor's output mean."""
    return _SCALES[sensor.output]


class Shutter:
    """When the flat-field corrections are, and how long ago the last one was."""

    def __init__(self, sensor: Sensor, duration_s: float) -> None:
        moments = list(sensor.ffc_at_s)
        if sensor.ffc_every_s is not None:
            moments += list(np.arange(sensor.ffc_every_s, duration_s, sensor.ffc_every_s))
        self._moments = sorted(float(moment) for moment in moments)
        self._freeze_s = sensor.ffc_freeze_s

    def closed(self, t_s: float) -> bool:
        """Whether the picture is frozen at ``t_s``."""
        return any(moment <= t_s < moment + self._freeze_s for moment in self._moments)

    def since(self, t_s: float, warm_up_s: float = 25.0) -> tuple[int, float]:
        """Give which correction was the last (0 is the one before the clip) and its age in seconds."""
        done = [moment + self._freeze_s for moment in self._moments if moment + self._freeze_s <= t_s]
        return len(done), t_s - done[-1] if done else t_s + warm_up_s


class Imager:
    """Turns one temperature picture after another into the sensor's values. Remembers the last one, for the shutter."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario, self._sensor = scenario, scenario.sensor
        self._shape = (scenario.camera.height_px, scenario.camera.width_px)
        self.shutter = Shutter(scenario.sensor, scenario.duration_s)
        self._last: Pixels | None = None
        self._patterns: dict[int, Picture] = {}
        self._limits: npt.NDArray[np.float64] | None = None
        down, across = np.indices(self._shape, dtype=np.float32)
        middle = np.array(self._shape, np.float32) / 2
        self._corner = ((down - middle[0]) ** 2 + (across - middle[1]) ** 2) / float((middle**2).sum())
        self._growth = self._grain(0, 91)

    def expose(self, warm_c: Picture, frame: int, t_s: float) -> Pixels:
        """Give frame number ``frame`` at ``t_s`` from the temperatures before the lens, (H, W) uint16."""
        if self._last is not None and self.shutter.closed(t_s):
            return self._last
        seen = self._optics(warm_c)
        seen += self._fixed(t_s)
        if self._sensor.netd_c > 0:
            generator = np.random.default_rng([self._scenario.seed, 41, frame])
            seen += generator.standard_normal(self._shape, dtype=np.float32) * np.float32(self._sensor.netd_c)
        self._last = self._values(seen)
        return self._last

    def _optics(self, warm_c: Picture) -> Picture:
        if self._sensor.blur_px <= 0:
            return warm_c.copy()
        seen = cv2.GaussianBlur(warm_c, (0, 0), self._sensor.blur_px)
        if self._sensor.sharpen > 0:
            soft = cv2.GaussianBlur(seen, (0, 0), 1.6)
            seen = seen + (seen - soft) * np.float32(self._sensor.sharpen)
        return seen  # type: ignore[no-any-return]

    def _fixed(self, t_s: float) -> Picture:
        sensor = self._sensor
        number, age_s = self.shutter.since(t_s)
        if number not in self._patterns:
            self._patterns = {
                number: self._grain(number, 90) * np.float32(sensor.fixed_pattern_c) + self._stripes(number)
            }
        age_min = np.float32(age_s / 60)
        growth = self._growth * np.float32(sensor.pattern_growth_c_per_min)
        drift = np.float32(sensor.drift_c_per_min) * (1 + np.float32(0.4) * self._corner)
        fixed: Picture = self._patterns[number] + age_min * (growth + drift)
        return fixed

    def _grain(self, number: int, stream: int) -> Picture:
        generator = np.random.default_rng([self._scenario.seed, stream, number])
        return generator.standard_normal(self._shape, dtype=np.float32)

    def _stripes(self, number: int) -> Picture:
        generator = np.random.default_rng([self._scenario.seed, 92, number])
        columns = generator.standard_normal(self._shape[1], dtype=np.float32) * np.float32(self._sensor.column_c)
        rows = generator.standard_normal(self._shape[0], dtype=np.float32) * np.float32(self._sensor.column_c * 0.4)
        return columns[None, :] + rows[:, None]

    def _values(self, seen_c: Picture) -> Pixels:
        if self._sensor.step_c is not None:
            seen_c = np.rint(seen_c / np.float32(self._sensor.step_c)) * np.float32(self._sensor.step_c)
        scale = scale_of(self._sensor)
        if scale.scale is None or scale.offset is None:
            return self._agc(seen_c)
        return np.clip(np.rint((seen_c.astype(np.float64) - scale.offset) / scale.scale), 0, _FULL).astype(np.uint16)

    def _agc(self, seen_c: Picture) -> Pixels:
        low, high = np.percentile(seen_c, _AGC_PERCENTILES)
        limits = np.array([low, max(high, low + _AGC_LEAST_SPAN_C)])
        blend = 1.0 if self._limits is None else min(1.0, 1 / (_AGC_MEMORY_S * self._scenario.camera.fps))
        self._limits = limits if self._limits is None else self._limits + blend * (limits - self._limits)
        stretched = (seen_c - self._limits[0]) / (self._limits[1] - self._limits[0]) * _GREY
        grey: Pixels = np.clip(np.rint(stretched), 0, _GREY).astype(np.uint16)
        return grey
