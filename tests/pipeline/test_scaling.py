"""Scaling to the model's input: what the picture says stays, to within two levels of OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.pipeline.preprocess import native
from edge.pipeline.preprocess.backend import backend
from edge.pipeline.preprocess.scaling import Resample, places, scale_to_fill

SIZES = st.tuples(st.integers(1, 61), st.integers(1, 83))


def scaled(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a picture into the corner of a larger one, as into a padded tensor."""
    canvas = np.full((size[0] + 3, size[1] + 5), 114, np.uint8)
    target = canvas[: size[0], : size[1]]
    Resample(places(picture.shape[0], size[0]), places(picture.shape[1], size[1]))(picture, target)
    assert (canvas[size[0] :] == 114).all()
    assert (canvas[:, size[1] :] == 114).all()
    return target


@given(SIZES, SIZES, st.integers(0, 2**32 - 1))
def test_it_lies_within_two_levels_of_opencv(size, wanted, seed):
    """The worst there is, noise, larger or smaller, sides in any proportion: weights and result are rounded in both."""
    picture = np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)
    theirs = cv2.resize(picture, wanted[::-1], interpolation=cv2.INTER_LINEAR).reshape(wanted)
    assert np.abs(scaled(picture, wanted).astype(int) - theirs).max() <= 2


@given(SIZES, st.integers(0, 2**32 - 1))
def test_the_same_size_is_the_same_picture(size, seed):
    """Nothing is blurred where nothing is scaled."""
    picture = np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)
    assert np.array_equal(scaled(picture, size), picture)


@given(SIZES, SIZES, st.integers(0, 255))
def test_a_level_stays_what_it_is(size, wanted, level):
    """A picture of one level keeps it to the edges."""
    assert (scaled(np.full(size, level, np.uint8), wanted) == level).all()


@pytest.mark.skipif(backend().name != "native", reason=f"needs the native core: {backend().reason}")
@given(SIZES, SIZES, st.integers(0, 2**32 - 1))
def test_the_native_core_gives_the_same_bytes(size, wanted, seed):
    """Noise from a picture whose rows lie apart, larger or smaller: what the specification says, and nothing beside it."""
    picture = np.random.default_rng(seed).integers(0, 256, (size[0], size[1] + 3)).astype(np.uint8)[:, : size[1]]
    canvas = np.full((wanted[0] + 3, wanted[1] + 5), 114, np.uint8)
    scale = native.NativeResample(native.load(), places(size[0], wanted[0]), places(size[1], wanted[1]))
    scale(picture, canvas[: wanted[0], : wanted[1]])
    assert np.array_equal(canvas[: wanted[0], : wanted[1]], scaled(picture, wanted))
    assert (canvas[wanted[0] :] == 114).all()
    assert (canvas[:, wanted[1] :] == 114).all()


@pytest.mark.skipif(backend().name != "native", reason=f"needs the native core: {backend().reason}")
def test_a_picture_of_another_size_is_refused():
    """Compiled code would read beyond it, or write beyond the target."""
    scale = native.NativeResample(native.load(), places(7, 14), places(9, 18))
    with pytest.raises(ValueError, match="beyond a picture"):
        scale(np.zeros((7, 8), np.uint8), np.zeros((14, 18), np.uint8))
    with pytest.raises(ValueError, match="target"):
        scale(np.zeros((7, 9), np.uint8), np.zeros((14, 17), np.uint8))


@pytest.mark.parametrize(
    ("size_px", "scale"),
    [
        ((288, 384), 640 / 384),
        ((256, 320), 2.0),
        ((120, 160), 2.0),
        ((512, 640), 1.0),
        ((1080, 1920), 1.0),
    ],
)
def test_a_small_picture_is_enlarged_to_the_work_of_a_full_one(size_px, scale):
    """Sensors of half the width fill the input; those of full size and more are taken as they are."""
    assert scale_to_fill(*size_px, 32) == pytest.approx(scale)


@given(st.integers(8, 2000), st.integers(8, 2000), st.sampled_from([32, 64]))
def test_no_picture_is_made_smaller_or_dearer_than_a_full_one(height_px, width_px, multiple_px):
    """Whatever the sides: between one and two, and beyond one never above the work of 640x512 but for the filling."""
    scale = scale_to_fill(height_px, width_px, multiple_px)
    assert 1.0 <= scale <= 2.0
    if scale > 1.0:
        assert height_px * width_px * scale**2 <= 640 * 512 * (1 + 1e-9)
