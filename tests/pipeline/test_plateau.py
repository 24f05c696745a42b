"""Equalised levels: monotone, clipped at the plateau, slow, and worth their name where a cold sky takes the range."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.config import PreprocessConfig
from edge.pipeline.preprocess import Preprocessor
from edge.pipeline.preprocess.kernels import Gain
from edge.pipeline.preprocess.reference import ReferenceKernels
from edge.records import Frame

SIZE_PX = (97, 131)


def levels(pixels: np.ndarray, plateau_share: float | None, **gain) -> np.ndarray:
    """Show one picture to the specification."""
    picture = np.empty(pixels.shape, np.uint8)
    shares = {"low_share": 0.01, "high_share": 0.998, "min_span": 60.0} | gain
    ReferenceKernels(Gain(**shares, plateau_share=plateau_share)).expose(pixels, picture, weight=1.0, learn=True)
    return picture.astype(int)


def ground_under_sky(seed: int = 1) -> np.ndarray:
    """Draw ground with a little texture under a sky that takes most of the range."""
    dice = np.random.default_rng(seed)
    pixels = dice.normal(8000, 15, SIZE_PX)
    pixels[:25] = np.linspace(5000, 7500, 25)[:, None]
    return pixels.astype(np.uint16)


@given(
    st.tuples(st.integers(1, 41), st.integers(1, 57)),
    st.integers(0, 2**32 - 1),
    st.integers(1, 65535),
    st.floats(1e-6, 1.0),
)
def test_warmer_is_never_darker(size, seed, top, plateau_share):
    """Whatever the histogram, levels rise with the counts, from black to white."""
    pixels = np.random.default_rng(seed).integers(0, top + 1, size).astype(np.uint16)
    picture = levels(pixels, plateau_share, low_share=0.0, high_share=1.0, min_span=1.0).ravel()
    order = np.argsort(pixels, axis=None, kind="stable")
    assert (np.diff(picture[order]) >= 0).all()
    if pixels.min() < pixels.max():
        assert (picture.min(), picture.max()) == (0, 255)


def test_without_a_plateau_a_level_is_a_rank():
    """At a share of one the levels are those of plain equalisation: the share of pixels that are colder."""
    pixels = np.random.default_rng(2).normal(29000, 300, SIZE_PX).astype(np.uint16)
    ranks = np.argsort(np.argsort(pixels, axis=None, kind="stable")).reshape(SIZE_PX) / pixels.size
    picture = levels(pixels, 1.0, low_share=0.0, high_share=1.0)
    assert np.abs(picture - 255 * ranks).max() < 5


def test_a_low_plateau_leaves_even_counts_as_they_are():
    """Where every count is as frequent as the other nothing is to be equalised."""
    pixels = np.random.default_rng(3).integers(20000, 24000, SIZE_PX).astype(np.uint16)
    assert np.abs(levels(pixels, 0.001) - levels(pixels, None)).max() <= 2


def test_ground_under_a_cold_sky_gains_contrast_and_no_more_than_the_plateau():
    """The ground's texture is more than doubled; a higher plateau gives more, and noise alone never the whole range."""
    pixels = ground_under_sky()
    contrast = [levels(pixels, share)[30:].std() for share in (None, 0.03, 0.1)]
    assert 2 * contrast[0] < contrast[1] < contrast[2]
    assert contrast[1] < 25


def test_the_curve_follows_slowly():
    """When something hot fills a quarter of the picture, the ground is nearly as bright as before one frame later."""
    prepare = Preprocessor(PreprocessConfig(agc="plateau", smoothing_s=1.0))
    before = prepare.apply(Frame("a", 0, 0.0, 0.0, ground_under_sky())).picture[60:].mean()
    hot = ground_under_sky()
    hot[30:60] += 300
    steps = [prepare.apply(Frame("a", n, n / 9, 0.0, hot)).picture[60:].mean() for n in range(1, 60)]
    assert abs(steps[0] - before) < 0.2 * abs(steps[-1] - before)
    assert abs(steps[-1] - before) > 10
