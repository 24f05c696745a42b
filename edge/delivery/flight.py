"""What is on its way over one connection, and what may go next: the decisions of the courier, without network or file.

The broker's answer to a message is one of four things. *Delivered*: it is gone. *Unsendable*: this broker will never
take it as it is. *Held*: not now, and then the same holds for everything on that topic, so the topic is held as a
whole and one message of it is tried from time to time; when that one passes, all follow in the order of their numbers.
Held because nobody is subscribed (0x10), because the node may not write there (0x87), or because the broker is over its
quota (0x97, 0x80, 0x83, 0x91).
"""

import heapq
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from edge.delivery.backoff import Backoff

Verdict = Literal["delivered", "unsendable", "nobody", "unauthorised", "busy"]

_NO_SUBSCRIBER = 0x10
_FAILURE = 0x80
_NOT_AUTHORISED = 0x87
_UNSENDABLE = frozenset({0x90, 0x95, 0x99})  # topic name invalid, packet too large, payload format invalid


def verdict(code: int) -> Verdict:
    """Say what a PUBACK's reason code means for its message."""
    if code == _NO_SUBSCRIBER:
        return "nobody"
    if code < _FAILURE:
        return "delivered"
    if code == _NOT_AUTHORISED:
        return "unauthorised"
    return "unsendable" if code in _UNSENDABLE else "busy"


@dataclass(slots=True)
class _Hold:
    """A topic that takes nothing for now."""

    why: Verdict
    backoff: Backoff
    until_s: float
    waiting: list[int] = field(default_factory=list)
    probe: int | None = None


class _Sent(NamedTuple):
    seq: int | None  # None: a state message, which is not in the outbox
    topic: str
    sent_s: float


class Flight:
    """The messages of one connection, by packet number; made anew for each."""

    def __init__(self, window: int, hold_max_s: float) -> None:
        """Let at most ``window`` messages be unanswered; hold a topic for at most ``hold_max_s`` between two tries."""
        self._window = window
        self._hold_max_s = hold_max_s
        self._sent: dict[int, _Sent] = {}
        self._holds: dict[str, _Hold] = {}
        self._again: list[int] = []  # heap: held before, free to go now
        self._unsendable: set[int] = set()
        self._refused_states: set[str] = set()
        self.cursor = 0  # numbers up to here have been looked at

    @property
    def room(self) -> int:
        """How many more may be sent now."""
        return max(0, self._window - len(self._sent))

    @property
    def in_flight(self) -> int:
        """How many are unanswered."""
        return len(self._sent)

    def sent(self, mid: int, seq: int | None, topic: str, now_s: float) -> None:
        """Note that a message went out under packet number ``mid``."""
        self._sent[mid] = _Sent(seq, topic, now_s)

    def unsendable(self, seq: int) -> None:
        """Note that this connection cannot carry a message."""
        self._unsendable.add(seq)

    def answered(self, mid: int, code: int, now_s: float) -> tuple[Verdict, int | None] | None:
        """Take the broker's answer; return what it means and for which row, or ``None`` for an unknown number."""
        sent = self._sent.pop(mid, None)
        if sent is None:
            return None
        meaning = verdict(code)
        if sent.seq is None:
            if meaning in ("unauthorised", "unsendable"):
                self._refused_states.add(sent.topic)
            return meaning, None
        if meaning == "delivered":
            self._release(sent)
        elif meaning == "unsendable":
            self._unsendable.add(sent.seq)
            self._release(sent)
        else:
            self._hold(sent, sent.seq, meaning, now_s)
        return meaning, sent.seq

    def retry(self, now_s: float) -> int | None:
        """Give the next number to send again, if there is one; a held topic gives one at a time, when it is due."""
        for hold in self._holds.values():
            if hold.probe is None and hold.waiting and hold.until_s <= now_s:
                hold.probe = heapq.heappop(hold.waiting)
                return hold.probe
        return heapq.heappop(self._again) if self._again else None

    def again(self, seq: int) -> None:
        """Let a number that went out before go out once more."""
        heapq.heappush(self._again, seq)

    def gone(self, seq: int) -> None:
        """Note that a number given by ``retry`` is no longer in the outbox."""
        for hold in self._holds.values():
            if hold.probe == seq:
                hold.probe = None

    def held(self, seq: int, topic: str) -> bool:
        """Say whether a row must wait because of its topic; if so it is remembered here."""
        hold = self._holds.get(topic)
        if hold is None or hold.probe == seq:
            return False
        heapq.heappush(hold.waiting, seq)
        return True

    def oldest_sent_s(self) -> float | None:
        """When the longest unanswered message went out."""
        return min((sent.sent_s for sent in self._sent.values()), default=None)

    def next_due_s(self) -> float | None:
        """When the next held topic is to be tried; ``None`` while there is none, or no room for it."""
        due = (hold.until_s for hold in self._holds.values() if hold.probe is None and hold.waiting)
        return min(due, default=None) if self.room else None

    @property
    def fault(self) -> str | None:
        """Why something is held, for the health message; the worst first."""
        for why, words in _WORDS.items():
            topics = sorted(topic for topic, hold in self._holds.items() if hold.why == why)
            if topics:
                return words.format(topic=topics[0])
        if self._refused_states:
            return _WORDS["unauthorised"].format(topic=min(self._refused_states))
        if self._unsendable:
            return f"{len(self._unsendable)} messages are too large or malformed for this broker (its max_packet_size)"
        return None

    def _release(self, sent: _Sent) -> None:
        hold = self._holds.pop(sent.topic, None)
        if hold is not None:
            for seq in hold.waiting:
                heapq.heappush(self._again, seq)

    def _hold(self, sent: _Sent, seq: int, why: Verdict, now_s: float) -> None:
        hold = self._holds.get(sent.topic)
        if hold is None:
            backoff = Backoff(self._hold_max_s)
            hold = self._holds[sent.topic] = _Hold(why, backoff, now_s + backoff.next_s())
        elif hold.probe == seq:
            hold.probe = None
            hold.until_s = now_s + hold.backoff.next_s()
        hold.why = why
        heapq.heappush(hold.waiting, seq)


_WORDS: dict[Verdict, str] = {
    "unauthorised": "the broker does not let this node write {topic}: check its access rules and delivery.username",
    "busy": "the broker is over its quota and takes nothing on {topic} for now",
    "nobody": "nobody is subscribed to {topic}: messages are kept until somebody is",
}
