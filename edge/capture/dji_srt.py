"""Side files of DJI drones: ``NAME.SRT`` beside ``NAME.MP4``, subtitles that tell where the drone was at each frame.

Every model writes them differently; known here are the bracketed form (``[latitude: 59.3] [gb_yaw: 45.0 gb_pitch: -30.0]``,
also with the early spelling ``longtitude``), the compact form (``GPS (120.08, 30.21, 28), H 76.19m, G.PRY (-40.0, 0.0,
28.2)``) and the plain one (``GPS(149.02,-20.25,16) BAROMETER:1.9``). ``GPS(...)`` holds longitude first, but latitude
first where its third number carries a unit (Matrice 300). The operator's own place, ``HOME(...)``, is never read.

Heights are above where the drone took off. Few models tell the gimbal; without it a camera's direction is not known.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from edge.errors import CameraError
from edge.places import Telemetry, between

_LARGEST_BYTES = 200_000_000
_NEAREST_S = 1.5  # older models write one block a second
_NUMBER = r"([-+]?\d{1,9}(?:\.\d{1,12})?)"
_TIMES = re.compile(r"(\d{1,3}):(\d{2}):(\d{2})[,.](\d{1,3})\s*-->", re.ASCII)
_KEYED = {
    name: re.compile(rf"(?<![A-Za-z_]){spelling}\s*:\s*{_NUMBER}", re.IGNORECASE)
    for name, spelling in {
        "lat_deg": "latitude",
        "lon_deg": "longt?itude",
        "height_m": "rel_alt",
        "alt_m": "abs_alt",
        "heading_deg": "gb_yaw",
        "tilt_deg": "gb_pitch",
        "roll_deg": "gb_roll",
        "barometer_m": "barometer",
    }.items()
}
_PAIR = re.compile(rf"(?:GPS|RTK)\s*\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*(?:,\s*[-+]?[\d.]{{1,12}}\s*(M)?)?", re.IGNORECASE)
_HEIGHT = re.compile(rf"(?<![A-Za-z.])H\s+{_NUMBER}\s*m\b")
_GIMBAL = re.compile(rf"G\.PRY\s*\(\s*{_NUMBER}°?\s*,\s*{_NUMBER}°?\s*,\s*{_NUMBER}°?\s*\)")
_HOME = re.compile(r"HOME\s*\([^)]{0,80}\)", re.IGNORECASE)


class SideFile:
    """The telemetry of one clip, by time since its beginning."""

    def __init__(self, text: str) -> None:
        """Read a side file's text; blocks that tell no place are counted in ``bad``."""
        found: list[tuple[float, Telemetry]] = []
        self.bad = 0
        for start_s, body in _blocks(text):
            told = telemetry(body)
            if told is None:
                self.bad += 1
            else:
                found.append((start_s, told))
        found.sort(key=lambda one: one[0])
        self._times_s = [start_s for start_s, _ in found]
        self._told = [told for _, told in found]

    def __len__(self) -> int:
        """Count the blocks that tell a place."""
        return len(self._told)

    def at(self, t_s: float) -> Telemetry | None:
        """Give what was told at ``t_s``, or on the way from shortly before to the next word."""
        index = bisect_right(self._times_s, t_s + 1e-3) - 1  # times of frames are rounded, those of blocks are too
        if index < 0 or t_s - self._times_s[index] > _NEAREST_S:
            return None
        start_s, told = self._times_s[index], self._told[index]
        apart_s = self._times_s[index + 1] - start_s if index + 1 < len(self) else 0.0
        if not 0.0 < apart_s <= 2 * _NEAREST_S:
            return told
        return between(told, self._told[index + 1], (t_s - start_s) / apart_s, apart_s=apart_s)


def side_path(footage: Path) -> Path | None:
    """Find the side file of a clip: ``NAME.SRT`` or ``NAME.srt`` beside it."""
    for suffix in (".SRT", ".srt"):
        beside = footage.with_suffix(suffix)
        if beside.is_file():
            return beside
    return None


def read_side_file(path: Path) -> SideFile:
    """Read a side file.

    Raises:
        CameraError: it cannot be read.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise CameraError(f"{path}: too large for a side file; move it away")
        return SideFile(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise CameraError(f"{path}: cannot be read: {error.strerror}") from error


def telemetry(body: str) -> Telemetry | None:
    """Read one block; ``None`` when it tells no place on earth."""
    body = _HOME.sub("", body)
    told = {name: float(found.group(1)) for name, pattern in _KEYED.items() if (found := pattern.search(body))}
    pair = _PAIR.search(body)
    if pair and not {"lat_deg", "lon_deg"} <= told.keys():
        first, second = float(pair.group(1)), float(pair.group(2))
        told["lat_deg"], told["lon_deg"] = (first, second) if pair.group(3) else (second, first)
    height = _HEIGHT.search(body)
    if height:
        told.setdefault("height_m", float(height.group(1)))
    barometer_m = told.pop("barometer_m", None)
    if barometer_m is not None:
        told.setdefault("height_m", barometer_m)
    gimbal = _GIMBAL.search(body)
    if gimbal:
        told["tilt_deg"], told["roll_deg"], told["heading_deg"] = (float(gimbal.group(k)) for k in (1, 2, 3))
    if not _on_earth(told):
        return None
    return Telemetry(
        lat_deg=told["lat_deg"],
        lon_deg=told["lon_deg"],
        alt_m=told.get("alt_m"),
        height_m=told.get("height_m"),
        heading_deg=told.get("heading_deg"),
        tilt_deg=told.get("tilt_deg"),
        roll_deg=told.get("roll_deg"),
    )


def _on_earth(told: dict[str, float]) -> bool:
    """Say whether a place was told; 0, 0 is how these drones write that they have no fix."""
    lat_deg, lon_deg = told.get("lat_deg"), told.get("lon_deg")
    if lat_deg is None or lon_deg is None or (lat_deg == 0.0 and lon_deg == 0.0):
        return False
    angles = all(abs(told.get(name, 0.0)) <= 360.0 for name in ("heading_deg", "tilt_deg", "roll_deg"))  # noqa: PLR2004
    return abs(lat_deg) <= 90.0 and abs(lon_deg) <= 180.0 and angles  # noqa: PLR2004


def _blocks(text: str) -> Iterator[tuple[float, str]]:
    """Cut a file at its lines of times, whatever stands between."""
    marks = list(_TIMES.finditer(text))
    for mark, after in zip_longest(marks, marks[1:]):
        hours, minutes, seconds, fraction = mark.groups()
        start_s = int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction) / 10 ** len(fraction)
        yield start_s, text[mark.end() : after.start() if after else len(text)]
