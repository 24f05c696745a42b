"""The configuration file: every fault of it, or what it adds up to."""

import stat
import tomllib
from pathlib import Path

from edge import config
from edge.config import Loaded
from edge.doctor.findings import Finding
from edge.errors import ConfigError

_NAME = "configuration"
_MOST_BYTES = 1_000_000
_OF_A_STATION = {"web", "store", "presence"}


def check_configuration(file: Path) -> tuple[Loaded | None, list[Finding]]:
    """Read and check the file; ``None`` where the node could not start with it."""
    cure = f"mend it, and see: edge check-config {file}"
    try:
        about = file.stat()
        if not stat.S_ISREG(about.st_mode):
            return None, [Finding(_NAME, "fail", f"{file} is not a file", "name a TOML file")]
        if about.st_size > _MOST_BYTES:
            told = f"{file} has {about.st_size / 1e6:.0f} MB; a configuration has a few kB"
            return None, [Finding(_NAME, "fail", told, "name a TOML file")]
        loaded = config.load(file)
    except ConfigError as error:
        if _of_a_station(file):
            told = f"{file} is the configuration of a station; the doctor looks at nodes"
            return None, [Finding(_NAME, "fail", told, f"start it with: edge station {file}")]
        return None, [Finding(_NAME, "fail", line, cure) for line in str(error).splitlines()]
    except (OSError, ValueError) as error:
        told = f"{file}: {getattr(error, 'strerror', None) or error}"
        return None, [Finding(_NAME, "fail", told, "name a TOML file that may be read")]
    return loaded, _judged(file, loaded)


def _judged(file: Path, loaded: Loaded) -> list[Finding]:
    given = loaded.config
    if not given.camera:
        told = f"{file}: no camera is configured; edge run will not start"
        return [Finding(_NAME, "fail", told, "add [[camera]] with id and source (edge cameras lists them)")]
    cameras = ", ".join(camera.id for camera in given.camera)
    told = f"node {given.node.id}, preset {given.preset}, {len(given.camera)} camera(s): {cameras}"
    found = [Finding(_NAME, "pass", told)]
    if given.alerts.snapshots:
        told = "pictures leave this box with alerts (alerts.snapshots)"
        found.append(
            Finding("privacy", "warn", told, "fine where you may lawfully do so; else alerts.snapshots = false")
        )
    return found


def _of_a_station(file: Path) -> bool:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return bool(_OF_A_STATION & table.keys()) and "camera" not in table
