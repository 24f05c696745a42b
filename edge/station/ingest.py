"""From the broker into the store: a message is acknowledged only when it is on disk.

One thread does it all, so the brake is built in: while a batch is being committed nothing is read, the socket fills,
and the broker keeps the rest in this station's session. There is no queue to run over. One commit pays for many
messages, because a disk makes a few hundred commits a second and a night with an outage brings thousands.

``_run`` only retries, ``_run_once`` only works. What cannot be read is refused, counted and acknowledged: it will not
get better by coming again. When the database takes nothing, nothing is acknowledged, and the page says so loudly.
"""

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from edge.clock import Clock
from edge.config import DeliveryConfig
from edge.delivery.backoff import Backoff
from edge.delivery.commands import Reply, parse_reply
from edge.delivery.loglimit import LimitedLog
from edge.delivery.messages import Arrival, Caller, Wake
from edge.delivery.mqtt import Dialer, Link
from edge.delivery.wire import (
    About,
    AlertEvent,
    Topics,
    parse_about,
    parse_availability,
    parse_health,
)
from edge.delivery.wire_sight import SightEvent, parse_event
from edge.errors import DeliveryError
from edge.station.answers import Deeds, Resends, receipts
from edge.station.changes import Changes
from edge.station.hearing import Hearing, Refusal
from edge.station.pictures import parse_picture
from edge.station.rows import Heard
from edge.station.store import Store

BATCH = 256
_TURN_S = 0.5
_SESSION_S = 604_800  # the broker keeps what comes while the station is away for a week
_TOPIC_CHARS = 120
_PARSERS: dict[str, Callable[[bytes], Any]] = {
    "alert": parse_event,
    "health": parse_health,
    "about": parse_about,
    "availability": parse_availability,
}


