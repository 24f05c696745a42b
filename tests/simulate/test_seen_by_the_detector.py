"""The simulator judged by the shipped detector, which was trained on real pictures only."""

from pathlib import Path

import numpy as np
import pytest

import edge
from edge.config import ModelConfig, PreprocessConfig
from edge.pipeline.detector import load
from edge.pipeline.preprocess import Preprocessor
from edge.records import Frame
from edge.shipped import shipped
from edge.simulate import load_scenario, scenario_names
from edge.simulate.render import Painter
from edge.simulate.sensor import Imager
from edge.simulate.truth import Chronicle, Stage

MOMENTS = 5
LEAST_OVERLAP = 0.4
LEAST_VISIBLE = 0.6


def _overlap(box: tuple[float, ...], other: tuple[float, ...]) -> float:
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(wide, 0) * max(high, 0)
    areas = sum((one[2] - one[0]) * (one[3] - one[1]) for one in (box, other))
    return shared / (areas - shared)


def _matched(boxes: list[tuple[float, ...]], seen: list[tuple[float, ...]]) -> set[int]:
    """Pair true boxes with seen ones, best overlap first; give the places of the true ones that got one."""
    pairs = sorted(
        ((_overlap(box, other), place, mate) for place, box in enumerate(boxes) for mate, other in enumerate(seen)),
        reverse=True,
    )
    places: set[int] = set()
    mates: set[int] = set()
    for overlap, place, mate in pairs:
        if overlap >= LEAST_OVERLAP and place not in places and mate not in mates:
            places.add(place)
            mates.add(mate)
    return places


@pytest.mark.slow
def test_the_detector_finds_simulated_people() -> None:
    """Over all scenarios the shipped model finds at least 0.85 of the people it should see, at its own threshold."""
    key = Path(edge.__file__).parent / "model_key.pub"
    detector = load(shipped("models") / "thermal-person.onnx", ModelConfig(), key=key)
    smallest_px = detector.manifest.smallest_height_px
    found = wanted = 0
    for name in scenario_names():
        scenario = load_scenario(name)
        if not scenario.parties:
            continue
        stage = Stage(scenario)
        chronicle, painter, imager = Chronicle(stage), Painter(stage), Imager(scenario)
        prepare = Preprocessor(PreprocessConfig(smoothing_s=0.0), multiple_px=detector.multiple_px)
        times = stage.frame_times()
        for index in np.linspace(0, len(times) - 1, MOMENTS).round().astype(int):
            number, t_s = times[index]
            if imager.shutter.closed(t_s):
                continue
            moment = stage.at(number, t_s)
            chronicle.note(moment)
            pixels = imager.expose(painter.paint(moment), number, t_s)
            shown = pixels.astype(np.uint8) if scenario.sensor.output == "agc8" else pixels
            prepared = prepare.apply(Frame("c", number, t_s, 0.0, shown))
            seen = detector.detect(prepared.tensor, prepared.scale, pixels.shape)
            left = [one.box for one in seen if one.score >= detector.score]
            things = [one for one in chronicle.finish()["frames"][-1]["objects"] if one["kind"] == "person"]
            due = {
                index
                for index, one in enumerate(things)
                if one["visible"] >= LEAST_VISIBLE and one["box"][3] - one["box"][1] >= smallest_px
            }
            wanted += len(due)
            found += len(due & _matched([one["box"] for one in things], left))
    assert wanted > 300
    assert found / wanted >= 0.85
