"""Preparing what no camera should send: refused with a word or done right, on every kind of kernels, never a crash."""

import threading

import numpy as np
import pytest

from edge.config import PreprocessConfig
from edge.pipeline.preprocess import Preprocessor
from edge.pipeline.preprocess.backend import make_kernels
from edge.pipeline.preprocess.reference import ReferenceKernels
from edge.records import Frame

MAKERS = {"fastest": make_kernels, "reference": ReferenceKernels}


def preprocessor(maker: str, **kinds) -> Preprocessor:
    """Make one that keeps a background too."""
    return Preprocessor(PreprocessConfig(), multiple_px=32, watch=True, motion=True, make=MAKERS[maker], **kinds)


def frame(pixels, seq=0) -> Frame:
    """Stamp it."""
    return Frame("a", seq, seq / 9, 0.0, pixels)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((0, 0), np.uint16),
        np.zeros((0, 5), np.uint16),
        np.zeros((5, 0), np.uint8),
        np.zeros((5, 7, 3), np.uint8),
        np.full((5, 7), np.nan, np.float32),
        np.zeros((5, 7), np.int16),
        np.zeros((5, 7), np.uint32),
        np.zeros((5, 7), np.bool_),
        np.zeros((5, 7), ">u2"),
    ],
    ids=lambda pixels: f"{pixels.shape}-{pixels.dtype}",
)
def test_what_is_no_picture_is_refused(maker, pixels):
    """Also after a good one, and the next good one is prepared as ever."""
    prepare = preprocessor(maker)
    with pytest.raises(ValueError, match="uint8 or uint16"):
        prepare.apply(frame(pixels))
    good = np.arange(35, dtype=np.uint16).reshape(5, 7)
    before = prepare.apply(frame(good, 1)).tensor.copy()
    with pytest.raises(ValueError, match="uint8 or uint16"):
        prepare.apply(frame(pixels, 2))
    assert np.array_equal(prepare.apply(frame(good, 3)).tensor, before)


def views() -> dict[str, np.ndarray]:
    """Lay the same kinds of values out in every way that numpy knows."""
    dice = np.random.default_rng(5)
    noise = dice.integers(0, 65536, (74, 183)).astype(np.uint16)
    read_only = noise.copy()
    read_only.flags.writeable = False
    return {
        "one pixel": noise[:1, :1],
        "one row": noise[:1],
        "one column": noise[:, :1],
        "upside down": noise[::-1],
        "mirrored": noise[:, ::-1],
        "every second and third, backwards": noise[::-2, ::-3],
        "turned": noise.T,
        "column by column": np.asfortranarray(noise),
        "one value everywhere": np.broadcast_to(np.uint16(7), (33, 44)),
        "one row everywhere": np.broadcast_to(noise[:1], (33, 183)),
        "at an odd address": np.frombuffer(bytes(2 * 33 * 44 + 1), np.uint16, 33 * 44, 1).reshape(33, 44),
        "read only": read_only,
        "bytes, upside down": noise.astype(np.uint8)[::-1, ::2],
        "thirty million": np.tile(noise, (32, 60)),
    }


@pytest.mark.parametrize("layout", views())
def test_any_layout_is_prepared_as_its_copy(layout):
    """Whatever the strides, the result is that of the same values side by side in the specification."""
    pixels = views()[layout]
    told = []
    for maker, shown in (("fastest", pixels), ("reference", np.ascontiguousarray(pixels))):
        prepare = preprocessor(maker)
        for seq in range(2):
            prepared = prepare.apply(frame(shown, seq))
            motion = prepare.moved(frame(shown, seq), ffc=False)
        told.append((prepared.tensor.tobytes(), prepared.stats, motion.moving, motion.tiles.tobytes()))
    assert told[0] == told[1]


def test_a_camera_that_changes_size_and_depth_is_followed():
    """Every change begins with another picture, and both kinds of kernels count the same motion."""
    dice = np.random.default_rng(7)
    shown = [dice.integers(0, 256, size) for size in ((37, 61), (1, 1), (37, 61), (90, 20), (37, 61), (37, 61))]
    depths = (np.uint16, np.uint16, np.uint8, np.uint8, np.uint16, np.uint16)
    found = []
    for maker in MAKERS:
        prepare = preprocessor(maker)
        found.append([])
        for seq, (pixels, depth) in enumerate(zip(shown, depths, strict=True)):
            one = frame(pixels.astype(depth), seq)
            prepare.apply(one)
            found[-1].append(prepare.moved(one, ffc=False).moving)
    assert found[0] == found[1]


@pytest.mark.parametrize("maker", MAKERS)
def test_motion_of_another_frame_is_refused(maker):
    """Compiled code must not read cells that are not there."""
    prepare = preprocessor(maker)
    prepare.apply(frame(np.zeros((8, 8), np.uint16)))
    with pytest.raises(ValueError, match="prepared last"):
        prepare.moved(frame(np.zeros((800, 800), np.uint16)), ffc=False)


def test_threads_that_share_one_do_not_write_beyond_its_memory():
    """Nobody should, and the pictures are anybody's; but it must not bring the node down."""
    prepare = preprocessor("fastest")
    unexpected: list[Exception] = []

    def work(seed: int) -> None:
        dice = np.random.default_rng(seed)
        for seq in range(150):
            one = frame(dice.integers(0, 65536, tuple(dice.integers(1, 200, 2))).astype(np.uint16), seq)
            try:
                prepare.apply(one)
                prepare.moved(one, ffc=False)
            except ValueError as error:
                if "prepared last" not in str(error):
                    unexpected.append(error)
            except Exception as error:  # noqa: BLE001
                unexpected.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not unexpected
