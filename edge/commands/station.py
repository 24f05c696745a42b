"""``edge station``: the control room."""

from pathlib import Path
from typing import Annotated

import typer

from edge.commands.options import command_line
from edge.commands.work import settle, stop_on_signals
from edge.errors import ConfigError

app = command_line()


@app.command()
def station(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="The station's configuration file.")],
) -> None:
    """Run the control room: receive alerts, store them, show them on a page.

    Example: edge station configs/station/station.toml
    """
    try:
        from edge.station import run, settings
    except ImportError as error:
        raise ConfigError(f"the station needs more packages: pip install 'edge-thermal[station]' ({error})") from error

    from edge import log

    config = settings.load(config_file)
    log.configure(config.log)
    settle()
    run(config, stop_on_signals(), on_ready=lambda served: print(f"control room at {served.url}", flush=True))
