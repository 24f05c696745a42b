"""The sensor and the weather: shutter, drift, output kinds, noise, and what the air takes away."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.simulate import Scenario, simulate
from edge.simulate.scenario import Weather
from edge.simulate.sensor import Imager, scale_of
from edge.simulate.weather import through_air

MakeScene = Callable[..., Scenario]
ReadClip = Callable[[Path], list[np.ndarray]]


def test_the_same_seed_gives_the_same_bytes(scene: MakeScene, tmp_path: Path) -> None:
    """Clip and truth are equal byte for byte in two runs, and differ under another seed."""
    noisy = {"netd_c": 0.05, "fixed_pattern_c": 0.05}
    weather = {"snowfall_mm_h": 1.0, "rain_mm_h": 2.0}
    first, second = (simulate(scene(sensor=noisy, weather=weather), tmp_path / name) for name in ("a.mkv", "b.mkv"))
    other = simulate(scene(sensor=noisy, weather=weather, seed=2), tmp_path / "c.mkv")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".truth.json").read_bytes() == second.with_suffix(".truth.json").read_bytes()
    assert first.read_bytes() != other.read_bytes()


def test_the_picture_freezes_while_the_shutter_is_closed(scene: MakeScene, tmp_path: Path, read_clip: ReadClip) -> None:
    """During a correction all frames equal the last one before it, the truth says so, and then the level jumps."""
    sensor = {"ffc_at_s": [2.0], "ffc_freeze_s": 1.0, "drift_c_per_min": 4.0}
    clip = simulate(scene(sensor=sensor, parties=[]), tmp_path)
    frames = read_clip(clip)
    told = json.loads(clip.with_suffix(".truth.json").read_text(encoding="utf-8"))["frames"]
    assert [index for index, frame in enumerate(told) if frame["ffc"]] == [10, 11, 12, 13, 14]
    for index in range(10, 15):
        assert np.array_equal(frames[index], frames[9])
    assert not np.array_equal(frames[8], frames[9])
    drifted_c = (np.median(frames[14].astype(float)) - np.median(frames[15].astype(float))) / 100
    assert drifted_c == pytest.approx(4.0 / 60 * 27, rel=0.3)


def test_the_truth_goes_on_while_the_picture_stands_still(scene: MakeScene, tmp_path: Path) -> None:
    """Objects keep moving in the truth of frozen frames."""
    clip = simulate(scene(sensor={"ffc_at_s": [1.0], "ffc_freeze_s": 1.0}), tmp_path)
    told = json.loads(clip.with_suffix(".truth.json").read_text(encoding="utf-8"))["frames"]
    frozen = [frame["objects"][0]["box"][0] for frame in told if frame["ffc"]]
    assert len(set(frozen)) == len(frozen) == 5


@pytest.mark.parametrize("output", ["counts", "centikelvin", "kelvin64"])
def test_values_mean_temperatures(scene: MakeScene, output: str) -> None:
    """With the truth's scale and offset the values give back the temperature before the lens, within one step."""
    scenario = scene(sensor={"output": output, "blur_px": 0.0})
    warm_c = np.full((131, 203), -7.25, np.float32)
    values = Imager(scenario).expose(warm_c, 0, 0.0).astype(float)
    scale = scale_of(scenario.sensor)
    assert scale.scale is not None
    assert scale.offset is not None
    assert values * scale.scale + scale.offset == pytest.approx(-7.25, abs=scale.scale)


def test_an_eight_bit_camera_gives_bytes_without_temperatures(scene: MakeScene) -> None:
    """The kind agc8 fills 0..255 and has neither scale nor offset."""
    scenario = scene(sensor={"output": "agc8"})
    ramp = np.linspace(-10, 10, 131 * 203, dtype=np.float32).reshape(131, 203)
    values = Imager(scenario).expose(ramp, 0, 0.0)
    assert values.dtype == np.uint16
    assert (int(values.min()), int(values.max())) == (0, 255)


def test_noise_has_the_size_it_says(scene: MakeScene) -> None:
    """White noise of 50 mK measures 50 mK from frame to frame."""
    imager = Imager(scene(sensor={"netd_c": 0.05, "blur_px": 0.0}))
    flat = np.zeros((131, 203), np.float32)
    first, second = (imager.expose(flat, index, index / 5).astype(float) / 100 for index in (0, 1))
    assert np.std(first - second) / np.sqrt(2) == pytest.approx(0.05, rel=0.05)


@given(
    warm_c=st.floats(-30, 60),
    air_c=st.floats(-30, 40),
    near_m=st.floats(1, 500),
    farther_m=st.floats(1, 500),
    fog_m=st.none() | st.floats(20, 5000),
    rain_mm_h=st.floats(0, 50),
    snowfall_mm_h=st.floats(0, 10),
)
def test_contrast_never_grows_with_range(
    warm_c: float,
    air_c: float,
    near_m: float,
    farther_m: float,
    fog_m: float | None,
    rain_mm_h: float,
    snowfall_mm_h: float,
) -> None:
    """Whatever the weather, what is farther is nearer to the air's temperature and on the same side of it."""
    weather = Weather(air_c=air_c, fog_m=fog_m, rain_mm_h=rain_mm_h, snowfall_mm_h=snowfall_mm_h)
    near, far = (float(through_air(warm_c, range_m, weather)) - air_c for range_m in (near_m, near_m + farther_m))
    assert abs(far) <= abs(near) + 1e-4
    assert near * far >= 0 or abs(far) <= 1e-4  # what is left of it is rounding


@given(thinner_m=st.floats(20, 2000), factor=st.floats(1, 10))
def test_thicker_fog_takes_more(thinner_m: float, factor: float) -> None:
    """The same body at the same range has less contrast in thicker fog, and less in any fog than without."""
    thin, thick = (Weather(air_c=0, fog_m=fog_m) for fog_m in (thinner_m * factor, thinner_m))
    clear_c, thin_c, thick_c = (float(through_air(10.0, 60.0, weather)) for weather in (Weather(air_c=0), thin, thick))
    assert clear_c >= thin_c - 1e-5 >= thick_c - 2e-5
