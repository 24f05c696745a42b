"""Writes a clip: FFV1, 16-bit grey, in Matroska. The only file of the simulator that touches the video library."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
import numpy.typing as npt

_MILLISECONDS = Fraction(1, 1000)


class FilmWriter:
    """An open clip; use it as a context manager.

    Lossless on purpose: a lossy codec would eat exactly the half-degree edges the detector lives on.
    """

    def __init__(self, path: Path, width_px: int, height_px: int, fps: float) -> None:
        self._container: Any = av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"})
        self._stream: Any = self._container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1000))
        self._stream.width, self._stream.height, self._stream.pix_fmt = width_px, height_px, "gray16le"
        # one thread and the bitexact flags keep the file the same byte for byte; context 1 saves some of the size
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.options = {
            "level": "3",
            "coder": "1",
            "context": "1",
            "slices": "4",
            "slicecrc": "1",
        }
        self._stream.codec_context.time_base = _MILLISECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def write(self, pixels: npt.NDArray[np.uint16], t_s: float) -> None:
        """Append one picture, (H, W) uint16, at ``t_s`` (kept to the millisecond)."""
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="gray16le")
        frame.pts, frame.time_base = round(t_s * 1000), _MILLISECONDS
        self._container.mux(self._stream.encode(frame))
