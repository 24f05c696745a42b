"""A TIFF with many pages as a clip: pages are found here and decoded one at a time by the library that reads pictures.

A stack may say itself when its pages were taken: ImageJ writes one interval, OME-TIFF a time for each plane. The library
decodes only the first page of what it is given, so the file is mapped, and in this private view the pointer to the first
page is bent to the page wanted; nothing is copied and nothing on disk changes.
"""

import itertools
import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.capture.pictures import LARGEST_PX, check_alike, decode_picture
from edge.errors import CameraError
from edge.records import Pixels

_MOST_PAGES = 1_000_000
_LONGEST_DESCRIPTION = 16_000_000
_SUBFILE, _WIDTH, _HEIGHT, _DESCRIPTION = 254, 256, 257, 270
_TEXT = 2
_NUMBERS = {3: "H", 4: "I", 16: "Q"}  # TIFF's types of whole numbers
_UNITS_S = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "min": 60.0}
_NUMBER = r"([0-9.]{1,20}(?:[eE][-+]?\d{1,3})?)"
_IMAGES = re.compile(r"^images=(\d{1,9})\s*$", re.MULTILINE)
_INTERVAL = re.compile(rf"^finterval={_NUMBER}\s*$", re.MULTILINE)
_RATE = re.compile(rf"^fps={_NUMBER}\s*$", re.MULTILINE)
_PLANE = re.compile(r"<Plane\b[^>]{0,2000}>")
_DELTA = re.compile(rf'\bDeltaT="{_NUMBER}"')
_DELTA_UNIT = re.compile(r'\bDeltaTUnit="([^"]{1,8})"')
_INCREMENT = re.compile(rf'\bTimeIncrement="{_NUMBER}"')
_INCREMENT_UNIT = re.compile(r'\bTimeIncrementUnit="([^"]{1,8})"')


@dataclass(frozen=True, slots=True)
class _Form:
    """Classic TIFF or BigTIFF: order of bytes, ``struct``'s letters for counts and offsets, where the first page is told."""

    order: str
    count: str
    tag_count: str
    first_at: int

    def number(self, letter: str, data: memoryview, at: int) -> int:
        return int(struct.unpack_from(self.order + letter, data, at)[0])

    @property
    def offset_bytes(self) -> int:
        return struct.calcsize("<" + self.tag_count)

    @property
    def entry_bytes(self) -> int:
        return 4 + 2 * self.offset_bytes


