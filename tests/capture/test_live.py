"""Footage as a live camera: paced, stamped now, growing times."""

import threading

import cv2
import numpy as np
import pytest

from edge.capture.footage import Footage
from edge.capture.live import LiveFootage
from edge.capture.sources import open_source
from edge.config import CameraConfig
from edge.errors import ConfigError


@pytest.fixture
def folder(tmp_path):
    """Give three pictures."""
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((7, 9), index, np.uint8))
    return tmp_path


def test_frames_come_at_their_times(folder, clock):
    """Playing takes as long as the recording and stamps the present."""
    stopping = threading.Event()
    with LiveFootage(Footage(folder, fps=2.0), clock, loop=False, stopping=stopping) as camera:
        stamps = [(frame.t_s, frame.captured_utc_s - clock.offset_s) for frame in camera]
    assert stamps == [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)]


def test_a_loop_keeps_counting(folder, clock):
    """The second showing continues numbers and times of the first."""
    stopping = threading.Event()
    seen = []
    with LiveFootage(Footage(folder, fps=2.0), clock, loop=True, stopping=stopping) as camera:
        for frame in camera:
            seen.append((frame.seq, frame.t_s))
            if len(seen) == 5:
                stopping.set()
    assert seen == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]


def test_opened_again_it_does_not_go_back_in_time(folder, clock):
    """After a loss the stamps go on growing, as a device's do."""
    clock.now_s = 100.0
    stopping = threading.Event()
    camera = LiveFootage(Footage(folder, fps=2.0), clock, loop=False, stopping=stopping)
    with camera:
        first = [frame.t_s for frame in camera]
    with camera:
        second = [frame.t_s for frame in camera]
    assert min(first) >= 100.0
    assert min(second) >= max(first)


def test_an_unknown_source_names_the_setting(clock, tmp_path):
    """A source of another kind is an error of the configuration."""
    section = CameraConfig(id="a", source="carrier-pigeon:7")
    with pytest.raises(ConfigError, match=r"camera\.source = 'carrier-pigeon:7'"):
        open_source(section, clock, threading.Event(), base=tmp_path)


def test_every_showing_is_another_scene(folder, clock):
    """Nobody walks from the end of footage to its beginning, neither in a loop nor after it was opened again."""
    stopping = threading.Event()
    camera = LiveFootage(Footage(folder, fps=2.0), clock, loop=True, stopping=stopping)
    scenes = []
    for until in (5, 7):
        stopping.clear()
        with camera:
            for frame in camera:
                scenes.append(frame.scene)
                if len(scenes) == until:
                    stopping.set()
    assert scenes == [0, 0, 0, 1, 1, 2, 2]
