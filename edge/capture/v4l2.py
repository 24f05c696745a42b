"""The part of Video4Linux2 that a USB camera needs: structures and free functions over a file descriptor.

Written here and not taken from OpenCV, which hides the two things that matter on a pole: the driver's sequence number
(lost frames) and its time stamp; which also blocks for seconds on a camera that hangs, and takes an unplugged one for
open. Names and layouts are the kernel's own: include/uapi/linux/videodev2.h.
"""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import select
import stat
from collections.abc import Iterator
from dataclasses import dataclass

CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
_MAJOR = 81  # of every video device, by the kernel's list (Documentation/admin-guide/devices.txt)
_MMAP = 1  # V4L2_MEMORY_MMAP
_CAP_VIDEO_CAPTURE = 0x1
_CAP_STREAMING = 0x04000000
_CAP_DEVICE_CAPS = 0x80000000
_BUF_FLAG_ERROR = 0x40
_BUF_FLAG_TIMESTAMP_MASK = 0xE000
_BUF_FLAG_TIMESTAMP_MONOTONIC = 0x2000
_DISCRETE = 1  # V4L2_FRMSIZE_TYPE_DISCRETE and V4L2_FRMIVAL_TYPE_DISCRETE
_LARGEST_SIDE_PX = 16384  # a driver that claims more, or nothing, does not mean it
_MOST_LISTED = 512  # of formats, sizes or rates: a driver that never ends its list must not hang us
_POLL_FAULTS = select.POLLERR | select.POLLHUP | select.POLLNVAL

_U32 = ctypes.c_uint32


class Capability(ctypes.Structure):
    """``struct v4l2_capability``."""

    _fields_ = (
        ("driver", ctypes.c_char * 16),
        ("card", ctypes.c_char * 32),
        ("bus_info", ctypes.c_char * 32),
        ("version", _U32),
        ("capabilities", _U32),
        ("device_caps", _U32),
        ("reserved", _U32 * 3),
    )


class FormatDescription(ctypes.Structure):
    """``struct v4l2_fmtdesc``."""

    _fields_ = (
        ("index", _U32),
        ("type", _U32),
        ("flags", _U32),
        ("description", ctypes.c_char * 32),
        ("pixelformat", _U32),
        ("mbus_code", _U32),
        ("reserved", _U32 * 3),
    )


class PixelFormat(ctypes.Structure):
    """``struct v4l2_pix_format``."""

    _fields_ = tuple(
        (name, _U32)
        for name in (
            "width",
            "height",
            "pixelformat",
            "field",
            "bytesperline",
            "sizeimage",
            "colorspace",
            "priv",
            "flags",
            "ycbcr_enc",
            "quantization",
            "xfer_func",
        )
    )


class _FormatUnion(ctypes.Union):
    _fields_ = (("pix", PixelFormat), ("raw", ctypes.c_uint8 * 200), ("align", ctypes.c_void_p))


class Format(ctypes.Structure):
    """``struct v4l2_format``."""

    _fields_ = (("type", _U32), ("fmt", _FormatUnion))


class RequestBuffers(ctypes.Structure):
    """``struct v4l2_requestbuffers``."""

    _fields_ = (("count", _U32), ("type", _U32), ("memory", _U32), ("capabilities", _U32), ("flags", _U32))


class _Timeval(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long))


class _Timecode(ctypes.Structure):
    _fields_ = (("type", _U32), ("flags", _U32), ("units", ctypes.c_uint8 * 4), ("userbits", ctypes.c_uint8 * 4))


class _Memory(ctypes.Union):
    _fields_ = (("offset", _U32), ("userptr", ctypes.c_ulong), ("fd", ctypes.c_int32))


class Buffer(ctypes.Structure):
    """``struct v4l2_buffer``."""

    _fields_ = (
        ("index", _U32),
        ("type", _U32),
        ("bytesused", _U32),
        ("flags", _U32),
        ("field", _U32),
        ("timestamp", _Timeval),
        ("timecode", _Timecode),
        ("sequence", _U32),
        ("memory", _U32),
        ("m", _Memory),
        ("length", _U32),
        ("reserved2", _U32),
        ("request_fd", ctypes.c_int32),
    )


class FrameSize(ctypes.Structure):
    """``struct v4l2_frmsizeenum``; of a stepwise list the largest size is looked at."""

    _fields_ = (("index", _U32), ("pixel_format", _U32), ("type", _U32), ("size", _U32 * 6), ("reserved", _U32 * 2))


