"""The native core gives the same bytes as its specification, on every frame and every processor, and stays in bounds."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import PreprocessConfig
from edge.pipeline.preprocess import Preprocessor, backend, native
from edge.pipeline.preprocess.backend import FORCED_BY
from edge.pipeline.preprocess.kernels import Gain, cells_shape, new_background
from edge.pipeline.preprocess.reference import ReferenceKernels
from edge.records import Frame

DRIVER = Path(__file__).with_name("core_driver.cpp")
SANITIZED = ("-g", "-O1", "-ffp-contract=off", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PLAIN = ("-O3", "-ffp-contract=off", "-static")

needs_core = pytest.mark.skipif(backend().name != "native", reason=f"native core: {backend().reason}")


@st.composite
def films(draw):
    """Draw a few frames of one size: noise, a dim scene, constant, saturated; any distance between rows; 8 or 16 bits."""
    size = draw(st.tuples(st.integers(1, 70), st.integers(1, 150)))
    dice = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frames = []
    for _ in range(draw(st.integers(1, 4))):
        top = draw(st.sampled_from([255, 65535]))
        low = draw(st.sampled_from([0, 7, top // 2, top]))
        high = draw(st.sampled_from([low, min(low + 40, top), top]))
        wide = dice.integers(low, high + 1, (2 * size[0], size[1] + 9))
        pixels = wide.astype(np.uint8 if top == 255 else np.uint16)
        frames.append(draw(st.sampled_from([plain, strided, upside_down, sparse]))(pixels, size))
    return frames


def plain(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Lay rows side by side."""
    return np.ascontiguousarray(pixels[: size[0], : size[1]])


