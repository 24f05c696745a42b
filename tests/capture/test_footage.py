"""Footage is a camera: its own times, its own depth, and a clear word on what is wrong with it."""

import contextlib
import json

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.capture.footage import Footage
from edge.capture.video_writer import VideoWriter
from edge.errors import CameraError

WIDTH_PX, HEIGHT_PX = 53, 37  # odd and not square


def noise(seed: int, dtype=np.uint16) -> np.ndarray:
    """Draw one noisy picture."""
    top = 65536 if dtype == np.uint16 else 256
    return np.random.default_rng(seed).integers(0, top, (HEIGHT_PX, WIDTH_PX)).astype(dtype)


def folder_of(tmp_path, pictures, suffix=".png"):
    """Write pictures into a folder."""
    folder = tmp_path / "clip"
    folder.mkdir()
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"{index:04d}{suffix}"), picture)
    return folder


def clip_of(tmp_path, count=6, fps=9.0):
    """Write a lossless 16-bit clip."""
    file = tmp_path / "clip.mkv"
    with VideoWriter(file, fps=fps, width_px=WIDTH_PX, height_px=HEIGHT_PX) as writer:
        for index in range(count):
            writer.write(index / fps, noise(index))
    return file


def frames_of(path, **options):
    """Read footage to its end."""
    with Footage(path, **options) as footage:
        return list(footage)


def fault_of(path):
    """Read footage and give the frames before the fault and the fault's words."""
    frames = []
    with pytest.raises(CameraError) as caught, Footage(path) as footage:
        for frame in footage:
            frames.append(frame)  # noqa: PERF402  (what came before the fault counts)
    return frames, str(caught.value)


def test_sixteen_bits_come_back_exactly(tmp_path):
    """FFV1 in Matroska gives every count back, with its time to the millisecond."""
    frames = frames_of(clip_of(tmp_path))
    assert [frame.seq for frame in frames] == list(range(6))
    assert all(np.array_equal(frame.pixels, noise(frame.seq)) for frame in frames)
    assert [frame.t_s for frame in frames] == pytest.approx([index / 9.0 for index in range(6)], abs=0.001)


def test_writing_a_clip_twice_gives_the_same_file(tmp_path):
    """Nothing random and no date goes into a clip."""
    first = clip_of(tmp_path).read_bytes()
    assert clip_of(tmp_path).read_bytes() == first


@pytest.mark.parametrize(("suffix", "dtype"), [(".png", np.uint8), (".png", np.uint16), (".tiff", np.uint16)])
def test_a_folder_keeps_order_and_depth(tmp_path, suffix, dtype):
    """Pictures of a folder come in name order, at the depth they were written with."""
    frames = frames_of(folder_of(tmp_path, [noise(seed, dtype) for seed in range(3)], suffix), fps=2.0)
    assert [frame.t_s for frame in frames] == [0.0, 0.5, 1.0]
    assert all(np.array_equal(frame.pixels, noise(frame.seq, dtype)) for frame in frames)


def test_colour_becomes_grey(tmp_path):
    """A colour picture of a grey scene is read as one channel."""
    grey = noise(1, np.uint8)
    frames = frames_of(folder_of(tmp_path, [cv2.merge([grey, grey, grey])]))
    assert np.abs(frames[0].pixels.astype(int) - grey).max() <= 1


def test_eight_bit_video_is_read_as_grey(tmp_path):
    """An .mp4 as cameras record it gives uint8 pictures."""
    file = tmp_path / "day.mp4"
    with VideoWriter(file, fps=5.0, width_px=64, height_px=48) as writer:
        for index in range(5):
            writer.write(index / 5.0, np.full((48, 64, 3), 40 * index, np.uint8))
    frames = frames_of(file)
    assert [frame.pixels.dtype for frame in frames] == [np.uint8] * 5
    assert frames[4].pixels.mean() > frames[1].pixels.mean() + 60


def test_the_truth_file_gives_times_start_and_radiometry(tmp_path):
    """Exact times beside the clip win over the container's milliseconds."""
    file = clip_of(tmp_path, count=2)
    truth = {"frames": [{"t_s": 0.0}, {"t_s": 0.1111}], "start_utc": "2026-02-03T13:16:00Z",
             "radiometry": {"kind": "centikelvin", "scale": 0.01, "offset": -273.15}}  # fmt: skip
    (tmp_path / "clip.truth.json").write_text(json.dumps(truth))
    second = frames_of(file)[1]
    assert second.t_s == 0.1111
    assert second.captured_utc_s == pytest.approx(1770124560.1111)
    assert second.radiometry.kind == "centikelvin"


