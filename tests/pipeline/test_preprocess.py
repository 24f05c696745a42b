"""The specification of preprocessing on odd, non-square frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import PreprocessConfig
from edge.pipeline.preprocess import Preprocessor
from edge.pipeline.preprocess.reference import map_linear, percentiles
from edge.records import Frame

SIZES = st.tuples(st.integers(1, 61), st.integers(1, 83))


def frame(pixels: np.ndarray, t_s: float = 0.0) -> Frame:
    """Wrap pixels into a frame."""
    return Frame("a", 0, t_s, 0.0, pixels)


def scene(seed: int = 0, warm: int = 0) -> np.ndarray:
    """Draw a noisy 16-bit scene of 53x37 with a warm spot."""
    pixels = np.random.default_rng(seed).normal(29000, 60, (37, 53))
    pixels[10:14, 20:23] += warm
    return pixels.astype(np.uint16)


@given(SIZES, st.integers(0, 2**32 - 1), st.floats(-100, 60000), st.floats(1, 65535))
def test_mapping_is_the_formula(size, seed, low, span):
    """Every count becomes round((counts - low) * 255 / span) within the limits, to half a level."""
    pixels = np.random.default_rng(seed).integers(0, 65536, size).astype(np.uint16)
    black, white = np.floor(low), np.ceil(low + span)
    wanted = np.clip((pixels - black) * 255.0 / (white - black), 0, 255)
    assert np.abs(map_linear(pixels, low, low + span) - wanted).max() <= 0.5 + 1e-6


@given(SIZES, st.integers(0, 2**32 - 1), st.floats(0, 20), st.floats(80, 100))
def test_limits_are_the_percentiles(size, seed, low_percentile, high_percentile):
    """At most the stated shares of pixels lie outside the limits, and the limits lie within the picture."""
    pixels = np.random.default_rng(seed).integers(20000, 65536, size).astype(np.uint16)
    config = PreprocessConfig(low_percentile=low_percentile, high_percentile=high_percentile, min_span_counts=1.0)
    low, high = percentiles(pixels, config)
    assert (pixels < low).mean() <= config.low_percentile / 100
    assert (pixels > high).mean() <= 1 - config.high_percentile / 100 + 1e-9
    assert low >= int(pixels.min()) - 1
    assert high <= int(pixels.max()) + 1


def test_a_flat_scene_does_not_become_noise():
    """A constant picture and one of weak noise stay quiet."""
    for pixels in (np.full((37, 53), 29000, np.uint16), scene()):
        quiet = Preprocessor(PreprocessConfig(min_span_counts=4000), multiple_px=32).apply(frame(pixels)).picture
        assert quiet.std() < 6


def test_the_shutter_is_not_learnt():
    """After a second of closed shutter the scene looks as it did before."""
    prepare = Preprocessor(PreprocessConfig(), multiple_px=32)
    before = prepare.apply(frame(scene(1, warm=900), 0.0)).picture
    for step in range(1, 10):
        shut = np.full((37, 53), 31000, np.uint16)
        prepare.apply(Frame("a", step, step / 9, 0.0, shut, ffc=True))
    after = prepare.apply(frame(scene(1, warm=900), 1.0)).picture
    assert np.abs(after.astype(int) - before).max() <= 1


def test_a_model_of_one_size_gets_that_size():
    """The picture is fitted into a fixed input, its sides in proportion."""
    pixels = np.full((37, 53), 200, np.uint8)
    prepared = Preprocessor(PreprocessConfig(), fixed_px=(96, 160)).apply(frame(pixels))
    assert prepared.tensor.shape == (1, 1, 96, 160)
    assert prepared.scale == pytest.approx(96 / 37)
    assert (prepared.tensor[0, 0, :, round(53 * 96 / 37) :] == 114).all()


@pytest.mark.parametrize("value", [0, 65535])
def test_saturated_pictures_are_flat(value):
    """All zeros and all ones give one grey, not noise."""
    picture = Preprocessor(PreprocessConfig(), multiple_px=32).apply(frame(np.full((37, 53), value, np.uint16))).picture
    assert picture.shape == (37, 53)
    assert picture.std() == 0


def test_people_are_brighter_than_snow():
    """A warm spot is white after AGC, and dark ground black."""
    picture = Preprocessor(PreprocessConfig(), multiple_px=32).apply(frame(scene(warm=900))).picture
    assert picture[11:13, 21].min() > 200
    assert np.median(picture) < 128


def test_a_hot_engine_does_not_make_the_picture_pump():
    """When something hot comes in, the snow darkens slowly and not at once."""
    smooth, direct = (
        Preprocessor(PreprocessConfig(smoothing_s=seconds), multiple_px=32, scale=1.0) for seconds in (2.0, 0.0)
    )
    before = scene(1)
    after = scene(2)
    after[5:30, 5:45] = 60000
    steps = []
    for prepare in (smooth, direct):
        first = np.median(prepare.apply(frame(before, 0.0)).picture)
        steps.append(first - np.median(prepare.apply(frame(after, 0.1)).picture[31:]))
    assert abs(steps[0]) < abs(steps[1])


def test_eight_bits_pass_unchanged():
    """A picture that went through the camera's AGC is not stretched again."""
    pixels = np.random.default_rng(3).integers(60, 90, (37, 53)).astype(np.uint8)
    assert np.array_equal(Preprocessor(PreprocessConfig(), multiple_px=32).apply(frame(pixels)).picture, pixels)


def test_black_hot_is_turned_over():
    """A camera that shows warm as dark gives the same picture as one that does not."""
    pixels = np.random.default_rng(3).integers(0, 256, (37, 53)).astype(np.uint8)
    turned = Preprocessor(PreprocessConfig(), multiple_px=32, black_hot=True).apply(frame(255 - pixels)).picture
    assert np.array_equal(turned, pixels)


@pytest.mark.parametrize(("scale", "size"), [(1.0, (64, 64)), (2.0, (96, 128)), (0.5, (32, 32))])
def test_the_input_is_padded_to_the_models_multiple(scale, size):
    """The picture lies in the upper left corner; sides are whole multiples."""
    pixels = np.full((37, 53), 200, np.uint8)
    tensor = Preprocessor(PreprocessConfig(), multiple_px=32, scale=scale).apply(frame(pixels)).tensor
    assert tensor.shape == (1, 1, *size)
    assert (tensor[0, 0, : round(37 * scale), : round(53 * scale)] == 200).all()
    assert (tensor[0, 0, round(37 * scale) :] == 114).all()


def test_the_frame_may_change_its_size():
    """A camera that changes its resolution is followed."""
    prepare = Preprocessor(PreprocessConfig(), multiple_px=32)
    prepare.apply(frame(np.zeros((37, 53), np.uint8)))
    assert prepare.apply(frame(np.zeros((97, 31), np.uint8))).tensor.shape == (1, 1, 128, 32)
