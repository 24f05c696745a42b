"""Single pictures through PyAV: files of every usual kind read at their own depth, JPEG and PNG written, sizes changed.

FFmpeg inside PyAV is there for video anyway; OpenCV, twice its size, would be needed for nothing else on a node.
"""

import re
from fractions import Fraction
from typing import Any, Literal, TypeVar

import av
import numpy as np
import numpy.typing as npt

from edge.records import Pixels

Raw = bytes | memoryview
Grey = npt.NDArray[np.uint8]
Counts = TypeVar("Counts", npt.NDArray[np.uint8], npt.NDArray[np.uint16], Pixels)

_DECODERS = {b"\x89PNG": "png", b"\xff\xd8": "mjpeg", b"II*\0": "tiff", b"MM\0*": "tiff", b"BM": "bmp"}
# magic number, width, height and largest value, between them white space and comments, then one white space
_PGM = re.compile(rb"P5" + rb"(?:\s+(?:#[^\n]*\n\s*)*)(\d{1,5})" * 3 + rb"\s")
_EIGHT_BITS, _WHITE, _TOP = 8, 255, 65535
_RED, _GREEN, _BLUE, _HALF, _SHIFT = 9798, 19235, 3735, 1 << 14, 15  # of grey, ITU-R BT.601, as everybody does


def decode(raw: Raw) -> Pixels | None:
    """Read a PNG, JPEG, TIFF, BMP or binary PGM; colour is turned to grey.

    Returns:
        (H, W) uint8 or uint16; ``None`` when it is no such picture, damaged, or has numbers of another kind in it.
    """
    kind = next((name for start, name in _DECODERS.items() if bytes(raw[: len(start)]) == start), None)
    return _decode_pgm(bytes(raw)) if kind is None else _decode(raw, kind)


def decode_jpeg(raw: memoryview) -> Grey | None:
    """Read a JPEG as cameras send it, Huffman tables or none; (H, W) uint8, or ``None`` when it is damaged."""
    picture: Grey | None = _decode(raw, "mjpeg")  # no camera sends 12 bits
    return picture


def encode_jpeg(picture: Grey, scale: int) -> bytes:
    """Write a grey picture as a JPEG file.

    Args:
        picture: (H, W) uint8.
        scale: of the quantiser, 2 (as good as it gets) to 31.
    """
    codec: Any = av.CodecContext.create("mjpeg", "w")
    codec.height, codec.width = picture.shape
    codec.pix_fmt, codec.time_base = "yuvj420p", Fraction(1)
    codec.qmin = codec.qmax = scale
    codec.thread_count = 1  # several write restart markers that few readers understand
    frame = _frame(picture).reformat(format="yuvj420p")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*codec.encode(frame), *codec.encode(None)))


def encode_png(picture: Grey) -> bytes:
    """Write a grey picture (H, W) uint8 as a PNG file, nothing lost."""
    codec: Any = av.CodecContext.create("png", "w")
    codec.height, codec.width = picture.shape
    codec.pix_fmt, codec.time_base = "gray", Fraction(1)
    frame = _frame(picture)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*codec.encode(frame), *codec.encode(None)))


def resize(pixels: Counts, width_px: int, height_px: int) -> Counts:
    """Scale a grey picture of either depth: by area where it gets smaller, bilinear where it grows."""
    smaller = width_px < pixels.shape[1] or height_px < pixels.shape[0]
    how: Literal["AREA", "BILINEAR"] = "AREA" if smaller else "BILINEAR"
    scaled: Counts = _frame(pixels).reformat(width=width_px, height=height_px, interpolation=how).to_ndarray()
    return scaled


def _frame(pixels: Pixels) -> Any:
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "gray16le" if pixels.itemsize > 1 else "gray")


def _decode(raw: Raw, name: str) -> Any:
    codec: Any = av.CodecContext.create(name, "r")
    if name == "mjpeg":
        codec.options = {"err_detect": "explode"}  # otherwise half a JPEG is a whole one, its rest grey
    try:
        frames = codec.decode(av.Packet(raw)) or codec.decode(None)
    except (av.error.FFmpegError, ValueError, OSError, MemoryError):
        return None
    return _grey(frames[0]) if frames else None


def _grey(frame: Any) -> Pixels | None:
    kind = frame.format.name
    deep = frame.format.components[0].bits > _EIGHT_BITS
    if "f32" in kind or "f16" in kind:
        return None
    if kind.startswith("yuv") and not deep:  # the first plane is the grey picture
        plane = frame.planes[0]
        rows: Grey = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        return rows[: frame.height, : frame.width].copy()
    if kind.startswith(("gray", "ya")):
        grey: Pixels = frame.to_ndarray(format="gray16le" if deep else "gray")
        return grey
    colour: npt.NDArray[np.uint32] = frame.to_ndarray(format="rgb48le" if deep else "rgb24").astype(np.uint32)
    mixed = (colour[..., 0] * _RED + colour[..., 1] * _GREEN + colour[..., 2] * _BLUE + _HALF) >> _SHIFT
    return mixed.astype(np.uint16) if deep else mixed.astype(np.uint8)


def _decode_pgm(raw: bytes) -> Pixels | None:
    """Read it here: FFmpeg stretches what a camera of 14 bits wrote to 16, and counts are counts."""
    header = _PGM.match(raw)
    if header is None:
        return None
    width_px, height_px, largest = map(int, header.groups())
    kind = np.dtype(np.uint8 if largest <= _WHITE else ">u2")
    if not width_px or not height_px or not 0 < largest <= _TOP:
        return None
    if len(raw) - header.end() < width_px * height_px * kind.itemsize:
        return None
    pixels = np.frombuffer(raw, kind, width_px * height_px, header.end()).reshape(height_px, width_px)
    return pixels.astype(np.uint16) if kind.itemsize > 1 else pixels.astype(np.uint8)
