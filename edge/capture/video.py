"""Moving pictures through PyAV: reads clips and live streams."""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import av

from edge.capture import clip_tags, ffv1
from edge.capture.pictures import LARGEST_PX
from edge.errors import CameraError
from edge.records import Pixels, Radiometry

_EIGHT_BITS = 8
_OPENING_S = 5.0  # a sender with few key pictures tells its size as seldom
_MISSING_TAIL_FRAMES = 2.5  # a clip that ends this many frames before its stated duration was cut


class _Held:
    """A container that is closed when the ``with`` block ends, and at once where it holds no video."""

    _container: Any = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, hang up the stream."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def _hold_video(self, name: object) -> None:
        if not self._container.streams.video:
            self.__exit__(None, None, None)
            raise CameraError(f"{name}: holds no video stream")


class VideoReader(_Held):
    """Iterates ``(t_s, pixels)`` over the first video stream of a file; grey, at the depth it was recorded with."""

    def __init__(self, path: Path, *, on_data: Callable[[float | None, bytes], None] | None = None) -> None:
        """Nothing is opened yet.

        Args:
            path: the file.
            on_data: gets time and payload of each packet of a data track (KLV), in the order of the file.
        """
        self._path = path
        self._on_data = on_data
        self.start_utc_s = 0.0
        self.radiometry: Radiometry | None = None

    def __enter__(self) -> Self:
        """Open the file.

        Raises:
            CameraError: it is missing, empty, not a video, or holds no video stream.
        """
        try:
            self._container = av.open(str(self._path))
        except (OSError, ValueError, av.error.FFmpegError) as error:
            size = self._path.stat().st_size if self._path.exists() else None
            why = "the file is empty" if size == 0 else f"not a readable video: {error}"
            raise CameraError(f"{self._path}: {why}") from error
        self._hold_video(self._path)
        stream = self._container.streams.video[0]
        if not 0 < stream.width * stream.height <= LARGEST_PX:
            self.__exit__(None, None, None)
            raise CameraError(f"{self._path}: says that it is {stream.width}x{stream.height} pixels: not a camera's")
        self.start_utc_s = clip_tags.start_utc_s(self._container.metadata)
        self.radiometry = clip_tags.radiometry(self._container.metadata)
        return self

    @property
    def frames_expected(self) -> int | None:
        """Number of frames as the container states or implies it."""
        stream = self._container.streams.video[0]
        if stream.frames:
            return int(stream.frames)
        rate, duration_s = stream.average_rate, self._duration_s()
        return round(duration_s * float(rate)) if rate and duration_s else None

    def __iter__(self) -> Iterator[tuple[float, Pixels]]:
        """Decode from the beginning.

        Raises:
            CameraError: the file is damaged, or ends before its stated duration; every whole frame has been yielded.
        """
        stream = self._container.streams.video[0]
        # frame threads decode ahead, more of them farther: what was told by then must be the same on every machine
        stream.thread_type = "SLICE" if self._container.streams.data else "AUTO"
        last_s: float | None = None
        step_s = 1.0 / float(stream.average_rate) if stream.average_rate else 0.0
        try:
            for picture in self._pictures(stream):
                t_s = float(picture.time) if picture.time is not None else (last_s or 0.0) + step_s
                step_s, last_s = (t_s - last_s if last_s is not None else step_s), t_s
                yield t_s, _grey(picture)
        except (av.error.FFmpegError, ValueError) as error:
            raise CameraError(f"{self._path}: damaged after {last_s or 0.0:.1f} s: {error}") from error
        if last_s is None:
            raise CameraError(f"{self._path}: holds no frame")
        start_s = float((stream.start_time or 0) * stream.time_base)
        duration_s = self._duration_s()
        if duration_s and last_s - start_s + _MISSING_TAIL_FRAMES * step_s < duration_s:
            raise CameraError(f"{self._path}: truncated: ends at {last_s - start_s:.1f} s of {duration_s:.1f} s")

    def _pictures(self, stream: Any) -> Iterator[Any]:
        told = self._container.streams.data if self._on_data else ()
        checked = stream.codec_context.name == "ffv1" and stream.codec_context.extradata  # version 3 has extradata
        for packet in self._container.demux([stream, *told]):
            if packet.stream is stream:
                if checked and packet.size and ffv1.damaged(bytes(packet)):
                    yield from stream.codec_context.decode(None)  # what its threads still hold came before
                    raise ValueError("a picture's checksum is wrong")
                yield from packet.decode()
            elif packet.size and self._on_data is not None:
                self._on_data(_seconds(packet.pts, packet.time_base), bytes(packet))

    def _duration_s(self) -> float | None:
        """How long the pictures last; the container's word counts only when there is nothing but pictures in it."""
        stream = self._container.streams.video[0]
        if stream.duration:
            return float(stream.duration * stream.time_base)
        alone = len(self._container.streams) == 1
        return float(self._container.duration) / av.time_base if alone and self._container.duration else None


