"""Stripes of a sensor's columns are found and taken off, and nothing that stands upright in the scene is."""

import numpy as np
import pytest

from edge.config import PreprocessConfig
from edge.pipeline.preprocess import Preprocessor
from edge.pipeline.preprocess.columns import LOOK_EVERY_S, ColumnStripes
from edge.records import Frame

SIZE_PX = (119, 203)
NOISE = 4.0


def scene(rng, stripes=0.0, *, tall=0, contrast=0.0):
    """Draw ground with noise, stripes, and something upright of six columns and ``tall`` rows."""
    y, x = np.mgrid[: SIZE_PX[0], : SIZE_PX[1]]
    pixels = 8000 + 0.5 * y + 60 * np.sin(x / 25) + rng.normal(0, NOISE, SIZE_PX) + stripes
    pixels[:tall, 80:86] += contrast
    return np.rint(pixels).astype(np.uint16)


def known(seconds, **what):
    """Look at a scene for so long, and give what is known of its stripes."""
    rng, columns = np.random.default_rng(2), ColumnStripes()
    for step in range(round(seconds / LOOK_EVERY_S)):
        columns.look(scene(rng, **what), step * LOOK_EVERY_S)
    return columns.stripes


def test_stripes_are_known_to_a_count():
    """Beside what neighbours have in common, which is no stripe, nearly all of them is found within a minute."""
    stripes = np.random.default_rng(1).normal(0, 12, SIZE_PX[1])
    left = (stripes - known(60.0, stripes=stripes))[4:-4]
    smooth = np.convolve(left, np.ones(9) / 9, "same")
    assert np.std(left - smooth) < 1.0


def test_a_sensor_without_stripes_is_left_alone():
    """Noise and slopes of the ground are none: no column is changed by more than a count."""
    assert np.abs(known(30.0)).max() <= 1


def test_who_stands_still_for_minutes_is_no_stripe():
    """A warm body over a quarter of the height, that never moves: fewer rows than the median minds."""
    assert np.abs(known(120.0, tall=30, contrast=300.0)).max() <= 2


def test_a_pole_over_the_whole_height_keeps_its_contrast():
    """It is taken for stripes, but they end at eight times the noise."""
    assert np.abs(known(120.0, tall=SIZE_PX[0], contrast=300.0)).max() <= 8 * NOISE * 1.2


def test_after_a_shutter_the_new_stripes_are_known_at_once():
    """The old ones are worth nothing; three looks do."""
    rng, columns = np.random.default_rng(2), ColumnStripes()
    before, after = np.random.default_rng(3).normal(0, 12, (2, SIZE_PX[1]))
    for t_s in range(60):
        columns.look(scene(rng, before), t_s)
    columns.restart()
    for t_s in range(60, 63):
        columns.look(scene(rng, after), t_s)
    assert np.corrcoef(columns.stripes, after)[0, 1] > 0.9


@pytest.mark.parametrize("depth", [np.uint16, np.uint8])
def test_the_picture_is_that_of_a_sensor_without_stripes(depth):
    """Where it is wanted, and of counts only: levels of an 8-bit camera are not the sensor's any more."""
    stripes = np.random.default_rng(1).normal(0, 20, SIZE_PX[1])
    prepare = {on: Preprocessor(PreprocessConfig(correct_stripes=on), watch=True) for on in (True, False)}
    rng, found = np.random.default_rng(4), {}
    for step in range(40):
        pixels = scene(rng, stripes)
        pixels = pixels if depth is np.uint16 else np.clip((pixels - 7850) / 2, 0, 255).astype(np.uint8)
        frame = Frame("a", step, float(step), 0.0, pixels)
        found = {on: one.apply(frame).picture.astype(float) for on, one in prepare.items()}
    rough = {on: np.abs(np.diff(picture.mean(axis=0))).mean() for on, picture in found.items()}
    if depth is np.uint8:
        assert rough[True] == rough[False]
    else:
        assert rough[True] < 0.25 * rough[False]


def test_taking_stripes_off_does_not_wake_a_frozen_picture():
    """A picture that stands still is told as a repeat at every look, once the stripes of the first are off."""
    prepare = Preprocessor(PreprocessConfig(correct_stripes=True), watch=True)
    frozen = scene(np.random.default_rng(6), np.random.default_rng(7).normal(0, 12, SIZE_PX[1]))
    told = [prepare.apply(Frame("a", n, 2.0 * n, 0.0, frozen)).stats.repeats for n in range(9)]
    assert told == [False, False] + [True] * 7
