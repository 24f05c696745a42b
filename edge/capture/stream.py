"""Network cameras and drone feeds: RTSP, MPEG-TS over UDP and SRT, HTTP, and whatever GStreamer can open.

The newest frame wins in the slot behind this; here the stream is only read as fast as it comes. Nothing retries: a cut,
a silence or a frozen picture is a ``CameraError``, and the node opens the stream again. A stream that comes back with
another resolution is scaled to the one it began with, so that bodies, lines and alerts stay where they were.
"""

import shlex
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from edge.capture.content import ContentWatch
from edge.capture.klv import KlvTrack
from edge.capture.program import Program
from edge.capture.stills import resize
from edge.capture.timeline import Timeline
from edge.capture.video import Arrived, LiveVideo
from edge.clock import Clock
from edge.config import CameraConfig
from edge.errors import CameraError, ConfigError
from edge.log import get_logger
from edge.places import TelemetryCount
from edge.records import Frame, Pixels, Radiometry

_log = get_logger(__name__)
_Given = TypeVar("_Given")

_LATE_S = 10.0  # a sender whose clock is farther from ours is not believed
_EARLY_S = 0.5
_OPTIONS = {
    # find out quickly what is in it, hold nothing back, and do not hand on what is known to be damaged
    "analyzeduration": "2000000",
    "fpsprobesize": "0",  # who only asks how fast it comes waits a second for the answer
    "fflags": "nobuffer+discardcorrupt",
}
# what a sender may lead on to: a playlist or a redirect that names a file of this box, or another protocol, leads nowhere
_SCHEME_OPTIONS = {
    "rtsp": {"rtsp_transport": "tcp", "protocol_whitelist": "rtsp,rtp,srtp,udp,tcp,tls"},  # UDP smears on a bad link
    "udp": {"overrun_nonfatal": "1", "fifo_size": "50000", "protocol_whitelist": "udp,rtp"},
    "http": {"protocol_whitelist": "http,https,httpproxy,tcp,tls,crypto,data"},
}