class Arrived(NamedTuple):
    """What came out of a live stream: a picture, a packet of data, a damaged picture, or nothing that is looked at.

    Attributes:
        stamp_s: presentation time on the stream's own clock; ``None`` when it has none.
        utc_s: the same moment on the sender's wall clock, from RTCP sender reports; ``None`` without any.
        pixels: (H, W) grey.
        data: the payload of a data track, KLV for example.
        damaged: a picture was sent and cannot be shown.
    """

    stamp_s: float | None
    utc_s: float | None = None
    pixels: Pixels | None = None
    data: bytes | None = None
    damaged: bool = False


class LiveVideo(_Held):
    """Iterates over what arrives on a live stream. Nothing is kept waiting: who reads slowly gets the backlog at once."""

    def __init__(
        self, source: Any, *, name: str, timeout_s: float, options: Mapping[str, str], container: str | None = None
    ) -> None:
        """Nothing is opened yet.

        Args:
            source: a URL, or an object whose ``read(n)`` gives bytes.
            name: what to call it in messages; a URL may hold a password, a message may not.
            timeout_s: for each wait; the opening may take longer.
            options: FFmpeg's, by name.
            container: FFmpeg's name of the container; ``None``: it finds out.
        """
        self._source = source
        self._name = name
        self._timeout_s = timeout_s
        self._options = dict(options)
        self._format = container

    def __enter__(self) -> Self:
        """Connect, and read until the streams are known.

        Raises:
            CameraError: nobody answers, access is refused, or there is no video in it.
        """
        try:
            self._container = av.open(
                self._source,
                format=self._format,
                options=self._options,
                timeout=None if self._format else (max(self._timeout_s, _OPENING_S), self._timeout_s),
            )
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise CameraError(f"{self._name}: cannot be opened: {_reason(error)}") from error
        self._hold_video(self._name)
        return self

    def __iter__(self) -> Iterator[Arrived]:
        """Yield what arrives, also what is of no use: while only sound comes, somebody must notice that no picture does.

        Raises:
            CameraError: the stream ends, is cut, or nothing comes for ``timeout_s``.
        """
        video = self._container.streams.video[0]
        video.thread_type = "SLICE"  # frame threads would hold back one picture each
        try:
            for packet in self._container.demux():
                if packet.stream is video:
                    yield from self._decode(packet)
                elif packet.stream.type == "data" and packet.size:
                    yield Arrived(_seconds(packet.pts, packet.time_base), data=bytes(packet))
                else:
                    yield Arrived(None)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise CameraError(f"{self._name}: lost: {_reason(error)}") from error
        raise CameraError(f"{self._name}: the stream has ended")

    def _decode(self, packet: Any) -> Iterator[Arrived]:
        try:
            pictures = packet.decode()
        except (av.error.InvalidDataError, av.error.ArgumentError):  # this packet only; the next may be good
            yield Arrived(None, damaged=True)
            return
        if not pictures:
            yield Arrived(None)
        # where the container has no times (MJPEG over HTTP), FFmpeg counts pictures and calls them 25 a second
        timed = not self._container.format.flags & av.format.Flags.no_timestamps.value
        for picture in pictures:
            stamp_s = _seconds(picture.pts, picture.time_base) if timed else None
            if picture.is_corrupt:
                yield Arrived(stamp_s, damaged=True)
                continue
            began_us = getattr(self._container, "start_time_realtime", None)  # PyAV before 18.1 does not tell
            utc_s = began_us / 1e6 + stamp_s if began_us and stamp_s is not None else None
            yield Arrived(stamp_s, utc_s, _grey(picture))


def _seconds(pts: int | None, time_base: Fraction | None) -> float | None:
    return None if pts is None or time_base is None else float(pts * time_base)


def _reason(error: Exception) -> str:
    """Say what is wrong without the URL, which FFmpeg puts into its messages together with the password in it."""
    if isinstance(error, av.error.ExitError):
        return "nothing came in time"
    if isinstance(error, av.error.ProtocolNotFoundError):
        return "this build of FFmpeg does not know the protocol"
    if isinstance(error, av.error.HTTPUnauthorizedError):
        return "it asks for a name and a password, or refuses them: camera.username, camera.password_file"
    return str(getattr(error, "strerror", None) or error)


def _grey(picture: Any) -> Pixels:
    deep = picture.format.components[0].bits > _EIGHT_BITS
    pixels: Pixels = picture.to_ndarray(format="gray16le" if deep else "gray")
    return pixels
