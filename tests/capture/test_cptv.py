"""Clips of the Cacophony Project: written by its own package, or packed here for what that package cannot write."""

import contextlib
import gzip
import struct
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from cptv import CPTVReader, Frame
from cptv.writer import CPTVWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture.footage import Footage
from edge.errors import CameraError

START = datetime(2026, 2, 3, 13, 16, tzinfo=UTC)


def scene(seed: int, spread: float, height: int = 120, width: int = 160) -> np.ndarray:
    """Draw a picture of about 20 degrees in centikelvin."""
    drawn = np.random.default_rng(seed).normal(29_315, spread, (height, width))
    return np.clip(drawn, 0, 32_000).astype(np.uint16)


def theirs(path, pictures, *, model=b"lepton3.5", background=None, every_ms=111):
    """Write a clip with the project's own package."""
    writer = CPTVWriter(path.open("wb"))
    writer.timestamp, writer.model, writer.fps = START, model, 9
    if background is not None:
        writer.background_frame = Frame(background, timedelta(0), timedelta(0), 20.0, 20.0, background_frame=True)
    for index, picture in enumerate(pictures):
        on = timedelta(milliseconds=60_000 + every_ms * index)
        writer.write_frame(Frame(picture, on, timedelta(seconds=10), 20.0, 20.0))
    writer.close()
    return path


def ours(path, pictures, *, bits=16, version=2, ticks=None, **header):
    """Pack a clip from the specification, at any size and width of the differences."""
    height, width = pictures[0].shape
    fields = {b"T": struct.pack("<Q", 0), b"X": struct.pack("<I", width), b"Y": struct.pack("<I", height), b"C": b"\1"}
    fields |= {name.encode(): value for name, value in header.items()}
    body = b"CPTV" + bytes([version]) + section(b"H", fields)
    before = np.zeros(height * width, np.int64)
    for index, picture in enumerate(pictures):
        path_of = picture.astype(np.int64).copy()
        path_of[1::2] = path_of[1::2, ::-1].copy()
        delta = path_of.ravel() - before
        before = path_of.ravel()
        packed = "".join(format(int(step) & (1 << bits) - 1, f"0{bits}b") for step in np.diff(delta))
        packed += "0" * (-len(packed) % 8)
        data = struct.pack("<i", delta[0]) + int("1" + packed, 2).to_bytes(len(packed) // 8 + 1, "big")[1:]
        stamp = {b"t": struct.pack("<I", (ticks or range(0, 10_000, 100))[index])}
        body += section(b"F", stamp | {b"w": bytes([bits]), b"f": struct.pack("<I", len(data))}) + data
    path.write_bytes(gzip.compress(body))
    return path


def section(kind: bytes, fields: dict[bytes, bytes]) -> bytes:
    """Write a section."""
    return kind + bytes([len(fields)]) + b"".join(bytes([len(value)]) + name + value for name, value in fields.items())


def read(path) -> list:
    """Read a clip to its end."""
    with Footage(path) as footage:
        return list(footage)


@pytest.mark.parametrize("spread", [2, 200, 4000])
def test_a_clip_of_their_package_comes_back_exactly(tmp_path, spread):
    """At every width of packing that it chooses: 8, 12 and 16 bits; with its times and its wall clock."""
    pictures = [scene(seed, spread) for seed in range(5)]
    frames = read(theirs(tmp_path / "a.cptv", pictures))
    assert len(frames) == 5
    assert all(np.array_equal(frame.pixels, picture) for frame, picture in zip(frames, pictures, strict=True))
    assert [frame.t_s for frame in frames] == pytest.approx([0.111 * index for index in range(5)])
    assert frames[2].captured_utc_s == pytest.approx(START.timestamp() + 0.222)
    assert (frames[0].radiometry.kind, frames[0].radiometry.scale) == ("centikelvin", 0.01)


def test_the_picture_of_the_empty_scene_is_no_frame(tmp_path):
    """Their cameras put a background first; the differences go on from it."""
    pictures = [scene(seed, 20) for seed in range(3)]
    frames = read(theirs(tmp_path / "a.cptv", pictures, background=scene(9, 20)))
    assert [np.array_equal(frame.pixels, picture) for frame, picture in zip(frames, pictures, strict=True)] == [
        True
    ] * 3


def test_what_a_value_means_is_claimed_only_of_a_radiometric_camera(tmp_path):
    """A Lepton 3 sends counts."""
    assert read(theirs(tmp_path / "a.cptv", [scene(1, 20)], model=b"lepton3"))[0].radiometry.kind == "counts"


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 7), width=st.integers(1, 9), bits=st.integers(3, 24), count=st.integers(1, 3),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_every_size_and_width_agrees_with_their_reader(tmp_path_factory, height, width, bits, count, seed):
    """Odd sizes, one-pixel pictures, every width: what was packed, and up to 17 bits, where theirs ends, as theirs."""
    file = tmp_path_factory.mktemp("cptv") / "a.cptv"
    draw = np.random.default_rng(seed)
    pictures = [draw.integers(0, 1 << min(bits - 2, 16), (height, width)).astype(np.uint16) for _ in range(count)]
    ours(file, pictures, bits=bits)
    frames = read(file)
    assert all(np.array_equal(frame.pixels, picture) for frame, picture in zip(frames, pictures, strict=True))
    if height * width > 1 and bits <= 17:
        CPTVReader.lookup_cache.clear()
        with file.open("rb") as opened:
            assert all(
                np.array_equal(frame.pixels, other.pix) for frame, other in zip(frames, CPTVReader(opened), strict=True)
            )


