"""Closer looks on real frames: people too small for the model at native size are found when parts are enlarged."""

from itertools import islice
from pathlib import Path

import numpy as np

from edge.capture.footage import Footage
from edge.commands.work import load_detector
from edge.config import Config
from edge.pipeline import find_people
from edge.pipeline.preprocess import CloseUps, Preprocessor

CLIP = Path(__file__).resolve().parent.parent / "sample_footage" / "nine-in-snow.mkv"


def test_close_ups_find_people_whom_the_whole_is_too_small_for():
    """At a quarter of its size the clip's nine walkers are 8 px tall; two by two close-ups find three times as many."""
    config = Config()
    detector = load_detector(config, Path())
    counts = {(1, 1): [], (2, 2): []}
    with Footage(CLIP) as footage:
        for frame in islice(footage, 60, 130, 10):
            h, w = frame.pixels.shape
            near = frame.pixels[: h // 4 * 4, : w // 4 * 4].astype(np.float32)
            far = near.reshape(h // 4, 4, w // 4, 4).mean((1, 3)).astype(np.uint16)
            prepared = Preprocessor(config.preprocess, multiple_px=detector.multiple_px).apply(
                type(frame)("far", frame.seq, frame.t_s, 0.0, far, frame.radiometry)
            )
            for tiles, of_tiles in counts.items():
                found = find_people(detector, prepared, CloseUps(*tiles))
                of_tiles.append(sum(d.score >= detector.score for d in found))
    whole, closer = (float(np.mean(c)) for c in counts.values())
    assert closer >= 3 * max(whole, 1.0), counts
    assert max(counts[2, 2]) <= 10  # nine, and at most one of them twice
