"""``edge cameras``: the cameras of this machine."""

import json
from pathlib import Path
from typing import Annotated

import typer

from edge.commands.options import JsonOption, command_line
from edge.commands.work import progress

app = command_line()


@app.command()
def cameras(
    *,
    snapshot: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Take a picture with each and write it to this folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List cameras: lasting name, formats, the profile that fits, what to write into the configuration, what is wrong.

    Looking disturbs nobody; --snapshot opens each camera as the node would, so one that is in use is left alone.

    Example: edge cameras --snapshot pictures/
    """
    from edge.cameras import take_snapshots, to_json, to_text
    from edge.capture.survey import look_around
    from edge.clock import SystemClock
    from edge.errors import CameraError

    found, taken = look_around(), []
    if snapshot is not None and found:
        with progress("snapshots") as advance:
            taken = take_snapshots(found, snapshot, SystemClock(), advance=advance)
    if as_json:
        print(json.dumps(to_json(found, taken), indent=1))
    else:
        print(to_text(found, taken), end="")
    missed = sum(one.file is None for one in taken)
    if missed:
        raise CameraError(f"{missed} of {len(taken)} cameras gave no picture")
