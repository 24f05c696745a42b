"""A TIFF of many pages is a clip: written by an independent package, at every form that one meets."""

import contextlib

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture.footage import Footage
from edge.errors import CameraError

H, W = 37, 53


def stack(count: int = 5, dtype=np.uint16, height: int = H, width: int = W) -> np.ndarray:
    """Draw some noisy pages."""
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (count, height, width)).astype(dtype)


def read(path, **options) -> list:
    """Read a clip to its end."""
    with Footage(path, **options) as footage:
        assert footage.frames_expected is not None
        return list(footage)


def fault_of(path) -> tuple[list, str]:
    """Give the frames before the fault, and its words."""
    frames = []
    with pytest.raises(CameraError) as caught, Footage(path) as footage:
        for frame in footage:
            frames.append(frame)  # noqa: PERF402
    return frames, str(caught.value)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"compression": "zlib"},
        {"compression": "zlib", "predictor": True},
        {"rowsperstrip": 5},
        {"imagej": True},
        {"ome": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_form_of_a_stack_comes_back_exactly(tmp_path, form, dtype):
    """Classic and big, both byte orders, compressed, in strips, odd sizes, both depths."""
    file = tmp_path / "a.tif"
    pages = stack(dtype=dtype)
    tifffile.imwrite(file, pages, photometric="minisblack", **form)
    frames = read(file, fps=4.0)
    assert [frame.t_s for frame in frames] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert all(np.array_equal(frame.pixels, page) for frame, page in zip(frames, pages, strict=True))
    assert frames[0].radiometry.kind == ("counts" if dtype == np.uint16 else "agc8")


def test_tiles_of_sixteen_bits_are_read(tmp_path):
    """Not those of 8 bits: the library that reads pictures refuses them, and the message says so."""
    tifffile.imwrite(tmp_path / "a.tif", stack(), photometric="minisblack", tile=(16, 16))
    frames = read(tmp_path / "a.tif")
    assert all(np.array_equal(frame.pixels, page) for frame, page in zip(frames, stack(), strict=True))


def test_another_programs_lzw_is_read_too(tmp_path):
    """OpenCV writes its stacks so."""
    pages = stack()
    cv2.imwritemulti(str(tmp_path / "a.tiff"), list(pages), [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    frames = read(tmp_path / "a.tiff")
    assert all(np.array_equal(frame.pixels, page) for frame, page in zip(frames, pages, strict=True))


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"imagej": True, "metadata": {"axes": "TYX", "finterval": 0.111}}, [0.0, 0.111, 0.222, 0.333, 0.444]),
        ({"imagej": True, "metadata": {"axes": "TYX", "fps": 5.0}}, [0.0, 0.2, 0.4, 0.6, 0.8]),
        ({"ome": True, "metadata": {"axes": "TYX", "TimeIncrement": 250.0, "TimeIncrementUnit": "ms"}},
         [0.0, 0.25, 0.5, 0.75, 1.0]),
        ({"ome": True, "metadata": {"axes": "TYX", "Plane": {"DeltaT": [3.0, 3.1, 3.3, 3.35, 4.0]}}},
         [0.0, 0.1, 0.3, 0.35, 1.0]),
        ({"ome": True, "metadata": {"axes": "TYX", "Plane": {"DeltaT": [3.0, 3.1, 3.1, 3.35, 4.0]}}},
         [0.0, 0.1, 0.2, 0.3, 0.4]),
    ],
    ids=["imagej interval", "imagej rate", "ome interval", "ome planes", "ome planes that stand still"],
)  # fmt: skip
def test_the_times_that_a_stack_tells_are_kept(tmp_path, form, expected):
    """One interval, or a time for each page; times that do not grow are not believed, and the configured rate counts."""
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, stack(), photometric="minisblack", **form)
    assert [frame.t_s for frame in read(file, fps=10.0)] == pytest.approx(expected)


