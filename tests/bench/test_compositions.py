"""What preprocessing is compared with does the same job: levels, limits, statistics and motion of the specification."""

import numpy as np
import pytest

from edge.bench.compare import compare
from edge.bench.compositions import NumpyComposition, OpenCvComposition
from edge.config import PreprocessConfig
from edge.pipeline.preprocess import Preprocessor
from edge.pipeline.preprocess.kernels import CELL_PX
from edge.pipeline.preprocess.reference import ReferenceKernels
from edge.records import Frame

HEIGHT_PX, WIDTH_PX = 192, 320
FPS = 9.0


def film(count: int) -> list[np.ndarray]:
    """Film somebody who walks over a slope, with a sensor's noise."""
    dice = np.random.default_rng(3)
    down, across = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX]
    shown = []
    for number in range(count):
        seen = 8000 + 0.8 * down + 30 * np.sin(across / 17) + dice.normal(0, 3, (HEIGHT_PX, WIDTH_PX))
        if number >= count // 2:
            seen[60:92, 30 + 2 * number : 42 + 2 * number] += 250
        shown.append(seen.astype(np.uint16))
    return shown


@pytest.mark.parametrize("agc", ["limits", "plateau"])
def test_opencv_prepares_the_same_picture(agc):
    """Levels differ by no more than the rounding, limits and statistics not at all."""
    config = PreprocessConfig(smoothing_s=1.0, agc=agc)
    ours = Preprocessor(config, multiple_px=32, make=ReferenceKernels)
    other = OpenCvComposition(config, HEIGHT_PX, WIDTH_PX)
    for number, pixels in enumerate(film(12)):
        weight = 1.0 if number == 0 else -np.expm1(-1 / FPS)
        prepared = ours.apply(Frame("a", number, number / FPS, 0.0, pixels))
        tensor = other.prepare(pixels, weight)
        seen = other.watch(pixels, 10)
        assert tensor.shape == prepared.tensor.shape
        assert np.abs(tensor.astype(int) - prepared.tensor.astype(int)).max() <= 1
        stats = prepared.stats
        assert seen.median == stats.median
        assert seen.share_at_minimum == pytest.approx(stats.share_at_minimum)
        assert seen.share_at_maximum == pytest.approx(stats.share_at_maximum)
        assert seen.contrast_levels == pytest.approx(stats.contrast_levels, abs=0.5)


def test_opencv_sees_the_same_motion():
    """Who walks moves in the same tiles, but for a cell at their edge that the rounding of its mean decides."""
    config = PreprocessConfig()
    ours = Preprocessor(config, multiple_px=32, watch=True, motion=True, make=ReferenceKernels)
    other = OpenCvComposition(config, HEIGHT_PX, WIDTH_PX)
    shown = film(120)
    for number, pixels in enumerate(shown):
        frame = Frame("a", number, number / FPS, 0.0, pixels)
        ours.apply(frame)
        motion = ours.moved(frame, ffc=False)
        other.prepare(pixels, 0.1)
        seen = other.watch(pixels, max(14, 1024 // (number + 1)))
        if number >= len(shown) // 2:
            apart = (seen.tiles > 0) != (motion.tiles > 0)
            assert apart.sum() <= 2
            assert np.maximum(seen.tiles, motion.tiles)[apart].sum() <= 3
            assert motion.moving > 0
            assert seen.moving == pytest.approx(motion.moving, rel=0.3, abs=6)


def test_opencv_sees_a_picture_again_and_gradients_as_they_are():
    """A repeat is told, and a ramp of two counts a pixel gives 4, 16 and 256."""
    other = OpenCvComposition(PreprocessConfig(), HEIGHT_PX, WIDTH_PX)
    ramp = (1000 + 2 * np.arange(WIDTH_PX) + np.zeros((HEIGHT_PX, 1))).astype(np.uint16)
    other.prepare(ramp, 1.0)
    assert not other.watch(ramp, 10).repeats
    seen = other.watch(ramp, 10)
    assert seen.repeats
    assert seen.steps == pytest.approx((4, 16, 256))
    ramp[0:CELL_PX, 0:CELL_PX] += 9
    assert not other.watch(ramp, 10).repeats


def test_numpy_prepares_the_same_picture():
    """Its limits are those of all pixels, ours of some rows: at most a few levels apart."""
    config = PreprocessConfig(smoothing_s=0.0)
    pixels = film(2)[1]
    ours = Preprocessor(config, multiple_px=64, make=ReferenceKernels).apply(Frame("a", 0, 0.0, 0.0, pixels))
    tensor = NumpyComposition(config, 64).prepare(pixels, 1.0)
    assert tensor.shape == ours.tensor.shape
    assert np.abs(tensor.astype(int) - ours.tensor.astype(int)).max() <= 4


def test_a_comparison_times_all_of_them_in_turns():
    """Every way has its times, and the ratios follow from their medians."""
    found = compare(film(4), seconds=0.3, advance=lambda _done, _total: None)
    kinds = {f"{who}{kind}" for who in ("ours", "opencv") for kind in ("", "_plateau", "_watching")}
    assert kinds | {"copy", "numpy"} == set(found.times)
    assert found.times["ours"].count >= 10
    assert found.beside_opencv == pytest.approx(found.times["ours"].p50_ms / found.times["opencv"].p50_ms, rel=0.2)
