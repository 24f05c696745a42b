"""A 16-bit camera and its 8-bit twin of the same scene give the same groups."""

from pathlib import Path

import numpy as np
import pytest

from edge.capture.footage import Footage
from edge.commands.work import load_detector
from edge.config import Config
from edge.records import Radiometry
from edge.replay import footage_camera, pipeline_for

SAMPLES = Path(__file__).resolve().parent.parent / "sample_footage"


@pytest.mark.parametrize(("name", "until_s"), [("nine-in-snow", 13.0), ("split", 9.0)])
def test_the_same_scene_at_8_and_16_bits_gives_the_same_groups(name, until_s):
    """The twin has an AGC of its own; every second as many groups and people within one, and the same story at the end."""
    config, clip = Config(), SAMPLES / f"{name}.mkv"
    detector, camera = load_detector(config, Path()), footage_camera(clip)
    twins = [pipeline_for(clip, config, camera, detector) for _ in range(2)]
    told, stories = [], [{}, {}]
    with Footage(clip) as footage:
        limits = None
        for frame in footage:
            if frame.t_s > until_s:
                break
            own = np.percentile(frame.pixels, (1.0, 99.8))
            limits = own if limits is None else 0.9 * limits + 0.1 * own
            grey = np.clip((frame.pixels - limits[0]) * 255.0 / (limits[1] - limits[0]), 0, 255).astype(np.uint8)
            twin = frame._replace(pixels=grey, radiometry=Radiometry())
            results = [pipeline.process(one) for pipeline, one in zip(twins, (frame, twin), strict=True)]
            told.append([sorted(group.count for group in one.groups if group.present) for one in results])
            for story, one in zip(stories, results, strict=True):
                story |= {alert.alert_id: alert.group for alert in one.alerts}
    pairs = told[36::9]
    assert [len(one) for one, _ in pairs] == [len(other) for _, other in pairs]
    assert all(abs(sum(one) - sum(other)) <= 1 for one, other in pairs)
    sixteen, eight = ([(group.count_max, group.count) for group in story.values()] for story in stories)
    assert sixteen
    assert sixteen == eight
