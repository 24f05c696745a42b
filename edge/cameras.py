"""``edge cameras``: what is plugged in, for a person on a terminal or for a program, and a picture of each.

The pictures are taken as the node would take them, so a camera that gives one here works there.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from edge.capture.profile import shipped
from edge.capture.survey import Found, Offer
from edge.clock import Clock
from edge.errors import CameraError
from edge.records import Frame, Radiometry

_PATIENCE_S = 10.0
_SETTLE_FRAMES = 5  # the first pictures after opening are often those of a closed shutter
_VERIFIED = {
    "no": "written from data sheets, never seen working",
    "emulated": "tested on an emulated camera, not on the real one",
    "hardware": "tested on the real camera",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A picture of one camera, or why there is none.

    Attributes:
        file: where it lies.
        values: the range of its values, for people.
        fault: why there is no picture.
    """

    file: Path | None = None
    values: str | None = None
    fault: str | None = None


def camera_id(index: int) -> str:
    """Suggest an id for the camera at ``index``."""
    return f"camera-{index + 1}"


def section(found: Found, index: int) -> str:
    """Write the table to paste into a configuration."""
    lines = ["[[camera]]", f'id = "{camera_id(index)}"', f"source = {json.dumps(found.source)}"]
    if found.profile_name:
        lines.append(f'profile = "{found.profile_name}"')
    return "\n".join(lines)


def take_snapshots(
    cameras: Sequence[Found], folder: Path, clock: Clock, *, advance: Callable[[int, int | None], None]
) -> list[Snapshot]:
    """Take a picture with each camera and write it to ``folder`` as ``camera-N.png``, 8-bit after AGC.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    for index, found in enumerate(cameras):
        taken.append(_snapshot(found, folder / f"{camera_id(index)}.png", clock))
        advance(index + 1, len(cameras))
    return taken


def _snapshot(found: Found, file: Path, clock: Clock) -> Snapshot:
    if found.problem:
        return Snapshot(fault=found.problem)
    try:
        frame = _frame(found, clock)
    except CameraError as error:
        return Snapshot(fault=str(error))
    file.write_bytes(viewable(frame))
    return Snapshot(file, values(frame))


def _frame(found: Found, clock: Clock) -> Frame:
    from edge.capture.usb import UsbCamera  # noqa: PLC0415  (a listing takes no pictures)
    from edge.config import CameraConfig  # noqa: PLC0415

    frame, end_s = None, clock.monotonic_s() + _PATIENCE_S
    config = CameraConfig(id="snapshot", source=found.source)
    with UsbCamera(config, clock, base=Path(), stopping=threading.Event()) as camera:
        for number, frame in enumerate(camera, start=1):
            if (number >= _SETTLE_FRAMES and not frame.ffc) or clock.monotonic_s() > end_s:
                break
    if frame is None:
        raise CameraError(f"{found.source}: gave no frame")
    return frame


def viewable(frame: Frame) -> bytes:
    """Make a PNG that a person can look at: the picture as the model would see it, pixel for pixel."""
    from edge.capture.stills import encode_png  # noqa: PLC0415
    from edge.config import PreprocessConfig  # noqa: PLC0415
    from edge.pipeline.preprocess import Preprocessor  # noqa: PLC0415

    return encode_png(Preprocessor(PreprocessConfig()).apply(frame).picture)


def values(frame: Frame) -> str:
    """Tell the range of a picture's values, and in degrees where it is known."""
    low, high = int(np.min(frame.pixels)), int(np.max(frame.pixels))
    told, meaning = f"{frame.width_px}x{frame.height_px} {frame.pixels.dtype}, {low}..{high}", frame.radiometry
    if meaning.scale is None or meaning.offset is None:
        return told
    return f"{told} = {_degrees_c(low, meaning):.1f}..{_degrees_c(high, meaning):.1f} °C"


def _degrees_c(value: int, meaning: Radiometry) -> float:
    return value * (meaning.scale or 0.0) + (meaning.offset or 0.0)


def to_json(cameras: Sequence[Found], snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """Give everything as JSON values."""
    return {"cameras": [_one_as_json(found, index, snapshots) for index, found in enumerate(cameras)]}


def _one_as_json(found: Found, index: int, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    device, told = found.device, dict[str, Any]()
    if snapshots:
        taken = snapshots[index]
        told = {"snapshot": str(taken.file) if taken.file else None, "values": taken.values, "fault": taken.fault}
    return {
        "source": found.source,
        "name": device.name,
        "node": device.node,
        "usb": device.ids or None,
        "serial": device.serial or None,
        "port": device.port or None,
        "links": list(device.links),
        "driver": found.driver or None,
        "offers": [
            {
                "fourcc": offer.mode.fourcc,
                "width_px": offer.mode.width_px,
                "height_px": offer.mode.height_px,
                "rates": list(offer.rates),
            }
            for offer in found.offers
        ],
        "profile": found.profile_name,
        "profile_verified": found.profile.verified if found.profile else None,
        "mode": str(found.mode) if found.mode else None,
        "problem": found.problem,
        "section": section(found, index),
        **told,
    }


def to_text(cameras: Sequence[Found], snapshots: Sequence[Snapshot]) -> str:
    """Write everything for a person."""
    if not cameras:
        return (
            "No camera is plugged in (nothing below /sys/class/video4linux gives pictures).\n"
            "A network camera needs none: camera.source = rtsp://...; nor does footage: camera.source = footage:night.mkv.\n"
        )
    return "\n".join(_one_as_text(found, index, snapshots) for index, found in enumerate(cameras))


def _one_as_text(found: Found, index: int, snapshots: Sequence[Snapshot]) -> str:
    device = found.device
    where = ", ".join((device.node, *([f"port {device.port}"] if device.port else []), *device.links))
    rows = [("now", where)]
    if found.driver:
        rows.append(("driver", found.driver))
    rows += [("offers" if nth == 0 else "", line) for nth, line in enumerate(_offers(found.offers))]
    if found.profile:
        rows.append(("profile", f"{found.profile_name}: {found.profile.name}; {_VERIFIED[found.profile.verified]}"))
        rows.append(("reads", str(found.mode)))
    if found.problem:
        rows.append(("PROBLEM", found.problem))
    if snapshots:
        taken = snapshots[index]
        rows.append(("picture", f"{taken.file} ({taken.values})" if taken.file else f"none: {taken.fault}"))
    rows += [("write" if nth == 0 else "", line) for nth, line in enumerate(section(found, index).splitlines())]
    told = "".join(f"  {name:9}{text}\n" for name, text in rows)
    return f"{found.source}  {device.name}\n{told}"


def _offers(offers: Iterable[Offer]) -> Iterator[str]:
    others, readable = [], {fourcc for profile in shipped().values() for fourcc in profile.picture.fourcc}
    for fourcc, group in groupby(offers, key=lambda offer: offer.mode.fourcc):
        if fourcc not in readable:
            others.append(f"'{fourcc}'")
            continue
        sizes = [f"{offer.mode.width_px}x{offer.mode.height_px}{_rates(offer.rates)}" for offer in group]
        yield f"'{fourcc}' {', '.join(sizes)}"
    if others:
        yield f"and {', '.join(others)}, which cannot be read here"


def _rates(rates: tuple[float, ...]) -> str:
    return f" at {'/'.join(f'{rate:g}' for rate in rates)} frames/s" if rates else ""