def strided(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut out of a larger picture."""
    return pixels[: size[0], 5 : 5 + size[1]]


def upside_down(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Read rows from the last to the first."""
    return pixels[: size[0], : size[1]][::-1]


def sparse(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Take columns that do not lie side by side."""
    return np.repeat(pixels, 2, axis=1)[: size[0], : 2 * size[1] : 2]


def every_nth(size: tuple[int, int], nth: int) -> np.ndarray:
    """Name every nth pixel within the rim dead; 0: none."""
    spots = np.argwhere(np.ones((max(size[0] - 2, 0), max(size[1] - 2, 0)), np.bool_)) + 1
    return (spots[::nth] if nth else spots[:0]).astype(np.int32)


@needs_core
def test_dead_pixels_on_the_rim_are_refused():
    """Memory beside the picture is never read for a neighbour that is not there, whoever asks for it."""
    for make in makers():
        kernels = make(Gain(0.01, 0.998, 60.0))
        kernels.expose(np.zeros((6, 9), np.uint16), np.empty((6, 9), np.uint8), weight=1.0, learn=True)
        for spot in ((0, 4), (5, 4), (2, 0), (2, 8), (-1, 4), (2, 99)):
            with pytest.raises(ValueError, match="rim"):
                kernels.mend(np.array([spot], np.int32))


@needs_core
@settings(deadline=None, max_examples=200)
@given(
    films(),
    st.floats(0, 0.2),
    st.floats(0.8, 1),
    st.sampled_from([1.0, 60.0, 3000.0, 60000.0]),
    st.booleans(),
    st.sampled_from([None, 0.0001, 0.03, 1.0]),
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from([0, 2, 7, 40])), min_size=4, max_size=4),
)
def test_the_native_core_is_the_specification(frames, low_share, high_share, min_span, flip, plateau_share, learning):
    """Levels, cells and everything measured are equal to the last bit, whatever came before."""
    gain = Gain(low_share, high_share, min_span, flip, plateau_share)
    twins = ReferenceKernels(gain, watch=True), native.NativeKernels(native.load(), gain, watch=True)
    for pixels, (weight, learn, dead_every) in zip(frames, learning, strict=False):
        pictures = [np.zeros((pixels.shape[0], pixels.shape[1] + 3), np.uint8)[:, : pixels.shape[1]] for _ in twins]
        found = [
            one.expose(pixels, picture, weight=weight, learn=learn)
            for one, picture in zip(twins, pictures, strict=True)
        ]
        assert found[0] == found[1]
        assert np.array_equal(*pictures)
        assert np.array_equal(twins[0].cells, twins[1].cells)
        assert all((picture.base[:, pixels.shape[1] :] == 0).all() for picture in pictures)  # nothing beside it
        stripes = np.zeros(0, np.int32)
        if pixels.dtype == np.uint16 and dead_every != 2:
            stripes = np.random.default_rng(dead_every).integers(-900, 901, pixels.shape[1]).astype(np.int32)
        for twin in twins:
            twin.mend(every_nth(pixels.shape, dead_every), stripes)


@needs_core
@settings(deadline=None, max_examples=150)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 150)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([np.uint8, np.uint16]),
    st.lists(
        st.tuples(st.sampled_from([0, 3, 400, 60000]), st.integers(0, 1024), st.integers(0, 1023)),
        min_size=2,
        max_size=8,
    ),
    st.integers(1, 2000),
)
def test_the_native_background_is_the_specification(size, seed, depth, changes, floor):
    """Ground, deviation and moving tiles are equal to the last bit through noise, bodies and whole new pictures."""
    dice = np.random.default_rng(seed)
    gain = Gain(0.01, 0.998, 60.0)
    twins = ReferenceKernels(gain, watch=True), native.NativeKernels(native.load(), gain, watch=True)
    grounds = [new_background(cells_shape(*size)) for _ in twins]
    top = np.iinfo(depth).max
    pixels = dice.integers(0, top, size)
    for change, weight, rounding in changes:
        pixels = np.clip(pixels + dice.integers(-change, change + 1, size), 0, top)
        pixels[: size[0] // 3, : size[1] // 4] = dice.integers(0, top)
        found = []
        for twin, ground in zip(twins, grounds, strict=True):
            twin.expose(pixels.astype(depth), np.empty(size, np.uint8), weight=1.0, learn=True)
            found.append(twin.watch(ground, floor=floor, weight=weight, rounding=rounding))
        one, other = grounds
        assert found[0] == found[1] == one.tiles.sum()
        assert np.array_equal(one.ground, other.ground)
        assert np.array_equal(one.deviation, other.deviation)
        assert np.array_equal(one.tiles, other.tiles)
        assert (one.deviation_mean, one.renewed) == (other.deviation_mean, other.renewed)


@needs_core
def test_the_hottest_pixel_of_a_whole_range_is_white():
    """Where the limits are as wide as the sensor, the widest word does not come round to black."""
    pixels = np.array([[0, 32768, 65407, 65535]], np.uint16)
    for make in makers():
        picture = np.empty(pixels.shape, np.uint8)
        make(Gain(0.0, 1.0, 1.0)).expose(pixels, picture, weight=1.0, learn=True)
        assert picture.tolist() == [[0, 128, 255, 255]]


@needs_core
def test_a_large_frame_is_the_same_too():
    """Sampled rows and the widest vectors: 640x512 with people on it."""
    dice = np.random.default_rng(2)
    twins = [Preprocessor(PreprocessConfig(), multiple_px=32, watch=True, make=make) for make in makers()]
    for seq in range(4):
        pixels = dice.normal(8200, 15, (512, 640))
        pixels[200:260, 100 + 9 * seq : 120 + 9 * seq] += 300
        frame = Frame("a", seq, seq / 9, 0.0, pixels.astype(np.uint16))
        one, other = (twin.apply(frame) for twin in twins)
        assert one.stats == other.stats
        assert np.array_equal(one.tensor, other.tensor)


def makers():
    """Name both ways to make kernels."""
    library = native.load()
    return ReferenceKernels, lambda gain, **kinds: native.NativeKernels(library, gain, **kinds)


@needs_core
def test_the_core_takes_no_memory_for_a_frame():
    """After the first frame all buffers are the ones from before."""
    prepare = Preprocessor(PreprocessConfig(), multiple_px=32, watch=True)
    first = prepare.apply(Frame("a", 0, 0.0, 0.0, np.zeros((97, 131), np.uint16)))
    again = prepare.apply(Frame("a", 1, 0.1, 0.0, np.ones((97, 131), np.uint16)))
    assert again.tensor is first.tensor
    assert again.picture is first.picture


def test_the_reference_can_be_forced(monkeypatch):
    """With the environment variable set, the specification runs, and says why."""
    monkeypatch.setenv(FORCED_BY, "reference")
    assert backend().name == "reference"
    assert FORCED_BY in backend().reason
    frame = Frame("a", 0, 0.0, 0.0, np.arange(35, dtype=np.uint16).reshape(5, 7))
    assert Preprocessor(PreprocessConfig()).apply(frame).picture.shape == (5, 7)


def test_a_core_of_another_version_is_refused(tmp_path, monkeypatch):
    """What an older installation left behind is not called with the arguments of this one."""
    compiler = shutil.which("g++") or pytest.skip("needs a C++ compiler")
    old = tmp_path / "old.cpp"
    old.write_text('extern "C" int edge_version() { return 0; }')
    library = tmp_path / f"_core{native.EXTENSION_SUFFIXES[0]}"
    subprocess.run([compiler, "-shared", "-fPIC", old, "-o", library], check=True)
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    with pytest.raises(OSError, match="another version"):
        native.load()


def driven(folder: Path, compiler: str, flags: tuple[str, ...], runner: tuple[str, ...] = ()) -> str:
    """Compile the driver, run it, and give its checksum."""
    program = folder / "driver"
    subprocess.run([compiler, "-std=c++17", "-Wall", "-Wextra", "-Werror", *flags, DRIVER, "-o", program], check=True)
    done = subprocess.run([*runner, program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def test_sanitizers_find_nothing(tmp_path):
    """No read or write outside a frame, no overflow, no misaligned word, and the same bytes as the optimised build."""
    compiler = shutil.which("g++") or pytest.skip("needs g++ with its sanitizers")
    assert driven(tmp_path, compiler, SANITIZED) == driven(tmp_path, compiler, PLAIN)


@pytest.mark.arm64
def test_an_arm_processor_gives_the_same_bytes(tmp_path):
    """Compiled for aarch64 with NEON and run in emulation, the core gives the checksum that it gives here."""
    cross = shutil.which("aarch64-linux-gnu-g++")
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    here = shutil.which("g++")
    if not (cross and emulator and here):
        pytest.skip("needs g++, g++-aarch64-linux-gnu and qemu-user")
    assert driven(tmp_path, cross, PLAIN, (emulator,)) == driven(tmp_path, here, PLAIN)
