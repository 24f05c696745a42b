"""``edge demo``: everything at once on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from edge.commands.options import ModelOption, UnsignedOption, command_line
from edge.commands.work import configured, load_detector, stop_on_signals

app = command_line()


@app.command()
def demo(
    footage: Annotated[list[Path] | None, typer.Argument(help="Clips or folders; default: the sample footage.")] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Play the footage once and leave.")] = False,
    allow_unsigned: UnsignedOption = False,
    model: ModelOption = None,
) -> None:
    """Show everything at once on this machine: broker, two nodes with sample footage, control room, alerts here.

    Example: edge demo --once
    """
    from edge.clock import SystemClock
    from edge.demo import demonstrate
    from edge.screen import DemoScreen
    from edge.shipped import shipped

    config = configured(None, None, model, allow_unsigned=allow_unsigned)
    clips = footage or sorted(shipped("sample_footage").glob("*.mkv"))
    stopping = stop_on_signals()
    with DemoScreen() as screen:
        demonstrate(
            clips,
            lambda: load_detector(config, Path()),
            screen,
            clock=SystemClock(),
            stopping=stopping,
            loop=not once,
        )
