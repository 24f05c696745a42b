"""Radiometric thermal scenes with truth, made from scenario files: footage for tests, demos and the counting tables.

``load_scenario`` reads a scene, ``truth_of`` says what happens in it, ``simulate`` films it. Everything is decided
by the scenario's seed: the same file and the same library versions give the same bytes.
"""

import json
from collections.abc import Callable
from pathlib import Path

from edge.simulate.flight import FlightLog
from edge.simulate.library import load_scenario, scenario_names
from edge.simulate.render import Painter
from edge.simulate.scenario import Scenario
from edge.simulate.sensor import Imager
from edge.simulate.truth import Chronicle, Stage, truth_of

__all__ = ["Scenario", "load_scenario", "scenario_names", "simulate", "truth_of"]


def simulate(scenario: Scenario, output: Path, *, progress: Callable[[int, int], None] | None = None) -> Path:
    """Film a scenario.

    Args:
        scenario: the scene.
        output: the clip to write, ``.mkv``; in a folder that exists, the clip is named after the scenario.
        progress: called with (frames done, frames in all) after each frame.

    Returns:
        The path of the clip; the truth lies beside it as ``NAME.truth.json``, and a drone's own log as ``NAME.SRT``.
    """
    from edge.capture.video_writer import VideoWriter  # noqa: PLC0415  whoever only wants the truth needs no video library

    clip = output / f"{scenario.name}.mkv" if output.is_dir() else output.with_suffix(".mkv")
    stage = Stage(scenario)
    chronicle, painter, imager = Chronicle(stage), Painter(stage), Imager(scenario)
    side, times = FlightLog(scenario.camera), stage.frame_times()
    camera = scenario.camera
    with VideoWriter(clip, fps=camera.fps, width_px=camera.width_px, height_px=camera.height_px) as film:
        for done, (number, t_s) in enumerate(times, start=1):
            moment = stage.at(number, t_s)
            chronicle.note(moment)
            side.note(moment)
            film.write(t_s, imager.expose(painter.paint(moment), number, t_s))
            if progress is not None:
                progress(done, len(times))
    if stage.mount.travels:
        clip.with_suffix(".SRT").write_text(side.text(), encoding="utf-8")
    clip.with_suffix(".truth.json").write_text(json.dumps(chronicle.finish()) + "\n", encoding="utf-8")
    return clip
