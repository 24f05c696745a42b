"""A USB thermal camera (V4L2), opened by what it is and not by its number, and never waited for in vain.

Nothing here retries: whatever is wrong is a ``CameraError``, and the node opens the camera again. The picture's shape,
depth and values are checked against the camera's profile before the first frame is believed.
"""

import errno
import mmap
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.capture import layout, profile, v4l2
from edge.capture.content import ContentWatch
from edge.capture.devices import Device, find
from edge.capture.timeline import Timeline
from edge.clock import Clock
from edge.config import CameraConfig
from edge.errors import CameraError, ConfigError
from edge.log import get_logger
from edge.records import Frame

_log = get_logger(__name__)

_BUFFERS = 4  # the driver fills one while we copy another; more would only keep old pictures
_LOOK_S = 0.5  # how often a waiting thread looks whether the node stops
_CHECKED_FRAMES = 3  # the first frames decide whether the profile fits; a shutter may hide one of them


class UsbCamera:
    """One USB camera."""

    def __init__(self, config: CameraConfig, clock: Clock, *, base: Path, stopping: threading.Event) -> None:
        """Name the camera; nothing is opened yet.

        Args:
            config: its section; ``source`` is ``usb:WHICH``.
            clock: stamps frames that the driver does not stamp.
            base: folder that the path of an own profile is meant from.
            stopping: set when the node stops.

        Raises:
            ConfigError: there is no such profile.
        """
        self.camera_id = config.id
        self._config = config
        self._wanted = config.source.partition(":")[2]
        self._clock = clock
        self._stopping = stopping
        self._profile = None if config.profile == "auto" else profile.named(config.profile, base)
        self._timeline = Timeline(clock)
        self._content = ContentWatch()
        self._fd: int | None = None
        self._buffers: list[mmap.mmap] = []
        self._next_seq = 0

    def __enter__(self) -> Self:
        """Find it, set its mode and let it stream.

        Raises:
            CameraError: it is not there, not ours, busy, or does not offer what its profile says.
        """
        device = find(self._wanted)
        try:
            self._fd = v4l2.open_node(device.node)
            self._begin(device, self._fd)
        except OSError as error:
            self.__exit__(None, None, None)
            raise CameraError(_why(device, error)) from error
        except (CameraError, ConfigError):
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it; safe on a device that is gone."""
        if self._fd is None:
            return
        v4l2.stop(self._fd)
        for memory in self._buffers:
            memory.close()
        self._buffers = []
        os.close(self._fd)
        self._fd = None

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the node stops.

        Raises:
            CameraError: no frame or nothing new for too long, unplugged, or not what its profile says.
        """
        fd = self._fd
        if fd is None:
            raise CameraError("the camera is not open")
        first_sequence: int | None = None
        first_seq, good = self._next_seq, 0
        last_s = self._clock.monotonic_s()
        while not self._stopping.is_set():
            try:
                filled = v4l2.wait_filled(fd, min(_LOOK_S, self._config.stall_after_s))
                if filled is None:
                    self._check_stall(last_s)
                    continue
                unpacked = self._unpack(filled)
                v4l2.queue(fd, filled.index)
            except OSError as error:
                raise CameraError(_why(self._device, error)) from error
            first_sequence = filled.sequence if first_sequence is None else first_sequence
            # a damaged frame is not handed on: its number is missing, so it counts as lost
            seq = first_seq + (filled.sequence - first_sequence & 0xFFFFFFFF)
            if unpacked is None or seq < self._next_seq:
                self._check_stall(last_s)
                continue
            self._next_seq = seq + 1
            last_s = self._clock.monotonic_s()
            ffc = layout.shutter_closed(unpacked, self._chosen)
            if good < _CHECKED_FRAMES and not ffc:
                good += 1
                self._check_values(unpacked)
            t_s, utc_s = self._timeline.place(filled.stamp_s)
            self._check_frozen(unpacked, t_s)
            yield Frame(self.camera_id, seq, t_s, utc_s, unpacked.pixels, self._chosen.radiometry, ffc)

    def _begin(self, device: Device, fd: int) -> None:
        if not v4l2.captures(v4l2.capability(fd)):
            raise CameraError(f"{device.node} gives no pictures; camera.source must name another device")
        self._device = device
        offered = list(v4l2.modes(fd))
        name, self._chosen = self._pick(offered)
        wanted = self._chosen.choose(offered, self._config.size_px)
        if wanted is None:
            told = ", ".join(str(mode) for mode in offered) or "nothing"
            asked = f" at camera.size_px = {list(self._config.size_px)}" if self._config.size_px else ""
            raise CameraError(f"{device}: offers {told}, but profile '{name}'{asked} wants another; set camera.profile")
        self._mode = v4l2.choose(fd, wanted)
        given = (self._mode.fourcc, self._mode.width_px, self._mode.height_px)
        if given != (wanted.fourcc, wanted.width_px, wanted.height_px):
            raise CameraError(f"{device}: asked for {wanted}, the driver gives {self._mode}; set camera.size_px")
        self._buffers = v4l2.map_buffers(fd, _BUFFERS)
        v4l2.start(fd)
        self._timeline.reopened(same_clock=True)
        self._content.reopened(self._clock.monotonic_s())
        _log.info("usb camera", camera=self.camera_id, device=str(device), mode=str(self._mode), profile=name)

    def _pick(self, offered: list[v4l2.Mode]) -> tuple[str, profile.Profile]:
        if self._profile is not None:
            return self._config.profile, self._profile
        found = profile.matching(self._device, offered)
        if found is None:
            told = ", ".join(str(mode) for mode in offered) or "nothing"
            raise CameraError(f"{self._device}: offers {told}; no camera profile fits, set camera.profile to your own")
        return found

    def _unpack(self, filled: v4l2.Filled) -> layout.Unpacked | None:
        if filled.damaged:
            return None
        with memoryview(self._buffers[filled.index]) as whole, whole[: filled.bytes_used] as raw:
            return layout.unpack(raw, self._mode, self._chosen)

    def _check_stall(self, last_s: float) -> None:
        silent_s = self._clock.monotonic_s() - last_s
        if silent_s >= self._config.stall_after_s:
            raise CameraError(f"{self._device}: no whole frame for {silent_s:.1f} s; it is opened again")

    def _check_frozen(self, unpacked: layout.Unpacked, t_s: float) -> None:
        same_s = self._content.same_for_s(unpacked.pixels, t_s)
        if same_s >= self._config.frozen_reopen_s:
            raise CameraError(f"{self._device}: the same picture for {same_s:.0f} s; it is opened again")

    def _check_values(self, unpacked: layout.Unpacked) -> None:
        wrong = layout.check_values(unpacked.pixels, self._chosen)
        if wrong:
            raise CameraError(
                f"{self._device}: {wrong}; set camera.profile to one that fits ('{self._chosen.name}' does not)"
            )


def _why(device: Device, error: OSError) -> str:
    told = {
        errno.EBUSY: "another program uses it",
        errno.EACCES: "may not be opened; the user of this service must be in the group video",
        errno.ENOTTY: "is no camera; camera.source must name another device (edge cameras lists them)",
        errno.ENODEV: "was unplugged",
        errno.ENXIO: "was unplugged",
        errno.ENOENT: "was unplugged",
        errno.ENOSPC: "the USB bus has no bandwidth left; give the camera a port of its own",
        errno.EIO: "the driver has lost it",
    }.get(error.errno or 0, error.strerror or str(error))
    return f"{device}: {told}"