class TiffStack:
    """Iterates ``(t_s, pixels)`` over the pages of a TIFF."""

    start_utc_s = 0.0
    radiometry = None

    def __init__(self, path: Path, *, fps: float) -> None:
        """Nothing is opened yet; ``fps`` counts where the file tells no times."""
        self._path = path
        self._fps = fps
        self._data = memoryview(b"")
        self._pages: list[int] = []
        self._times_s: list[float] = []
        self._stated = 0

    def __enter__(self) -> Self:
        """Map the file and find its pages.

        Raises:
            CameraError: it cannot be read, is no TIFF, or holds no page.
        """
        try:
            with self._path.open("rb") as opened:
                self._data = memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY))
        except OSError as error:
            raise CameraError(f"{self._path}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise CameraError(f"{self._path}: the file is empty") from error
        try:
            self._form = _form(self._data)
            self._pages = list(_pages(self._data, self._form))
            text = _description(self._data, self._form, self._pages[0])
        except (struct.error, ValueError, IndexError) as error:
            raise CameraError(f"{self._path}: not a readable TIFF") from error
        images = _IMAGES.search(text)
        self._stated = int(images[1]) if images and text.startswith("ImageJ=") else 0
        self._times_s = _times_s(text, len(self._pages)) or [nth / self._fps for nth in range(len(self._pages))]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the file."""
        self._data = memoryview(b"")

    @property
    def frames_expected(self) -> int:
        """Number of pages."""
        return max(len(self._pages), self._stated)

    def __iter__(self) -> Iterator[tuple[float, Pixels]]:
        """Decode one page after another.

        Raises:
            CameraError: one cannot be read or differs in size or depth from the first, or pages are missing; those
                before it have been yielded.
        """
        first: Pixels | None = None
        form, data = self._form, self._data
        for index, page in enumerate(self._pages):
            name = f"{self._path}: page {index + 1}"
            struct.pack_into(form.order + form.tag_count, data, form.first_at, page)
            _check_size(data, form, page, name)
            pixels = decode_picture(data, name)
            first = pixels if first is None else first
            check_alike(pixels, first, name)
            yield self._times_s[index], pixels
        if len(self._pages) < self._stated:
            raise CameraError(f"{self._path}: truncated: {len(self._pages)} of {self._stated} pages")


def _form(data: memoryview) -> _Form:
    order = {b"II": "<", b"MM": ">"}[bytes(data[:2])] if bytes(data[:2]) in (b"II", b"MM") else ""
    version = struct.unpack_from(order + "H", data, 2)[0] if order else 0
    if version == 42:  # noqa: PLR2004
        return _Form(order, "H", "I", 4)
    if version == 43:  # noqa: PLR2004
        return _Form(order, "Q", "Q", 8)
    raise ValueError("neither TIFF nor BigTIFF")


def _pages(data: memoryview, form: _Form) -> Iterator[int]:
    """Find the directory of each page; thumbnails are none. A chain that ends outside the file or in a ring is cut."""
    seen = set[int]()
    at = form.number(form.tag_count, data, form.first_at)
    while at and at not in seen and len(seen) < _MOST_PAGES:
        seen.add(at)
        try:
            count = form.number(form.count, data, at)
            behind = at + struct.calcsize("<" + form.count) + count * form.entry_bytes
            following = form.number(form.tag_count, data, behind)
            thumbnail = _tags(data, form, at).get(_SUBFILE, 0) & 1
        except struct.error:
            yield at  # decoding it says what is wrong, after the pages before it
            return
        if not thumbnail:
            yield at
        at = following


def _entries(data: memoryview, form: _Form, page: int) -> Iterator[tuple[int, int, int, int]]:
    """Give ``(tag, type, count, where its value stands)`` of a page's directory."""
    begin = page + struct.calcsize("<" + form.count)
    for nth in range(min(form.number(form.count, data, page), 4096)):
        at = begin + nth * form.entry_bytes
        tag, kind = struct.unpack_from(form.order + "HH", data, at)
        yield tag, kind, form.number(form.tag_count, data, at + 4), at + 4 + form.offset_bytes


def _tags(data: memoryview, form: _Form, page: int) -> dict[int, int]:
    """Read the tags of a page that are one whole number."""
    return {
        tag: form.number(_NUMBERS[kind], data, at)
        for tag, kind, count, at in _entries(data, form, page)
        if count == 1 and kind in _NUMBERS
    }


def _description(data: memoryview, form: _Form, page: int) -> str:
    for tag, kind, length, at in _entries(data, form, page):
        if tag == _DESCRIPTION and kind == _TEXT and length <= _LONGEST_DESCRIPTION:
            begin = at if length <= form.offset_bytes else form.number(form.tag_count, data, at)
            return bytes(data[begin : begin + length]).rstrip(b"\0").decode("utf-8", "replace")
    return ""


def _check_size(data: memoryview, form: _Form, page: int, name: str) -> None:
    try:
        tags = _tags(data, form, page)
    except struct.error as error:
        raise CameraError(f"{name}: truncated") from error
    width_px, height_px = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    if not 0 < width_px * height_px <= LARGEST_PX:
        raise CameraError(f"{name}: says that it is {width_px}x{height_px} pixels: not a picture of a camera")


def _times_s(text: str, pages: int) -> list[float]:
    """Read when the pages were taken, from zero; nothing where the file does not say, or where time would stand still."""
    times_s = _planes_s(text) or _steps_s(text, pages)
    grows = all(later > earlier for earlier, later in itertools.pairwise(times_s))
    return [t_s - times_s[0] for t_s in times_s] if len(times_s) == pages and grows else []


def _planes_s(text: str) -> list[float]:
    found = []
    for plane in _PLANE.findall(text):
        delta, unit = _DELTA.search(plane), _DELTA_UNIT.search(plane)
        if delta is None:
            return []
        found.append(_number(delta[1]) * _UNITS_S.get(unit[1] if unit else "s", 1.0))
    return found


def _steps_s(text: str, pages: int) -> list[float]:
    step_s = 0.0
    increment, unit = _INCREMENT.search(text), _INCREMENT_UNIT.search(text)
    interval, rate = _INTERVAL.search(text), _RATE.search(text)
    if increment:
        step_s = _number(increment[1]) * _UNITS_S.get(unit[1] if unit else "s", 1.0)
    elif interval:
        step_s = _number(interval[1])
    elif rate:
        step_s = 1.0 / (_number(rate[1]) or 1.0)
    return [nth * step_s for nth in range(pages)] if 0.0 < step_s < 1e5 else []  # noqa: PLR2004


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
