"""Trains, measures, times and releases the person detectors; ``models/README.md`` names the commands that were run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from models.training.train import Plan, train

PLAN_OPTIONS: dict[str, type] = {
    "size": str,
    "steps": int,
    "batch": int,
    "seed": int,
    "crop_px": int,
    "mosaic_share": float,
    "threads": int,
    "workers": int,
    "rate": float,
    "flat_share": float,
    "leave_out": str,
    "hit_uav_share": float,
    "ltd_share": float,
    "simulated_share": float,
    "day_weight": float,
    "look_every": int,
}


def read_command_line() -> argparse.Namespace:
    """The commands and their options."""
    parser = argparse.ArgumentParser(prog="python -m models.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("train", help="train from nothing, or on from the last checkpoint with --resume")
    run.add_argument("--data", type=Path, default=Path("../shared/data"))
    run.add_argument("--work", type=Path, required=True, help="checkpoints, logs and the exports on the way")
    run.add_argument(
        "--start", type=Path, help="COCO weights (.pt) or a release (.onnx); without them the start is random"
    )
    run.add_argument("--simulated", type=Path, help="pictures made by simulate, drawn with --simulated-share")
    run.add_argument("--resume", action="store_true")
    for name, kind in PLAN_OPTIONS.items():
        default = Plan.__dataclass_fields__[name].default
        run.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, help=f"default {default!r}")

    whole = commands.add_parser("ship", help="from nothing to NAME.onnx and NAME.toml; goes on where it was cut off")
    whole.add_argument("name")
    whole.add_argument("--version", required=True)
    whole.add_argument("--work", type=Path, required=True, help="drawn pictures, checkpoints and logs of all runs")
    whole.add_argument("--data", type=Path, default=Path("../shared/data"))
    whole.add_argument("--coco", type=Path, default=Path("../shared/pretrained/yolox_nano_coco_fused.pt"))
    whole.add_argument("--into", type=Path, default=Path("models"))

    draw = commands.add_parser("simulate", help="pictures of drawn scenes, with labels")
    draw.add_argument("folder", type=Path, help="its name is the name of the set")
    draw.add_argument("--scenes", type=int, default=320)
    draw.add_argument("--seed", type=int, default=1)

    honest = commands.add_parser("calibrate", help="the mean of exports of one run, with honest scores")
    honest.add_argument("exports", type=Path, nargs="+")
    honest.add_argument("output", type=Path)
    honest.add_argument("--data", type=Path, default=Path("../shared/data"))

    small = commands.add_parser("quantise", help="write the int8 twin of an exported file")
    small.add_argument("model", type=Path)
    small.add_argument("output", type=Path)
    small.add_argument("--data", type=Path, default=Path("../shared/data"))

    look = commands.add_parser("measure", help="everything the card says about val, as JSON")
    look.add_argument("model", type=Path)
    look.add_argument("--data", type=Path, default=Path("../shared/data"))
    look.add_argument("--score", type=float, default=0.4, help="threshold for counts and recalls")
    look.add_argument("--enlarge", type=float, default=1.0, help="scale pictures up first; default 1")
    look.add_argument("--output", type=Path)

    show = commands.add_parser("tables", help="the card's tables from the JSON of measure")
    show.add_argument("measured", type=Path)

    clock = commands.add_parser("time", help="one thread, in turns with a reference graph")
    clock.add_argument("model", type=Path)
    clock.add_argument("reference", type=Path)

    ship = commands.add_parser("release", help="write NAME.onnx and NAME.toml; sign with python -m models.sign")
    ship.add_argument("model", type=Path)
    ship.add_argument("told", type=Path, help="JSON with thresholds, training, scores, smallest_height_px")
    ship.add_argument("--into", type=Path, default=Path("models"))
    ship.add_argument("--name", default="thermal-person")
    ship.add_argument("--version", required=True)

    return parser.parse_args()


def main() -> None:
    """Runs the command that the command line names."""
    told = read_command_line()
    if told.command == "train":
        plan = Plan(**{name: getattr(told, name) for name in PLAN_OPTIONS})
        train(told.data, told.work, plan, told.start, told.resume, told.simulated)
    elif told.command == "ship":
        from models.training.recipe import ship  # noqa: PLC0415, simulator and pycocotools only where they are needed

        ship(told.name, told.data, told.coco, told.work, told.into, told.version)
    elif told.command == "simulate":
        from models.training.simulated import make  # noqa: PLC0415, the simulator only where it is needed

        print(make(told.folder, told.scenes, told.seed))
    elif told.command == "calibrate":
        from models.training.calibrate import calibrate  # noqa: PLC0415

        print(json.dumps(calibrate(told.exports, told.data, told.output)))
    elif told.command == "quantise":
        from models.training.quantise import quantise  # noqa: PLC0415, the quantiser only where it is needed

        quantise(told.model, told.data, told.output)
    elif told.command == "measure":
        from models.training.report import report  # noqa: PLC0415, pycocotools only where it is needed

        text = json.dumps(report(told.model, told.data, told.score, told.enlarge), indent=1)
        print(text) if told.output is None else told.output.write_text(text + "\n")
    elif told.command == "tables":
        from models.training.tables import tables  # noqa: PLC0415

        print(tables(json.loads(told.measured.read_text())))
    elif told.command == "time":
        from models.training.report import time_ratio  # noqa: PLC0415

        print(json.dumps(time_ratio(told.model, told.reference), indent=1))
    else:
        from models.training.release import release  # noqa: PLC0415

        release(told.model, told.into, told.name, told.version, json.loads(told.told.read_text()))


if __name__ == "__main__":
    main()
