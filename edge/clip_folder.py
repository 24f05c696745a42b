"""The recorder's folder: bounded in size, the oldest clips first to go, and nothing in it that cannot be played.

A clip is written under a hidden name and renamed when it is whole. Where the power failed in between, the next start
keeps what can be played and removes the rest. Files that are not clips of ours are neither counted nor touched.
"""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from edge.capture.video import VideoReader
from edge.errors import CameraError

_CLIP = re.compile(r"^\d{8}T\d{6}\.\d{3}Z-[a-z0-9-]+(-[0-9A-Z]{26})+\.mkv$")
_PART = re.compile(r"^\.(\d{8}T\d{6}\.\d{3}Z-[a-z0-9-]+(?:-[0-9A-Z]{26})+)\.part\.mkv$")
MOST_IDS = 6  # in one name: a file's ends at 255 bytes


class ClipFolder:
    """One folder of clips."""

    def __init__(self, folder: Path, *, max_bytes: float, keep_free_bytes: float) -> None:
        """Touch nothing yet.

        Args:
            folder: where they lie; made when needed.
            max_bytes: of all clips together.
            keep_free_bytes: of the disk.
        """
        self._folder = folder
        self._max_bytes = max_bytes
        self._keep_free_bytes = keep_free_bytes

    def make(self) -> None:
        """Make the folder, where it is not there.

        Raises:
            OSError: it cannot be made.
        """
        self._folder.mkdir(parents=True, exist_ok=True)

    def salvage(self) -> int:
        """Look after what a run that died has left, before anything new is written; return how many clips were saved.

        Raises:
            OSError: the folder cannot be read or written.
        """
        saved = 0
        for part in sorted(self._folder.iterdir()):
            named = _PART.match(part.name)
            if named is None:
                continue
            if _playable(part):
                part.rename(self._folder / f"{named[1]}.mkv")
                saved += 1
            else:
                part.unlink()
        return saved

    def begin(self, camera: str, start_utc_s: float, alert_id: str) -> Path:
        """Give the hidden name under which a clip is written."""
        return self._folder / f".{_stem(camera, start_utc_s, [alert_id])}.part.mkv"

    def finish(self, part: Path, camera: str, start_utc_s: float, alert_ids: Sequence[str]) -> Path:
        """Keep a whole clip, on disk for good, under a name that holds its alerts.

        Raises:
            OSError: the disk is full or gone.
        """
        with part.open("rb") as written:
            os.fsync(written.fileno())
        return part.rename(self._folder / f"{_stem(camera, start_utc_s, alert_ids)}.mkv")

    def make_room(self) -> bool:
        """Remove the oldest clips until the bounds hold; ``False`` where they do not even without any.

        Raises:
            OSError: the folder is gone or may not be written.
        """
        clips = sorted(self._sizes().items(), key=lambda one: (one[1][0], one[0].name))
        total = sum(size for _, (_, size) in clips)
        finished = [(path, size) for path, (_, size) in clips if not path.name.startswith(".")]
        while total > self._max_bytes or self._free() < self._keep_free_bytes:
            if not finished:
                return False
            oldest, size = finished.pop(0)
            oldest.unlink(missing_ok=True)
            total -= size
        return True

    def _sizes(self) -> dict[Path, tuple[int, int]]:
        """Give time and size of each clip, also of those that are being written."""
        found = {}
        for entry in os.scandir(self._folder):
            if _CLIP.match(entry.name) or _PART.match(entry.name):
                status = entry.stat(follow_symlinks=False)
                found[Path(entry.path)] = (status.st_mtime_ns, status.st_size)
        return found

    def _free(self) -> int:
        disk = os.statvfs(self._folder)
        return disk.f_bavail * disk.f_frsize


def _stem(camera: str, start_utc_s: float, alert_ids: Sequence[str]) -> str:
    began = datetime.fromtimestamp(start_utc_s, UTC)
    return "-".join([f"{began:%Y%m%dT%H%M%S}.{began.microsecond // 1000:03d}Z", camera, *alert_ids[:MOST_IDS]])


def _playable(part: Path) -> bool:
    try:
        with VideoReader(part) as clip:
            return any(True for _ in clip)
    except CameraError:
        return False
