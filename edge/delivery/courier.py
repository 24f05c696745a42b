"""The courier carries what the outbox holds to the broker, in a thread of its own, for as long as the service runs.

``_run`` only retries, ``_run_once`` only works and lets errors out. Nothing that the broker does (refuse, hang, answer
garbage, hang up, take nothing) ends the thread or makes a caller wait: callers leave a message in the outbox or in
``tell`` and go on. Rows are sent in the order of their numbers, at most ``window`` of them unanswered.

A broker's confirmation is believed after ``ack_settle_s``. Brokers confirm what they hold in memory and write it to
disk a little later, so one that is killed forgets what it confirmed last; after a lost connection that is sent again,
and whoever has it already knows it by its id.

State messages (health, counts) are not rows: only the newest of each topic matters, so they live here, in memory.
"""

import threading
from collections import deque
from collections.abc import Callable

from edge.clock import Clock
from edge.config import DeliveryConfig
from edge.delivery.backoff import Backoff
from edge.delivery.flight import Flight
from edge.delivery.loglimit import LimitedLog
from edge.delivery.mqtt import Answer, Caller, Dialer, Link, Message, Wake
from edge.delivery.outbox import Outbox
from edge.delivery.store import Row
from edge.delivery.wire import Topics
from edge.errors import DeliveryError
from edge.metrics import Metrics

_CLOUDEVENT = "application/cloudevents+json"
_TURN_S = 1.0  # longest wait without a wake: keep-alive and overdue answers are looked at this often
_TEND_EVERY_S = 5.0
_SETTLE_EVERY_S = 1.0
_FAREWELL_S = 0.5
_STATES_KEPT = 256


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
                the node's name (a replay): no word on its state, no will, and a client name beside the node's own.
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
        node = Caller(f"edge-{topics.node}", will=offline)
        self._dialer = Dialer(config, node if birth else Caller(f"edge-{topics.node}-delivery"), clock=clock)
        self._wake = Wake()
        self._stopping = threading.Event()
        self._drain_until_s: float | None = None
        self._drained = False
        self._lock = threading.Lock()
        self._states: dict[str, Message] = {}  # newest of each topic; the retained ones are said on each connection
        self._unsaid: dict[str, None] = {}
        self._settling: deque[tuple[int, float]] = deque()  # number, when it was confirmed
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
        return self._trouble if flight is None else flight.fault

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
        link = self._dialer.dial(self._time_is_over)
        flight = Flight(link.window, self._config.backoff_max_s)
        try:
            self._greet(link, flight)
            while not self._done(flight):
                self._say_states(link, flight)
                self._send_rows(link, flight)
                answers, _ = link.turn(self._patience_s(flight), self._wake)
                self._take(answers, flight)
                self._check_overdue(flight)
                self._settle()
                self._tend()
            self._say_goodbye(link, flight)
        finally:
            link.close()

    def _greet(self, link: Link, flight: Flight) -> None:
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

    def _say_states(self, link: Link, flight: Flight) -> None:
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

    def _send_rows(self, link: Link, flight: Flight) -> None:
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

    def _next_row(self, flight: Flight, now_s: float) -> Row | None:
        while (seq := flight.retry(now_s)) is not None:
            row = self._outbox.get(seq)
            if row is None:
                flight.gone(seq)
            elif not flight.held(seq, row.topic):
                return row
        while rows := self._outbox.after(flight.cursor, 1):
            flight.cursor = rows[0].seq
            if not flight.held(rows[0].seq, rows[0].topic):
                return rows[0]
        return None

    def _send(self, link: Link, flight: Flight, message: Message, seq: int | None) -> None:
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
            self._outbox.confirmed(confirmed)
            self._settling += [(seq, now_s) for seq in confirmed]
            self._metrics.count("delivery_confirmed", len(confirmed))

    def _settle(self, *, all_of_them: bool = False) -> None:
        """Let go of what was confirmed long enough ago, a second's worth at once: each time is a write to the disk."""
        settle_s = self._config.ack_settle_s
        now_s = self._clock.monotonic_s()
        due = self._settling and now_s - self._settling[0][1] >= settle_s + min(_SETTLE_EVERY_S, settle_s / 2)
        if not (due or all_of_them):
            return
        settled: list[int] = []
        while self._settling and (all_of_them or now_s - self._settling[0][1] >= settle_s):
            settled.append(self._settling.popleft()[0])
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
        return flight.in_flight == 0 and not self._unsaid and not self._outbox.after(flight.cursor, 1)

    def _time_is_over(self) -> bool:
        return self._stopping.is_set() and self._clock.monotonic_s() >= (self._drain_until_s or 0.0)

    def _say_goodbye(self, link: Link, flight: Flight) -> None:
        if self._birth is not None:
            self._send(link, flight, Message(self._topics.availability, b"offline", retain=True), None)
        deadline_s = self._clock.monotonic_s() + _FAREWELL_S
        while flight.in_flight and self._clock.monotonic_s() < deadline_s:
            answers, _ = link.turn(_FAREWELL_S / 5)
            self._take(answers, flight)
        self._settle(all_of_them=True)

    def _lost(self, trouble: str) -> None:
        self._settling.clear()
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
