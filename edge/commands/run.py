"""``edge run``: the node. Its start matters, so the one argument that it takes is read without typer."""

import gc
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

from edge.commands.work import effective, load_detector, one_heap, settle, stop_on_signals

if TYPE_CHECKING:
    from typer import Typer

    from edge.config import Loaded


def app(arguments: Sequence[str], prog_name: str) -> None:
    """Run the node with its configuration file; anything else is for typer to explain."""
    if len(arguments) == 1 and not arguments[0].startswith("-"):
        run(Path(arguments[0]))
    else:
        parser()(arguments, prog_name=prog_name)


def parser() -> "Typer":
    """Make the command line of this command."""
    import typer

    from edge.commands.options import command_line

    spelled = command_line()

    @spelled.command(name="run", help=run.__doc__)
    def _run(
        config_file: Annotated[Path, typer.Argument(metavar="CONFIG", help="The node's configuration file.")],
    ) -> None:
        run(config_file)

    return spelled


def run(config_file: Path) -> None:
    """Run the node until it is told to stop (SIGTERM, Ctrl-C).

    Example: edge run /etc/edge/node.toml
    """
    from edge import config, log
    from edge.clock import SystemClock

    gc.disable()  # until it is settled
    one_heap()
    loaded = config.load(config_file)
    log.configure(loaded.config.log)
    _log_effective(loaded)
    loading = Thread(target=import_module, args=("edge.service",))  # beside the model, which needs no Python meanwhile
    loading.start()
    try:
        detector = load_detector(loaded.config, config_file.parent)
    finally:
        loading.join()
    from edge.service import Node

    stopping = stop_on_signals()
    node = Node(loaded.config, detector, clock=SystemClock(), stopping=stopping, base=config_file.parent.resolve())
    settle()
    node.run()


def _log_effective(loaded: "Loaded") -> None:
    from edge import log

    told = {name: value for name, value, origin in effective(loaded) if origin != "default"}
    log.get_logger("edge").info("configuration", file=str(loaded.path), settings=told)
