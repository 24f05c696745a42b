"""A kernel with V4L2 cameras: answers at the level of open, ioctl, mmap and poll, so everything of ours runs."""

import errno
import fcntl
import mmap
import os
import select
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge.capture import devices, v4l2

_real_mmap = mmap.mmap
_MONOTONIC = 0x2000
_DAMAGED = 0x40


@dataclass
class FakeCamera:
    """One camera: what it offers, and the frames that it will send."""

    name: str = "ThermalCam"
    ids: tuple[str, str] = ("1e4e", "0100")
    serial: str = "FL0001"
    port: str = "1-1"
    offers: tuple[tuple[str, int, int], ...] = (("Y16 ", 160, 120), ("YUYV", 160, 120))
    gives: tuple[str, int, int] | None = None
    padding: int = 0
    gives_pictures: bool = True
    frames: list = field(default_factory=list)
    fault: int | None = None
    open_fault: int | None = None
    held: bool = False
    live: bool = False
    frozen: bool = False
    stamp_offset_s: float = 0.0
    streaming: bool = False
    queued: list[int] = field(default_factory=list)
    mode: tuple[str, int, int] = ("Y16 ", 160, 120)
    sequence: int = 0

    def send(self, pixels: np.ndarray, *, stamp_s: float = 0.0, lost: int = 0, damaged: bool = False):
        """Let a frame be ready, ``lost`` numbers after the one before it."""
        self.sequence += lost
        self.frames.append((np.ascontiguousarray(pixels).tobytes(), self.sequence, stamp_s, damaged))
        self.sequence += 1

    def film(self, now_s: float) -> None:
        """Send what a living camera sends by itself, as a Lepton in a room of 20 degrees."""
        seed = 0 if self.frozen else self.sequence
        noise = np.random.default_rng(seed).integers(-20, 21, (self.mode[2], self.mode[1]))
        self.send((noise + 29_315).astype(np.uint16), stamp_s=max(0.0, now_s + self.stamp_offset_s))

    @property
    def frame_bytes(self) -> int:
        """Size of one buffer."""
        return 4 * (self.mode[1] + self.padding) * self.mode[2]


