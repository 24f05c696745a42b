"""One command from nothing to the shipped files: ``python -m models.training ship NAME --work DIR``.

A recipe is a row of training runs, each of which starts from the end of the one before or from a mean of earlier looks.
What has been done in ``DIR`` is not done again, and a run that was cut off is resumed, so the command may be given as
often as it takes. The numbers that a person chose by looking (thresholds, smallest proven height) stand here too;
everything else in the manifest is measured.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.training.calibrate import calibrate
from models.training.release import release
from models.training.report import report
from models.training.simulated import make
from models.training.train import Plan, train

SCENES, SCENES_SEED = 800, 9
_MIXED = Plan(hit_uav_share=0.45, ltd_share=0.30, simulated_share=0.25, flat_share=0.35)
_LIKE_THE_NODE = Plan(
    steps=2000,
    batch=10,
    crop_px=416,
    mosaic_share=0.15,
    rate=7e-4,
    flat_share=1.0,
    hit_uav_share=0.5,
    ltd_share=0.25,
    simulated_share=0.25,
    seed=11,
    threads=1,
    workers=1,
)
"""Larger crops of fewer scenes each, since what the network knows of a whole picture it shall learn from whole pictures."""
_TO_THE_END = replace(_LIKE_THE_NODE, steps=5000, mosaic_share=0.2, rate=6e-4, flat_share=0.4, seed=21)
_BEFORE = ((3, 3000), (3, 4000), (3, 3000), (3, 4000), (4, 2000))
"""Where the fifth run starts, and half of what 0.7.0 was."""
_0_7_0 = (*_BEFORE, *[(5, 5000)] * len(_BEFORE))
_HALF = (*_0_7_0, *[(6, 5000)] * len(_0_7_0))
_THIRDS = (*_HALF, *[(7, 4000)] * len(_0_7_0))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one file is made.

    Attributes:
        begin: the recipe whose file the first run starts from; empty: the COCO weights.
        runs: plans, in order.
        thresholds: of the manifest, chosen on ``val`` as the card tells.
        smallest_height_px: shortest people of whom at least 0.8 are found.
        averaged: the looks whose mean ships, as (run, step); one that is named twice weighs twice. Empty: the last.
        starts: per number of a run, the looks from whose calibrated mean it starts instead of the end of the one before.
    """

    begin: str
    runs: tuple[Plan, ...]
    thresholds: dict[str, float]
    smallest_height_px: float
    averaged: tuple[tuple[int, int], ...] = ()
    starts: dict[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)


RECIPES = {
    "thermal-person": Recipe(
        begin="",
        runs=(
            Plan(steps=9000, seed=1),
            replace(_MIXED, steps=4600, rate=6e-4, seed=2),
            replace(_MIXED, steps=4000, rate=7e-4, seed=6),
            _LIKE_THE_NODE,
            _TO_THE_END,
            replace(_TO_THE_END, seed=31),
            replace(_TO_THE_END, steps=4000, day_weight=2.0, seed=41),
        ),
        thresholds={"score": 0.5, "begin": 0.7, "score_low": 0.1, "nms_iou": 0.55},
        smallest_height_px=22,
        averaged=_THIRDS,
        starts={5: _BEFORE, 6: _0_7_0, 7: _HALF},
    ),
    "thermal-person-tiny": Recipe(
        begin="thermal-person",
        runs=(replace(_MIXED, size="thermal-person-tiny", steps=2500, rate=1e-3, flat_share=0.3, crop_px=384, seed=5),),
        thresholds={"score": 0.3, "begin": 0.4, "score_low": 0.1, "nms_iou": 0.55},
        smallest_height_px=40,
    ),
}


def ship(name: str, data: Path, coco: Path, work: Path, into: Path, version: str, scenes: int = SCENES) -> None:
    """Makes ``into/NAME.onnx`` and ``into/NAME.toml``; what is left is to sign them.

    Args:
        name: of the recipe.
        data: folder with the labelled sets.
        coco: fused weights of YOLOX-nano.
        work: drawn pictures, checkpoints, logs and exports of all runs.
        into: where the files go.
        version: of the release.
        scenes: how many are drawn.
    """
    recipe = RECIPES[name]
    drawn = work / "simulated"
    if not (drawn / "train.json").exists():
        make(drawn, scenes, SCENES_SEED)
    start = work / recipe.begin / "final.onnx" if recipe.begin else coco
    for number, plan in enumerate(recipe.runs, 1):
        if number in recipe.starts:
            start = _mean(recipe.starts[number], work / name, data, work / name / f"start-{number}.onnx")
        start = _run(plan, data, work / name / f"run-{number}", start, drawn)
    averaged = recipe.averaged or ((len(recipe.runs), recipe.runs[-1].steps),)
    final = _mean(averaged, work / name, data, work / name / "final.onnx")
    measured = report(final, data, recipe.thresholds["score"])
    (work / name / "final.json").write_text(json.dumps(measured, indent=1) + "\n")
    told = {
        "thresholds": recipe.thresholds,
        "smallest_height_px": recipe.smallest_height_px,
        "training": told_by_logs([work / name / f"run-{n}" for n in range(1, len(recipe.runs) + 1)]),
        "scores": scores_of(measured),
    }
    release(final, into, name, version, told)


def _run(plan: Plan, data: Path, work: Path, start: Path, drawn: Path) -> Path:
    """Does or finishes one run; the export of its last look."""
    end = work / f"step-{plan.steps:05d}.onnx"
    if not end.exists():
        resume = (work / "last.pt").exists()
        train(data, work, plan, start, resume, drawn if plan.simulated_share else None)
    return end


def _mean(looks: tuple[tuple[int, int], ...], work: Path, data: Path, output: Path) -> Path:
    """Writes the calibrated mean of what the runs in ``work`` exported at ``looks``, (run, step); its path."""
    calibrate([work / f"run-{run}" / f"step-{step:05d}.onnx" for run, step in looks], data, output)
    return output


def told_by_logs(runs: list[Path]) -> dict[str, Any]:
    """Seeds, wall time and machines of the runs, from their logs."""
    seeds, machines, spent_s = [], [], 0
    for run in runs:
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        seeds.append(lines[0]["plan"]["seed"])
        machines += [line["machine"] for line in lines if "machine" in line]
        spent_s += max((line["spent_s"] for line in lines if "spent_s" in line), default=0)
    return {"machine": "; ".join(dict.fromkeys(machines)), "seeds": seeds, "wall_time_s": spent_s}


def scores_of(measured: dict[str, Any]) -> dict[str, float]:
    """The scores that a manifest carries, of what ``measure`` found."""
    scores: dict[str, float] = {}
    for name in ("hit-uav", "ltd"):
        of_set = {key: round(measured[name][key], 4) for key in ("ap50", "ap", "count_exact", "count_within1")}
        scores |= {f"{name.replace('-', '_')}_val_{key}": value for key, value in of_set.items()}
    both = measured["both"]
    scores |= {f"val_{key}": round(both[key], 4) for key in ("count_exact", "count_within1", "count_mae")}
    return scores | {"hit_uav_val_false_per_empty": round(measured["hit-uav"]["false_per_empty"], 4)}
