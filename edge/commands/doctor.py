"""``edge doctor``: what is wrong with this box."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands.options import JsonOption, command_line
from edge.commands.work import load_detector
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.doctor import Report

app = command_line()

_STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}


@app.command()
def doctor(
    config_file: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG]", help="The node's configuration; without it, only the box.")
    ] = None,
    *,
    user: Annotated[
        str | None,
        typer.Option(help="Whose rights the checks get (needs root); as root the default is the service's user."),
    ] = None,
    unit: Annotated[str | None, typer.Option(help="The node's systemd service; default: edge.service.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Let through what libraries print.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look for whatever keeps this box from finding people and telling of them; changes nothing, and no check can hang.

    It may run beside the node. Exit code 0: nothing failed (warnings may be there); 1: something failed; 2: the
    configuration is wrong.

    Example: edge doctor /etc/edge/node.toml
    """
    from edge.doctor import UNIT, Wish, examine, service_user

    _check_user(user)
    wish = Wish(
        file=config_file,
        load=load_detector,
        user=user or service_user(),
        unit=unit or UNIT,
        quiet=not verbose,
    )
    report = examine(wish, watch=_watch)
    if as_json:
        print(json.dumps({**asdict(report), "worst": report.worst}, indent=1))
    else:
        _print(report)
    sys.exit(report.exit_code)


def _check_user(user: str | None) -> None:
    import os
    import pwd

    if user is None:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ConfigError(f"--user {user}: there is no such user") from None
    if os.geteuid() not in (0, entry.pw_uid):
        raise ConfigError(f"--user {user}: only root can take the rights of another user; try sudo")


@contextmanager
def _watch(name: str) -> Iterator[None]:
    """Say on a terminal what is being looked at; nothing in a pipe. No thread: the checks are forked."""
    if not sys.stderr.isatty():
        yield
        return
    sys.stderr.write(f"\r\x1b[K{name} ...")
    sys.stderr.flush()
    try:
        yield
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _print(report: "Report") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("check", "", "found, and what to do", box=None, pad_edge=False)
    for one in report.findings:
        told = Text(one.told)
        if one.fix:
            told.append(f"\n-> {one.fix}", "bold")
        table.add_row(one.check, Text(one.state, _STYLES[one.state]), told)
    console = Console(markup=False, highlight=False)
    console.print(table)
    counted = {state: sum(one.state == state for one in report.findings) for state in _STYLES}
    sums = ", ".join(f"{number} {state}" for state, number in counted.items() if number)
    console.print(f"\n{sums}; checked with the rights of {report.user}")