def test_eight_bits_in_a_sixteen_bit_clip_are_eight_bits(tmp_path):
    """A clip whose truth says agc8 gives uint8 pictures: they went through a camera's AGC once already."""
    file = tmp_path / "clip.mkv"
    picture = noise(0, np.uint8)
    with VideoWriter(file, fps=9.0, width_px=WIDTH_PX, height_px=HEIGHT_PX) as writer:
        writer.write(0.0, picture.astype(np.uint16))
    truth = {"frames": [{"t_s": 0.0}], "radiometry": {"kind": "agc8"}}
    (tmp_path / "clip.truth.json").write_text(json.dumps(truth))
    (frame,) = frames_of(file)
    assert frame.pixels.dtype == np.uint8
    assert np.array_equal(frame.pixels, picture)


def test_missing_footage_names_the_setting(tmp_path):
    """A path that is not there says which setting holds it."""
    with pytest.raises(CameraError, match=r"camera\.source"):
        Footage(tmp_path / "none.mkv").__enter__()


def test_an_empty_folder_says_what_it_looked_for(tmp_path):
    """A folder without pictures is no footage."""
    with pytest.raises(CameraError, match=r"holds no pictures.*\.png"):
        Footage(tmp_path).__enter__()


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4"])
def test_an_empty_file_is_called_empty(tmp_path, name):
    """Zero bytes are told apart from a strange format."""
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CameraError, match="empty"):
        Footage(tmp_path / name).__enter__()


def test_a_file_of_another_kind_is_refused(tmp_path):
    """A text file is neither a clip nor a picture."""
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(CameraError, match="unknown kind"):
        Footage(tmp_path / "notes.txt").__enter__()
    (tmp_path / "notes.mkv").write_text("hello " * 100)
    with pytest.raises(CameraError, match="not a readable video"):
        Footage(tmp_path / "notes.mkv").__enter__()


@pytest.mark.parametrize("share", [0.35, 0.6, 0.9])
def test_a_cut_clip_gives_its_whole_frames_then_the_fault(tmp_path, share):
    """What was recorded before the cut is played; then the cut is told."""
    file = clip_of(tmp_path, count=30)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * share)])
    frames, words = fault_of(file)
    assert 5 <= len(frames) < 30
    assert all(np.array_equal(frame.pixels, noise(frame.seq)) for frame in frames[:-1])
    assert "truncated" in words or "damaged" in words


def test_a_clip_shorter_than_its_truth_is_cut(tmp_path):
    """Frames that the truth file knows and the clip lacks are missing frames."""
    file = clip_of(tmp_path, count=3)
    (tmp_path / "clip.truth.json").write_text(json.dumps({"frames": [{"t_s": index / 9} for index in range(5)]}))
    frames, words = fault_of(file)
    assert len(frames) == 3
    assert "3 of 5 frames" in words


def test_a_picture_that_cannot_be_read_is_named(tmp_path):
    """The broken file of a folder is told by name, after the good ones were played."""
    folder = folder_of(tmp_path, [noise(seed) for seed in range(3)])
    (folder / "0001.png").write_bytes(b"\x89PNG broken")
    frames, words = fault_of(folder)
    assert len(frames) == 1
    assert "0001.png" in words


def test_pictures_of_another_size_or_depth_are_refused(tmp_path):
    """A folder is one camera: size and depth stay what they were."""
    folder = folder_of(tmp_path, [noise(0), noise(1, np.uint8)])
    assert "uint8, but the footage began with 53x37 uint16" in fault_of(folder)[1]


def test_floating_point_pictures_are_refused(tmp_path):
    """A 32-bit TIFF says which depths are read."""
    folder = tmp_path / "clip"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.tiff"), noise(0).astype(np.float32))
    assert "8-bit or 16-bit" in fault_of(folder)[1]


def test_a_truth_file_that_is_none_is_named(tmp_path):
    """A damaged truth file does not pass as missing."""
    file = clip_of(tmp_path)
    (tmp_path / "clip.truth.json").write_text("{")
    with pytest.raises(CameraError, match=r"clip\.truth\.json"):
        Footage(file).__enter__()


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[]", "null", '{"frames": [{"t_s": 1' + "0" * 400 + "}]}", '{"frames": [{"t_s": NaN}]}',
     '{"frames": [{"t_s": 1e300}]}', '{"frames": [{"t_s": -1}]}', '{"frames": [3]}', '{"frames": []'],
)  # fmt: skip
def test_hostile_truth_is_a_camera_error(tmp_path, text):
    """Nesting, huge numbers, NaN and wrong types in a truth file are told, never raised as something else."""
    file = clip_of(tmp_path, count=1)
    (tmp_path / "clip.truth.json").write_text(text)
    with pytest.raises(CameraError, match=r"clip\.truth\.json"):
        Footage(file).__enter__()


def test_a_name_that_no_file_can_have_is_told(tmp_path):
    """A name of a thousand letters is a camera error."""
    with pytest.raises(CameraError, match=r"no such footage"):
        Footage(tmp_path / ("a" * 1000 + ".mkv")).__enter__()


