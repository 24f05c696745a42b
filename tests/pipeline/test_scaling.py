"""Scaling to the model's input: what the picture says stays, to within two levels of OpenCV."""

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.pipeline.preprocess.scaling import places, resample

SIZES = st.tuples(st.integers(1, 61), st.integers(1, 83))


def scaled(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a picture into the corner of a larger one, as into a padded tensor."""
    canvas = np.full((size[0] + 3, size[1] + 5), 114, np.uint8)
    target = canvas[: size[0], : size[1]]
    resample(picture, target, places(picture.shape[0], size[0]), places(picture.shape[1], size[1]))
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
