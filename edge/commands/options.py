"""The options that several commands share, and the two shapes of a command's module."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="Configuration file; default: the defaults.")]
PresetOption = Annotated[str | None, typer.Option(help="border or rescue; wins over the configuration's.")]
ModelOption = Annotated[Path | None, typer.Option(help="An .onnx file with its manifest; default: the shipped model.")]
UnsignedOption = Annotated[bool, typer.Option("--allow-unsigned", help="Load a model without a valid signature.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
FpsOption = Annotated[
    float | None,
    typer.Option(min=0.1, max=120.0, help="Frames per second of a folder of pictures; default: camera.fps, else 9."),
]
FootageArgument = Annotated[list[Path], typer.Argument(help="Clips or folders of pictures.")]


def command_line() -> typer.Typer:
    """Make the ``app`` of a module that is one command: exactly one function is decorated with ``@app.command()``."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def command_group(words: str) -> typer.Typer:
    """Make the ``app`` of a module that is a group of commands (``edge evaluate detection``)."""
    app = typer.Typer(help=words, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(lambda: None)  # without it, a group of one command would lose that command's name
    return app