def test_a_video_without_pictures_is_told(tmp_path):
    """A sound file in a video container has no video stream."""
    file = tmp_path / "sound.mkv"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.rate = 8000
        for packet in [*stream.encode(sound), *stream.encode()]:
            container.mux(packet)
    with pytest.raises(CameraError, match="no video stream"):
        Footage(file).__enter__()


def test_a_side_file_tells_where_the_drone_was(tmp_path):
    """NAME.SRT beside a folder or a clip: each frame carries what was told at its time."""
    folder = tmp_path / "flight"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((37, 53), index, np.uint8))
    blocks = "".join(
        f"{n}\n00:00:0{n},000 --> 00:00:0{n},500\n[latitude: 48.{n}] [longitude: 11.5] [rel_alt: 70.0]\n\n"
        for n in range(2)
    )
    (tmp_path / "flight.SRT").write_text(blocks)
    with Footage(folder, fps=1.0) as footage:
        told = [frame.telemetry for frame in footage]
    assert [one and one.lat_deg for one in told] == [48.0, 48.1, 48.1]
    assert told[0].height_m == 70.0


def test_a_flipped_bit_in_a_lossless_clip_is_told(tmp_path):
    """Each picture carries a checksum: one that is not what was recorded is never shown, and ends the clip."""
    file = clip_of(tmp_path, count=20)
    raw = bytearray(file.read_bytes())
    for share in (0.3, 0.5, 0.8):
        broken = raw.copy()
        broken[int(len(raw) * share)] ^= 0x10
        file.write_bytes(broken)
        frames, words = fault_of(file)
        assert "damaged" in words
        assert len(frames) >= int(20 * share) - 2
        assert all(np.array_equal(frame.pixels, noise(frame.seq)) for frame in frames)


@pytest.mark.parametrize("options", [{"level": "1"}, {"level": "3", "slicecrc": "0"}, {"level": "3", "slicecrc": "1"}])
def test_other_peoples_lossless_clips_play_with_or_without_checksums(tmp_path, options):
    """Archives hold FFV1 of every version."""
    file = tmp_path / "a.mkv"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("ffv1", rate=9, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "gray16le"
        for index in range(4):
            picture = av.VideoFrame.from_ndarray(noise(index), "gray16le")
            picture.pts = index
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    assert all(np.array_equal(frame.pixels, noise(frame.seq)) for frame in frames_of(file))
    assert len(frames_of(file)) == 4


@pytest.mark.parametrize("name", ["clip.mkv", "day.mp4"])
def test_the_times_of_a_camera_that_is_not_regular_are_kept(tmp_path, name):
    """Night cameras slow down, and lost frames leave gaps: every frame has its own time."""
    times_s = [0.0, 0.1, 0.25, 1.25, 1.3, 4.0]
    with VideoWriter(tmp_path / name, fps=9.0, width_px=64, height_px=48) as writer:
        for t_s in times_s:
            shape, kind = ((48, 64), np.uint16) if name.endswith("mkv") else ((48, 64, 3), np.uint8)
            writer.write(t_s, np.full(shape, 30 * t_s + 10, kind))
    assert [frame.t_s for frame in frames_of(tmp_path / name)] == pytest.approx(times_s, abs=0.002)


def test_a_video_that_claims_to_be_enormous_is_refused(tmp_path):
    """A few bytes in a header are not a reason to take gigabytes."""
    file = tmp_path / "a.avi"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("rawvideo", rate=9)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64), np.uint8), "gray")))
    raw = bytearray(file.read_bytes())
    at = raw.index(b"strf") + 12  # BITMAPINFOHEADER: width and height
    raw[at : at + 8] = (10_000).to_bytes(4, "little") * 2
    file.write_bytes(raw)
    with pytest.raises(CameraError, match="10000x10000"):
        frames_of(file)


@pytest.mark.parametrize("name", ["clip.mkv", "day.mp4"])
def test_a_video_without_a_single_frame_is_told(tmp_path, name):
    """A recorder that was switched off at once."""
    with VideoWriter(tmp_path / name, fps=9.0, width_px=64, height_px=48):
        pass
    assert str(tmp_path / name) in fault_of(tmp_path / name)[1]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(["clip.mkv", "day.mp4"]))
def test_damage_anywhere_in_a_video_is_a_camera_error_or_frames(tmp_path_factory, data, name):
    """Whatever stands in the file, nothing else is raised."""
    file = tmp_path_factory.mktemp("video") / name
    with VideoWriter(file, fps=9.0, width_px=16, height_px=10) as writer:
        for index in range(3):
            shape, kind = ((10, 16), np.uint16) if name == "clip.mkv" else ((10, 16, 3), np.uint8)
            writer.write(index / 9, np.full(shape, 30 * index, kind))
    raw = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(raw[: data.draw(st.integers(1, len(raw)))])
    with contextlib.suppress(CameraError):
        assert frames_of(file)