class StreamCamera:
    """One network camera, drone feed or GStreamer pipeline."""

    def __init__(self, config: CameraConfig, clock: Clock, *, base: Path, stopping: threading.Event) -> None:
        """Name the stream; nothing is opened yet.

        Args:
            config: its section; ``source`` is a URL or ``gstreamer:PIPELINE``.
            clock: places the frames in time.
            base: folder that ``password_file`` is meant from.
            stopping: set when the node stops.

        Raises:
            ConfigError: the URL is none.
        """
        self.camera_id = config.id
        self._config = config
        self._clock = clock
        self._stopping = stopping
        self._base = base
        self._scheme, self._name = _checked(config)
        self._timeline = Timeline(clock)
        self._content = ContentWatch()
        self._told = KlvTrack()
        self._open = ExitStack()
        self._video: LiveVideo | None = None
        self._program: Program | None = None
        self._size_px: tuple[int, int] | None = None
        self._next_seq = 0

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            CameraError: nobody answers, access is refused, or there is no video.
        """
        with ExitStack() as opening:
            command = self._command()
            if command is None:
                video = LiveVideo(
                    self._url(),
                    name=self._name,
                    timeout_s=self._config.stall_after_s,
                    options={**_OPTIONS, **_SCHEME_OPTIONS.get(self._scheme.removesuffix("s"), {})},
                )
            else:
                words, told = command
                self._program = opening.enter_context(Program(words, told=told, timeout_s=self._config.stall_after_s))
                container = "matroska" if self._scheme == "gstreamer" else "mpegts"
                video = LiveVideo(
                    self._program,
                    name=self._name,
                    timeout_s=self._config.stall_after_s,
                    options=_OPTIONS,
                    container=container,
                )
            self._video = self._explained(lambda: opening.enter_context(video))
            self._open = opening.pop_all()
        self._timeline.reopened()
        self._told.reopened()
        self._content.reopened(self._clock.monotonic_s())
        _log.info("stream", camera=self.camera_id, source=self._name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._video = None
        self._open.close()

    @property
    def telemetry_count(self) -> TelemetryCount | None:
        """How much of a data track's telemetry was read and refused; ``None`` while there was none."""
        count = self._told.count
        return count if count.read or count.refused else None

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the node stops.

        Raises:
            CameraError: the stream is cut, silent, frozen, or only damaged.
        """
        if self._video is None:
            raise CameraError(f"{self._name}: not open")
        arriving = iter(self._video)
        since_s = self._clock.monotonic_s()
        while not self._stopping.is_set():
            arrived = self._explained(lambda: next(arriving))
            waited_s = self._clock.monotonic_s() - since_s
            if arrived.data is not None:
                self._told.hear(arrived.stamp_s, arrived.data)
            if arrived.pixels is None:
                self._next_seq += arrived.damaged  # not handed on: its number is missing, so it counts as lost
            if (
                waited_s >= self._config.stall_after_s
            ):  # also of a picture: FFmpeg lets go of the last one as it gives up
                raise CameraError(f"{self._name}: no whole picture for {waited_s:.1f} s")
            if arrived.pixels is not None:
                yield self._frame(arrived, self._same_size(arrived.pixels))
                since_s = self._clock.monotonic_s()

    def _frame(self, arrived: Arrived, pixels: Pixels) -> Frame:
        t_s, utc_s = self._timeline.place(arrived.stamp_s)
        same_s = self._content.same_for_s(pixels, t_s)
        if same_s >= self._config.frozen_reopen_s:
            raise CameraError(f"{self._name}: the same picture for {same_s:.0f} s; it is opened again")
        told = self._told.at(arrived.stamp_s)
        for sent_utc_s in (arrived.utc_s, told.utc_s if told else None):
            if sent_utc_s is not None and -_EARLY_S <= self._clock.utc_s() - sent_utc_s <= _LATE_S:
                utc_s = sent_utc_s  # the sender's own clock, near enough to ours to be set right
                break
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        radiometry = Radiometry() if pixels.dtype.itemsize == 1 else Radiometry("counts")
        return Frame(self.camera_id, seq, t_s, utc_s, pixels, radiometry, telemetry=told)

    def _same_size(self, pixels: Pixels) -> Pixels:
        size_px = (pixels.shape[1], pixels.shape[0])
        if self._size_px is None:
            self._size_px = size_px
        if size_px == self._size_px:
            return pixels
        return resize(pixels, *self._size_px)

    def _explained(self, step: Callable[[], _Given]) -> _Given:
        """Do a step, and let the program behind the stream say why it failed."""
        try:
            return step()
        except CameraError as error:
            complaint = self._program.complaint if self._program else ""
            if complaint:
                raise CameraError(f"{error} ({complaint})") from error
            raise

    def _url(self) -> str:
        if self._config.username is None:
            return self._config.source
        parts = urlsplit(self._config.source)
        password = _password(self._config, self._base)
        user = quote(self._config.username, safe="") + (f":{quote(password, safe='')}" if password else "")
        return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))

    def _srt_url(self) -> str:
        source = self._config.source.replace("'", "%27")
        if self._config.password_file is None:
            return source
        joint = "&" if urlsplit(source).query else "?"
        return f"{source}{joint}passphrase={quote(_password(self._config, self._base), safe='')}"

    def _command(self) -> tuple[Sequence[str], str] | None:
        """Name the program that must do what our own FFmpeg cannot, and what it reads; ``None`` when none is needed."""
        if self._scheme == "gstreamer":
            pipeline = shlex.split(self._config.source.partition(":")[2])
            grey = ["!", "videoconvert", "!", "video/x-raw,format=GRAY8"]
            return ["gst-launch-1.0", "-q", *pipeline, *grey, "!", "matroskamux", "streamable=true", "!", "fdsink"], ""
        if self._scheme == "srt":  # the FFmpeg inside PyAV's wheel is built without SRT, the one of Debian with it
            # its address comes by standard input: on the command line every user of this box could read the passphrase
            quick = ["-nostdin", "-loglevel", "error", "-fflags", "nobuffer"]
            told = ["-protocol_whitelist", "pipe,srt,udp", "-f", "concat", "-safe", "0", "-i", "pipe:0"]
            copy = ["-map", "0", "-c", "copy", "-f", "mpegts", "pipe:1"]
            return ["ffmpeg", *quick, *told, *copy], f"ffconcat version 1.0\nfile '{self._srt_url()}'\n"
        return None


def check_source(source: str) -> str | None:
    """Say what is wrong with the URL of a stream; ``None`` when it may be one."""
    scheme, _, rest = source.partition(":")
    if scheme == "gstreamer":
        try:
            words = shlex.split(rest)
        except ValueError as error:
            return f"the pipeline cannot be read: {error}"
        return None if words else "a pipeline is needed, for example gstreamer:rtspsrc location=... ! decodebin"
    try:
        parts = urlsplit(source)
        port_missing = scheme in ("udp", "srt") and parts.port is None
    except ValueError as error:
        return str(error)
    if not parts.netloc:
        return f"a host is needed: {scheme}://HOST/..."
    return f"a port is needed: {scheme}://HOST:PORT" if port_missing else None


def _checked(config: CameraConfig) -> tuple[str, str]:
    wrong = check_source(config.source)
    if wrong:
        raise ConfigError(f"camera.source = '{config.source}': {wrong}")
    scheme = config.source.partition(":")[0]
    return scheme, "gstreamer pipeline" if scheme == "gstreamer" else config.source


def _password(config: CameraConfig, base: Path) -> str:
    if config.password_file is None:
        return ""
    file = base / Path(config.password_file).expanduser()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CameraError(f"camera.password_file {file}: cannot be read: {error}") from error
    return lines[0].strip() if lines else ""
