"""Moving pictures for the servers of the tests, encoded as cameras do."""

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

FPS = 20


def picture(index: int, width: int, height: int) -> np.ndarray:
    """Draw (height, width) grey: a warm block that walks over ground whose brightness tells the number."""
    drawn = np.full((height, width), ground_of(index), np.uint8)
    left = 3 * index % (width - 30)
    drawn[height // 4 : height // 2, left : left + 30] = 220
    return drawn


def ground_of(index: int) -> int:
    """Give the brightness of picture ``index``."""
    return 20 + 5 * (index % 20)


class Encoder:
    """Encodes numbered pictures as H.264, each at once, with its headers in the stream."""

    def __init__(self, width: int, height: int, *, fps: int = FPS) -> None:
        """Open the encoder."""
        self._codec = av.CodecContext.create("libx264", "w")
        self._codec.width, self._codec.height, self._codec.pix_fmt = width, height, "yuv420p"
        self._codec.time_base, self._codec.framerate = Fraction(1, fps), Fraction(fps)
        self._codec.options = {"tune": "zerolatency", "preset": "ultrafast", "g": "5", "bf": "0"}

    def encode(self, index: int) -> bytes:
        """Give one access unit in Annex B form."""
        frame = frame_of(index, self._codec.width, self._codec.height)
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


def frame_of(index: int, width: int, height: int, *, fps: int = FPS) -> av.VideoFrame:
    """Give a numbered picture as a frame with its time."""
    frame = av.VideoFrame.from_ndarray(np.stack([picture(index, width, height)] * 3, axis=2), "rgb24")
    frame.pts, frame.time_base = index, Fraction(1, fps)
    return frame


def units(access_unit: bytes) -> Iterator[bytes]:
    """Cut an access unit into its NAL units."""
    for part in access_unit.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1"):
        if part:
            yield part
