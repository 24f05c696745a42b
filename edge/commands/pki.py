"""``edge pki ...``: the certificates of one installation."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.commands.options import JsonOption, command_group
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.pki import Authority

app = command_group("Make, renew and revoke the certificates of brokers, stations and nodes.")

DirOption = Annotated[Path, typer.Option("--dir", help="Folder of the authority; keep it off the nodes.")]
PassphraseOption = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File with the passphrase of the root's key on its first line.")
]
DaysOption = Annotated[int | None, typer.Option(min=1, max=7300, help="Lifetime; default: three years.")]
NameArgument = Annotated[str, typer.Argument(help="node.id of a node, name of a station, any name of a broker.")]
FOLDER = Path("pki")


@app.command()
def init(
    *,
    folder: DirOption = FOLDER,
    name: Annotated[str, typer.Option(help="Name of the authority, for people.")] = "edge",
    passphrase_file: PassphraseOption = None,
    days: Annotated[int, typer.Option(min=1, max=36500, help="Lifetime of the root; default: twenty years.")] = 7300,
    force: Annotated[bool, typer.Option("--force", help="Replace an authority; its certificates become void.")] = False,
) -> None:
    """Make the root of trust of an installation.

    Example: edge pki init --dir pki
    """
    authority = _authority(folder, passphrase_file)
    authority.create(name, days=days, force=force)
    _say(f"{folder}/ca.crt: the root. {folder}/ca.key signs everything: keep this folder safe, and a copy of it.")


@app.command()
def issue(
    role: Annotated[str, typer.Argument(help="broker, station or node.")],
    name: NameArgument,
    *,
    host: Annotated[
        list[str] | None, typer.Option(help="Name or address under which a broker is reached; may be repeated.")
    ] = None,
    folder: DirOption = FOLDER,
    passphrase_file: PassphraseOption = None,
    days: DaysOption = None,
    force: Annotated[bool, typer.Option("--force", help="Revoke and replace what this name has.")] = False,
) -> None:
    """Give a machine its key and certificate.

    Example: edge pki issue broker broker --host broker.example --host 10.0.0.5; edge pki issue node node-7
    """
    if role not in ("broker", "station", "node"):
        raise ConfigError(f"role '{role}': use broker, station or node")
    made = _authority(folder, passphrase_file).issue(role, name, host or (), days=days, force=force)  # type: ignore[arg-type]
    _say(_what_next(role, made))


@app.command()
def renew(
    name: NameArgument,
    *,
    folder: DirOption = FOLDER,
    passphrase_file: PassphraseOption = None,
    days: DaysOption = None,
    revoke_old: Annotated[bool, typer.Option("--revoke-old", help="Put the old one on the revocation list.")] = False,
) -> None:
    """Give a machine a new key and certificate in place of those that run out.

    Example: edge pki renew node-7
    """
    authority = _authority(folder, passphrase_file)
    made = authority.renew(name, days=days, revoke_old=revoke_old)
    role = next(entry.role for entry in reversed(authority.entries()) if entry.name == name)
    _say(_what_next(role, made))
    if revoke_old:
        _say(_tell_broker(folder))


@app.command()
def revoke(name: NameArgument, *, folder: DirOption = FOLDER, passphrase_file: PassphraseOption = None) -> None:
    """Shut a machine out: stolen, sold, replaced.

    Example: edge pki revoke node-7
    """
    count = _authority(folder, passphrase_file).revoke(name)
    _say(f"{count} certificate(s) of '{name}' revoked. {_tell_broker(folder)}")


@app.command(name="list")
def list_(*, folder: DirOption = FOLDER, as_json: JsonOption = False) -> None:
    """List what was given out, and when it runs out.

    Example: edge pki list --json
    """
    from dataclasses import asdict

    now = datetime.now(UTC)
    entries = _authority(folder, None).entries()
    if as_json:
        print(json.dumps([asdict(entry) | {"days_left": entry.days_left(now)} for entry in entries], indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "role", "hosts", "until", "state", box=None, pad_edge=False)
    for entry in entries:
        days = entry.days_left(now)
        state = "revoked" if entry.revoked_at else "expired" if days < 0 else f"{days} days left"
        table.add_row(entry.name, entry.role, ", ".join(entry.hosts), entry.not_after[:10], state)
    Console(markup=False).print(table)


def _authority(folder: Path, passphrase_file: Path | None) -> "Authority":
    from edge.pki import Authority

    passphrase = None
    if passphrase_file is not None:
        try:
            passphrase = passphrase_file.read_bytes().splitlines()[0]
        except (OSError, IndexError) as error:
            raise ConfigError(f"--passphrase-file {passphrase_file}: no first line to read ({error})") from error
    return Authority(folder, now=datetime.now(UTC), passphrase=passphrase)


def _what_next(role: str, folder: Path) -> str:
    if role == "broker":
        return (
            f"{folder}/: copy to the broker as /etc/mosquitto/certs/ (key readable by mosquitto only), beside the "
            "configuration of deploy/mosquitto/"
        )
    place = "/etc/edge/pki" if role == "node" else "the station's configuration, as pki/"
    base = "/etc/edge/pki" if role == "node" else "pki"
    return (
        f"{folder}/: copy to {place}, and set under [delivery]:\n"
        f'  port = 8883\n  tls = true\n  tls_ca_file = "{base}/ca.crt"\n'
        f'  tls_cert_file = "{base}/client.crt"\n  tls_key_file = "{base}/client.key"'
    )


def _tell_broker(folder: Path) -> str:
    return (
        f"Copy {folder}/revoked.crl to the broker as /etc/mosquitto/certs/revoked.crl and restart it: a list that is "
        "not there shuts nobody out, and a connection that is open stays open."
    )


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
