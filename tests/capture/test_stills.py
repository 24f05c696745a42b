"""Single pictures: every usual kind at its own depth, damage noticed, JPEG small and true."""

import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture.pictures import read_picture
from edge.capture.stills import decode, decode_jpeg, encode_jpeg, encode_png, resize

SIZE = (37, 53)


def noise(*more: int, kind: type = np.uint8) -> np.ndarray:
    """Draw noise of any depth and number of colours."""
    return np.random.default_rng(1).integers(0, np.iinfo(kind).max + 1, (*SIZE, *more)).astype(kind)


def soft() -> np.ndarray:
    """Draw what a JPEG keeps."""
    return cv2.GaussianBlur(noise(), (0, 0), 3)


def file_of(suffix: str, picture: np.ndarray, *more: int) -> bytes:
    """Write a picture with OpenCV."""
    return cv2.imencode(suffix, picture, more)[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm", ".bmp"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_grey_pictures_keep_every_count(suffix, kind):
    """Whatever the file, 8 or 16 bits, bytes in either order."""
    if (suffix, kind) == (".bmp", np.uint16):
        pytest.skip("a BMP has 8 bits")
    picture = noise(kind=kind)
    read = decode(file_of(suffix, picture))
    assert read.dtype == kind
    assert np.array_equal(read, picture)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".bmp"])
@pytest.mark.parametrize("colours", [3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_colour_becomes_grey_as_with_opencv(suffix, colours, kind):
    """Weights as everybody has them, at the picture's own depth; transparency is left aside."""
    if (suffix, kind) == (".bmp", np.uint16):
        pytest.skip("a BMP has 8 bits")
    picture = noise(colours, kind=kind)
    read = decode(file_of(suffix, picture))
    assert read.dtype == kind
    assert np.array_equal(read, cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2GRAY))


def test_counts_of_a_14_bit_camera_are_not_stretched():
    """A PGM that says its largest value is 16383 gives the counts that are in it, comments or none."""
    picture = noise(kind=np.uint16) >> 2
    for header in (b"P5\n53 37\n16383\n", b"P5 # 14 bits\n# a camera\n53\t37 # size\n16383 "):
        assert np.array_equal(decode(header + picture.astype(">u2").tobytes()), picture)


@pytest.mark.parametrize("sampling", [0x411111, 0x211111, 0x221111, 0x111111])
def test_a_colour_jpeg_gives_its_brightness(sampling):
    """However the colours are subsampled, the picture is whole and within rounding of OpenCV's."""
    raw = file_of(".jpg", cv2.merge([soft()] * 3), cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling)
    theirs = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.abs(decode_jpeg(memoryview(raw)).astype(int) - theirs).max() <= 2
    assert np.array_equal(decode(raw), decode_jpeg(memoryview(raw)))


def test_a_camera_may_leave_out_its_huffman_tables():
    """USB cameras send JPEG without them; the standard's own are meant."""
    raw = file_of(".jpg", soft())
    bare = bytearray()
    rest = raw
    while (start := rest.find(b"\xff\xc4")) >= 0:
        bare += rest[:start]
        rest = rest[start + 2 + int.from_bytes(rest[start + 2 : start + 4], "big") :]
    bare += rest
    assert len(bare) < len(raw)
    assert np.abs(decode_jpeg(memoryview(bytes(bare))).astype(int) - soft()).max() <= 12


@given(st.sampled_from([".png", ".jpg", ".tiff", ".bmp", ".pgm"]), st.floats(0.0, 0.9))
def test_a_picture_that_was_cut_is_none(suffix, share):
    """Half a file is not half a picture with grey below."""
    raw = file_of(suffix, noise())
    assert decode(raw[: int(len(raw) * share)]) is None


@settings(max_examples=200)
@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"P5 9 9 255 "]),
    st.binary(),
)
def test_rubbish_is_none_or_a_picture(start, rest):
    """Whatever the bytes are, nothing is raised."""
    read = decode(start + rest)
    assert read is None or read.ndim == 2


def test_fractions_are_no_counts():
    """A TIFF of floating point numbers is refused."""
    assert decode(file_of(".tiff", noise().astype(np.float32))) is None


@pytest.mark.parametrize("size", [(121, 161), (7, 5), (1, 1), (64, 3)])
def test_a_jpeg_is_the_picture(size):
    """Odd sides and thin ones; the best scale keeps the levels, a worse one is smaller."""
    picture = cv2.resize(soft(), size[::-1])
    fine, coarse = encode_jpeg(picture, 2), encode_jpeg(picture, 16)
    theirs = cv2.imdecode(np.frombuffer(fine, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert theirs.shape == size
    assert np.abs(theirs.astype(int) - picture).mean() < 3
    assert len(coarse) <= len(fine)


@pytest.mark.parametrize("size", [(121, 161), (7, 5), (1, 1), (64, 3)])
def test_a_png_is_the_picture_to_the_level(size):
    """What was written is read again, by us and by OpenCV."""
    picture = np.random.default_rng(5).integers(0, 256, size).astype(np.uint8)
    raw = encode_png(picture)
    assert np.array_equal(decode(raw), picture)
    assert np.array_equal(cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED), picture)


def test_a_folder_of_tiffs_is_read_without_opencv(tmp_path, monkeypatch):
    """A node's own installation reads the TIFFs that cameras write, the same counts as with the tools."""
    picture = noise(kind=np.uint16)
    (tmp_path / "a.tiff").write_bytes(file_of(".tiff", picture))
    with_opencv = read_picture(tmp_path / "a.tiff")
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert np.array_equal(read_picture(tmp_path / "a.tiff"), picture)
    assert np.array_equal(with_opencv, picture)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(19, 26), (18, 53), (111, 160)])
def test_another_size_is_the_same_scene(kind, size):
    """Smaller by area as OpenCV does it, larger without ringing, at the same depth."""
    picture = soft().astype(kind) * (np.iinfo(kind).max // 255)
    scaled = resize(picture, size[1], size[0])
    assert (scaled.dtype, scaled.shape) == (np.dtype(kind), size)
    how = cv2.INTER_AREA if size < SIZE else cv2.INTER_LINEAR
    theirs = cv2.resize(picture, size[::-1], interpolation=how)
    assert np.abs(scaled.astype(float) - theirs).mean() < 0.02 * picture.std() + 1
