"""Cameras: is it there, does it send what its profile says, how fast, and is the picture worth anything."""

import errno
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.capture import devices
from edge.capture.sources import open_source
from edge.clock import Clock
from edge.config import CameraConfig, Config, SightConfig, redacted
from edge.doctor.findings import Finding, State
from edge.doctor.neighbours import Program, holders
from edge.errors import CameraError, ConfigError
from edge.pipeline.preprocess import Preprocessor
from edge.pipeline.sight import SightKeeper
from edge.records import Frame, Sight

WATCH_S = 5.0
_FIRST_FRAME_S = 8.0  # a stream may need a key frame, a USB camera its first calibration
_SOON_S = 2.0  # what the node believes after minutes must show here within seconds
_LOST_SHARE = 0.05
_SLOW_FPS = 3.0  # below this a walking person is at another place in each frame, and is not followed
_ONE_LISTENER = ("udp", "srt")

_FIXES = {
    "frozen": "unplug the camera and plug it in again; if it stays, camera.power_cycle does so by itself",
    "covered": "take the cap off, wipe the window, look what stands before the lens",
    "saturated": "turn it away from the sun, fires and machines; check camera.profile and its values.low and values.high",
    "shutter": "switch the camera off and on; camera.power_cycle does so by itself",
    "crossover": "wait an hour: at dawn and dusk everything is equally warm; if it lasts, turn it to a warmer scene",
    "defocus": "focus it on something 50 m away; wipe the lens; let fog and rain pass",
    "dead-pixels": "let the camera calibrate (FFC); if they stay, it is worn",
}


def look(
    section: CameraConfig, config: Config, *, base: Path, clock: Clock, nodes: Sequence[Program] = ()
) -> list[Finding]:
    """Open one camera, watch it for some seconds, and judge it.

    Args:
        section: the camera.
        config: the whole configuration.
        base: folder that relative paths are meant from.
        clock: measures the watching.
        nodes: nodes that run on this box: a camera that one of them uses is in good hands.
    """
    name = f"camera {section.id}"
    scheme = section.source.partition(":")[0]
    if nodes and scheme in _ONE_LISTENER:
        return [Finding(name, "skip", f"only one can listen to {scheme}, and {nodes[0]} does")]
    quick = section.model_copy(update={"stall_after_s": min(section.stall_after_s, _FIRST_FRAME_S)})
    try:
        with open_source(quick, clock, threading.Event(), base=base) as camera:
            frames = _Watched(config, section)
            frames.watch(iter(camera), clock)
    except (CameraError, ConfigError) as error:
        return [_fault(name, section, error, nodes)]
    return frames.judged(name)


class _Watched:
    """The frames of one camera over some seconds."""

    def __init__(self, config: Config, section: CameraConfig) -> None:
        self._section = section
        self._prepare = Preprocessor(config.preprocess, black_hot=section.polarity == "black-hot", watch=True)
        self._sight = SightKeeper(_impatient(config.sight))
        self._first: Frame | None = None
        self._last: Frame | None = None
        self._count = 0
        self._seen = Sight()
        self._contrast_levels = 0.0

    def watch(self, frames: Iterator[Frame], clock: Clock) -> None:
        began_s = clock.monotonic_s()
        for frame in frames:
            if self._first is None:
                self._first, began_s = frame, clock.monotonic_s()
            self._last = frame
            self._count += 1
            stats = self._prepare.apply(frame).stats
            sight = self._sight.update(frame, stats)
            if not frame.ffc:
                self._contrast_levels = stats.contrast_levels
            if sight.cause != "shutter" or sight.state == "blind":
                self._seen = sight
            if clock.monotonic_s() - began_s >= WATCH_S:
                return

    def judged(self, name: str) -> list[Finding]:
        first, last = self._first, self._last
        if first is None or last is None:
            return [Finding(name, "fail", "it ends without a picture", "camera.source must name something to see")]
        seconds = last.t_s - first.t_s
        fps = (self._count - 1) / seconds if seconds > 0 else 0.0
        lost = last.seq - first.seq + 1 - self._count
        kind = last.radiometry.kind if last.pixels.dtype.itemsize > 1 else "8-bit"
        told = f"{last.width_px}x{last.height_px}, {kind}, {fps:.1f} frames/s"
        measured: dict[str, float | str] = {
            "width_px": last.width_px,
            "height_px": last.height_px,
            "fps": round(fps, 2),
            "lost": lost,
        }
        state: State = "pass"
        fix = None
        if lost > _LOST_SHARE * (lost + self._count):
            state, told = "warn", f"{told}; {lost} of {lost + self._count} frames lost"
            fix = "give it a USB port (or a network) of its own, and a short cable"
        elif self._count > 1 and fps < _SLOW_FPS:
            state, fix = (
                "warn",
                f"people are followed from about {_SLOW_FPS:g} frames/s on; choose a faster camera.size_px",
            )
        return [Finding(name, state, told, fix, measured), self._picture()]

    def _picture(self) -> Finding:
        name, seen = f"picture {self._section.id}", self._seen
        measured: dict[str, float | str] = {"contrast_levels": round(self._contrast_levels, 1)}
        if seen.state == "ok":
            return Finding(name, "pass", "it can see", None, measured)
        state: State = "fail" if seen.state == "blind" else "warn"
        return Finding(name, state, seen.reason or seen.state, _FIXES.get(seen.cause or ""), measured)


def present(config: Config) -> list[CameraConfig]:
    """Make a section for each USB camera that is plugged in: for a box without a configuration."""
    return [
        CameraConfig(id=f"usb-{number}", source=device.source)
        for number, device in enumerate(devices.devices())
        if not config.camera
    ]


def _impatient(sight: SightConfig) -> SightConfig:
    """Say within the watching what the node says after minutes; only a frozen picture must outlast any shutter."""
    soon = {name: min(getattr(sight, name), _SOON_S) for name in ("covered_after_s", "degraded_after_s")}
    frozen_s = min(sight.frozen_after_s, WATCH_S - 1.0)
    return sight.model_copy(update=soon | {"frozen_after_s": frozen_s, "frozen_8bit_after_s": frozen_s})


def _fault(name: str, section: CameraConfig, error: Exception, nodes: Sequence[Program]) -> Finding:
    number = error.__cause__.errno if isinstance(error.__cause__, OSError) else None
    if number == errno.EBUSY:
        return _busy(name, section, nodes)
    if isinstance(error, ConfigError):
        return Finding(name, "fail", str(error), "mend camera.source or camera.profile")
    if number in (errno.EACCES, errno.EPERM):
        return Finding(
            name, "fail", str(error), "sudo usermod -aG video USER, for the user of the service, and start it again"
        )
    if section.source.startswith("usb:"):
        return Finding(name, "fail", str(error), "plug it in and set camera.source to what edge cameras lists")
    return Finding(
        name, "fail", str(error), f"check camera.source = {redacted(section.source)} and its cable or network"
    )


def _busy(name: str, section: CameraConfig, nodes: Sequence[Program]) -> Finding:
    node = devices.find(section.source.partition(":")[2]).node
    users = holders(node)
    ours = {one.process_id for one in nodes}
    mine = next((user for user in users if user.process_id in ours), None)
    if mine is not None:
        return Finding(name, "pass", f"{node} is used by {mine}")
    if users:
        return Finding(name, "fail", f"{node} is used by {users[0]}", f"stop it: sudo kill {users[0].process_id}")
    if nodes:
        return Finding(name, "pass", f"{node} is in use, by all signs by {nodes[0]}")
    return Finding(name, "fail", f"{node} is used by another program", f"find it and stop it: sudo fuser -v {node}")
