"""The benchmark measures what it says: real pictures, the pipeline as deployed, the node as its own process."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge.bench import node, run, speed, still
from edge.bench.measured import ModelSpeed, spread
from edge.bench.pictures import as_frames, pictures, write_clip
from edge.capture.footage import Footage
from edge.commands.work import load_detector
from edge.config import Config, ModelConfig
from edge.delivery.brokers import mosquitto_path
from edge.errors import EdgeError

WIDTH_PX, HEIGHT_PX = 213, 171


@pytest.fixture(scope="module")
def detector():
    """Give the shipped model."""
    return load_detector(Config(model=ModelConfig(allow_unsigned=True)), Path())


def no_progress(_done, _total):
    """Show nothing."""


def test_pictures_are_the_sample_footage_and_never_the_same_twice():
    """Any size, 16-bit, each different from the last, and the same again on the next call."""
    first, second = pictures(WIDTH_PX, HEIGHT_PX, 3), pictures(WIDTH_PX, HEIGHT_PX, 3)
    assert all(picture.shape == (HEIGHT_PX, WIDTH_PX) and picture.dtype == np.uint16 for picture in first)
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[1])


def test_a_clip_goes_to_and_fro(tmp_path):
    """What the node's camera shows is the pictures and the way back, without the turning points twice."""
    shown = pictures(WIDTH_PX, HEIGHT_PX, 4)
    write_clip(tmp_path / "clip.mkv", shown, 50.0)
    with Footage(tmp_path / "clip.mkv") as footage:
        frames = list(footage)
    order = [0, 1, 2, 3, 2, 1]
    assert [frame.t_s for frame in frames] == pytest.approx([number / 50 for number in range(6)])
    assert all(np.array_equal(frame.pixels, shown[number]) for frame, number in zip(frames, order, strict=True))


def test_stages_add_up_to_the_frame(detector):
    """Every stage of the pipeline is in the table, and together they are most of the frame."""
    found = speed.time_stages(Config(), detector, pictures(WIDTH_PX, HEIGHT_PX, 4), seconds=0.3, advance=no_progress)
    assert {"preprocess", "sight", "inference", "boxes", "track", "group", "alert"} <= set(found.stages)
    assert (found.width_px, found.height_px) == (WIDTH_PX, HEIGHT_PX)
    together = sum(taken.p50_ms for taken in found.stages.values())
    assert 0.6 * found.frame.p50_ms < together < 1.1 * found.frame.p50_ms
    assert 0.0 < found.beside_inference_share < 1.0


def test_the_model_is_timed_at_each_size_and_number_of_threads(detector):
    """A picture four times as large costs about four times as much, and sizes are rounded up to what the model takes."""
    speeds = speed.time_model(Path("m.onnx"), {1: detector}, [(313, 250), (640, 512)], seconds=0.3, advance=no_progress)
    assert [(one.width_px, one.height_px, one.threads) for one in speeds] == [(320, 256, 1), (640, 512, 1)]
    assert 1.5 < speeds[1].inference.p50_ms / speeds[0].inference.p50_ms < 10.0


@pytest.mark.parametrize(("times_ms", "threads"), [((40, 38, 36, 35), 1), ((40, 22, 21, 12), 4), ((40, 45, 60, 80), 1)])
def test_another_thread_is_recommended_only_when_it_saves_a_fifth(times_ms, threads):
    """Threads that only heat the box are not recommended."""
    speeds = tuple(
        ModelSpeed("m", 640, 512, number, spread([taken_ms / 1e3]), 1.0)
        for number, taken_ms in enumerate(times_ms, start=1)
    )
    assert run._threads(speeds) == threads


def test_a_spread_of_nothing_is_nothing():
    """No times give zero calls, one time gives itself."""
    assert spread([]).count == 0
    assert spread([0.002]) == spread([0.002, 0.002]).__class__(2.0, 2.0, 1)


def test_frames_are_stamped_like_a_camera():
    """The n-th frame comes after n periods."""
    frames = as_frames(pictures(WIDTH_PX, HEIGHT_PX, 3), 20.0)
    assert [(frame.seq, frame.t_s) for frame in frames] == [(0, 0.0), (1, 0.05), (2, 0.1)]


def test_a_node_that_cannot_start_is_told_with_its_last_word(tmp_path):
    """The benchmark ends with what the node said, not with an empty table."""
    file = tmp_path / "node.toml"
    file.write_text("[node]\nidd = 'x'\n")
    with pytest.raises(EdgeError, match=r"did you mean 'node\.id'"), node.running_node(file):
        pass


@pytest.mark.slow
@pytest.mark.skipif(mosquitto_path() is None, reason="needs mosquitto")
def test_the_whole_node_is_measured_from_outside(tmp_path):
    """Start, rate, latency and memory are those of a real node; asked to stop, the run ends early and still reports."""
    stop = threading.Event()
    threading.Timer(45.0, stop.set).start()
    began_s = time.monotonic()
    config = Config(model=ModelConfig(allow_unsigned=True))
    shown = pictures(WIDTH_PX, HEIGHT_PX, 20)
    found = node.run_node(config, tmp_path, shown, fps=4.0, seconds=600.0, stop=stop, advance=no_progress)
    assert time.monotonic() - began_s < 120.0
    assert found.start_s > found.imports_s > 0.0
    assert 3.0 < found.fps < 5.0
    assert found.latency.count > 3
    assert 50.0 < found.resident_mb < 400.0


def test_an_empty_scene_is_noise_alone():
    """Its pictures differ from each other by a sensor's noise, and a clip of them is read back as it was."""
    one, other = (picture.astype(float) for picture in still.still_pictures(WIDTH_PX, HEIGHT_PX)[:2])
    assert 3.5 < (one - other).std() < 5.0
    assert abs((one - other).mean()) < 0.1


@pytest.mark.slow
@pytest.mark.skipif(mosquitto_path() is None, reason="needs mosquitto")
def test_an_empty_scene_costs_an_eighth_with_the_gate():
    """Two whole nodes side by side, everything included: capture, statistics, health."""
    found = still.run_still(
        Config(model=ModelConfig(allow_unsigned=True)),
        Path(),
        (640, 512),
        fps=9.0,
        seconds=40.0,
        stop=threading.Event(),
        advance=no_progress,
    )
    assert found.ratio <= 1 / 8


@pytest.mark.slow
@pytest.mark.skipif(mosquitto_path() is None, reason="needs mosquitto")
def test_the_command_writes_json_with_every_part():
    """Edge bench --json is one object whose ratios a program can read."""
    done = subprocess.run(
        [sys.executable, "-c", "from edge.cli import main; main()", "bench", "--json", "--seconds", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert {"box", "stages", "models", "node", "recommended"} <= set(told)
    assert 0.0 < told["stages"]["beside_inference_share"] < 1.0
