"""From the bytes of one USB frame to grey pixels: formats, padded rows, telemetry rows, split pictures."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.capture.profile import Profile
from edge.capture.v4l2 import Mode
from edge.errors import CameraError
from edge.records import Pixels

_SHARE_OUTSIDE = 0.5
_STRIDE = 4  # the range is judged on every fourth pixel of every fourth row

# Lepton telemetry row A, 16-bit words: status is a 32-bit number, its low word first (engineering data sheet, table 3)
_LEPTON_STATUS_WORD = 3
_LEPTON_FFC_SHIFT = 4
_LEPTON_FFC_MASK = 3
_LEPTON_FFC_RUNNING = 2


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The picture in one frame's bytes.

    Attributes:
        pixels: (H, W) uint8 or uint16, its own memory.
        telemetry: (R, W) uint16, the rows below the picture; ``None`` without any.
    """

    pixels: Pixels
    telemetry: npt.NDArray[np.uint16] | None = None


def unpack(raw: memoryview, mode: Mode, profile: Profile) -> Unpacked | None:
    """Copy the picture out of a driver's buffer.

    Args:
        raw: the bytes that the driver filled.
        mode: what the driver says they are.
        profile: where in them the thermal picture lies.

    Returns:
        ``None`` when the bytes are too few or no picture: a damaged frame.

    Raises:
        CameraError: a format that cannot be read here.
    """
    if profile.picture.layout == "lower-half-16bit":
        rows = _rows(raw, mode, bytes_per_pixel=2)
        if rows is None:
            return None
        return Unpacked(_words(rows[mode.height_px // 2 :]))
    pixels = _grey(raw, mode)
    if pixels is None:
        return None
    below = profile.picture.telemetry_rows
    if not below:
        return Unpacked(pixels)
    return Unpacked(pixels[:-below], pixels[-below:].astype(np.uint16))


def shutter_closed(unpacked: Unpacked, profile: Profile) -> bool | None:
    """Whether the camera says that its shutter is closed; ``None`` when it does not say."""
    if profile.shutter.told_by != "lepton-telemetry" or unpacked.telemetry is None:
        return None
    words = unpacked.telemetry.ravel()
    state = int(words[_LEPTON_STATUS_WORD]) >> _LEPTON_FFC_SHIFT & _LEPTON_FFC_MASK
    return state == _LEPTON_FFC_RUNNING


def check_values(pixels: Pixels, profile: Profile) -> str | None:
    """Say why these values cannot come from this camera; ``None`` when they can.

    Half of the picture may lie outside the profile's range: a fire or a clear sky is allowed, another depth is not.
    """
    wide = profile.values.kind != "agc8"
    if wide != (pixels.dtype == np.uint16):
        return f"{pixels.dtype} pixels, but profile values.kind = '{profile.values.kind}'"
    sample = pixels[::_STRIDE, ::_STRIDE]
    low, high = profile.values.low, profile.values.high
    if wide and float(((sample < low) | (sample > high)).mean()) > _SHARE_OUTSIDE:
        return f"values of {int(sample.min())}..{int(sample.max())}, but the profile says {low}..{high}"
    return None


def _grey(raw: memoryview, mode: Mode) -> Pixels | None:
    if mode.fourcc == "MJPG":
        from edge.capture.stills import decode_jpeg  # noqa: PLC0415  (a camera of counts does not pay for FFmpeg)

        picture = decode_jpeg(raw)
        return picture if picture is not None and picture.shape == (mode.height_px, mode.width_px) else None
    if mode.fourcc == "Y16 ":
        rows = _rows(raw, mode, bytes_per_pixel=2)
        return None if rows is None else _words(rows)
    if mode.fourcc in ("GREY", "NV12", "YU12"):  # the planes of colour follow the grey one and are left alone
        rows = _rows(raw, mode, bytes_per_pixel=1)
        return None if rows is None else rows.copy()
    if mode.fourcc in ("YUYV", "UYVY"):
        rows = _rows(raw, mode, bytes_per_pixel=2)
        return None if rows is None else rows[:, (0 if mode.fourcc == "YUYV" else 1) :: 2].copy()
    raise CameraError(f"pixel format '{mode.fourcc}' cannot be read; give camera.profile one of another format")


def _words(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
    """Copy rows of little-endian 16-bit words: the driver will use its memory again."""
    return np.array(rows, order="C").view("<u2").astype(np.uint16, copy=False)


def _rows(raw: memoryview, mode: Mode, *, bytes_per_pixel: int) -> npt.NDArray[np.uint8] | None:
    """View the bytes as (H, W * bytes_per_pixel) without what pads each row; ``None`` when there are too few."""
    used = mode.width_px * bytes_per_pixel
    pitch = max(mode.bytes_per_line, used)
    needed = pitch * (mode.height_px - 1) + used
    if len(raw) < needed:
        return None
    flat = np.frombuffer(raw, np.uint8)[:needed]
    return np.lib.stride_tricks.as_strided(flat, (mode.height_px, used), (pitch, 1), writeable=False)
