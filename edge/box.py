"""What the kernel and the board say about this machine: processor, memory, temperatures, throttling."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
_HWMON = Path("/sys/class/hwmon")
_MB = 1024.0
# Raspberry Pi: the low bits say what is so now, the same bits 16 higher what has been so since it was switched on
_THROTTLE_BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_SINCE_START = 16


@dataclass(frozen=True, slots=True)
class Box:
    """One machine.

    Attributes:
        model: board or computer as it names itself; ``None`` when it does not.
        processor: name of the processor.
        cores: how many of them this process may use.
        memory_mb: main memory.
        system: kernel and machine type.
    """

    model: str | None
    processor: str
    cores: int
    memory_mb: float
    system: str


def this_box() -> Box:
    """Describe this machine."""
    model = _read("/proc/device-tree/model") or _read("/sys/devices/virtual/dmi/id/product_name")
    return Box(
        model=model,
        processor=_field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_mb=round(_kilobytes("/proc/meminfo", "MemTotal") / _MB),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
    )


def temperatures_c() -> dict[str, float]:
    """Read every thermal zone the kernel shows; empty on machines without one."""
    readings: dict[str, float] = {}
    for zone in Path("/sys/class/thermal").glob("thermal_zone*"):
        try:
            readings[zone.name] = int((zone / "temp").read_text()) / 1000
        except (OSError, ValueError):  # a zone may be there and refuse to be read
            continue
    return readings


def throttling() -> tuple[str, ...] | None:
    """Say what holds a Raspberry Pi back, now or since it was switched on; ``None`` on other machines."""
    text = _read(str(_THROTTLED))
    tool = shutil.which("vcgencmd")
    if text is None and tool is not None:
        done = subprocess.run([tool, "get_throttled"], capture_output=True, text=True, check=False, timeout=5)  # noqa: S603
        text = done.stdout.partition("=")[2].strip() or None  # nothing for whoever is not in the group video
    return _low_voltage() if text is None else throttle_words(text)


def _low_voltage() -> tuple[str, ...] | None:
    """Ask the kernel's own sensor, which any user may read; it knows of the voltage alone."""
    for sensor in _HWMON.glob("hwmon*"):
        if _read(str(sensor / "name")) == "rpi_volt":
            return ("under-voltage",) if _read(str(sensor / "in0_lcrit_alarm")) == "1" else ()
    return None


def throttle_words(text: str) -> tuple[str, ...] | None:
    """Read the firmware's hexadecimal word, ``0x50005`` or ``50005``; ``None`` when it is none."""
    try:
        bits = int(text, 16)
    except ValueError:
        return None
    now = tuple(word for bit, word in _THROTTLE_BITS.items() if bits >> bit & 1)
    before = tuple(
        f"{word} since switched on"
        for bit, word in _THROTTLE_BITS.items()
        if bits >> (bit + _SINCE_START) & 1 and word not in now
    )
    return now + before


def resident_mb(process_id: int) -> float:
    """How much of a process lies in memory, MB of 1024 kB; 0.0 when it has ended."""
    return _kilobytes(f"/proc/{process_id}/status", "VmRSS") / _MB


def cpu_s(process_id: int) -> float:
    """How much processor time a process has used, all of its threads; 0.0 when it has ended."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def _field(path: str, name: str) -> str | None:
    for line in (_read(path) or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _kilobytes(path: str, name: str) -> float:
    return float((_field(path, name) or "0").split()[0])
