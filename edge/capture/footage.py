"""Recorded footage as a camera: a video clip or a folder of pictures, with the frames' own times.

A folder of pictures has no times, so the configured rate gives them, unless ``NAME.truth.json`` beside the footage
does: of that file only the times, the start and the radiometry are read here, never what the frames contain. A drone's
``NAME.SRT`` beside the footage tells where it was at each frame, or the KLV in a transport stream does.
"""

import itertools
import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from edge.capture.dji_srt import SideFile, read_side_file, side_path
from edge.capture.klv import KlvTrack
from edge.capture.pictures import PictureFolder
from edge.capture.video import VideoReader
from edge.errors import CameraError
from edge.places import TelemetryCount
from edge.records import Frame, Radiometry

if TYPE_CHECKING:
    from edge.capture.cptv import CptvReader
    from edge.capture.tiff import TiffStack

VIDEOS = frozenset({".mkv", ".mp4", ".avi", ".mov", ".ts", ".m2ts", ".mpg", ".mpeg", ".webm", ".m4v", ".nut"})
STACKS = frozenset({".tif", ".tiff"})
CLIPS = VIDEOS | STACKS | {".cptv"}
_WHITE = 255
_LONGEST_S = 1e7  # four months: longer footage is a mistake in its times


class Timing(NamedTuple):
    """What is known about the times of a piece of footage."""

    times_s: tuple[float, ...] = ()
    start_utc_s: float = 0.0  # unknown: 1970, so that nobody takes it for real and every replay agrees
    radiometry: Radiometry | None = None


class Footage:
    """One clip or folder of pictures as a camera. Iterating ends where the footage ends."""

    def __init__(self, path: Path, *, camera_id: str = "footage", fps: float = 9.0) -> None:
        """Name the footage; nothing is opened yet.

        Args:
            path: a video file, a TIFF of many pages, or a folder of pictures in name order.
            camera_id: id of the camera it plays.
            fps: rate of pictures and pages without times of their own.
        """
        self.camera_id = camera_id
        self.path = path
        self._fps = fps
        self.nominal_step_s = 1.0 / fps
        self._timing = Timing()
        self._reader: VideoReader | CptvReader | TiffStack | PictureFolder | None = None
        self._side: SideFile | None = None
        self._told = KlvTrack()

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            CameraError: it is missing, empty or of a kind that cannot be read.
        """
        reader = self._choose()
        reader.__enter__()
        self._reader = reader
        self._timing = read_timing(truth_path(self.path))
        side = side_path(self.path)
        self._side = read_side_file(side) if side else None
        self._told.reopened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        if self._reader is not None:
            self._reader.__exit__(kind, error, trace)
            self._reader = None

    def _choose(self) -> "VideoReader | CptvReader | TiffStack | PictureFolder":
        suffix = self.path.suffix.lower()
        if os.path.isdir(self.path):  # noqa: PTH112
            return PictureFolder(self.path, fps=self._fps)
        if not os.path.exists(self.path):  # noqa: PTH110  (Path.exists raises for a name no file can have)
            raise CameraError(f"{self.path}: no such footage; camera.source is footage:PATH of a clip or a folder")
        if suffix in VIDEOS:
            return VideoReader(self.path, on_data=self._told.hear)
        if suffix in STACKS:
            from edge.capture.tiff import TiffStack  # noqa: PLC0415  (rare kinds are loaded where one is played)

            return TiffStack(self.path, fps=self._fps)
        if suffix == ".cptv":
            from edge.capture.cptv import CptvReader  # noqa: PLC0415

            return CptvReader(self.path)
        raise CameraError(
            f"{self.path}: unknown kind of footage; known are folders of pictures and {', '.join(sorted(CLIPS))}"
        )

    @property
    def frames_expected(self) -> int | None:
        """How many frames there should be; ``None`` when the container does not say."""
        if self._timing.times_s:
            return len(self._timing.times_s)
        return self._reader.frames_expected if self._reader else None

    @property
    def telemetry_count(self) -> TelemetryCount | None:
        """How much telemetry was read and refused; ``None`` where there is none."""
        if self._side is not None:
            return TelemetryCount(len(self._side), self._side.bad, "it tells no place" if self._side.bad else None)
        count = self._told.count
        return count if count.read or count.refused else None

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame in order.

        Raises:
            CameraError: a picture cannot be read or differs in size or depth from the first, or the clip is cut; all
                frames before the fault have been yielded.
        """
        reader = self._reader
        if reader is None:
            raise CameraError(f"{self.path}: is not open")
        times_s = self._timing.times_s
        seq = -1
        told = self._timing.radiometry or reader.radiometry
        start_utc_s = self._timing.start_utc_s or reader.start_utc_s
        for seq, (own_s, pixels) in enumerate(reader):
            # 8-bit pictures may be kept losslessly in a 16-bit clip
            own = pixels.clip(0, _WHITE).astype(np.uint8) if told is not None and told.kind == "agc8" else pixels
            if times_s and seq >= len(times_s):
                raise CameraError(f"{self.path}: more frames than the {len(times_s)} of its truth file")
            t_s = times_s[seq] if times_s else own_s
            carried = self._side.at(t_s) if self._side else self._told.at(own_s)
            if start_utc_s == 0.0 and carried is not None and carried.utc_s is not None:
                start_utc_s = carried.utc_s - t_s  # the carrier has a clock; from its first word on it is the footage's
            yield Frame(
                camera=self.camera_id,
                seq=seq,
                t_s=t_s,
                captured_utc_s=start_utc_s + t_s,
                pixels=own,
                radiometry=Radiometry() if own.dtype == np.uint8 else told or Radiometry("counts"),
                telemetry=carried,
            )
        if seq + 1 < len(times_s):
            raise CameraError(f"{self.path}: truncated: {seq + 1} of {len(times_s)} frames")


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
