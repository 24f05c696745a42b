"""The model as the doctor sees it: whose it is, where it runs, and whether it keeps up with the cameras."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "pipeline"))
from graphs import fixed_model

from edge.commands.work import load_detector
from edge.config import Config, ModelConfig
from edge.doctor import model
from edge.doctor.model import Stream, check_model
from edge.errors import ModelError
from edge.pipeline import detector

ONE_PERSON = np.array([[[20.0, 30.0, 40.0, 80.0, 0.9]]])
SMALL = Stream("north", 160, 120, 9.0)


def asked(config=None, load=None, streams=(SMALL,), *, beside_node=False):
    """Give the findings by check."""
    used = config or Config()
    found = check_model(used, load or (lambda wanted: load_detector(wanted, Path())), streams, beside_node=beside_node)
    return {one.check: one for one in found}


def own(tmp_path, **settings):
    """Configure a small model of one's own; give it with how it is loaded."""
    file = fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON})
    config = Config(model=ModelConfig(path=str(file), allow_unsigned=True, **settings))
    return config, lambda wanted: detector.load(file, wanted.model, key=tmp_path / "none.pub")


def test_the_shipped_model_is_signed_and_its_speed_is_measured():
    """Name, signature, provider, and a time above zero."""
    found = asked()
    assert found["model"].state == "pass"
    assert "thermal-person" in found["model"].told
    assert found["provider"].told == "runs on CPUExecutionProvider"
    assert found["speed"].measured["frame_ms"] > 0


def test_a_model_of_ones_own_and_a_provider_that_is_not_there_are_warnings(tmp_path):
    """Both are told with what to do; neither stops the rest."""
    found = asked(*own(tmp_path, providers=("CUDAExecutionProvider", "CPUExecutionProvider")))
    assert (found["model"].state, found["provider"].state) == ("warn", "warn")
    assert "CUDAExecutionProvider is not in" in found["provider"].told
    assert "model.providers" in found["provider"].fix
    assert found["speed"].state in ("pass", "warn")


def test_a_model_that_cannot_be_loaded_is_a_failure():
    """What the loader says is told; the native core is looked at all the same."""

    def broken(_):
        raise ModelError("x.onnx: sha256 is 1, but x.toml says 2")

    found = asked(load=broken)
    assert found["model"].state == "fail"
    assert "sha256" in found["model"].told
    assert "native core" in found
    assert "speed" not in found


@pytest.mark.parametrize(
    ("cameras", "state", "words"),
    [(8, "pass", "72%"), (20, "warn", "about 5.0 frames/s"), (40, "fail", "2.5 frames/s are too few")],
)
def test_what_the_cameras_ask_is_held_against_what_the_box_can_do(tmp_path, monkeypatch, cameras, state, words):
    """A frame takes 10 ms here: eight cameras of 9 frames/s are easy, twenty are served in turn, forty are too many."""
    now_s = itertools.count(0.0, 0.01)
    monkeypatch.setattr(model.time, "perf_counter", lambda: next(now_s))
    config, load = own(tmp_path)
    streams = [Stream(f"c{number}", 160, 120, 9.0) for number in range(cameras)]
    found = asked(config, load, streams, beside_node=True)["speed"]
    assert found.measured["frame_ms"] == pytest.approx(10.0)
    assert found.state == state
    assert words in found.told
    assert "beside a running node" in found.told
    assert (found.fix is None) == (state == "pass")


def test_without_the_native_core_it_is_a_warning_with_the_cure(tmp_path):
    """The environment variable that forces the reference plays a box without a compiler."""
    code = "from edge.doctor.model import _native; one = _native(); print(one.state, '|', one.told, '|', one.fix)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "EDGE_PREPROCESS": "reference"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("warn | frames are prepared several times slower")
    assert "g++" in done.stdout
