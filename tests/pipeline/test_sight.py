"""Is the picture worth anything: frozen, covered, shutter."""

import cv2
import numpy as np
import pytest

from edge.config import PreprocessConfig, SightConfig
from edge.pipeline.preprocess import Preprocessor
from edge.pipeline.sight import SightKeeper
from edge.records import Frame, Radiometry
from edge.simulate import load_scenario, scenario_names
from edge.simulate.render import Painter
from edge.simulate.sensor import Imager, scale_of
from edge.simulate.truth import Stage


def scene(seed: int, *, span: float = 2000.0, noise: float = 5.0) -> np.ndarray:
    """Draw a 16-bit scene of 53x37: a slope with a warm body, and noise of its own for each seed."""
    slope = np.linspace(0, span, 53)[None, :] * np.linspace(0.5, 1, 37)[:, None]
    slope[10:20, 20:24] += span / 2
    return (28000 + slope + np.random.default_rng(seed).normal(0, noise, (37, 53))).astype(np.uint16)


def lens_cap(seed: int, noise: float = 5.0) -> np.ndarray:
    """Draw what a covered 16-bit camera of 321x257 sends: its noise."""
    return (28000 + np.random.default_rng(seed).normal(0, noise, (257, 321))).astype(np.uint16)


COUNTS = Radiometry("counts")


class Keeper:
    """One camera's preprocessing and sight, joined as the pipeline joins them."""

    def __init__(self, config: SightConfig | None = None) -> None:
        """Start with no picture seen."""
        self.prepare = Preprocessor(PreprocessConfig(), watch=True)
        self.keeper = SightKeeper(config or SightConfig())


def look(keeper: Keeper, t_s: float, pixels: np.ndarray, *, ffc: bool | None = None, radiometry=COUNTS):
    """Show one picture."""
    frame = Frame("a", 0, t_s, 0.0, pixels, radiometry, ffc=ffc)
    return keeper.keeper.update(frame, keeper.prepare.apply(frame).stats)


def test_a_changing_picture_is_fine():
    """Its noise alone keeps a still picture alive for ever."""
    keeper = Keeper()
    assert all(look(keeper, seq / 9, scene(seq)).state == "ok" for seq in range(100))


def test_a_short_freeze_is_a_shutter_and_a_long_one_a_dead_camera():
    """The same picture for one second pauses the tracks; for longer than frozen_after_s the camera is blind."""
    keeper = Keeper(SightConfig(frozen_after_s=4.0))
    look(keeper, 0.0, scene(0))
    assert not look(keeper, 0.1, scene(0)).ffc  # a 9 Hz core sent at 30 frames/s repeats itself
    assert look(keeper, 1.0, scene(0)).ffc
    blind = look(keeper, 4.5, scene(0))
    assert (blind.state, blind.ffc) == ("blind", True)
    assert "frozen" in (blind.reason or "")
    assert look(keeper, 4.6, scene(1)).state == "ok"


def test_the_cameras_own_word_on_its_shutter_wins():
    """A frame marked as FFC pauses the tracks although its noise changes."""
    assert look(Keeper(), 0.0, scene(0), ffc=True).ffc


def test_a_camera_that_says_its_shutter_is_open_is_believed():
    """A repeat is no shutter when the camera says so; only a long one is a dead camera."""
    keeper = Keeper()
    look(keeper, 0.0, scene(0), ffc=False)
    assert not look(keeper, 1.0, scene(0), ffc=False).ffc
    assert look(keeper, 5.0, scene(0), ffc=False).state == "blind"


def test_a_still_compressed_stream_is_no_shutter():
    """An 8-bit picture that repeats itself is looked at all the same, and called frozen only after half a minute."""
    keeper = Keeper()
    still = np.random.default_rng(0).integers(0, 255, (37, 53)).astype(np.uint8)
    early = [look(keeper, seq / 9, still) for seq in range(200)]
    assert all(sight.state == "ok" and not sight.ffc for sight in early)
    assert look(keeper, 31.0, still).state == "blind"


def test_one_changed_pixel_is_a_changed_picture():
    """A far, thin body that moves between two samples ends a freeze, also when the camera uses its buffer again."""
    keeper = Keeper()
    buffer = scene(0)
    look(keeper, 0.0, buffer)
    buffer[13, 27] += 1
    assert look(keeper, 4.5, buffer).state == "ok"


def watched(keeper: Keeper, make, begin_s: float, end_s: float, **more):
    """Show 9 pictures a second, each with a number of its own, and give the last judgement."""
    sight = None
    for number in range(round(begin_s * 9), round(end_s * 9) + 1):
        sight = look(keeper, number / 9, make(number), **more)
    return sight


def test_a_covered_16_bit_camera_is_blind_although_agc_makes_its_noise_lively():
    """Nothing but noise for covered_after_s is a covered lens; a wing in front of it for a second is none."""
    keeper = Keeper()
    watched(keeper, scene, 0, 3)
    assert watched(keeper, lens_cap, 4, 5).state == "ok"
    watched(keeper, scene, 6, 8)
    sight = watched(keeper, lens_cap, 9, 11.2)
    assert (sight.state, sight.cause, sight.ffc) == ("blind", "covered", False)
    assert watched(keeper, scene, 12, 15).state == "ok"


