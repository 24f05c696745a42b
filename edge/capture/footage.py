"""Recorded footage as a camera: a video clip or a folder of pictures, with the frames' own times.

A folder of pictures has no times, so the configured rate gives them, unless ``NAME.truth.json`` beside the footage
does: of that file only the times, the start and the radiometry are read here, never what the frames contain. A drone's
``NAME.SRT`` beside the footage tells where it was at each frame.
"""

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from edge.capture.dji_srt import SideFile, read_side_file, side_path
from edge.capture.video import VideoReader
from edge.errors import CameraError
from edge.records import Frame, Pixels, Radiometry

PICTURES = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".pgm"})
VIDEOS = frozenset({".mkv", ".mp4", ".avi", ".mov", ".ts", ".webm", ".m4v"})
_COLOUR_DIMENSIONS = 3
_WHITE = 255
_LONGEST_S = 1e7  # four months: longer footage is a mistake in its times


@dataclass(frozen=True, slots=True)
class Timing:
    """What is known about the times of a piece of footage."""

    times_s: tuple[float, ...] = ()
    start_utc_s: float = 0.0  # unknown: 1970, so that nobody takes it for real and every replay agrees
    radiometry: Radiometry | None = field(default=None)


class Footage:
    """One clip or folder of pictures as a camera. Iterating ends where the footage ends."""

    def __init__(self, path: Path, *, camera_id: str = "footage", fps: float = 9.0) -> None:
        """Name the footage; nothing is opened yet.

        Args:
            path: a video file, or a folder of pictures in name order.
            camera_id: id of the camera it plays.
            fps: rate of a folder of pictures without times of its own.
        """
        self.camera_id = camera_id
        self.path = path
        self._fps = fps
        self.nominal_step_s = 1.0 / fps
        self._timing = Timing()
        self._pictures: list[Path] = []
        self._video: VideoReader | None = None
        self._side: SideFile | None = None

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            CameraError: it is missing, empty or of a kind that cannot be read.
        """
        if os.path.isdir(self.path):  # noqa: PTH112
            self._pictures = pictures_of(self.path)
        elif not os.path.exists(self.path):  # noqa: PTH110  (Path.exists raises for a name no file can have)
            raise CameraError(f"{self.path}: no such footage; camera.source is footage:PATH of a clip or a folder")
        elif self.path.suffix.lower() in VIDEOS:
            self._video = VideoReader(self.path).__enter__()
        else:
            raise CameraError(
                f"{self.path}: unknown kind of footage; known are folders of pictures and {', '.join(sorted(VIDEOS))}"
            )
        self._timing = read_timing(truth_path(self.path))
        side = side_path(self.path)
        self._side = read_side_file(side) if side else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._video is not None:
            self._video.__exit__(kind, error, trace)
            self._video = None

    @property
    def frames_expected(self) -> int | None:
        """How many frames there should be; ``None`` when the container does not say."""
        if self._timing.times_s:
            return len(self._timing.times_s)
        return self._video.frames_expected if self._video else len(self._pictures)

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame in order.

        Raises:
            CameraError: a picture cannot be read or differs in size or depth from the first, or the clip is cut; all
                frames before the fault have been yielded.
        """
        source = iter(self._video) if self._video else self._read_pictures()
        times_s = self._timing.times_s
        seq = -1
        told = self._timing.radiometry
        for seq, (own_s, pixels) in enumerate(source):
            # 8-bit pictures may be kept losslessly in a 16-bit clip
            own = pixels.clip(0, _WHITE).astype(np.uint8) if told is not None and told.kind == "agc8" else pixels
            if times_s and seq >= len(times_s):
                raise CameraError(f"{self.path}: more frames than the {len(times_s)} of its truth file")
            t_s = times_s[seq] if times_s else own_s
            yield Frame(
                camera=self.camera_id,
                seq=seq,
                t_s=t_s,
                captured_utc_s=self._timing.start_utc_s + t_s,
                pixels=own,
                radiometry=Radiometry() if own.dtype == np.uint8 else told or Radiometry("counts"),
                telemetry=self._side.at(t_s) if self._side else None,
            )
        if seq + 1 < len(times_s):
            raise CameraError(f"{self.path}: truncated: {seq + 1} of {len(times_s)} frames")

    def _read_pictures(self) -> Iterator[tuple[float, Pixels]]:
        first: Pixels | None = None
        for index, file in enumerate(self._pictures):
            pixels = read_picture(file)
            first = pixels if first is None else first
            if pixels.shape != first.shape or pixels.dtype != first.dtype:
                raise CameraError(f"{file}: {_shape(pixels)}, but the footage began with {_shape(first)}")
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
        raw = np.fromfile(file, dtype=np.uint8)
    except OSError as error:
        raise CameraError(f"{file}: cannot be read: {error.strerror}") from error
    if raw.size == 0:
        raise CameraError(f"{file}: the file is empty")
    try:
        pixels = cv2.imdecode(raw, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise CameraError(f"{file}: not a readable picture")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise CameraError(f"{file}: {pixels.dtype} pixels; 8-bit or 16-bit whole numbers are needed")
    if pixels.ndim == _COLOUR_DIMENSIONS:
        colour = pixels[:, :, :3] if pixels.shape[2] >= _COLOUR_DIMENSIONS else pixels[:, :, :1]
        pixels = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY) if colour.shape[2] == _COLOUR_DIMENSIONS else colour[:, :, 0]
    grey: Pixels = pixels
    return grey


def truth_path(footage: Path) -> Path:
    """Where the truth of a piece of footage lies, if there is any: ``NAME.truth.json`` beside it."""
    stem = footage.name if os.path.isdir(footage) else footage.stem  # noqa: PTH112  (see Footage.__enter__)
    return footage.parent / f"{stem}.truth.json"


def read_truth_file(file: Path) -> dict[str, Any] | None:
    """Read a truth file as JSON; ``None`` when there is none.

    Raises:
        CameraError: something is there that is not a JSON object.
    """
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise CameraError(f"{file}: not a truth file of edge: {error}") from error
    if not isinstance(told, dict):
        raise CameraError(f"{file}: not a truth file of edge: not a JSON object")
    return told


def read_timing(file: Path) -> Timing:
    """Read times, start and radiometry from a truth file; everything else in it is left alone.

    Raises:
        CameraError: the file is there but cannot be understood.
    """
    truth = read_truth_file(file)
    if truth is None:
        return Timing()
    try:
        times_s = tuple(float(frame["t_s"]) for frame in truth["frames"])
        start = truth.get("start_utc")
        start_utc_s = datetime.fromisoformat(start).timestamp() if start else 0.0
        given = truth.get("radiometry")
        radiometry = Radiometry(given["kind"], given.get("scale"), given.get("offset")) if given else None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise CameraError(f"{file}: not a truth file of edge: {error!r}") from error
    if any(not 0.0 <= t_s < _LONGEST_S for t_s in times_s):
        raise CameraError(f"{file}: frames[].t_s must lie between 0 and {_LONGEST_S:.0f} s")
    if any(later <= earlier for earlier, later in itertools.pairwise(times_s)):
        raise CameraError(f"{file}: frames[].t_s must grow from frame to frame")
    return Timing(times_s, start_utc_s, radiometry)


def _shape(pixels: Pixels) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]} {pixels.dtype}"
