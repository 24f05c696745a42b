"""What the terminal shows of alerts: one line each for people, or one JSON line each for programs."""

import json
import threading
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.text import Text

from edge.clock import SystemClock
from edge.config import DeliveryConfig
from edge.delivery.brokers import Embedded
from edge.delivery.subscriber import Event, Subscriber
from edge.delivery.wire import AlertEvent, Health, Topics, sentence
from edge.delivery.wire_sight import SightEvent
from edge.errors import ConfigError

_PRIORITIES = ("routine", "important", "urgent")
_STYLE = {"routine": "white", "important": "yellow", "urgent": "bold red"}
_HEALTH_STYLE = {"ok": "green", "degraded": "yellow", "blind": "bold red", "offline": "bold red"}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alerts are wanted; ``None`` for all."""

    node: str | None = None
    camera: str | None = None
    priority: str | None = None

    def __post_init__(self) -> None:
        """Refuse what can never be heard.

        Raises:
            ConfigError: a priority that does not exist, or a name that cannot stand in a topic.
        """
        for option, name in (("--node", self.node), ("--camera", self.camera)):
            try:
                Topics(name or "+")
            except ValueError as error:
                raise ConfigError(f"{option}: {error}") from None
        if self.priority is not None and self.priority not in _PRIORITIES:
            raise ConfigError(f"--priority {self.priority}: known are {', '.join(_PRIORITIES)}")

    def wants(self, alert: AlertEvent | SightEvent) -> bool:
        """Tell whether an alert passes."""
        least = _PRIORITIES.index(self.priority) if self.priority else 0
        return (
            self.node in (None, alert.node)
            and self.camera in (None, alert.data.camera)
            and _PRIORITIES.index(alert.data.priority) >= least
        )


class Screen:
    """Prints what nodes say, a line an event; rings the bell for new alerts on a terminal."""

    def __init__(self, *, console: Console | None = None, bell: bool = True) -> None:
        """Print to ``console``; default: standard output."""
        self._console = console or Console()
        self._bell = bell and self._console.is_terminal
        self._health: dict[str, tuple[str, str | None]] = {}

    def show(self, event: Event) -> None:
        """Print one event; health only when it changes."""
        if isinstance(event.body, AlertEvent):
            self._alert(event.body)
        elif isinstance(event.body, SightEvent):
            self._sight(event.body)
        elif isinstance(event.body, Health):
            said = (event.body.state, event.body.reason)
            if self._health.get(event.node) != said:
                self._health[event.node] = said
                line = f"{event.node} is {event.body.state}" + (
                    f": {sentence(event.body.reason)}" if event.body.reason else ""
                )
                self._console.print(Text(line, style=_HEALTH_STYLE[event.body.state]))
        elif isinstance(event.body, str):
            self._console.print(
                Text(f"{event.node} is {event.body}", style="green" if event.body == "online" else "red")
            )

    def _alert(self, event: AlertEvent) -> None:
        data = event.data
        time = _local_time(data.captured_at)
        people = "person" if data.count == 1 else "people"
        spread = f" ({data.count_low}-{data.count_high})" if data.count_low != data.count_high else ""
        why = f"  {sentence(', '.join(data.reasons))}" if data.reasons else ""
        line = (
            f"{time}  {data.phase:<6}  {data.count:>2} {people}{spread:<8} {event.node}/{data.camera}"
            f"  {data.confidence:.0%}  {data.alert_id[-6:]}:{data.rev}{why}"
        )
        self._console.print(Text(line, style=_STYLE[data.priority] if data.phase != "end" else "dim"))
        if data.phase == "new" and self._bell:
            self._console.bell()

    def _sight(self, event: SightEvent) -> None:
        data = event.data
        why = f"  {sentence(data.reason)}" if data.reason else ""
        line = (
            f"{_local_time(event.time)}  {data.phase:<6}  camera {data.state:<8} {event.node}/{data.camera}"
            f"  {data.alert_id[-6:]}:{data.rev}{why}"
        )
        self._console.print(Text(line, style=_STYLE[data.priority] if data.phase != "end" else "dim"))
        if data.phase == "new" and self._bell:
            self._console.bell()


def _local_time(moment: datetime) -> str:
    try:
        return moment.astimezone().strftime("%H:%M:%S")
    except OverflowError:  # the first or last day of the calendar, elsewhere than in UTC
        return moment.strftime("%H:%M:%SZ")


def listen(delivery: DeliveryConfig, wanted: Filter, *, stopping: threading.Event, once: bool, as_json: bool) -> None:
    """Run ``edge subscribe``: print alerts until ``stopping`` is set, or the first one with ``once``."""
    screen = Screen()

    def on_event(event: Event) -> None:
        if isinstance(event.body, AlertEvent | SightEvent):
            if not wanted.wants(event.body):
                return
            if as_json:
                print(json.dumps(json.loads(event.payload), separators=(",", ":")), flush=True)  # noqa: T201
            else:
                screen.show(event)
            if once:
                stopping.set()
        elif not as_json and not once:
            screen.show(event)

    Subscriber(delivery, on_event, clock=SystemClock(), node=wanted.node or "+").run(stopping)


class DemoScreen:
    """The terminal of the demonstration: where the broker is, then every alert as the control room hears it."""

    def __init__(self) -> None:
        """Print to standard output."""
        self._console = Console()
        self._screen = Screen(console=self._console)

    def __enter__(self) -> Self:
        """Say what is about to happen."""
        self._console.print("edge demo: a broker, two nodes with sample footage as their cameras, and a control room.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye."""
        if kind is None:
            self._console.print("demo over")

    def broker(self, broker: Embedded) -> None:
        """Say how other programs can listen too."""
        self._console.print(
            f"broker ({broker.kind}, this machine only, not for production) on {broker.host}:{broker.port}; "
            f"listen with: mosquitto_sub -h {broker.host} -p {broker.port} -t 'edge/v1/#' -v"
        )

    def station(self, url: str | None) -> None:
        """Say where the page is."""
        if url is None:
            self._console.print("no control room's page: pip install 'edge-thermal[station]' to see it")
        else:
            self._console.print(f"control room: {url}", style="bold")
        self._console.print("Ctrl-C ends the demonstration.\n")

    def event(self, event: Event) -> None:
        """Show what came over MQTT."""
        self._screen.show(event)