def test_the_first_version_counts_microseconds(tmp_path):
    """Their first cameras stamped frames so."""
    pictures = [scene(seed, 20, 5, 7) for seed in range(3)]
    frames = read(ours(tmp_path / "a.cptv", pictures, version=1, ticks=[0, 111_000, 250_000]))
    assert [frame.t_s for frame in frames] == pytest.approx([0.0, 0.111, 0.25])


def test_a_camera_that_was_switched_off_in_between_never_goes_back_in_time(tmp_path):
    """Its count begins again; the frames go on at the rate that the header tells."""
    pictures = [scene(seed, 20, 5, 7) for seed in range(4)]
    frames = read(ours(tmp_path / "a.cptv", pictures, ticks=[5000, 5100, 0, 100], Z=b"\5"))
    assert [frame.t_s for frame in frames] == pytest.approx([0.0, 0.1, 0.3, 0.4])


def test_a_cut_clip_gives_its_whole_frames_then_the_fault(tmp_path):
    """As a camera that lost its power leaves it."""
    pictures = [scene(seed, 200) for seed in range(6)]
    file = theirs(tmp_path / "a.cptv", pictures)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * 0.7)])
    frames = []
    with pytest.raises(CameraError, match="damaged after"), Footage(file) as footage:
        for frame in footage:
            frames.append(frame)  # noqa: PERF402
    assert 2 <= len(frames) < 6
    assert all(np.array_equal(frame.pixels, picture) for frame, picture in zip(frames, pictures, strict=False))


def test_fewer_frames_than_the_header_says_is_a_cut(tmp_path):
    """A clip whose second half never came ends at a frame's end."""
    file = ours(tmp_path / "a.cptv", [scene(1, 20, 5, 7)] * 2, J=struct.pack("<H", 5))
    with pytest.raises(CameraError, match="2 of 5 frames"):
        read(file)


@pytest.mark.parametrize(
    "header",
    [
        {"X": struct.pack("<I", 0)},
        {"X": struct.pack("<I", 4_000_000_000), "Y": struct.pack("<I", 4_000_000_000)},
        {"X": b"\xff" * 200},
        {"C": b"\7"},
    ],
)
def test_a_header_that_no_camera_writes_is_refused_before_memory_is_taken(tmp_path, header):
    """No width, a picture of exabytes, a compression that nobody knows."""
    with pytest.raises(CameraError, match="not a readable"):
        Footage(ours(tmp_path / "a.cptv", [scene(1, 20, 5, 7)], **header)).__enter__()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_a_camera_error_or_frames(tmp_path_factory, data):
    """Whatever stands in the stream, nothing else is raised."""
    file = tmp_path_factory.mktemp("cptv") / "a.cptv"
    body = bytearray(gzip.decompress(ours(file, [scene(seed, 20, 5, 7) for seed in range(2)], bits=12).read_bytes()))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(gzip.compress(bytes(body[: data.draw(st.integers(0, len(body)))]), 1))
    with contextlib.suppress(CameraError):
        assert read(file)


@pytest.mark.parametrize(
    "content", [b"", b"hello", gzip.compress(b""), gzip.compress(b"CPTV"), gzip.compress(b"CPTV\3H\0")]
)
def test_what_is_no_clip_is_told(tmp_path, content):
    """Empty, text, an empty stream, a header that ends, a version of tomorrow."""
    (tmp_path / "a.cptv").write_bytes(content)
    with pytest.raises(CameraError, match="not a readable"):
        Footage(tmp_path / "a.cptv").__enter__()


def test_a_clip_of_nothing_but_a_header_holds_no_frame(tmp_path):
    """It opens, and then says so."""
    whole = gzip.decompress(ours(tmp_path / "a.cptv", [scene(1, 20, 5, 7)]).read_bytes())
    (tmp_path / "a.cptv").write_bytes(gzip.compress(whole[: whole.index(b"F\x03")]))
    with pytest.raises(CameraError, match="holds no frame"):
        read(tmp_path / "a.cptv")
