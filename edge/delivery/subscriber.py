"""The other end: hears what the nodes say, checks it, and hands it on, for as long as it is told to.

One thread keeps the connection, the caller's thread consumes. A message is acknowledged to the broker only when
``on_event`` has returned, so with a session of its own a subscriber that dies in between hears it again (once more, not
never: dedupe by id). Brokers do not keep to a subscriber's Receive Maximum, so the queue between the two is bounded
here: while it is full the subscriber does not read, and the rest waits in the network and in the broker. Hanging up
instead was tried: whatever was consumed meanwhile cannot be acknowledged any more, and comes for ever.
"""

import queue
import re
import threading
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from edge.clock import Clock
from edge.config import DeliveryConfig
from edge.delivery.backoff import Backoff
from edge.delivery.loglimit import LimitedLog
from edge.delivery.messages import Arrival, Caller, Wake
from edge.delivery.mqtt import Dialer, Link
from edge.delivery.wire import (
    About,
    AlertEvent,
    Health,
    Topics,
    parse_about,
    parse_availability,
    parse_health,
)
from edge.delivery.wire_sight import SightEvent, parse_event
from edge.errors import DeliveryError

QUEUE_EVENTS = 1000
_TURN_S = 0.5
_TOPIC = re.compile(r"edge/v1/([a-z0-9-]{1,64})/(alert|health|about|availability)")


@dataclass(frozen=True, slots=True)
class Event:
    """One checked message of one node.

    Attributes:
        node: who said it, from the topic.
        body: what it said.
        retained: the broker kept it; it may be old.
        payload: the bytes as they came, for whoever stores them.
    """

    node: str
    body: AlertEvent | SightEvent | Health | About | Literal["online", "offline"]
    retained: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Queued:
    event: Event
    arrival: Arrival
    link: Link


class Subscriber:
    """Listens to one node or to all of them."""

    def __init__(
        self,
        config: DeliveryConfig,
        on_event: Callable[[Event], None],
        *,
        clock: Clock,
        node: str = "+",
        session: str | None = None,
        session_s: int = 604_800,
        queue_events: int = QUEUE_EVENTS,
    ) -> None:
        """Prepare.

        Args:
            config: the broker.
            on_event: called in the thread of ``run``, one event at a time.
            clock: for the pauses between two tries.
            node: the node to listen to; ``+`` for all.
            session: a name under which the broker keeps alerts while this subscriber is away; ``None``: it does not.
            session_s: for how long it keeps them.
            queue_events: how many may wait for ``on_event``.
        """
        topics = Topics(node)
        filters = ((topics.alert, 1), (topics.health, 0), (topics.about, 1), (topics.availability, 1))
        name = f"edge-listen-{session or uuid.uuid4().hex[:12]}"
        self._dialer = Dialer(config, Caller(name, session_s=session_s if session else 0, filters=filters), clock=clock)
        self._on_event = on_event
        self._clock = clock
        self._log = LimitedLog(__name__, clock)
        self._backoff = Backoff(config.backoff_max_s)
        self._queue: queue.Queue[_Queued] = queue.Queue()  # one reading may overshoot the bound by a few
        self._queue_events = queue_events
        self._consumed: deque[_Queued] = deque()
        self._wake = Wake()
        self._stopping = threading.Event()
        self._link: Link | None = None
        self._thread = threading.Thread(target=self._listen, name="subscriber", daemon=True)
        self.malformed = 0
        self.fault: str | None = "not yet connected"

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._link is not None

    def run(self, stop: threading.Event) -> None:
        """Listen until ``stop`` is set; errors of ``on_event`` come out here."""
        self._thread.start()
        try:
            while not stop.is_set():
                self._consume_one()
        finally:
            self._stopping.set()
            self._wake.set()
            self._thread.join(2.0)

    def _consume_one(self) -> None:
        try:
            queued = self._queue.get(timeout=_TURN_S / 2)
        except queue.Empty:
            return
        self._on_event(queued.event)
        self._consumed.append(queued)
        self._wake.set()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen_once()
            except DeliveryError as error:
                self.fault = str(error)
                self._log.warning("subscriber: not connected", why=self.fault)
            except Exception as error:  # noqa: BLE001  # a fault of our own must not end the listening unseen
                self.fault = f"{type(error).__name__}: {error}"
                self._log.warning("subscriber: not connected", why=self.fault)
            finally:
                self._link = None
            self._clock.wait(self._stopping, self._backoff.next_s())

    def _listen_once(self) -> None:
        link = self._dialer.dial(self._stopping.is_set)
        try:
            self._link, self.fault = link, None
            self._backoff.reset()
            self._log.info("subscriber: connected", mqtt=link.version)
            while not self._stopping.is_set():
                _, arrivals = link.turn(_TURN_S, self._wake, reading=self._queue.qsize() < self._queue_events)
                for arrival in arrivals:
                    self._take(arrival, link)
                self._acknowledge(link)
            self._acknowledge(link)
        finally:
            link.close()

    def _take(self, arrival: Arrival, link: Link) -> None:
        event = self._parsed(arrival)
        if event is None:
            link.acknowledge(arrival)  # it will not get better by coming again
            return
        self._queue.put(_Queued(event, arrival, link))

    def _parsed(self, arrival: Arrival) -> Event | None:
        try:
            found = _TOPIC.fullmatch(arrival.topic)
            if found is None:
                raise ValueError("topic: is not ours")  # noqa: TRY301  # the same fate as any other malformed one
            node, kind = found.groups()
            parse: Callable[[bytes], AlertEvent | SightEvent | Health | About | Literal["online", "offline"]] = (
                _PARSERS[kind]
            )
            body = parse(arrival.payload)
            if isinstance(body, AlertEvent | SightEvent) and body.node != node:
                raise ValueError("source: another node than the topic's")  # noqa: TRY301
        except ValueError as error:
            self.malformed += 1
            self._log.warning("subscriber: malformed message", why=str(error), topic=arrival.topic[:100])
            return None
        return Event(node, body, arrival.retain, arrival.payload)

    def _acknowledge(self, link: Link) -> None:
        while self._consumed:
            queued = self._consumed.popleft()
            if queued.link is link:  # packet numbers mean nothing on a later connection
                link.acknowledge(queued.arrival)


_PARSERS: dict[str, Callable[[bytes], AlertEvent | SightEvent | Health | About | Literal["online", "offline"]]] = {
    "alert": parse_event,
    "health": parse_health,
    "about": parse_about,
    "availability": parse_availability,
}
