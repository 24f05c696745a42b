"""Pictures to measure with: people of the sample footage at any size, never twice the same."""

from pathlib import Path

import numpy as np

from edge.capture.footage import Footage
from edge.capture.stills import resize
from edge.capture.video_writer import VideoWriter
from edge.errors import CameraError
from edge.records import Frame, Pixels, Radiometry
from edge.shipped import shipped

_CLIP = "nine-in-snow.mkv"
_FIRST = 60  # by then all nine are in the picture
_NOISE_COUNTS = 4


def pictures(width_px: int, height_px: int, count: int) -> list[Pixels]:
    """Make ``count`` 16-bit pictures of people who walk, (H, W) uint16 each.

    Raises:
        CameraError: the sample footage is not installed, or too short.
    """
    dice = np.random.default_rng(1)
    made: list[Pixels] = []
    with Footage(shipped("sample_footage") / _CLIP) as footage:
        for frame in footage:
            if frame.seq >= _FIRST:
                large = resize(frame.pixels, width_px, height_px)
                noise = dice.integers(0, _NOISE_COUNTS, large.shape, dtype=np.uint16)
                made.append(np.add(large, noise, dtype=np.uint16))
            if len(made) == count:
                return made
    raise CameraError(f"{_CLIP}: has fewer than {_FIRST + count} frames; choose a shorter measurement")


def as_frames(pixels: list[Pixels], fps: float) -> list[Frame]:
    """Stamp pictures as a camera of ``fps`` would."""
    return [
        Frame("bench", seq, seq / fps, seq / fps, picture, Radiometry("counts")) for seq, picture in enumerate(pixels)
    ]


def write_clip(path: Path, pixels: list[Pixels], fps: float) -> None:
    """Write pictures as a lossless clip; to and fro, so that nobody jumps when it starts again."""
    height_px, width_px = pixels[0].shape
    with VideoWriter(path, fps=fps, width_px=width_px, height_px=height_px) as writer:
        for number, picture in enumerate([*pixels, *pixels[-2:0:-1]]):
            writer.write(number / fps, picture)
