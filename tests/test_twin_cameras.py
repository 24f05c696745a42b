"""A 16-bit camera and its 8-bit twin of the same scene give the same groups."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.capture.footage import Footage
from edge.commands.work import load_detector
from edge.config import Config
from edge.records import Radiometry
from edge.replay import footage_camera, pipeline_for

CLIP = Path(__file__).resolve().parent.parent / "sample_footage" / "nine-in-snow.mkv"


def test_the_same_scene_at_8_and_16_bits_gives_the_same_groups():
    """The twin has an AGC of its own; every second the same groups with the same counts, people within one."""
    config = Config()
    detector, camera = load_detector(config, Path()), footage_camera(CLIP)
    raw, levels = (pipeline_for(CLIP, config, camera, detector) for _ in range(2))
    told = []
    with Footage(CLIP) as footage:
        limits = None
        for frame in footage:
            if frame.t_s > 13.0:
                break
            own = np.percentile(frame.pixels, (1.0, 99.8))
            limits = own if limits is None else 0.9 * limits + 0.1 * own
            grey = np.clip((frame.pixels - limits[0]) * 255.0 / (limits[1] - limits[0]), 0, 255).astype(np.uint8)
            twin = replace(frame, pixels=grey, radiometry=Radiometry())
            told.append([sorted(group.count for group in one.groups if group.present)
                         for one in (raw.process(frame), levels.process(twin))])  # fmt: skip
    pairs = told[36::9]
    assert [len(one) for one, _ in pairs] == [len(other) for _, other in pairs]
    assert all(abs(sum(one) - sum(other)) <= 1 for one, other in pairs)
