"""Streams on loopback: real MPEG-TS over UDP, a real GStreamer where there is one, and what a source may say."""

import shutil
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from edge.capture.sources import open_source
from edge.clock import SystemClock
from edge.config import CameraConfig
from edge.delivery.brokers import free_port
from edge.errors import CameraError, ConfigError


def camera(tmp_path, source: str, **settings):
    """Make the camera of a section."""
    section = CameraConfig(id="drone", source=source, **{"stall_after_s": 2.0, **settings})
    return open_source(section, SystemClock(), threading.Event(), base=tmp_path)


class Sender:
    """Sends H.264 in MPEG-TS over UDP to loopback until it is told to stop."""

    def __init__(self, port: int, *, width: int = 322, height: int = 178) -> None:
        """Start sending."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(port, width, height))
        self._thread.start()

    def _run(self, port: int, width: int, height: int) -> None:
        with av.open(f"udp://127.0.0.1:{port}?pkt_size=1316", "w", format="mpegts") as out:
            stream = out.add_stream("libx264", rate=20)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = {"tune": "zerolatency", "preset": "ultrafast", "g": "5"}
            for index in range(400):
                picture = np.full((height, width), 50, np.uint8)
                picture[40:90, 3 * index % (width - 30) :][:, :30] = 220
                frame = av.VideoFrame.from_ndarray(np.stack([picture] * 3, axis=2), "rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 20)
                out.mux(stream.encode(frame))
                if self._stop.wait(0.05):
                    return

    def close(self) -> None:
        """Stop sending."""
        self._stop.set()
        self._thread.join()


def test_a_drone_feed_is_seen_and_its_silence_noticed(tmp_path):
    """Pictures arrive as they were sent, now; a feed that falls silent is an error in time."""
    port = free_port()
    sender = Sender(port)
    try:
        with camera(tmp_path, f"udp://127.0.0.1:{port}") as stream:
            frames = iter(stream)
            seen = [next(frames) for _ in range(12)]
            assert seen[0].pixels.shape == (178, 322)
            assert np.median(seen[-1].pixels) == pytest.approx(50, abs=6)
            assert (seen[-1].pixels > 180).sum() == pytest.approx(50 * 30, rel=0.25)
            assert np.all(np.diff([frame.t_s for frame in seen]) > 0)
            assert abs(time.time() - seen[-1].captured_utc_s) < 2.0
            sender.close()
            silent_s = time.monotonic()
            with pytest.raises(CameraError, match=r"nothing came in time|no whole picture"):
                for _ in frames:
                    pass
            assert time.monotonic() - silent_s < 5.0
    finally:
        sender.close()


def test_a_feed_that_comes_back_in_another_size_keeps_its_place(tmp_path):
    """Reopened at another resolution, frames keep the first one's size, and their numbers and times go on."""
    port = free_port()
    stream, seen = camera(tmp_path, f"udp://127.0.0.1:{port}"), []
    for size in ({}, {"width": 644, "height": 356}):
        sender = Sender(port, **size)
        try:
            with stream:
                frames = iter(stream)
                seen += [next(frames) for _ in range(4)]
        finally:
            sender.close()
    assert {frame.pixels.shape for frame in seen} == {(178, 322)}
    assert np.all(np.diff([frame.seq for frame in seen]) > 0)
    assert np.all(np.diff([frame.t_s for frame in seen]) > 0)


def test_nobody_there_is_an_error_without_the_password(tmp_path):
    """The message names the camera and the reason; the password stands nowhere in it."""
    (tmp_path / "secret").write_text("hunter2\n")
    source = f"rtsp://127.0.0.1:{free_port()}/thermal"
    with (
        pytest.raises(CameraError, match="Connection refused") as told,
        camera(tmp_path, source, username="cam", password_file="secret"),
    ):
        pass
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("udp://239.0.0.1", "a port is needed"),
        ("rtsp:///x", "a host is needed"),
        ("gstreamer:videotestsrc name='", "cannot be read"),
        ("gstreamer:", "a pipeline is needed"),
        ("udp://127.0.0.1:99999", "(?i)port"),
    ],
)
def test_a_wrong_source_is_an_error_of_the_configuration(tmp_path, source, said):
    """It says what is wrong, and repeats no password."""
    with pytest.raises(ConfigError, match=said) as told:
        camera(tmp_path, source)
    assert "hunter2" not in str(told.value)


needs_gstreamer = pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="needs gstreamer1.0-tools")


@needs_gstreamer
def test_a_pipeline_of_gstreamer_is_a_camera(tmp_path):
    """Odd sizes included."""
    pipeline = "gstreamer:videotestsrc is-live=true ! video/x-raw,width=321,height=77,framerate=20/1"
    with camera(tmp_path, pipeline, stall_after_s=10.0) as stream:
        frames = iter(stream)
        assert {next(frames).pixels.shape for _ in range(3)} == {(77, 321)}


@needs_gstreamer
def test_a_wrong_pipeline_says_what_gstreamer_said(tmp_path):
    """The program's own complaint is in the message."""
    with pytest.raises(CameraError, match="nosuchsrc"), camera(tmp_path, "gstreamer:nosuchsrc", stall_after_s=10.0):
        pass
