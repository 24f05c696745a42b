"""Which USB cameras are there, and under which names that survive a reboot and a replug.

``/dev/video0`` is whatever came first. What stays is what the camera says of itself (vendor, product, serial) and the
port it is plugged into; both stand in sysfs, which is read at every opening, so a camera that comes back under another
number is found again. The links that udev makes (``/dev/v4l/by-id``) are accepted too, but not needed: small systems
have no udev.
"""

import errno
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.capture import v4l2
from edge.errors import CameraError

CLASS = Path("/sys/class/video4linux")
NODES = Path("/dev")
_LINKS = ("v4l/by-id", "v4l/by-path")
_IDS = re.compile(r"^(?P<vendor>[0-9a-fA-F]{4}):(?P<product>[0-9a-fA-F]{4})(?::(?P<serial>.+))?$")
_PORT = re.compile(r"^\d+-\d+(\.\d+)*$")


@dataclass(frozen=True, slots=True)
class Device:
    """One camera as the kernel shows it.

    Attributes:
        node: its device file now, for example ``/dev/video0``.
        name: what it calls itself.
        vendor: USB vendor number, four hexadecimal digits; empty for a camera that is not on USB.
        product: USB product number.
        serial: serial number; empty when it has none.
        port: where it is plugged in, for example ``1-1.2``.
        links: udev's lasting names for the node, that of the camera before that of the port.
    """

    node: str
    name: str
    vendor: str = ""
    product: str = ""
    serial: str = ""
    port: str = ""
    links: tuple[str, ...] = ()

    @property
    def ids(self) -> str:
        """``vendor:product``, or nothing."""
        return f"{self.vendor}:{self.product}" if self.vendor else ""

    @property
    def source(self) -> str:
        """What to write as ``camera.source``, so that it is found again wherever the kernel puts it."""
        if not self.vendor:
            return f"usb:{self.links[0] if self.links else self.node}"
        return f"usb:{self.ids}:{self.serial}" if self.serial else f"usb:{self.port}"

    def __str__(self) -> str:
        told = " ".join(part for part in (self.ids, self.serial and f"serial {self.serial}") if part)
        return f"{self.node} ({self.name}{', ' + told if told else ''}{', port ' + self.port if self.port else ''})"


def devices() -> list[Device]:
    """List the cameras that give pictures, in the order of their numbers; also those that may not be opened."""
    found = []
    for entry in sorted(_entries(), key=lambda path: int(re.sub(r"\D", "", path.name) or 0)):
        node = str(NODES / entry.name)
        if _gives_pictures(entry, node):
            found.append(_device(entry, node))
    return found


def lasting_names(present: Sequence[Device]) -> dict[str, str]:
    """Say by node what to write as ``camera.source``; cameras sold with one serial number are told apart by their port."""
    often = Counter(one.source for one in present)
    return {one.node: f"usb:{one.port}" if often[one.source] > 1 and one.port else one.source for one in present}


def find(wanted: str) -> Device:
    """Find the one camera that ``camera.source = usb:WANTED`` means.

    Args:
        wanted: ``auto``, ``vendor:product``, ``vendor:product:serial``, a port (``1-1.2``), or a path below ``/dev``.

    Raises:
        CameraError: it is not there, or several fit.
    """
    if wanted.startswith("/"):
        return _at_path(wanted)
    present = devices()
    ids, fitting = _IDS.match(wanted), list[Device]()
    if wanted == "auto":
        fitting = present
    elif ids:
        vendor, product = ids["vendor"].lower(), ids["product"].lower()
        fitting = [one for one in present if (one.vendor, one.product) == (vendor, product)]
        if ids["serial"]:
            fitting = [one for one in fitting if one.serial == ids["serial"]]
    elif _PORT.match(wanted):
        fitting = [one for one in present if one.port == wanted]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = lasting_names(present)
        offers = ", ".join(names[one.node] for one in fitting)
        raise CameraError(f"usb:{wanted} fits {len(fitting)} cameras; camera.source must name one of: {offers}")
    raise CameraError(f"usb:{wanted}: no such camera is plugged in; {_there(present)}")


def check_name(wanted: str) -> str | None:
    """Say what is wrong with the name of a USB camera; ``None`` when it may be one."""
    if wanted == "auto" or wanted.startswith("/") or _IDS.match(wanted) or _PORT.match(wanted):
        return None
    return "a USB camera is named auto, VENDOR:PRODUCT, VENDOR:PRODUCT:SERIAL, a port such as 1-1.2, or a path in /dev"


def _at_path(wanted: str) -> Device:
    node = os.path.realpath(wanted)
    if not os.path.exists(node):  # noqa: PTH110  (Path.exists raises for a name no file can have)
        raise CameraError(f"{wanted}: no such device; {_there(devices())}")
    entry = CLASS / os.path.basename(node)  # noqa: PTH119
    return _device(entry, node)


def _there(present: Sequence[Device]) -> str:
    names = lasting_names(present)
    told = ", ".join(f"{names[one.node]} ({one.name})" for one in present)
    return f"there are: {told}" if told else "there is no camera at all"


def _entries() -> list[Path]:
    try:
        return [entry for entry in CLASS.iterdir() if entry.name.startswith("video")]
    except OSError:  # no camera was ever plugged in: the kernel has not made the folder
        return []


def _gives_pictures(entry: Path, node: str) -> bool:
    try:
        fd = v4l2.open_node(node)
    except OSError as error:
        # Not ours to open, but there: who opens it is told why. A camera's first node is the one with the pictures.
        return error.errno in (errno.EACCES, errno.EPERM) and _read(entry / "index") in ("", "0")
    try:
        return v4l2.captures(v4l2.capability(fd))
    except OSError:
        return False
    finally:
        os.close(fd)


def _device(entry: Path, node: str) -> Device:
    # entry/device is the USB interface; its parent is the device with the numbers
    parent = Path(os.path.realpath(entry / "device")).parent
    return Device(
        node=node,
        name=_read(entry / "name") or os.path.basename(node),  # noqa: PTH119
        vendor=_read(parent / "idVendor").lower(),
        product=_read(parent / "idProduct").lower(),
        serial=_read(parent / "serial"),
        port=parent.name if _PORT.match(parent.name) else "",
        links=tuple(_links_to(node)),
    )


def _links_to(node: str) -> Iterator[str]:
    for folder in _LINKS:
        try:
            links = sorted((NODES / folder).iterdir())
        except OSError:  # no udev, or nothing plugged in
            continue
        yield from (str(link) for link in links if os.path.realpath(link) == node)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
