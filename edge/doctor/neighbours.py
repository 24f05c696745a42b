"""Who else is at work on this box: a node that runs, whoever holds a device, and what systemd says of the service."""

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edge.doctor.findings import Finding

PROC = Path("/proc")
SYSTEMD = Path("/run/systemd/system")
_ANSWER_S = 5.0
_MANY_RESTARTS = 3


@dataclass(frozen=True, slots=True)
class Program:
    """A running program.

    Attributes:
        process_id: its number.
        name: what it was started as.
        unit: its systemd service, where it has one.
    """

    process_id: int
    name: str
    unit: str | None = None

    def __str__(self) -> str:
        return f"{self.unit or self.name} (process {self.process_id})"


def running_nodes() -> list[Program]:
    """Find every ``edge run`` on this box but ourselves."""
    found = []
    for process_id, words in _programs():
        first = 1 if _name(words[0]).startswith("python") else 0  # a script's interpreter comes before it
        if [_name(word) for word in words[first : first + 2]] == ["edge", "run"]:
            found.append(Program(process_id, "edge run", _unit(process_id)))
    return found


def holders(device: str) -> list[Program]:
    """Find who holds a device node open; without root only one's own programs can be seen."""
    wanted = os.path.realpath(device)
    return [
        Program(process_id, _name(words[0]), _unit(process_id))
        for process_id, words in _programs()
        if wanted in _open_files(process_id)
    ]


def service(unit: str) -> list[Finding]:
    """Tell how the service does, by its own word to systemd."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not SYSTEMD.is_dir():
        return [Finding("service", "skip", "this machine does not run systemd")]
    wanted = "LoadState,ActiveState,SubState,StatusText,NRestarts,Result"
    done = subprocess.run(  # noqa: S603
        [systemctl, "show", unit, f"--property={wanted}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_ANSWER_S,
    )
    told = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    if told.get("LoadState") != "loaded":
        return [Finding("service", "skip", f"{unit} is not installed here")]
    return [_judged(unit, told)]


def _judged(unit: str, told: dict[str, str]) -> Finding:
    state, says = told.get("ActiveState", ""), told.get("StatusText", "")
    restarts = int(told.get("NRestarts") or 0)
    measured: dict[str, float | str] = {"restarts": restarts}
    if state in ("failed", "activating") and told.get("SubState") != "start":
        why = f"{unit} does not stay up: {state}, {told.get('Result', 'unknown')}, {restarts} restart(s)"
        return Finding("service", "fail", why, f"journalctl -u {unit} -b -n 50", measured)
    if state != "active":
        return Finding("service", "warn", f"{unit} is {state}", f"sudo systemctl enable --now {unit}", measured)
    if says and not says.startswith("ok"):
        return Finding("service", "warn", f"{unit} says: {says}", f"journalctl -u {unit} -b -n 50", measured)
    if restarts > _MANY_RESTARTS:
        why = f"{unit} was started again {restarts} times"
        return Finding("service", "warn", why, f"journalctl -u {unit} -b -p warning", measured)
    return Finding("service", "pass", f"{unit} runs{': ' + says if says else ''}", None, measured)


def _name(word: str) -> str:
    return word.rpartition("/")[2]


def _programs() -> list[tuple[int, list[str]]]:
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            if words[0]:
                found.append((int(entry.name), words))
    return sorted(found)


def _open_files(process_id: int) -> set[str]:
    found = set[str]()
    with contextlib.suppress(OSError):
        for link in (PROC / str(process_id) / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(link.readlink()))
    return found


def _unit(process_id: int) -> str | None:
    try:
        path = (PROC / str(process_id) / "cgroup").read_text().strip().rpartition(":")[2]
    except OSError:
        return None
    return next((part for part in reversed(path.split("/")) if part.endswith(".service")), None)
