"""The gate costs no alert: every scenario of the library tells the same story with it, without it, and with a hasty one."""

from pathlib import Path

import pytest

from edge.capture.footage import Footage
from edge.commands.work import load_detector
from edge.config import Config, GateConfig, ModelConfig
from edge.replay import AlertLines, boot_id_of, footage_camera, pipeline_for
from edge.simulate import simulate
from edge.simulate.library import load_scenario, scenario_names

GATES = {
    "off": GateConfig(mode="off"),
    "auto": GateConfig(),
    "hasty": GateConfig(warm_up_s=1.0, hold_s=0.3, look_every_s=30.0),
}


class Once:
    """The shipped model, asked once for a frame that several pipelines look at."""

    def __init__(self) -> None:
        """Load it."""
        self._model = load_detector(Config(model=ModelConfig(allow_unsigned=True)), Path())
        self.score, self.begin = self._model.score, self._model.begin
        self.multiple_px, self.fixed_px = self._model.multiple_px, self._model.fixed_px
        self.found = None

    def detect(self, tensor, scale, size_px):
        """Find people, or repeat who was found."""
        if self.found is None:
            self.found = self._model.detect(tensor, scale, size_px)
        return self.found


@pytest.fixture(scope="module")
def eyes():
    """Give the shipped model."""
    return Once()


@pytest.mark.slow
@pytest.mark.parametrize("name", scenario_names())
def test_the_gate_changes_no_alert(name, eyes, tmp_path):
    """Rendered, replayed through three pipelines at once, and compared line by line."""
    clip = simulate(load_scenario(name), tmp_path / f"{name}.mkv")
    camera = footage_camera(clip)
    pipelines = {gate: pipeline_for(clip, Config(gate=config), camera, eyes) for gate, config in GATES.items()}
    told: dict[str, list] = {gate: [] for gate in GATES}
    lines = {
        gate: AlertLines(told[gate].append, node="n", boot_id=boot_id_of(clip, Config()), model=None) for gate in GATES
    }
    with Footage(clip) as frames:
        for frame in frames:
            eyes.found = None
            for gate, pipeline in pipelines.items():
                lines[gate].add(pipeline.process(frame).alerts)
    for gate, pipeline in pipelines.items():
        lines[gate].add(pipeline.close("stopped"))
    assert told["auto"] == told["off"]
    assert told["hasty"] == told["off"]
