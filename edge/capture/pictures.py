"""Single pictures: PNG, TIFF, JPEG and others from a file or from memory, grey, at their own depth; and folders of them."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edge.capture.stills import Raw, decode
from edge.errors import CameraError
from edge.records import Pixels

PICTURES = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".pgm"})
LARGEST_PX = 1 << 25  # 33 megapixels, four times the largest thermal camera: more is a damaged or hostile header
_COLOUR_DIMENSIONS = 3
_TIFF = (b"II", b"MM")


class PictureFolder:
    """Iterates ``(t_s, pixels)`` over the pictures of a folder in name order, at a given rate."""

    start_utc_s = 0.0
    radiometry = None

    def __init__(self, folder: Path, *, fps: float) -> None:
        """Nothing is read yet."""
        self._folder = folder
        self._fps = fps
        self._files: list[Path] = []

    def __enter__(self) -> Self:
        """List the pictures.

        Raises:
            CameraError: there is none.
        """
        self._files = pictures_of(self._folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open."""

    @property
    def frames_expected(self) -> int:
        """Number of pictures."""
        return len(self._files)

    def __iter__(self) -> Iterator[tuple[float, Pixels]]:
        """Read one after another.

        Raises:
            CameraError: one cannot be read, or differs in size or depth from the first.
        """
        first: Pixels | None = None
        for index, file in enumerate(self._files):
            pixels = read_picture(file)
            first = pixels if first is None else first
            check_alike(pixels, first, file)
            yield index / self._fps, pixels


def pictures_of(folder: Path) -> list[Path]:
    """List the pictures of a folder by name.

    Raises:
        CameraError: the folder cannot be read, or holds no picture.
    """
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES and file.is_file())
    except OSError as error:
        raise CameraError(f"{folder}: cannot be read: {error.strerror}") from error
    if not files:
        raise CameraError(f"{folder}: the folder holds no pictures ({', '.join(sorted(PICTURES))})")
    return files


def read_picture(file: Path) -> Pixels:
    """Read one grey picture at its own depth; colour is turned to grey.

    Returns:
        (H, W) uint8 or uint16.

    Raises:
        CameraError: it cannot be read, or has another depth.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise CameraError(f"{file}: cannot be read: {error.strerror}") from error
    if not raw:
        raise CameraError(f"{file}: the file is empty")
    return decode_picture(raw, file)


def decode_picture(raw: Raw, name: object) -> Pixels:
    """Decode one picture from the bytes of its file.

    Args:
        raw: the bytes.
        name: what to call it in messages.

    Returns:
        (H, W) uint8 or uint16.

    Raises:
        CameraError: they are no picture, or one of another depth.
    """
    pixels = _decode_tiff(raw) if bytes(raw[:2]) in _TIFF else decode(raw)
    if pixels is None:
        raise CameraError(f"{name}: not a readable picture")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise CameraError(f"{name}: {pixels.dtype} pixels; 8-bit or 16-bit whole numbers are needed")
    grey: Pixels = pixels
    return grey


def _decode_tiff(raw: Raw) -> npt.NDArray[Any] | None:
    """Decode a TIFF with OpenCV where it is installed: FFmpeg knows no tiles, and copies a stack for each page."""
    try:
        import cv2  # noqa: PLC0415
    except ModuleNotFoundError:
        return decode(raw)
    try:
        pixels: npt.NDArray[Any] | None = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if pixels is None or pixels.ndim != _COLOUR_DIMENSIONS:
        return pixels
    colour = pixels[:, :, :3] if pixels.shape[2] >= _COLOUR_DIMENSIONS else pixels[:, :, :1]
    return cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY) if colour.shape[2] == _COLOUR_DIMENSIONS else colour[:, :, 0]


def check_alike(pixels: Pixels, first: Pixels, name: object) -> None:
    """Refuse a picture of another size or depth than the first.

    Raises:
        CameraError: it is another.
    """
    if pixels.shape != first.shape or pixels.dtype != first.dtype:
        raise CameraError(f"{name}: {_shape(pixels)}, but the footage began with {_shape(first)}")


def _shape(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]} {pixels.dtype}"
