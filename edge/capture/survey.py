"""What is plugged in, what it offers, which profile fits, and, where a camera cannot be used, why not.

Looking changes nothing: no mode is set and no picture is taken, so it may be done while a node runs.
"""

import errno
import getpass
import grp
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.capture import v4l2
from edge.capture.devices import Device, devices, lasting_names
from edge.capture.profile import Profile, matching

PROCESSES = Path("/proc")


@dataclass(frozen=True, slots=True)
class Offer:
    """A mode of a camera, with the rates that its driver claims, frames per second."""

    mode: v4l2.Mode
    rates: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One camera.

    Attributes:
        device: what it is and where.
        source: what to write as ``camera.source``, so that this one is meant after a reboot and a replug.
        driver: the kernel's driver; empty when it may not be asked.
        offers: its modes, as the driver lists them.
        profile_name: the shipped profile that ``camera.profile = "auto"`` chooses; ``None`` when none fits.
        profile: that profile.
        mode: the mode that this profile asks for.
        problem: why it cannot be used now, and what to do; ``None`` when it can.
    """

    device: Device
    source: str
    driver: str = ""
    offers: tuple[Offer, ...] = ()
    profile_name: str | None = None
    profile: Profile | None = None
    mode: v4l2.Mode | None = None
    problem: str | None = None


def look_around() -> list[Found]:
    """Look at every camera of this machine, in the order of their numbers."""
    present = devices()
    names = lasting_names(present)
    return [_look_at(device, names[device.node]) for device in present]


def _look_at(device: Device, source: str) -> Found:
    try:
        fd = v4l2.open_node(device.node)
    except OSError as error:
        return Found(device, source, problem=_closed(device.node, error))
    try:
        driver = v4l2.capability(fd).driver.decode("utf-8", "replace")
        offers = tuple(Offer(mode, tuple(v4l2.rates(fd, mode))) for mode in v4l2.modes(fd))
        busy = v4l2.in_use(fd)
    except OSError as error:
        return Found(device, source, problem=f"does not answer: {error.strerror}")
    finally:
        os.close(fd)
    modes = [offer.mode for offer in offers]
    name, fitting = matching(device, modes) or (None, None)
    problem = None
    if busy:
        problem = f"in use by {', '.join(_holders(device.node)) or 'another program (as root: which one)'}"
    elif fitting is None:
        problem = "no shipped profile fits what it offers; camera.profile must name your own FILE.toml"
    mode = fitting.choose(modes) if fitting else None
    return Found(device, source, driver, offers, name, fitting, mode, problem)


def _closed(node: str, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"may not be opened by {_user()}: {_how_to_get_in(node)}"
    if error.errno == errno.EPERM:
        return f"may not be opened in here: a container needs it handed in (--device {node})"
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return "was unplugged"
    return f"cannot be opened: {error.strerror}"


def _how_to_get_in(node: str) -> str:
    try:
        group = grp.getgrgid(os.stat(node).st_gid).gr_name  # noqa: PTH116
    except (OSError, KeyError):
        group = "video"
    if group == "root":
        return "it belongs to root alone; a rule of udev must give it to the group video, and this user be in that"
    return f"put that user into the group {group} (sudo usermod -aG {group} {_user()}) and log in again"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in a container
        return str(os.getuid())


def _holders(node: str) -> Iterator[str]:
    """Name the programs that have a node open, as far as this user may see."""
    for process in PROCESSES.iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            if any(str(one.readlink()) == node for one in (process / "fd").iterdir()):
                yield f"{(process / 'comm').read_text(encoding='utf-8', errors='replace').strip()} (pid {process.name})"
        except OSError:  # it has ended, or belongs to somebody else
            continue
