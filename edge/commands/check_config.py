"""``edge check-config``: what a configuration says, value by value."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from edge.commands.options import JsonOption, command_line
from edge.commands.work import effective
from edge.errors import ConfigError

app = command_line()


@app.command()
def check_config(
    config_file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A configuration file.")] = None,
    *,
    as_json: JsonOption = False,
    reference: Annotated[bool, typer.Option("--reference", help="Print every setting there is, as Markdown.")] = False,
) -> None:
    """Check a configuration and print every value in force and where it came from.

    Example: edge check-config configs/border.toml
    """
    from edge import config

    if reference:
        sys.stdout.write(config.reference())
        return
    if config_file is None:
        raise ConfigError("name a configuration FILE, or ask for --reference")
    loaded = config.load(config_file)
    rows = list(effective(loaded))
    if as_json:
        print(json.dumps({name: {"value": value, "from": origin} for name, value, origin in rows}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for name, value, origin in rows:
        table.add_row(name, Text(json.dumps(value)), origin, style=None if origin == "default" else "bold")
    Console(markup=False).print(table)
