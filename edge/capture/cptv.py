"""Clips of the Cacophony Project's thermal cameras (``.cptv``): 16-bit, lossless, with each frame's own time.

Written from its specification (go-cptv, SPEC.md) and tested against the project's own package: a gzip stream of sections
with fields; a frame is the difference to the one before it, along a path that turns at each row's end, as differences of
neighbours packed in as few bits as they need.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from edge.capture.pictures import LARGEST_PX
from edge.errors import CameraError
from edge.records import Pixels, Radiometry

_TICKS_PER_S = {1: 1_000_000, 2: 1000}  # of a frame's time, by the version of the format
_WIDEST_BITS = 24
_DELTAS = 1  # the one compression that was ever used
_LEPTON_HZ = 9
_DAMAGE = (EOFError, OSError, zlib.error, struct.error, ValueError)

_Fields = Mapping[bytes, bytes]


class CptvReader:
    """Iterates ``(t_s, pixels)`` over a ``.cptv`` file."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._stream: gzip.GzipFile | None = None
        self.start_utc_s = 0.0
        self.radiometry: Radiometry | None = None
        self.frames_expected: int | None = None
        self._version = 0
        self._width_px = self._height_px = 0
        self._nominal_step_s = 1.0 / _LEPTON_HZ

    def __enter__(self) -> Self:
        """Open the file and read its header.

        Raises:
            CameraError: it is missing, or not such a file.
        """
        try:
            self._stream = gzip.open(self._path, "rb")
            self._read_header(self._stream)
        except _DAMAGE as error:
            self.__exit__(None, None, None)
            raise CameraError(f"{self._path}: not a readable .cptv file: {error or 'it is cut'}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __iter__(self) -> Iterator[tuple[float, Pixels]]:
        """Decode from the beginning.

        Raises:
            CameraError: the file is damaged or cut; every whole frame before that has been yielded.
        """
        if self._stream is None:
            raise CameraError(f"{self._path}: is not open")
        linear = np.zeros(self._width_px * self._height_px, np.int32)
        read = 0
        tick: int | None = None
        t_s: float | None = None
        try:
            while (fields := _section(self._stream, b"F")) is not None:
                linear += self._differences(self._stream, fields)
                read += 1
                if any(fields.get(b"g", b"")):  # a picture of the empty scene, taken at no time
                    continue
                last_tick, tick = tick, _whole(fields[b"t"]) if b"t" in fields else None
                t_s = 0.0 if t_s is None else t_s + self._step_s(last_tick, tick)
                yield t_s, self._picture(linear)
        except _DAMAGE as error:
            raise CameraError(f"{self._path}: damaged after {t_s or 0.0:.1f} s: {error or 'it is cut'}") from error
        if t_s is None:
            raise CameraError(f"{self._path}: holds no frame")
        if self.frames_expected is not None and read < self.frames_expected:
            raise CameraError(f"{self._path}: truncated: {read} of {self.frames_expected} frames")

    def _read_header(self, stream: gzip.GzipFile) -> None:
        magic = stream.read(5)
        if magic[:4] != b"CPTV" or magic[4:] not in (b"\1", b"\2"):
            raise ValueError("it does not begin with CPTV and the version 1 or 2")
        fields = _section(stream, b"H")
        if fields is None or not {b"T", b"X", b"Y", b"C"} <= fields.keys():
            raise ValueError("its header lacks time, size or compression")
        if _whole(fields[b"C"]) != _DELTAS:
            raise ValueError(f"compression {_whole(fields[b'C'])} is not known")
        self._version = magic[4]
        self._width_px, self._height_px = _whole(fields[b"X"]), _whole(fields[b"Y"])
        if not 0 < self._width_px * self._height_px <= LARGEST_PX:
            raise ValueError(f"{self._width_px}x{self._height_px} pixels is no picture of a camera")
        self.start_utc_s = _whole(fields[b"T"]) / 1e6
        self.frames_expected = _whole(fields.get(b"J", b"")) or None
        self._nominal_step_s = 1.0 / (_whole(fields.get(b"Z", b"")) or _LEPTON_HZ)
        # a Lepton 3.5 is radiometric, and the project's cameras run it so; of others it is not known
        radiometric = fields.get(b"E", b"").lower().startswith(b"lepton3.5")
        self.radiometry = Radiometry("centikelvin", 0.01, -273.15) if radiometric else Radiometry("counts")

    def _step_s(self, before: int | None, now: int | None) -> float:
        """How long after the frame before; a camera that was switched off in between begins again at zero."""
        if before is None or now is None or now <= before:
            return self._nominal_step_s
        return (now - before) / _TICKS_PER_S[self._version]

    def _differences(self, stream: gzip.GzipFile, fields: _Fields) -> npt.NDArray[np.int32]:
        """Read what to add to each pixel along the path."""
        if not {b"w", b"f"} <= fields.keys():
            raise ValueError("a frame lacks its width or its size")
        bits, size, steps = _whole(fields[b"w"]), _whole(fields[b"f"]), self._width_px * self._height_px - 1
        if not 1 <= bits <= _WIDEST_BITS:
            raise ValueError(f"differences of {bits} bits")
        needed = 4 + (steps * bits + 7) // 8
        if not needed <= size <= 4 * needed:  # some widths the project's own writer pads to four times their size
            raise ValueError(f"a frame of {size} bytes, where {needed} are needed")
        raw = _exactly(stream, size)
        packed = np.frombuffer(raw[4:needed] + b"\0\0\0\0", np.uint8).astype(np.uint32)
        begin = np.arange(steps, dtype=np.int64) * bits
        at = begin >> 3
        word = packed[at] << 24 | packed[at + 1] << 16 | packed[at + 2] << 8 | packed[at + 3]
        value = (word << (begin & 7).astype(np.uint32)).view(np.int32) >> (32 - bits)
        first = struct.unpack_from("<i", raw)[0]
        summed: npt.NDArray[np.int32] = np.cumsum(np.concatenate(([first], value)), dtype=np.int32)
        return summed

    def _picture(self, linear: npt.NDArray[np.int32]) -> npt.NDArray[np.uint16]:
        picture = linear.astype(np.uint16).reshape(self._height_px, self._width_px)
        picture[1::2] = picture[1::2, ::-1].copy()
        return picture


def _section(stream: gzip.GzipFile, kind: bytes) -> dict[bytes, bytes] | None:
    """Read the fields of a section; ``None`` where the file is over."""
    begin = stream.read(1)
    if not begin:
        return None
    if begin != kind:
        raise ValueError(f"{kind!r} was expected, {begin!r} found")
    fields = {}
    for _ in range(_exactly(stream, 1)[0]):
        length, code = struct.unpack("<Bc", _exactly(stream, 2))
        fields[code] = _exactly(stream, length)
    return fields


def _exactly(stream: gzip.GzipFile, size: int) -> bytes:
    got = stream.read(size)
    if len(got) < size:
        raise EOFError("it is cut")
    return got


def _whole(field: bytes) -> int:
    return int.from_bytes(field, "little")