def test_a_thumbnail_is_no_frame(tmp_path):
    """A reduced picture of a page has a page of its own."""
    pages = stack(2)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in pages:
            writer.write(page, photometric="minisblack")
            writer.write(page[::4, ::4], subfiletype=1, photometric="minisblack")
    frames = read(tmp_path / "a.tif")
    assert [frame.pixels.shape for frame in frames] == [(H, W)] * 2


def test_a_cut_stack_gives_its_whole_pages_then_the_fault(tmp_path):
    """Pages before the cut are played; none is half of one."""
    file = tmp_path / "a.tif"
    pages = stack(8)
    with tifffile.TiffWriter(file) as writer:
        for page in pages:
            writer.write(page, photometric="minisblack", contiguous=False)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * 0.6)])
    frames, words = fault_of(file)
    assert 2 <= len(frames) < 8
    assert all(np.array_equal(frame.pixels, page) for frame, page in zip(frames, pages, strict=False))
    assert "page" in words


def test_a_stack_without_the_pages_that_it_states_is_cut(tmp_path):
    """ImageJ says how many there should be."""
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, stack(), photometric="minisblack", description="ImageJ=1.54\nimages=9\n", metadata=None)
    frames, words = fault_of(file)
    assert len(frames) == 5
    assert "5 of 9 pages" in words


def test_a_page_of_another_size_is_refused(tmp_path):
    """A stack is one camera."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(stack(1)[0], photometric="minisblack")
        writer.write(stack(1, height=31)[0], photometric="minisblack")
    assert "53x31 uint16, but the footage began with 53x37" in fault_of(tmp_path / "a.tif")[1]


def patched(file, tag: int, value: int) -> None:
    """Overwrite the value of one tag of the first page, in place."""
    with tifffile.TiffFile(file, mode="r+") as opened:
        opened.pages[0].tags[tag].overwrite(value)


@pytest.mark.parametrize(("width", "height"), [(200_000, 200_000), (0, 37), (2**31, 3)])
def test_a_page_of_impossible_size_is_refused_before_memory_is_taken(tmp_path, width, height):
    """A few bytes that claim to be gigabytes."""
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, stack(1)[0].astype(np.uint16), photometric="minisblack", bigtiff=True)
    patched(file, 256, width)
    patched(file, 257, height)
    assert "not a picture of a camera" in fault_of(file)[1]


@pytest.mark.parametrize("content", [b"II", b"II*\0", b"II*\0\xff\xff\xff\x7f", b"MM\0+\0\x08\0\0", b"hello" * 50,
                                     b"II*\0\0\0\0\0"])  # fmt: skip
def test_what_is_no_stack_is_told(tmp_path, content):
    """Headers that end, point outside, or to nothing."""
    (tmp_path / "a.tif").write_bytes(content)
    assert str(tmp_path / "a.tif") in fault_of(tmp_path / "a.tif")[1]


def test_an_empty_file_is_called_empty(tmp_path):
    """Zero bytes cannot even be mapped."""
    (tmp_path / "a.tif").write_bytes(b"")
    assert "empty" in fault_of(tmp_path / "a.tif")[1]


def test_pages_in_a_ring_end(tmp_path):
    """The last page points to the first: every page once."""
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, stack(1)[0], photometric="minisblack", metadata=None)
    raw = bytearray(file.read_bytes())
    first = int.from_bytes(raw[4:8], "little")
    count = int.from_bytes(raw[first : first + 2], "little")
    raw[first + 2 + 12 * count :][:4] = b""
    raw[first + 2 + 12 * count : first + 6 + 12 * count] = first.to_bytes(4, "little")
    file.write_bytes(raw)
    assert len(read(file)) == 1


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_a_camera_error_or_frames(tmp_path_factory, data):
    """Whatever stands in the file, nothing else is raised and nothing hangs."""
    file = tmp_path_factory.mktemp("tiff") / "a.tif"
    tifffile.imwrite(file, stack(2, height=5, width=7), photometric="minisblack", compression="zlib")
    raw = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(raw[: data.draw(st.integers(1, len(raw)))])
    with contextlib.suppress(CameraError):
        assert read(file)
