"""One scene in every form of footage, through ``edge replay``: the same people on the same tracks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import tifffile
from cptv import Frame as CptvFrame
from cptv import writer as cptv_writer
from test_replay import edge

from edge.capture.footage import Footage
from edge.capture.video_writer import VideoWriter

SAMPLE = Path(__file__).resolve().parent.parent / "sample_footage" / "group-with-dog.mkv"
BEGIN, COUNT, FPS = 60, 24, 9.0


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Give some seconds of people in 16-bit counts."""
    with Footage(SAMPLE) as clip:
        return [frame.pixels for frame in clip][BEGIN : BEGIN + COUNT]


def tracks_of(path: Path, tmp_path: Path) -> np.ndarray:
    """Replay footage and read its tracks: frame, id, left, top, width, height."""
    told = tmp_path / "tracks.txt"
    assert edge("replay", path, "--tracks", told, "--fps", FPS) == 0
    return np.loadtxt(told, delimiter=",", ndmin=2)[:, :6]


@pytest.fixture(scope="module")
def expected(pictures, tmp_path_factory) -> np.ndarray:
    """Give the tracks of the scene as it lies in the sample footage: a lossless 16-bit clip."""
    folder = tmp_path_factory.mktemp("expected")
    write_mkv(folder / "a.mkv", pictures)
    found = tracks_of(folder / "a.mkv", folder)
    assert len(np.unique(found[:, 1])) >= 2, "there must be people to follow"
    return found


def write_mkv(path: Path, pictures) -> None:
    """Write FFV1."""
    height, width = pictures[0].shape
    with VideoWriter(path, fps=FPS, width_px=width, height_px=height) as writer:
        for index, picture in enumerate(pictures):
            writer.write(index / FPS, picture)


def write_cptv(path: Path, pictures) -> None:
    """Write the Cacophony Project's format with its own package, which takes its size from two constants."""
    cptv_writer.ROWS, cptv_writer.COLS = pictures[0].shape
    writer = cptv_writer.CPTVWriter(path.open("wb"))
    writer.timestamp, writer.model = datetime(2026, 2, 3, tzinfo=UTC), b"lepton3.5"
    for index, picture in enumerate(pictures):
        writer.write_frame(CptvFrame(picture, timedelta(seconds=9 + index / FPS), timedelta(0), 20.0, 20.0))
    writer.close()


def write_tiff(path: Path, pictures) -> None:
    """Write a stack as ImageJ does."""
    tifffile.imwrite(path, np.stack(pictures), imagej=True, metadata={"axes": "TYX", "finterval": 1 / FPS})


def write_folder(path: Path, pictures) -> None:
    """Write single pictures."""
    path.mkdir()
    for index, picture in enumerate(pictures):
        cv2.imwrite(str(path / f"{index:04d}.png"), picture)


def write_mp4(path: Path, pictures) -> None:
    """Write what a camera with an AGC of its own records: 8 bits, lossy."""
    low, high = np.percentile(pictures[0], (0.5, 99.9))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("h264", rate=9, options={"crf": "12"})
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            grey = np.clip((picture - low) * 255.0 / (high - low), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "gray").reformat(format="yuv420p")))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.cptv", write_cptv), ("a.tif", write_tiff), ("pictures", write_folder)],
)
def test_every_lossless_form_gives_the_same_tracks(pictures, expected, tmp_path, name, write):
    """The same counts at the same times: the same ids, and boxes that differ by no more than rounded milliseconds make."""
    write(tmp_path / name, pictures)
    found = tracks_of(tmp_path / name, tmp_path)
    assert np.array_equal(found[:, :2], expected[:, :2])
    assert np.abs(found[:, 2:] - expected[:, 2:]).max() < 0.5


def test_an_eight_bit_film_shows_the_same_people(pictures, expected, tmp_path):
    """Lossy and through another AGC: as many people at the end."""
    write_mp4(tmp_path / "a.mp4", pictures)
    found = tracks_of(tmp_path / "a.mp4", tmp_path)
    last = [len(one[one[:, 0] == COUNT]) for one in (found, expected)]
    assert abs(last[0] - last[1]) <= 1
    assert last[0] >= 2
