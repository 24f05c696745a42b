"""The command line: a table of commands, of which only the one that was asked for is imported.

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 model. The overview is written here and not by typer, because
importing typer takes many times as long as starting Python, and ``edge --help`` is the first thing that anybody types.
"""

import gc
import os
import sys

from edge import __version__
from edge.errors import ConfigError, EdgeError

COMMANDS = {
    "demo": "Show everything at once on this machine: broker, two nodes, control room, alerts.",
    "run": "Run the node.",
    "check-config": "Check a configuration and print every value in force.",
    "cameras": "List cameras, what they offer, what to write into the configuration; take pictures.",
    "replay": "Play footage through the deployed pipeline.",
    "detect": "Detect people in pictures and write COCO results.",
    "evaluate": "Measure detection and counting against truth.",
    "simulate": "Film a scenario: a 16-bit clip and its truth.",
    "calibrate": "Find a fixed camera's pose from points on the map, and draw it.",
    "doctor": "Look for what is wrong with this box: camera, model, clock, disk, broker.",
    "reach": "Tell how far a camera and a lens find people, before they are bought.",
    "bench": "Measure what this box can do, and what settings fit it.",
    "subscribe": "Show alerts on this terminal as they arrive.",
    "pki": "Make, renew and revoke the certificates of brokers, stations and nodes.",
    "station": "Run the control room: receive alerts, store them, show them on a page.",
}
"""Every command and its line in the overview; ``check-config`` is the ``app`` of ``edge/commands/check_config.py``."""
_TOOLS = {"cv2": "OpenCV", "scipy": "scipy"}  # what the extra of that name adds


def main() -> None:
    """Run the command line; the one catcher of ``EdgeError``."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")  # a file name need not be text
    try:
        _run(sys.argv[1:])
    except EdgeError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if error.name not in _TOOLS:
            raise
        sys.stderr.write(
            f"error: this needs {_TOOLS[error.name]}, a node does not: pip install 'edge-thermal[tools]'\n"
        )
        sys.exit(ConfigError.exit_code)
    except BrokenPipeError:  # the reader, head perhaps, has seen enough
        sys.stderr.close()
        sys.exit(EdgeError.exit_code)
    except OSError as error:  # a disk that is full, a file that may not be touched: not ours to explain better
        sys.stderr.write(f"error: {error}\n")
        sys.exit(EdgeError.exit_code)


def _run(arguments: list[str]) -> None:
    name = arguments[0] if arguments else ""
    if name in ("--help", "-h"):
        sys.stdout.write(overview())
    elif name == "--version":
        sys.stdout.write(f"edge {__version__}\n")
    elif name in COMMANDS:
        _run_command(name, arguments[1:])
    elif name:
        raise ConfigError(f"no such command: {name}{_nearest(name)}; edge --help lists them")
    else:
        sys.stderr.write(overview())
        sys.exit(ConfigError.exit_code)


def overview() -> str:
    """Write what ``edge --help`` prints."""
    width = max(map(len, COMMANDS)) + 2
    rows = "".join(f"  {name:{width}}{line}\n" for name, line in COMMANDS.items())
    return (
        "Usage: edge COMMAND [OPTIONS] [ARGUMENTS]\n\n"
        "Finds people in thermal video, counts them as groups, and tells a control room over MQTT.\n\n"
        f"Commands:\n{rows}\n"
        "Each explains itself, with an example: edge COMMAND --help. Also: edge --version.\n"
    )


def _run_command(name: str, arguments: list[str]) -> None:
    # Imports make tens of thousands of objects and no garbage; looking for some again and again took a sixth of the
    # node's start. Programs that stay call work.settle once they are ready.
    gc.set_threshold(100_000)
    # numpy's own threads do nothing here but take memory; those of a model are the setting model.threads
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # looks through everything that is installed for plugins, of which there is none
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from importlib import import_module

    from edge import log

    log.configure()
    app = import_module(f"edge.commands.{name.replace('-', '_')}").app
    app(arguments, prog_name=f"edge {name}")


def _nearest(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