def test_a_covered_8_bit_camera_is_blind():
    """Also where the camera's own AGC has stretched the noise, and where it has not."""
    flat = np.random.default_rng(0).integers(100, 102, (37, 53)).astype(np.uint8)
    assert watched(Keeper(), lambda number: np.roll(flat, number), 0, 2.2).cause == "covered"
    keeper = Keeper()
    stretched = [
        np.clip((lens_cap(seed).astype(float) - 28000) * 10 + 128, 0, 255).astype(np.uint8) for seed in range(4)
    ]
    assert watched(keeper, lambda number: stretched[number % 4], 0, 2.2).cause == "covered"


def test_a_saturated_camera_is_blind():
    """The sun in the lens: most pixels at the largest value."""

    def sun(number):
        picture = scene(number)
        picture[:, :40] = 65535
        return picture

    sight = watched(Keeper(), sun, 0, 2.2)
    assert (sight.state, sight.cause) == ("blind", "saturated")


def test_a_stuck_shutter_is_blind():
    """A camera that says for ten seconds that its shutter is closed does not calibrate any more."""
    keeper = Keeper()
    early = watched(keeper, scene, 0, 3, ffc=True)
    assert (early.state, early.cause, early.ffc) == ("degraded", "shutter", True)
    late = watched(keeper, scene, 3, 10.2, ffc=True)
    assert (late.state, late.cause, late.ffc) == ("blind", "shutter", True)
    assert watched(keeper, scene, 11, 11.1, ffc=False).state == "ok"


def test_thermal_crossover_is_degraded_and_not_blind():
    """A whole scene within a degree may hide people; where somebody is seen all the same, he is told."""
    kelvin = Radiometry("centikelvin", 0.01, -273.15)
    keeper = Keeper()
    assert watched(keeper, lambda n: scene(n, span=60.0, noise=2.0), 0, 9.8, radiometry=kelvin).state == "ok"
    sight = watched(keeper, lambda n: scene(n, span=60.0, noise=2.0), 9.8, 10.5, radiometry=kelvin)
    assert (sight.state, sight.cause, sight.ffc) == ("degraded", "crossover", False)
    assert "degrees" in (sight.reason or "")


def test_a_scene_out_of_focus_is_degraded():
    """A blur of some pixels for ten seconds; a sharp scene is none, however noisy."""
    luck = np.random.default_rng(3)
    world = cv2.resize(
        luck.integers(27000, 31000, (26, 40)).astype(np.float32), (321, 257), interpolation=cv2.INTER_NEAREST
    )
    blurred = cv2.GaussianBlur(world, (0, 0), 5)

    def shown(picture):
        return lambda number: (picture + np.random.default_rng(number).normal(0, 20, picture.shape)).astype(np.uint16)

    assert watched(Keeper(), shown(world), 0, 12).state == "ok"
    sight = watched(Keeper(), shown(blurred), 0, 12)
    assert (sight.state, sight.cause) == ("degraded", "defocus")


def test_a_repeat_does_not_forget_what_was_wrong():
    """A covered camera that repeats a picture is still covered."""
    keeper = Keeper()
    assert watched(keeper, lens_cap, 0, 3).cause == "covered"
    assert look(keeper, 3.1, lens_cap(27), ffc=False).cause == "covered"


def test_a_changed_size_is_a_changed_picture():
    """A camera that changes its resolution is not frozen."""
    keeper = Keeper()
    look(keeper, 0.0, scene(0))
    assert look(keeper, 9.0, np.ones((11, 7), np.uint16) * np.arange(7, dtype=np.uint16) * 5000).state == "ok"


SCENARIOS = scenario_names()


def film(name: str, *, seconds: tuple[float, float]):
    """Give the frames of a scenario, from and to, and the sight of each."""
    scenario = load_scenario(name)
    stage = Stage(scenario)
    painter, imager, scale = Painter(stage), Imager(scenario), scale_of(scenario.sensor)
    prepare, keeper = Preprocessor(PreprocessConfig(), watch=True), SightKeeper(SightConfig())
    for number, t_s in stage.frame_times():
        if not seconds[0] <= t_s <= seconds[1]:
            continue
        pixels = imager.expose(painter.paint(stage.at(number, t_s)), number, t_s)
        raw = scale.kind != "agc8"
        frame = Frame(
            "a",
            number,
            t_s,
            t_s,
            pixels if raw else pixels.clip(0, 255).astype(np.uint8),
            scale if raw else Radiometry(),
        )
        yield keeper.update(frame, prepare.apply(frame).stats)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_scenario_is_called_blind(name):
    """Snow, fog, rain, dusk and noon: what can be seen is never called blind, nor degraded but for the shutter."""
    found = list(film(name, seconds=(0.0, 1e9)))
    assert {sight.state for sight in found} <= {"ok", "degraded"}
    assert {sight.cause for sight in found} <= {None, "shutter"}


@pytest.mark.parametrize("name", ["fog", "rain", "dusk-crossover", "eight-bit-camera"])
def test_the_poorest_scenarios_are_not_called_blind(name):
    """Three seconds of those with the least contrast."""
    assert {sight.state for sight in film(name, seconds=(2.0, 4.6))} == {"ok"}
