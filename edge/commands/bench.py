"""``edge bench``: what this box can do."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from edge.commands.options import ConfigOption, JsonOption, ModelOption, UnsignedOption, command_line
from edge.commands.work import configured, load_detector, print_tables, progress, stop_on_signals

app = command_line()


@app.command()
def bench(
    *,
    seconds: Annotated[float, typer.Option(min=0.2, max=600.0, help="How long each part is measured, about.")] = 5.0,
    cameras: Annotated[int, typer.Option(min=1, max=16, help="How many cameras the node has, each at that rate.")] = 1,
    fps: Annotated[
        float | None,
        typer.Option(
            min=1.0, max=120.0, help="Rate of the node's camera; default: half of what it can do, 60 in a soak."
        ),
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Soak: let the node run for so long.")] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Hold preprocessing against OpenCV, numpy and a plain copy, too.")
    ] = False,
    nice: Annotated[bool, typer.Option("--nice", help="Let every other program on this box go first.")] = False,
    config_file: ConfigOption = None,
    model: ModelOption = None,
    allow_unsigned: UnsignedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure this box: each stage, the model by size and threads, the whole node, and the settings that fit.

    Measure on an idle box. Compare ratios, not milliseconds of different machines.

    Example: edge bench --compare --json
    """
    from edge.bench.node import lower_priority
    from edge.bench.run import Wish, measure
    from edge.bench.tables import tables

    config = configured(config_file, None, model, allow_unsigned=allow_unsigned)
    base = config_file.parent if config_file else Path()
    if nice:
        lower_priority()
    wish = Wish(
        config=config,
        base=base,
        load=lambda wanted: load_detector(wanted, base),
        seconds=seconds,
        fps=fps,
        minutes=minutes,
        cameras=cameras,
        compare=compare,
    )
    report = measure(wish, stop=stop_on_signals(), progress=progress)
    if as_json:
        print(json.dumps(dataclasses.asdict(report), indent=1))
    else:
        print_tables(tables(report))
