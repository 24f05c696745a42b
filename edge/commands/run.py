"""``edge run``: the node."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands.options import command_line
from edge.commands.work import effective, load_detector, settle, stop_on_signals

if TYPE_CHECKING:
    from edge.config import Loaded

app = command_line()


@app.command()
def run(
    config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="The node's configuration file.")],
) -> None:
    """Run the node until it is told to stop (SIGTERM, Ctrl-C).

    Example: edge run /etc/edge/node.toml
    """
    from edge import config, log
    from edge.clock import SystemClock
    from edge.service import Node

    loaded = config.load(config_file)
    log.configure(loaded.config.log)
    _log_effective(loaded)
    detector = load_detector(loaded.config, config_file.parent)
    stopping = stop_on_signals()
    node = Node(loaded.config, detector, clock=SystemClock(), stopping=stopping, base=config_file.parent.resolve())
    settle()
    node.run()


def _log_effective(loaded: "Loaded") -> None:
    from edge import log

    told = {name: value for name, value, origin in effective(loaded) if origin != "default"}
    log.get_logger("edge").info("configuration", file=str(loaded.path), settings=told)
