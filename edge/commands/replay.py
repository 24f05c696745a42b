"""``edge replay``: footage through the deployed pipeline."""

import json
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from edge.commands.options import (
    ConfigOption,
    FootageArgument,
    FpsOption,
    JsonOption,
    ModelOption,
    PresetOption,
    UnsignedOption,
    command_line,
)
from edge.commands.work import check_outputs, configured, load_detector, progress, stop_on_signals
from edge.errors import ConfigError

app = command_line()


@app.command()
def replay(
    footage: FootageArgument,
    *,
    speed: Annotated[str, typer.Option(help="max, real, or a factor such as 4.")] = "max",
    alerts: Annotated[Path | None, typer.Option(help="Write alerts as JSON lines, as published.")] = None,
    tracks: Annotated[Path | None, typer.Option(help="Write tracks as MOTChallenge text.")] = None,
    view: Annotated[Path | None, typer.Option(help="Write an .mp4 with boxes, groups and counts drawn.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Send the alerts to the configured broker.")] = False,
    config_file: ConfigOption = None,
    preset: PresetOption = None,
    model: ModelOption = None,
    allow_unsigned: UnsignedOption = False,
    fps: FpsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play footage through the deployed pipeline.

    With --speed max the output is the same, byte for byte, every time.

    Example: edge replay sample_footage/nine-in-snow.mkv --alerts alerts.jsonl --view seen.mp4
    """
    from edge.play import Outputs, play

    config = configured(config_file, preset, model, allow_unsigned=allow_unsigned)
    factor = _speed(speed)
    base = config_file.parent if config_file else Path()
    detector = load_detector(config, base)
    outputs = Outputs(alerts=alerts, tracks=tracks, view=view, publish=publish)
    check_outputs(alerts, tracks, view)
    if view is not None:
        if view.suffix.lower() != ".mp4":
            raise ConfigError(f"--view {view}: the film is an .mp4; name it so")
        import_module("edge.view")  # what it needs may be missing: say so before the work
    stopping = stop_on_signals()
    with progress("replay") as advance:
        report = play(
            footage, config, detector, outputs, speed=factor, fps=fps, base=base, stopping=stopping, advance=advance
        )
    if as_json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        report.print()
    if report.fault is not None:
        raise report.fault


def _speed(text: str) -> float | None:
    """Read --speed: None for max, else a factor of real time."""
    if text == "max":
        return None
    try:
        factor = 1.0 if text == "real" else float(text)
    except ValueError:
        factor = 0.0
    if not 0.0 < factor <= 1000.0:  # noqa: PLR2004
        raise ConfigError(f"--speed {text}: use max, real, or a factor above 0 such as 4")
    return factor
