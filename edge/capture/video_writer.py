"""Clips written through PyAV: lossless ones, as the camera saw it, and ones to look at."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import numpy.typing as npt

from edge.capture import clip_tags
from edge.errors import CameraError
from edge.records import Radiometry

_TIME_BASE = Fraction(1, 1000)  # what Matroska keeps; exact times stand in the truth file
_EIGHT_BITS = 8


class VideoWriter:
    """Writes grey pictures without loss (``.mkv``: FFV1, ``.nut``: as they are), or colour ones for people (``.mp4``)."""

    def __init__(
        self,
        path: Path,
        *,
        fps: float,
        width_px: int,
        height_px: int,
        bits: int = 16,
        cluster_s: float | None = None,
        start_utc_s: float | None = None,
        radiometry: Radiometry | None = None,
    ) -> None:
        """Open ``path`` for writing.

        Args:
            path: ``.mkv``, ``.nut`` or ``.mp4``.
            fps: nominal rate; each frame brings its own time.
            width_px: width of every picture.
            height_px: height of every picture.
            bits: 8 or 16, of a lossless clip.
            cluster_s: a lossless clip whose writing is broken off can be played up to this long before the end.
            start_utc_s: when time 0 of the clip was; kept in a lossless clip.
            radiometry: what its values mean; kept in a lossless clip.

        Raises:
            CameraError: the file cannot be written.
        """
        codec = {".mkv": "ffv1", ".nut": "rawvideo"}.get(path.suffix, "h264")
        self._lossless = codec != "h264"
        self._path = path
        # Matroska writes a random segment id and a library version otherwise: the same scene must be the same file
        options = {"fflags": "+bitexact"} if self._lossless else {}
        if cluster_s is not None:
            options |= {"cluster_time_limit": str(round(cluster_s * 1000)), "fflags": "+bitexact+flush_packets"}
        self._container: Any = None
        with self._told():
            self._container = av.open(str(path), "w", options=options)
        rate = Fraction(fps).limit_denominator(1000)
        stream: Any = self._container.add_stream(codec, rate=rate)
        self._form = ("gray16le" if bits > _EIGHT_BITS else "gray") if self._lossless else "bgr24"
        stream.width, stream.height = width_px, height_px
        stream.pix_fmt = self._form if self._lossless else "yuv420p"
        coding = {"crf": "20", "preset": "veryfast"} if codec == "h264" else dict[str, str]()
        if codec == "ffv1":
            # version 3 with slice checksums: a damaged clip is noticed; one thread: the same bytes on every machine
            stream.codec_context.thread_count = 1
            coding = {"level": "3", "coder": "1", "context": "1", "slices": "4", "slicecrc": "1"}
            if cluster_s is not None:
                coding["g"] = "1"  # each picture for itself: what a cut takes with it is the last one
            self._container.metadata.update(clip_tags.write(start_utc_s, radiometry))
        stream.codec_context.options = coding
        stream.codec_context.time_base = _TIME_BASE
        self._stream = stream
        self._last_pts = -1

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def write(self, t_s: float, pixels: npt.NDArray[Any]) -> None:
        """Append one picture: (H, W) uint16 or uint8, or (H, W, 3) uint8 BGR for ``.mp4``.

        Raises:
            CameraError: the disk is full, or the file is gone.
        """
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), self._form)
        self._last_pts = max(round(t_s * _TIME_BASE.denominator), self._last_pts + 1)
        picture.pts, picture.time_base = self._last_pts, _TIME_BASE
        with self._told():
            for packet in self._stream.encode(picture):
                self._container.mux(packet)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file.

        Raises:
            CameraError: its end cannot be written; not when another error is on its way.
        """
        try:
            with self._told():
                if kind is None:
                    for packet in self._stream.encode():
                        self._container.mux(packet)
                self._container.close()
        except CameraError:
            if kind is None:
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise CameraError(
                f"{self._path}: cannot be written: {getattr(error, 'strerror', None) or error}"
            ) from error
