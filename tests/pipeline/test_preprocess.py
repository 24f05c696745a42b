"""The specification of preprocessing on odd, non-square frames."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import PreprocessConfig
from edge.pipeline.preprocess import Preprocessor
from edge.pipeline.preprocess.kernels import SAMPLES, Gain, Stretch, row_step
from edge.pipeline.preprocess.reference import ReferenceKernels, cells_of, stretched
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


def noise(size: tuple[int, int], seed: int, low: int = 0, high: int = 65536) -> np.ndarray:
    """Draw a 16-bit picture of noise."""
    return np.random.default_rng(seed).integers(low, high, size).astype(np.uint16)


def expose(pixels: np.ndarray, gain: Gain):
    """Show one picture to the specification."""
    return ReferenceKernels(gain).expose(pixels, np.empty(pixels.shape, np.uint8), weight=1.0, learn=True)


@given(SIZES, st.integers(0, 2**32 - 1), st.floats(0, 60000), st.floats(0, 5535))
def test_mapping_is_the_formula(size, seed, low, span):
    """Every count becomes (counts - low) * 255 / span within the limits, rounded, to within 0.012 levels before it."""
    pixels = noise(size, seed)
    black, white = np.floor(low), max(np.ceil(low + span), np.floor(low) + 1)
    picture = stretched(pixels, Stretch.between(low, low + span))
    wanted = np.clip((pixels - black) * 255.0 / (white - black), 0, 255)
    assert np.abs(picture - wanted).max() <= 0.512


@given(st.floats(-60000, 130000), st.floats(0, 130000))
def test_limits_outside_the_sensor_are_moved_into_it(low, span):
    """Whatever the limits, black and white are counts that a sensor can give, and both ends are reached."""
    stretch = Stretch.between(low, low + span)
    assert 0 <= stretch.black < stretch.black + stretch.span <= 65535
    ends = np.array([[stretch.black, stretch.black + stretch.span]], np.uint16)
    assert stretched(ends, stretch).tolist() == [[0, 255]]


@given(SIZES, st.integers(0, 2**32 - 1), st.floats(0, 0.2), st.floats(0.8, 1))
def test_limits_are_the_percentiles(size, seed, low_share, high_share):
    """At most the stated shares of pixels lie outside the limits, and the limits lie within the picture."""
    pixels = noise(size, seed, 20000)
    seen = expose(pixels, Gain(low_share, high_share, 1.0))
    assert (pixels < seen.low).mean() <= low_share + 1e-9  # 21 of 105 and a share of 0.2 less its last bit
    assert (pixels > seen.high).mean() <= 1 - high_share + 1e-9
    assert pixels.min() <= seen.low <= pixels.max()
    assert pixels.min() <= seen.high <= pixels.max()
    assert seen.at_minimum == (pixels == pixels.min()).sum()
    assert seen.at_maximum == (pixels == pixels.max()).sum()


@given(SIZES, st.integers(0, 2**32 - 1))
def test_cells_hold_every_pixel(size, seed):
    """The sums of the cells are those of 4x4 pixels, the last ones moved back into the picture."""
    pixels = noise(size, seed)
    cells = cells_of(pixels)
    assert cells.shape == (-(-size[0] // 4), -(-size[1] // 4))
    for row, column in np.ndindex(cells.shape):
        top, left = max(min(4 * row, size[0] - 4), 0), max(min(4 * column, size[1] - 4), 0)
        assert cells[row, column] == pixels[top : top + 4, left : left + 4].sum()


def test_a_large_picture_is_judged_on_some_of_its_rows():
    """A histogram looks at no more than twice the samples it wants, spread over the picture."""
    for height_px, width_px in ((512, 640), (1024, 1280), (37, 53), (257, 321), (3000, 4001)):
        pixels = np.zeros((height_px, width_px), np.uint8)
        samples = expose(pixels, Gain(0.01, 0.998, 60.0)).samples
        assert samples == len(range(row_step(height_px, width_px) // 2, height_px, row_step(height_px, width_px))) * (
            width_px
        )
        assert min(SAMPLES, height_px * width_px) * 0.9 <= samples <= 2 * SAMPLES


def test_a_flat_scene_does_not_become_noise():
    """A constant picture and one of weak noise stay quiet."""
    for pixels in (np.full((37, 53), 29000, np.uint16), scene()):
        quiet = Preprocessor(PreprocessConfig(min_span_counts=4000), multiple_px=32).apply(frame(pixels)).picture
        assert quiet.std() < 6


def test_the_shutter_is_not_learnt():
    """After a second of closed shutter the scene looks as it did before."""
    prepare = Preprocessor(PreprocessConfig(), multiple_px=32)
    before = prepare.apply(frame(scene(1, warm=900), 0.0)).picture.copy()
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


def stats_of(*pixels: np.ndarray):
    """Show pictures to one preprocessor and give the statistics of the last."""
    prepare = Preprocessor(PreprocessConfig(), watch=True)
    return [prepare.apply(frame(one, seq / 9)).stats for seq, one in enumerate(pixels)][-1]


def test_a_repeat_is_the_same_content():
    """The same values again repeat, also from another buffer; one pixel that differs does not."""
    touched = scene(1)
    touched[31, 50] += 1
    assert stats_of(scene(1), scene(1).copy()).repeats
    assert not stats_of(scene(1), touched).repeats
    assert not stats_of(scene(1), scene(1)[:, :-1]).repeats


def test_a_jump_of_all_values_is_told():
    """A shutter's correction moves every value by the same."""
    assert stats_of(scene(1), scene(1) + np.uint16(130)).jump == 130
    assert stats_of(scene(1)).jump == 0


def test_noise_is_told_in_counts():
    """The estimate holds on flat ground and under a warm body."""
    for warm in (0, 900):
        assert stats_of(scene(1, warm)).noise == pytest.approx(60, rel=0.25)


def blurred(sigma_px: float) -> np.ndarray:
    """Draw warm blocks on cold ground through a lens that is out of focus by ``sigma_px``, with noise of the sensor."""
    dice = np.random.default_rng(4)
    ground = np.full((251, 333), 8000.0, np.float32)
    for x, y in dice.integers(0, 230, (40, 2)):
        ground[y : y + 21, x + 50 : x + 59] += 300
    if sigma_px:
        ground = cv2.GaussianBlur(ground, (0, 0), sigma_px)
    return (ground + dice.normal(0, 3, ground.shape)).astype(np.uint16)


def test_sharpness_falls_with_defocus():
    """A lens out of focus is seen by its soft edges, and noise is not taken for sharpness."""
    sharp, soft, softer = (stats_of(blurred(sigma_px)).sharpness for sigma_px in (0.0, 2.0, 6.0))
    assert sharp > 0.8
    assert soft < 0.75 * sharp
    assert softer < 0.5
    assert stats_of(noise((97, 131), 3, 8000, 8010)).sharpness is None


def test_saturation_is_told():
    """A share of pixels at the end of the range says how much of the scene the sensor could not follow."""
    pixels = scene(1)
    pixels[:10] = 65535
    assert stats_of(pixels).share_at_maximum == pytest.approx(10 / 37)


def test_contrast_is_that_of_the_picture():
    """The statistics tell the standard deviation of the levels that the model sees."""
    prepared = Preprocessor(PreprocessConfig()).apply(frame(scene(1, warm=900)))
    assert prepared.stats.contrast_levels == pytest.approx(prepared.picture.std(), rel=1e-9)