class FakeKernel:
    """Cameras by device node; install it with ``install``."""

    def __init__(self, root: Path, clock) -> None:
        """Start with no camera plugged in."""
        self.root, self.clock = root, clock
        self.cameras: dict[str, FakeCamera] = {}
        self.open: dict[int, FakeCamera] = {}
        self.memory: dict[tuple[int, int], mmap.mmap] = {}
        (root / "class").mkdir()
        (root / "dev").mkdir()

    def install(self, monkeypatch) -> None:
        """Put itself in the place of the real one."""
        monkeypatch.setattr(devices, "CLASS", self.root / "class")
        monkeypatch.setattr(devices, "NODES", self.root / "dev")
        monkeypatch.setattr(v4l2, "open_node", self.open_node)
        monkeypatch.setattr(fcntl, "ioctl", self.ioctl)
        monkeypatch.setattr(mmap, "mmap", self.mmap)
        monkeypatch.setattr(select, "poll", lambda: _Poll(self))

    def plug(self, camera: FakeCamera, number: int = 0) -> str:
        """Plug a camera in; return its node."""
        device = self.root / f"usb{number}" / camera.port
        (device / "1-1:1.0").mkdir(parents=True, exist_ok=True)
        for name, text in zip(("idVendor", "idProduct", "serial"), (*camera.ids, camera.serial), strict=True):
            (device / name).write_text(text + "\n")
        entry = self.root / "class" / f"video{number}"
        entry.mkdir()
        (entry / "name").write_text(camera.name + "\n")
        (entry / "index").write_text("0\n" if camera.gives_pictures else "1\n")
        (entry / "device").symlink_to(device / "1-1:1.0")
        node = self.root / "dev" / f"video{number}"
        node.touch()
        self.cameras[str(node)] = camera
        return str(node)

    def unplug(self, camera: FakeCamera) -> None:
        """Pull it out, streaming or not."""
        for node, there in list(self.cameras.items()):
            if there is camera:
                del self.cameras[node]
                Path(node).unlink()
                entry = self.root / "class" / Path(node).name
                (entry / "device").unlink()
                (entry / "name").unlink()
                (entry / "index").unlink()
                entry.rmdir()
        camera.fault, camera.streaming = errno.ENODEV, False

    def open_node(self, path: str) -> int:
        """Open a node; the descriptor is a real one, so closing it works."""
        if path not in self.cameras:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        fault = self.cameras[path].open_fault
        if fault is not None:
            raise OSError(fault, os.strerror(fault))
        fd = os.open(os.devnull, os.O_RDWR)
        self.open[fd] = self.cameras[path]
        return fd

    def mmap(self, fd: int, length: int, offset: int = 0):
        """Map one buffer: real memory, which the driver fills."""
        self.memory[fd, offset] = _real_mmap(-1, length)
        return self.memory[fd, offset]

    def ioctl(self, fd: int, request: int, argument) -> int:
        """Answer one request."""
        camera = self.open[fd]
        if camera.fault is not None:
            raise OSError(camera.fault, os.strerror(camera.fault))
        name = next(name for name in _ANSWERS if getattr(v4l2, name) == request)
        getattr(self, "_" + name.lower())(fd, camera, argument)
        return 0

    def _querycap(self, _fd, camera, told) -> None:
        told.card, told.driver = camera.name.encode(), b"uvcvideo"
        told.capabilities = 0x84200001
        told.device_caps = 0x04200001 if camera.gives_pictures else 0x04A00000

    def _enum_fmt(self, _fd, camera, entry) -> None:
        kinds = list(dict.fromkeys(fourcc for fourcc, _, _ in camera.offers))
        _within(entry.index, kinds)
        entry.pixelformat = v4l2.fourcc_code(kinds[entry.index])

    def _enum_framesizes(self, _fd, camera, entry) -> None:
        sizes = [size for fourcc, *size in camera.offers if v4l2.fourcc_code(fourcc) == entry.pixel_format]
        _within(entry.index, sizes)
        entry.type, (entry.size[0], entry.size[1]) = 1, sizes[entry.index]

    def _enum_frameintervals(self, _fd, _camera, entry) -> None:
        _within(entry.index, [9])
        entry.type, entry.interval[0], entry.interval[1] = 1, 1, 9

    def _s_fmt(self, _fd, camera, asked) -> None:
        pix = asked.fmt.pix
        camera.mode = camera.gives or (v4l2.fourcc_text(pix.pixelformat), pix.width, pix.height)
        pix.pixelformat, pix.width, pix.height = v4l2.fourcc_code(camera.mode[0]), *camera.mode[1:]
        per_pixel = 1 if camera.mode[0] == "GREY" else 2
        pix.bytesperline = (camera.mode[1] + camera.padding) * per_pixel

    def _reqbufs(self, _fd, camera, asked) -> None:
        if camera.held:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        camera.queued = []
        asked.count = min(asked.count, 3)

    def _querybuf(self, _fd, camera, buffer) -> None:
        buffer.length, buffer.m.offset = camera.frame_bytes, buffer.index * mmap.PAGESIZE

    def _qbuf(self, _fd, camera, buffer) -> None:
        assert buffer.index not in camera.queued, "a buffer is given back once"
        camera.queued.append(buffer.index)

    def _dqbuf(self, fd, camera, buffer) -> None:
        if not camera.frames:
            raise BlockingIOError(errno.EAGAIN, "nothing there")
        content, sequence, stamp_s, damaged = camera.frames.pop(0)
        buffer.index = camera.queued.pop(0)
        memory = self.memory[fd, buffer.index * mmap.PAGESIZE]
        memory[: len(content)] = content
        buffer.bytesused, buffer.sequence = len(content), sequence
        buffer.flags = _MONOTONIC | (_DAMAGED if damaged else 0)
        buffer.timestamp.tv_sec, buffer.timestamp.tv_usec = int(stamp_s), round(stamp_s % 1 * 1e6)

    def _streamon(self, _fd, camera, _argument) -> None:
        camera.streaming = True

    def _streamoff(self, _fd, camera, _argument) -> None:
        camera.streaming = False


_ANSWERS = (
    "QUERYCAP",
    "ENUM_FMT",
    "ENUM_FRAMESIZES",
    "ENUM_FRAMEINTERVALS",
    "S_FMT",
    "REQBUFS",
    "QUERYBUF",
    "QBUF",
    "DQBUF",
    "STREAMON",
    "STREAMOFF",
)


class _Poll:
    """``select.poll`` whose waiting only moves the clock."""

    def __init__(self, kernel: FakeKernel) -> None:
        self.kernel = kernel

    def register(self, fd: int, _events: int) -> None:
        """Remember what is waited for."""
        self.fd = fd

    def poll(self, timeout_ms: float):
        """Report what is ready."""
        camera = self.kernel.open[self.fd]
        if camera.fault is not None:
            return [(self.fd, select.POLLERR)]
        if camera.live and not camera.frames:
            self.kernel.clock.now_s += 1 / 9
            camera.film(self.kernel.clock.now_s)
        if camera.frames and camera.fault is None:
            return [(self.fd, select.POLLIN)]
        self.kernel.clock.now_s += timeout_ms / 1000
        return []


def _within(index: int, listed: list) -> None:
    if index >= len(listed):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
