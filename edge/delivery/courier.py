"""The courier carries what the outbox holds to the broker, in a thread of its own, for as long as the service runs.

``_run`` only retries, ``_run_once`` only works and lets errors out. Nothing that the broker does (refuse, hang, answer
garbage, hang up, take nothing) ends the thread or makes a caller wait: callers leave a message in the outbox or in
``tell`` and go on. Rows are sent in the order of their numbers, at most ``window`` of them unanswered.

When a message is delivered is decided by ``confirmations``. On the same connection the courier hears receipts and
commands; what a command asks for is the business of ``desk``. A broker that does not let the node hear them is told of
in the health message and gets its alerts all the same.

State messages (health, counts) are not rows: only the newest of each topic matters, so they live here, in memory. So do
pictures, a few of them: one goes out only when nothing else waits, because on a bad link it takes seconds.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from edge.clock import Clock
from edge.config import DeliveryConfig
from edge.delivery.backoff import Backoff
from edge.delivery.commands import parse_receipt
from edge.delivery.confirmations import Confirmations
from edge.delivery.desk import Desk
from edge.delivery.flight import Flight
from edge.delivery.loglimit import LimitedLog
from edge.delivery.messages import Answer, Arrival, Caller, Message, Wake
from edge.delivery.outbox import Outbox
from edge.delivery.store import Row
from edge.delivery.wire import Topics
from edge.errors import DeliveryError
from edge.metrics import Metrics

if TYPE_CHECKING:
    from edge.delivery.mqtt import Dialer, Link

_CLOUDEVENT = "application/cloudevents+json"
_TURN_S = 1.0  # longest wait without a wake: keep-alive and overdue answers are looked at this often
_TEND_EVERY_S = 5.0
_FAREWELL_S = 0.5
_STATES_KEPT = 256
_ROWS_AT_ONCE = 32
_PICTURES_KEPT = 8


class Courier:
    """Drains one outbox through one broker."""

    def __init__(
        self,
        outbox: Outbox,
        config: DeliveryConfig,
        *,
        topics: Topics,
        birth: Callable[[], bytes] | None,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """Prepare.

        Args:
            outbox: what to drain.
            config: the broker.
            topics: of the node.
            birth: writes the ``about`` document, anew for each connection; ``None`` for who only delivers messages in
                the node's name (a replay): no word on its state, no will, no ear for commands, and a client name beside
                the node's own.
            clock: time.
            metrics: what is counted.
        """
        self._outbox = outbox
        self._config = config
        self._topics = topics
        self._birth = birth
        self._clock = clock
        self._metrics = metrics
        self._log = LimitedLog(__name__, clock)
        self._backoff = Backoff(config.backoff_max_s)
        offline = Message(topics.availability, b"offline", retain=True)
        by_station = config.confirm == "station"
        receipts = ((topics.receipt, 0),) if by_station else ()
        caller = Caller(f"edge-{topics.node}-delivery", filters=receipts, must_hear=False)
        if birth is not None:
            ears = (*receipts, (topics.commands, 1))
            caller = Caller(f"edge-{topics.node}", will=offline, filters=ears, must_hear=False)
        self._caller = caller
        self._dialer: Dialer | None = None
        self._by_station = by_station
        self._confirmations = Confirmations(
            config.confirm, settle_s=config.ack_settle_s, receipt_timeout_s=config.receipt_timeout_s
        )
        self._desk = Desk(outbox, topics=topics, clock=clock, metrics=metrics)
        self._deaf: str | None = None
        self._wake = Wake()
        self._stopping = threading.Event()
        self._drain_until_s: float | None = None
        self._drained = False
        self._lock = threading.Lock()
        self._states: dict[str, Message] = {}  # newest of each topic; the retained ones are said on each connection
        self._unsaid: dict[str, None] = {}
        self._pictures: deque[Message] = deque(maxlen=_PICTURES_KEPT)
        self._tended_s = clock.monotonic_s()
        self._flight: Flight | None = None
        self._trouble: str | None = f"not yet connected to broker {config.host}:{config.port}"
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, drain_s: float) -> bool:
        """Deliver for at most ``drain_s`` more, say ``offline``, and end; return whether nothing is left."""
        self._drain_until_s = self._clock.monotonic_s() + drain_s
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(drain_s)
            if self.connected:  # a thread that hangs in connecting has nobody to say goodbye to
                self._thread.join(_FAREWELL_S + _TURN_S / 10)
        if not self._outbox.closed:  # asked a second time after the outbox was closed, the first answer stands
            self._drained = not self._thread.is_alive() and self._outbox.depth().waiting == 0
        return self._drained

    def tell(self, topic: str, payload: bytes, *, retain: bool, qos: int = 0, expiry_s: int | None = None) -> None:
        """Say a state when there is a connection; a newer one of the same topic takes its place."""
        with self._lock:
            if topic not in self._states and len(self._states) >= _STATES_KEPT:
                oldest = next(iter(self._states))
                del self._states[oldest]
                self._unsaid.pop(oldest, None)
                self._metrics.count("delivery_states_dropped")
            self._states.pop(topic, None)
            self._states[topic] = Message(topic, payload, qos=qos, retain=retain, expiry_s=expiry_s)
            self._unsaid[topic] = None
        self._wake.set()

    def show(self, topic: str, jpeg: bytes) -> None:
        """Send a picture when nothing else waits; of those that wait the oldest are given up beyond a few."""
        with self._lock:
            self._pictures.append(Message(topic, jpeg, content_type="image/jpeg"))
        self._wake.set()

    def wake(self) -> None:
        """Look into the outbox now."""
        self._wake.set()

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._flight is not None

    @property
    def fault(self) -> str | None:
        """What keeps messages from being delivered, for the health message."""
        flight = self._flight
        if flight is None:
            return self._trouble
        return flight.fault or self._deaf or self._confirmations.fault(self._clock.monotonic_s())

    def _run(self) -> None:
        try:
            while not self._carried_to_the_end():
                if not self._paused_for_another_try():
                    break
        except DeliveryError as error:  # the outbox was closed under us: the service is gone
            self._log.info("courier: ends", why=str(error))
        finally:
            self._wake.close()

    def _carried_to_the_end(self) -> bool:
        try:
            self._run_once()
        except DeliveryError as error:
            self._lost(str(error))
        except Exception as error:  # noqa: BLE001  # a fault of our own must not silence the node for good
            self._lost(f"{type(error).__name__}: {error}")
        else:
            return True
        finally:
            self._flight = None
        return False

    def _run_once(self) -> None:
        """Connect, say who we are, and carry messages until told to stop."""
        link = self._dial()
        flight = Flight(link.window, self._config.backoff_max_s)
        try:
            self._greet(link, flight)
            while not self._done(flight):
                self._say_states(link, flight)
                self._send_rows(link, flight)
                self._send_picture(link, flight)
                answers, arrivals = link.turn(self._patience_s(flight), self._wake)
                self._take(answers, flight)
                self._hear(arrivals, link, flight)
                self._deaf = link.deaf
                self._check_overdue(flight)
                self._settle()
                self._tend()
            self._say_goodbye(link, flight)
        finally:
            link.close()

    def _dial(self) -> "Link":
        if self._dialer is None:
            # in this thread, because the first frames need not wait until MQTT is loaded
            from edge.delivery.mqtt import Dialer  # noqa: PLC0415

            self._dialer = Dialer(self._config, self._caller, clock=self._clock)
        return self._dialer.dial(self._time_is_over)

    def _greet(self, link: "Link", flight: Flight) -> None:
        self._metrics.count("delivery_connections")
        self._log.info("courier: connected", broker=self._config.host, mqtt=link.version, window=link.window)
        if self._birth is not None:
            about = Message(self._topics.about, self._birth(), retain=True, content_type="application/json")
            for message in (about, Message(self._topics.availability, b"online", retain=True)):
                self._send(link, flight, message, None)
        with self._lock:
            self._unsaid = dict.fromkeys(
                topic for topic, state in self._states.items() if state.retain or topic in self._unsaid
            )
        self._flight = flight

    def _say_states(self, link: "Link", flight: Flight) -> None:
        while flight.room:
            with self._lock:
                topic = next(iter(self._unsaid), None)
                if topic is None:
                    return
                del self._unsaid[topic]
                state = self._states[topic]
                if not state.retain:
                    del self._states[topic]
            self._send(link, flight, state, None)

    def _send_rows(self, link: "Link", flight: Flight) -> None:
        now_s = self._clock.monotonic_s()
        while flight.room:
            row = self._next_row(flight, now_s)
            if row is None:
                return
            message = Message(row.topic, row.payload, content_type=self._content_type(row.topic))
            if link.fits(message):
                self._send(link, flight, message, row.seq)
            else:
                flight.unsendable(row.seq)

    def _send_picture(self, link: "Link", flight: Flight) -> None:
        if flight.in_flight or self._unsaid:
            return
        with self._lock:
            picture = self._pictures.popleft() if self._pictures else None
        if picture is not None and link.fits(picture):
            self._send(link, flight, picture, None)

    def _next_row(self, flight: Flight, now_s: float) -> Row | None:
        while (seq := flight.retry(now_s)) is not None:
            row = self._outbox.get(seq)
            if row is None:
                flight.gone(seq)
                self._confirmations.gone(seq)
            elif not flight.held(seq, row.topic):
                return row
        while rows := self._outbox.after(flight.cursor, _ROWS_AT_ONCE if self._by_station else 1):
            for row in rows:
                flight.cursor = row.seq
                if not (self._confirmations.waits(row.seq) or flight.held(row.seq, row.topic)):
                    return row
        seq = self._confirmations.overdue(now_s)
        while seq is not None:
            row = self._outbox.get(seq)
            if row is None:
                self._confirmations.gone(seq)
            elif not flight.held(seq, row.topic):
                self._metrics.count("delivery_sent_again")
                return row
            seq = self._confirmations.overdue(now_s)
        return None

    def _send(self, link: "Link", flight: Flight, message: Message, seq: int | None) -> None:
        mid = link.send(message)
        if message.qos > 0:
            flight.sent(mid, seq, message.topic, self._clock.monotonic_s())
            self._metrics.count("delivery_sent")

    def _content_type(self, topic: str) -> str | None:
        return _CLOUDEVENT if topic == self._topics.alert else None

    def _take(self, answers: list[Answer], flight: Flight) -> None:
        confirmed: list[int] = []
        now_s = self._clock.monotonic_s()
        for answer in answers:
            result = flight.answered(answer.mid, answer.code, now_s)
            if result is None:
                continue
            meaning, seq = result
            self._backoff.reset()  # whatever it says, it works
            if meaning == "delivered":
                confirmed += [seq] if seq is not None else []
            elif flight.fault:
                self._metrics.count(f"delivery_{meaning}")
                self._log.warning("courier: not taken", why=flight.fault, answer=answer.reason)
        if confirmed:
            if not self._by_station:
                self._outbox.confirmed(confirmed)
            self._confirmations.confirmed(confirmed, now_s)
            self._metrics.count("delivery_confirmed", len(confirmed))

    def _hear(self, arrivals: list[Arrival], link: "Link", flight: Flight) -> None:
        for arrival in arrivals:
            if arrival.topic == self._topics.receipt:
                self._take_receipt(arrival)
            else:
                reply, seqs = self._desk.take(arrival)
                for seq in seqs:
                    if seq <= flight.cursor:  # the others come in their turn
                        flight.again(seq)
                if reply is not None:
                    link.send(reply)
            link.acknowledge(arrival)

    def _take_receipt(self, arrival: Arrival) -> None:
        try:
            if arrival.retain:
                raise ValueError("retained: a receipt is meant once")  # noqa: TRY301  # the same fate as other bad ones
            seqs = self._outbox.received(parse_receipt(arrival.payload))
        except ValueError as error:
            self._metrics.count("commands_refused")
            self._log.warning("courier: receipt refused", why=str(error), bytes=len(arrival.payload))
            return
        self._confirmations.received(seqs)
        self._metrics.count("delivery_receipts", len(seqs))

    def _settle(self, *, all_of_them: bool = False) -> None:
        settled = self._confirmations.settled(self._clock.monotonic_s(), all_of_them=all_of_them)
        if settled:
            self._outbox.delivered(settled)

    def _check_overdue(self, flight: Flight) -> None:
        oldest_s = flight.oldest_sent_s()
        if oldest_s is not None and self._clock.monotonic_s() - oldest_s > self._config.ack_timeout_s:
            raise DeliveryError(
                f"broker {self._config.host}:{self._config.port} leaves messages unanswered for more than "
                f"{self._config.ack_timeout_s} s (delivery.ack_timeout_s)"
            )

    def _patience_s(self, flight: Flight) -> float:
        now_s = self._clock.monotonic_s()
        limits = [now_s + _TURN_S]
        due_s = flight.next_due_s()
        if due_s is not None:
            limits.append(due_s)
        oldest_s = flight.oldest_sent_s()
        if oldest_s is not None:
            limits.append(oldest_s + self._config.ack_timeout_s)
        if self._drain_until_s is not None:
            limits.append(self._drain_until_s)
        return max(0.01, min(limits) - now_s)

    def _done(self, flight: Flight) -> bool:
        """Tell whether to end: asked to, and nothing more can be done or the time is over."""
        if not self._stopping.is_set():
            return False
        if self._time_is_over():
            return True
        owed = self._by_station and self._confirmations.pending
        return not (flight.in_flight or self._unsaid or owed or self._outbox.after(flight.cursor, 1))

    def _time_is_over(self) -> bool:
        return self._stopping.is_set() and self._clock.monotonic_s() >= (self._drain_until_s or 0.0)

    def _say_goodbye(self, link: "Link", flight: Flight) -> None:
        if self._birth is not None:
            self._send(link, flight, Message(self._topics.availability, b"offline", retain=True), None)
        deadline_s = self._clock.monotonic_s() + _FAREWELL_S
        while flight.in_flight and self._clock.monotonic_s() < deadline_s:
            answers, arrivals = link.turn(_FAREWELL_S / 5)
            self._take(answers, flight)
            self._hear(arrivals, link, flight)
        self._settle(all_of_them=True)

    def _lost(self, trouble: str) -> None:
        self._confirmations.lost()
        self._deaf = None
        doubted = self._outbox.doubt()
        if not self._outbox.closed:
            self._trouble = trouble
            self._metrics.count("delivery_failures")
            self._log.warning(
                "courier: no delivery", why=trouble, waiting=self._outbox.depth().waiting, sent_again=doubted
            )

    def _paused_for_another_try(self) -> bool:
        """Wait before the next try; return False when there is to be none."""
        self._tend()
        pause_s = self._backoff.next_s()
        if not self._stopping.is_set():
            self._clock.wait(self._stopping, pause_s)
        elif not self._time_is_over():
            left_s = (self._drain_until_s or 0.0) - self._clock.monotonic_s()
            self._clock.wait(threading.Event(), min(pause_s, left_s))
        return not self._outbox.closed and not (self._time_is_over() or self._nothing_to_drain())

    def _nothing_to_drain(self) -> bool:
        return self._stopping.is_set() and self._outbox.depth().waiting == 0

    def _tend(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._tended_s >= _TEND_EVERY_S:
            self._tended_s = now_s
            self._outbox.tend()
            self._metrics.gauge("outbox_waiting", self._outbox.depth().waiting)