class Ingest:
    """Listens to all nodes for as long as the station runs."""

    def __init__(
        self,
        config: DeliveryConfig,
        store: Store,
        hearing: Hearing,
        on_changes: Callable[[Changes], None],
        *,
        name: str,
        clock: Clock,
        with_receipts: bool = True,
    ) -> None:
        """Prepare.

        Args:
            config: the broker.
            store: where messages go.
            hearing: told how it goes.
            on_changes: told after each commit, in the thread of the ingest; must not block.
            name: of the session at the broker.
            clock: time.
            with_receipts: tell nodes what is on disk.
        """
        topics = Topics("+")
        filters = (
            (topics.alert, 1), (topics.health, 0), (topics.about, 1), (topics.availability, 1), (topics.reply(name), 0),
            (topics.snapshots, 1),
        )  # fmt: skip
        self._name = name
        caller = Caller(f"edge-station-{name}", session_s=_SESSION_S, filters=filters)
        self._dialer = Dialer(config, caller, clock=clock)
        self._store = store
        self._hearing = hearing
        hearing.on_deed = self._tell_deeds
        self._on_changes = on_changes
        self._clock = clock
        self._log = LimitedLog(__name__, clock)
        self._backoff = Backoff(config.backoff_max_s)
        self._with_receipts = with_receipts
        self._deeds: Deeds | None = None
        self._resends: Resends | None = None
        self._wake = Wake()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End it; what has not been committed stays with the broker."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _tell_deeds(self) -> None:
        """Tell nodes now what an operator has just done; from any thread."""
        deeds = self._deeds
        if deeds is not None:
            deeds.hurry()
            self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._run_once()
            except DeliveryError as error:
                self._lost(str(error))
            except DBAPIError as error:
                self._lost(f"the database takes nothing: {str(error.orig).splitlines()[0]} (store.url)")
            except Exception as error:  # noqa: BLE001  # a fault of our own must not end the listening unseen
                self._lost(f"{type(error).__name__}: {error}")
            finally:
                self._hearing.listening_since_s = self._deeds = self._resends = None
            self._clock.wait(self._stopping, self._backoff.next_s())
        self._wake.close()

    def _run_once(self) -> None:
        """Connect, and carry messages to the store until told to stop."""
        link = self._dialer.dial(self._stopping.is_set)
        try:
            deeds = self._deeds = Deeds(self._store, self._name)
            resends = self._resends = Resends(self._store, self._name)
            self._hearing.fault, self._hearing.listening_since_s = None, self._clock.utc_s()
            self._log.info("ingest: connected", mqtt=link.version)
            while not self._stopping.is_set():
                deeds.tell(link, now_s=self._clock.monotonic_s(), now_utc_s=self._clock.utc_s())
                resends.ask(link, now_s=self._clock.monotonic_s())
                arrivals, lost = self._gather(link)
                kept = self._keep(arrivals)
                if lost is not None:
                    raise lost
                for arrival in arrivals:
                    link.acknowledge(arrival)
                for receipt in receipts(kept) if self._with_receipts else ():
                    link.send(receipt)
                for node in {one.node for one in kept if one.body == "online"}:
                    deeds.is_back(node)
                    resends.is_back(node)
                if arrivals:
                    self._backoff.reset()
        finally:
            link.close()

    def _gather(self, link: Link) -> tuple[list[Arrival], DeliveryError | None]:
        """Take what is there, up to a batch; a connection lost on the way does not lose what came before."""
        gathered: list[Arrival] = []
        try:
            _, arrivals = link.turn(_TURN_S, self._wake)
            while arrivals:
                gathered += arrivals
                if len(gathered) >= BATCH:
                    break
                _, arrivals = link.turn(0.0)
        except DeliveryError as error:
            return gathered, error
        return gathered, None

    def _keep(self, arrivals: list[Arrival]) -> list[Heard]:
        """Commit what can be read of a batch, and give what is on disk now."""
        heard = [one for arrival in arrivals if (one := self._read(arrival)) is not None]
        if not heard:
            return []
        try:
            changes = self._store.take(heard)
        except (OperationalError, InterfaceError):
            raise
        except DBAPIError:
            changes, heard = self._keep_one_by_one(heard)
        self._hearing.committed += len(heard)
        self._on_changes(changes)
        return heard

    def _keep_one_by_one(self, heard: list[Heard]) -> tuple[Changes, list[Heard]]:
        """Find the message that the database cannot hold: it must not keep the others out for ever."""
        changes, kept = Changes(), []
        for one in heard:
            try:
                found = self._store.take([one])
            except (OperationalError, InterfaceError):
                raise
            except DBAPIError as error:
                self._refuse(f"edge/v1/{one.node}", f"the database cannot hold it: {type(error.orig).__name__}")
            else:
                changes.alerts |= found.alerts
                changes.nodes |= found.nodes
                changes.troubles |= found.troubles
                kept.append(one)
        return changes, kept

    def _read(self, arrival: Arrival) -> Heard | None:
        try:
            node, *kind = arrival.topic.removeprefix("edge/v1/").split("/")
            Topics(node)
            if kind == ["reply", self._name]:
                self._replied(node, parse_reply(arrival.payload))
                return None
            if len(kind) == 4 and (kind[0], kind[2]) == ("cam", "snapshot"):  # noqa: PLR2004  # cam/{cam}/snapshot/{id}
                picture = parse_picture(kind[1], kind[3], arrival.payload)
                return Heard(node, picture, self._clock.utc_s(), arrival.retain)
            if len(kind) != 1 or kind[0] not in _PARSERS:
                raise ValueError("topic: is not ours")  # noqa: TRY301  # the same fate as any other malformed one
            body = _PARSERS[kind[0]](arrival.payload)
            if isinstance(body, AlertEvent | SightEvent) and body.source != f"edge/{node}/cam/{body.data.camera}":
                raise ValueError("source: another node or camera than the topic's or the data's")  # noqa: TRY301
            if isinstance(body, About) and body.node != node:
                raise ValueError("node: another one than the topic's")  # noqa: TRY301
        except ValueError as error:
            self._refuse(arrival.topic, str(error))
            return None
        return Heard(node, body, self._clock.utc_s(), arrival.retain)

    def _replied(self, node: str, reply: Reply) -> None:
        asker = self._resends if reply.command == "resend" else self._deeds
        if asker is not None:
            self._on_changes(asker.replied(node, reply, self._clock.utc_s()))

    def _refuse(self, topic: str, reason: str) -> None:
        self._hearing.refused += 1
        self._hearing.refusals.append(Refusal(self._clock.utc_s(), topic[:_TOPIC_CHARS], reason))
        self._log.warning("ingest: refused a message", why=reason, topic=topic[:_TOPIC_CHARS])

    def _lost(self, trouble: str) -> None:
        self._hearing.fault = trouble
        self._log.warning("ingest: not listening", why=trouble)
