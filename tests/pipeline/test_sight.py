"""Is the picture worth anything: frozen, covered, shutter."""

import numpy as np

from edge.config import PreprocessConfig, SightConfig
from edge.pipeline.preprocess import Preprocessor
from edge.pipeline.sight import SightKeeper
from edge.records import Frame


def noisy(seed: int) -> np.ndarray:
    """Draw a noisy 16-bit picture of 53x37."""
    return np.random.default_rng(seed).integers(28000, 30000, (37, 53)).astype(np.uint16)


class Keeper:
    """One camera's preprocessing and sight, joined as the pipeline joins them."""

    def __init__(self, config: SightConfig | None = None) -> None:
        """Start with no picture seen."""
        self.prepare = Preprocessor(PreprocessConfig())
        self.keeper = SightKeeper(config or SightConfig())


def look(keeper: Keeper, t_s: float, pixels: np.ndarray, *, ffc: bool | None = None):
    """Show one picture."""
    frame = Frame("a", 0, t_s, 0.0, pixels, ffc=ffc)
    return keeper.keeper.update(frame, keeper.prepare.apply(frame).stats)


def test_a_changing_picture_is_fine():
    """Noise alone keeps a picture alive for ever."""
    keeper = Keeper()
    assert all(look(keeper, seq / 9, noisy(seq)).state == "ok" for seq in range(100))


def test_a_short_freeze_is_a_shutter_and_a_long_one_a_dead_camera():
    """The same picture for one second pauses the tracks; for longer than frozen_after_s the camera is blind."""
    keeper = Keeper(SightConfig(frozen_after_s=4.0))
    look(keeper, 0.0, noisy(0))
    assert not look(keeper, 0.1, noisy(0)).ffc  # a 9 Hz core sent at 30 frames/s repeats itself
    assert look(keeper, 1.0, noisy(0)).ffc
    blind = look(keeper, 4.5, noisy(0))
    assert (blind.state, blind.ffc) == ("blind", True)
    assert "frozen" in (blind.reason or "")
    assert look(keeper, 4.6, noisy(1)).state == "ok"


def test_the_cameras_own_word_on_its_shutter_wins():
    """A frame marked as FFC pauses the tracks although its noise changes."""
    assert look(Keeper(), 0.0, noisy(0), ffc=True).ffc


def test_a_camera_that_says_its_shutter_is_open_is_believed():
    """A repeat is no shutter when the camera says so; only a long one is a dead camera."""
    keeper = Keeper()
    look(keeper, 0.0, noisy(0), ffc=False)
    assert not look(keeper, 1.0, noisy(0), ffc=False).ffc
    assert look(keeper, 5.0, noisy(0), ffc=False).state == "blind"


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
    buffer = noisy(0)
    look(keeper, 0.0, buffer)
    buffer[13, 27] += 1
    assert look(keeper, 4.5, buffer).state == "ok"


def test_a_covered_camera_is_blind():
    """A picture without contrast shows nothing, whatever its noise."""
    keeper = Keeper()
    covered = np.random.default_rng(0).integers(100, 102, (37, 53)).astype(np.uint8)
    sight = look(keeper, 0.0, covered)
    assert sight.state == "blind"
    assert "covered" in (sight.reason or "")


def test_a_changed_size_is_a_changed_picture():
    """A camera that changes its resolution is not frozen."""
    keeper = Keeper()
    look(keeper, 0.0, noisy(0))
    assert look(keeper, 9.0, np.ones((11, 7), np.uint16) * np.arange(7, dtype=np.uint16) * 5000).state == "ok"
