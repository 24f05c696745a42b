"""``edge subscribe``: alerts on the terminal."""

from typing import Annotated

import typer

from edge.commands.options import ConfigOption, command_line
from edge.commands.work import stop_on_signals
from edge.errors import ConfigError

app = command_line()


@app.command()
def subscribe(
    *,
    host: Annotated[str | None, typer.Option(help="The broker; default: the configuration's, else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Its port; default: likewise, else 1883.")] = None,
    config_file: ConfigOption = None,
    node: Annotated[str | None, typer.Option(help="Only this node.")] = None,
    camera: Annotated[str | None, typer.Option(help="Only this camera.")] = None,
    priority: Annotated[str | None, typer.Option(help="Only from this priority on: important or urgent.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Leave after the first alert.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each alert as one JSON line.")] = False,
) -> None:
    """Show alerts on this terminal as they arrive; reconnects by itself.

    Example: edge subscribe --host broker.example --json
    """
    from edge import config
    from edge.config import DeliveryConfig
    from edge.screen import Filter, listen

    delivery = (
        config.from_base(config.load(config_file).config.delivery, config_file.parent)
        if config_file
        else DeliveryConfig()
    )
    given = {"host": host, "port": port}
    asked = {name: value for name, value in given.items() if value is not None}
    try:
        delivery = DeliveryConfig.model_validate(delivery.model_dump() | asked)
    except ValueError:
        raise ConfigError("--host: must not be empty") from None
    wanted = Filter(node=node, camera=camera, priority=priority)
    listen(delivery, wanted, stopping=stop_on_signals(), once=once, as_json=as_json)
