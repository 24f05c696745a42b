"""The machine: its clock, its disk where alerts wait, its power, heat and memory."""

import contextlib
import errno
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from edge.box import temperatures_c, this_box, throttling
from edge.clock import clock_quality
from edge.config import DeliveryConfig
from edge.doctor.findings import Finding, State

MEMINFO = Path("/proc/meminfo")
MOUNTS = Path("/proc/mounts")
_SANE_UTC_S = 1_767_225_600.0  # 2026-01-01: nothing of this program is older
_FULL_MB = 20.0
_RESERVE_MB = 100.0
_WRITES = 8
_ROW_BYTES = 4096
_BULK_BYTES = 2 << 20
_SLOW_FSYNC_S = 0.25
_SLOW_MB_S = 1.0
_HOT_C = 80.0
_TOO_HOT_C = 90.0
_LOW_MEMORY_MB = 200.0
_MB = 1e6
_FORGETFUL = ("tmpfs", "ramfs")


def check_clock() -> list[Finding]:
    """Say how far the times in alerts can be believed."""
    cure = "sudo timedatectl set-ntp true; without a network: a GPS receiver with chrony, or a battery clock"
    now_s = time.time()
    if now_s < _SANE_UTC_S:
        told = time.strftime("it says %Y-%m-%d, which cannot be: certificates will be refused too", time.gmtime(now_s))
        return [Finding("clock", "fail", told, cure)]
    quality = clock_quality()
    if quality == "ntp":
        return [Finding("clock", "pass", "synchronised")]
    told = {
        "rtc": "not synchronised; it runs on the battery clock and drifts by seconds a day",
        "unsynchronised": "not synchronised, and there is no battery clock: after a power cut it is wrong",
    }[quality]
    return [Finding("clock", "warn", f"{told}; alerts say so", cure)]


def check_disk(delivery: DeliveryConfig) -> list[Finding]:
    """See whether alerts can wait where the configuration keeps them, and time that.

    Args:
        delivery: with its paths spelt out.
    """
    folder = Path(delivery.outbox_file).parent
    cure = f"delivery.outbox_file in a folder that the service may write; now {folder}"
    if not folder.is_dir():
        return [Finding("disk", "fail", f"{folder} does not exist", f"sudo mkdir -p {folder}, or set {cure}")]
    try:
        with _nameless(folder) as file:
            free_mb = shutil.disk_usage(folder).free / _MB
            fsync_s, mb_s = _write(file)
    except OSError as error:
        cures = {
            errno.ENOSPC: f"make room on {folder}",
            errno.EROFS: "mount it for writing; a card does so by itself when it dies (dmesg), then replace it",
        }
        return [Finding("disk", "fail", f"{folder}: {error.strerror}", cures.get(error.errno or 0, cure))]
    told = f"{free_mb:.0f} MB free, an alert is safe after {1e3 * fsync_s:.0f} ms, {mb_s:.0f} MB/s"
    measured: dict[str, float | str] = {
        "free_mb": round(free_mb),
        "fsync_ms": round(1e3 * fsync_s, 2),
        "mb_per_s": round(mb_s, 1),
    }
    kind = _file_system(folder)
    if free_mb < _FULL_MB:
        return [Finding("disk", "fail", told, f"make room on {folder}", measured)]
    if kind in _FORGETFUL:
        told = f"{folder} is in memory ({kind}): alerts that wait do not survive a power cut"
        return [Finding("disk", "warn", told, "delivery.outbox_file on a real disk", measured)]
    if free_mb < delivery.outbox_max_mb + _RESERVE_MB:
        cure = f"make room on {folder}, or lower delivery.outbox_max_mb ({delivery.outbox_max_mb:g})"
        return [Finding("disk", "warn", told, cure, measured)]
    if fsync_s > _SLOW_FSYNC_S or mb_s < _SLOW_MB_S:
        return [
            Finding("disk", "warn", f"slow: {told}", "a better card (A2, or an SSD); this one may be dying", measured)
        ]
    return [Finding("disk", "pass", told, None, measured)]


def check_power() -> list[Finding]:
    """Say what the board complains of: voltage, heat, memory."""
    found = [_throttled(), *_heat(), *_memory()]
    return [one for one in found if one is not None]


def _throttled() -> Finding | None:
    words = throttling()
    if words is None:
        return Finding("power", "skip", f"{this_box().model or 'this machine'} does not tell")
    if not words:
        return Finding("power", "pass", "enough, at all times since it was switched on")
    now = [word for word in words if "since" not in word]
    cure = "the board's own power supply (Pi 5: 5 A), a short cable, cameras on a hub with power"
    if "under-voltage" not in " ".join(words):
        cure = "a heat sink or fan, shade, air around the box"
    return Finding("power", "fail" if "under-voltage" in now else "warn", ", ".join(words), cure)


def _heat() -> Iterator[Finding]:
    readings = temperatures_c()
    if not readings:
        return
    name, hottest_c = max(readings.items(), key=lambda reading: reading[1])
    told, measured = f"{hottest_c:.0f} °C ({name})", {"hottest_c": hottest_c}
    if hottest_c < _HOT_C:
        yield Finding("heat", "pass", told, None, measured)
    else:
        state: State = "fail" if hottest_c >= _TOO_HOT_C else "warn"
        yield Finding("heat", state, told, "a heat sink or fan, shade, model.threads = 1", measured)


def _memory() -> Iterator[Finding]:
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = dict(line.partition(":")[::2] for line in MEMINFO.read_text().splitlines())
        free_mb = int(lines["MemAvailable"].split()[0]) / 1024
        told = f"{free_mb:.0f} MB free"
        if free_mb < _LOW_MEMORY_MB:
            yield Finding(
                "memory", "warn", told, "stop other programs; a node needs about 200 MB", {"free_mb": free_mb}
            )
        else:
            yield Finding("memory", "pass", told, None, {"free_mb": round(free_mb)})


@contextlib.contextmanager
def _nameless(folder: Path) -> Iterator[int]:
    """Open a file without a name: whatever happens, nothing stays behind."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        yield file.fileno()


def _write(file: int) -> tuple[float, float]:
    """Time what an alert costs (a page and its fsync), and the rate of a longer piece."""
    taken = []
    for _ in range(_WRITES):
        start_s = time.perf_counter()
        os.write(file, b"\0" * _ROW_BYTES)
        os.fsync(file)
        taken.append(time.perf_counter() - start_s)
    start_s = time.perf_counter()
    os.write(file, os.urandom(_BULK_BYTES))
    os.fsync(file)
    return statistics.median(taken), _BULK_BYTES / _MB / (time.perf_counter() - start_s)


def _file_system(folder: Path) -> str:
    """Name the file system that a folder lies on, by the longest mount point above it."""
    best, kind, here = "", "", str(folder.resolve())
    with contextlib.suppress(OSError):
        for line in MOUNTS.read_text().splitlines():
            point, this = line.split()[1:3]
            inside = here == point or here.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, this
    return kind