class FrameInterval(ctypes.Structure):
    """``struct v4l2_frmivalenum``."""

    _fields_ = (
        ("index", _U32),
        ("pixel_format", _U32),
        ("width", _U32),
        ("height", _U32),
        ("type", _U32),
        ("interval", _U32 * 6),
        ("reserved", _U32 * 2),
    )


def _request(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("V") << 8 | number


QUERYCAP = _request(2, 0, ctypes.sizeof(Capability))
ENUM_FMT = _request(3, 2, ctypes.sizeof(FormatDescription))
S_FMT = _request(3, 5, ctypes.sizeof(Format))
REQBUFS = _request(3, 8, ctypes.sizeof(RequestBuffers))
QUERYBUF = _request(3, 9, ctypes.sizeof(Buffer))
QBUF = _request(3, 15, ctypes.sizeof(Buffer))
DQBUF = _request(3, 17, ctypes.sizeof(Buffer))
STREAMON = _request(1, 18, ctypes.sizeof(ctypes.c_int))
STREAMOFF = _request(1, 19, ctypes.sizeof(ctypes.c_int))
ENUM_FRAMESIZES = _request(3, 74, ctypes.sizeof(FrameSize))
ENUM_FRAMEINTERVALS = _request(3, 75, ctypes.sizeof(FrameInterval))


@dataclass(frozen=True, slots=True)
class Mode:
    """One way in which a camera can send pictures.

    Attributes:
        fourcc: the kernel's name of the pixel format, four characters (``'Y16 '`` with its space).
        width_px: width as the driver says it, telemetry and halves included.
        height_px: height as the driver says it.
        bytes_per_line: from the start of one row to the next; 0 for compressed pictures.
    """

    fourcc: str
    width_px: int
    height_px: int
    bytes_per_line: int = 0

    def __str__(self) -> str:
        return f"'{self.fourcc}' {self.width_px}x{self.height_px}"


@dataclass(frozen=True, slots=True)
class Filled:
    """One buffer that the driver has filled.

    Attributes:
        index: which of the mapped buffers.
        bytes_used: how much of it holds the picture.
        sequence: the driver's number of the frame; a gap means lost frames.
        stamp_s: when the driver had it, on ``CLOCK_MONOTONIC``; ``None`` when the driver uses another clock.
        damaged: the driver says that the picture is not whole.
    """

    index: int
    bytes_used: int
    sequence: int
    stamp_s: float | None
    damaged: bool


def fourcc_text(code: int) -> str:
    """Turn the kernel's number into its four characters."""
    return (code & 0x7FFFFFFF).to_bytes(4, "little").decode("ascii", "replace")


def fourcc_code(text: str) -> int:
    """Turn four characters into the kernel's number."""
    return int.from_bytes(text.encode("ascii"), "little")


def open_node(path: str) -> int:
    """Open a device node without blocking; one that is no video device is not touched, opening may set it off.

    Raises:
        OSError: it is not there, may not be opened, or is no video device (``ENOTTY``).
    """
    status = os.stat(path)  # noqa: PTH116
    if not stat.S_ISCHR(status.st_mode) or os.major(status.st_rdev) != _MAJOR:
        raise OSError(errno.ENOTTY, "is no video device")
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def capability(fd: int) -> Capability:
    """Ask what the device is.

    Raises:
        OSError: it is no video device.
    """
    answer = Capability()
    fcntl.ioctl(fd, QUERYCAP, answer)
    return answer


def captures(told: Capability) -> bool:
    """Whether this node gives pictures; the second node of a UVC camera gives only metadata."""
    caps = told.device_caps if told.capabilities & _CAP_DEVICE_CAPS else told.capabilities
    return bool(caps & _CAP_VIDEO_CAPTURE and caps & _CAP_STREAMING)


def modes(fd: int) -> Iterator[Mode]:
    """List formats and sizes; of a size that may be chosen freely, the largest.

    Raises:
        OSError: the device is gone.
    """
    for index in range(_MOST_LISTED):
        described = FormatDescription(index=index, type=CAPTURE)
        if not _listed(fd, ENUM_FMT, described):
            return
        for nth in range(_MOST_LISTED):
            size = FrameSize(index=nth, pixel_format=described.pixelformat)
            if not _listed(fd, ENUM_FRAMESIZES, size):
                break
            width, height = (0, 1) if size.type == _DISCRETE else (1, 4)
            if 0 < size.size[width] <= _LARGEST_SIDE_PX and 0 < size.size[height] <= _LARGEST_SIDE_PX:
                yield Mode(fourcc_text(described.pixelformat), size.size[width], size.size[height])
            if size.type != _DISCRETE:
                break


def rates(fd: int, mode: Mode) -> list[float]:
    """List the rates of a mode, frames per second, as the driver claims them.

    Raises:
        OSError: the device is gone.
    """
    found: list[float] = []
    for index in range(_MOST_LISTED):
        asked = FrameInterval(
            index=index, pixel_format=fourcc_code(mode.fourcc), width=mode.width_px, height=mode.height_px
        )
        if not _listed(fd, ENUM_FRAMEINTERVALS, asked):
            break
        if asked.interval[0]:
            found.append(round(asked.interval[1] / asked.interval[0], 3))
        if asked.type != _DISCRETE:
            break
    return found


def choose(fd: int, wanted: Mode) -> Mode:
    """Ask for a mode and return the one that the driver gives, which may be another.

    Raises:
        OSError: the device is busy or gone.
    """
    asked = Format(type=CAPTURE)
    asked.fmt.pix.width, asked.fmt.pix.height = wanted.width_px, wanted.height_px
    asked.fmt.pix.pixelformat = fourcc_code(wanted.fourcc)
    asked.fmt.pix.field = 1  # V4L2_FIELD_NONE: progressive
    fcntl.ioctl(fd, S_FMT, asked)
    pix = asked.fmt.pix
    return Mode(fourcc_text(pix.pixelformat), pix.width, pix.height, pix.bytesperline)


def map_buffers(fd: int, count: int) -> list[mmap.mmap]:
    """Let the driver make its buffers, map them, and hand all of them over to be filled.

    Raises:
        OSError: there is no memory for them, or the device is gone.
    """
    asked = RequestBuffers(count=count, type=CAPTURE, memory=_MMAP)
    fcntl.ioctl(fd, REQBUFS, asked)
    mapped: list[mmap.mmap] = []
    try:
        for index in range(asked.count):
            buffer = _buffer(index)
            fcntl.ioctl(fd, QUERYBUF, buffer)
            mapped.append(mmap.mmap(fd, buffer.length, offset=buffer.m.offset))
        for index in range(asked.count):
            queue(fd, index)
    except OSError:
        for memory in mapped:
            memory.close()
        raise
    return mapped


def in_use(fd: int) -> bool:
    """Whether another program takes pictures from this camera; asks for a buffer and gives it back at once.

    Raises:
        OSError: the device is gone.
    """
    try:
        fcntl.ioctl(fd, REQBUFS, RequestBuffers(count=1, type=CAPTURE, memory=_MMAP))
        fcntl.ioctl(fd, REQBUFS, RequestBuffers(count=0, type=CAPTURE, memory=_MMAP))
    except OSError as error:
        if error.errno == errno.EBUSY:
            return True
        raise
    return False


def start(fd: int) -> None:
    """Let pictures flow.

    Raises:
        OSError: no bandwidth on the bus, or the device is gone.
    """
    fcntl.ioctl(fd, STREAMON, ctypes.c_int(CAPTURE))


def stop(fd: int) -> None:
    """Stop the pictures; safe on a device that is gone."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, STREAMOFF, ctypes.c_int(CAPTURE))


def queue(fd: int, index: int) -> None:
    """Give a buffer back to be filled.

    Raises:
        OSError: the device is gone.
    """
    fcntl.ioctl(fd, QBUF, _buffer(index))


def wait_filled(fd: int, timeout_s: float) -> Filled | None:
    """Wait for the next filled buffer; ``None`` when none came in time.

    Raises:
        OSError: the device is gone (``ENODEV``), or the driver has an error of its own.
    """
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    ready = poller.poll(timeout_s * 1000)
    if not ready:
        return None
    buffer = _buffer(0)
    try:
        fcntl.ioctl(fd, DQBUF, buffer)
    except BlockingIOError:
        if ready[0][1] & _POLL_FAULTS:  # an error and nothing to fetch: the stream is dead, and poll would spin
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from None
        return None
    monotonic = buffer.flags & _BUF_FLAG_TIMESTAMP_MASK == _BUF_FLAG_TIMESTAMP_MONOTONIC
    return Filled(
        index=buffer.index,
        bytes_used=buffer.bytesused,
        sequence=buffer.sequence,
        stamp_s=buffer.timestamp.tv_sec + buffer.timestamp.tv_usec / 1e6 if monotonic else None,
        damaged=bool(buffer.flags & _BUF_FLAG_ERROR),
    )


def _buffer(index: int) -> Buffer:
    return Buffer(index=index, type=CAPTURE, memory=_MMAP)


def _listed(fd: int, request: int, entry: ctypes.Structure) -> bool:
    try:
        fcntl.ioctl(fd, request, entry)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTTY):  # the list is over, or the driver keeps none
            return False
        raise
    return True
