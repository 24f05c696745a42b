"""Files that appear whole, and that nobody else can read for a moment longer than their mode says."""

import os
import stat
from pathlib import Path


def write_secret(path: Path, content: bytes) -> None:
    """Write what only its owner may read."""
    _replace(path, content, stat.S_IRUSR | stat.S_IWUSR)


def write(path: Path, content: bytes) -> None:
    """Write what everybody may read."""
    _replace(path, content, 0o644)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Put a file in place whole, and never readable by others for a moment longer than its mode says."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
