"""Pictures of alerts: one when a group appears, another when it grows, small whatever the camera."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "delivery"))
from delivery_scene import make_alert

from edge.config import CameraConfig, PreprocessConfig
from edge.records import Frame
from edge.snapshot import MAX_BYTES, Snapshots


def snapshots(polarity="white-hot"):
    """Make them for a camera north."""
    camera = CameraConfig(id="north", source="footage:x", polarity=polarity)
    return Snapshots(PreprocessConfig(), (camera,))


def read(jpeg):
    """Read a picture."""
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)


def test_a_picture_when_it_appears_and_when_it_grows():
    """Not with every update, not at the end, and an alert that is over is forgotten."""
    pictures = snapshots()
    story = [("new", 3), ("update", 3), ("update", 2), ("update", 3), ("update", 4), ("end", 0)]
    wanted = [
        pictures.wanted(make_alert(rev=rev, phase=phase, count=count)) for rev, (phase, count) in enumerate(story)
    ]
    assert wanted == [True, False, False, False, True, False]
    assert pictures._shown == {}


def test_the_warm_is_bright_in_the_picture():
    """16-bit counts become what the model sees, white-hot whatever the camera says, in the frame's own shape."""
    counts = np.random.default_rng(1).normal(7000, 10, (121, 161)).astype(np.uint16)
    counts[50:70, 80:90] += 400
    for polarity, raw in (("white-hot", counts), ("black-hot", 14000 - counts)):
        picture = read(snapshots(polarity).take(Frame("north", 1, 0.0, 0.0, raw.astype(np.uint16))))
        assert picture.shape == (121, 161)
        assert picture[55:65, 82:88].mean() > picture[:40].mean() + 80


@pytest.mark.parametrize("shape", [(1081, 1921), (7, 5), (2000, 641)])
def test_a_picture_is_small_whatever_the_camera(shape):
    """Noise, the worst there is, fits the bound or is left out; proportions stay."""
    noise = np.random.default_rng(2).integers(0, 255, shape).astype(np.uint8)
    jpeg = snapshots().take(Frame("north", 1, 0.0, 0.0, noise))
    if jpeg is not None:
        assert len(jpeg) <= MAX_BYTES
        height_px, width_px = read(jpeg).shape
        assert width_px <= 640
        assert height_px / width_px == pytest.approx(shape[0] / shape[1], rel=0.02)
