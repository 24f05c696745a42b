"""What the broker has confirmed, and what is to become of it: decisions of the courier, without network or file.

A confirmation is believed after ``ack_settle_s``. Brokers confirm what they hold in memory and write it to disk a
little later, so one that is killed forgets what it confirmed last; after a lost connection that is sent again.

With ``delivery.confirm = "broker"`` a settled message is delivered. With ``"station"`` it then waits for a receipt. A
message without one is sent again only where that can help: when a later one got its receipt, this one is lost; when
none gets any, the station is away, and one message now and then finds out when it is back. Sending everything again
meanwhile would fill the broker's queue for the station with copies.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

AGAIN_MAX_S = 900.0  # longest pause between two sendings of one message
_SETTLE_EVERY_S = 1.0
_LOOK_EVERY_S = 1.0
_LATE_TIMES = 2.0  # of ``receipt_timeout_s``: from then on it is a fault


@dataclass(slots=True)
class _Owed:
    """A message that waits for its receipt."""

    since_s: float
    sent_s: float
    tries: int = 0


class Confirmations:
    """Messages by number; lives over all connections of one courier."""

    def __init__(self, confirm: Literal["broker", "station"], *, settle_s: float, receipt_timeout_s: float) -> None:
        """Arguments are the settings of the same names in ``[delivery]``."""
        self._by_station = confirm == "station"
        self._settle_s = settle_s
        self._timeout_s = receipt_timeout_s
        self._settling: deque[tuple[int, float]] = deque()  # number, when it was confirmed
        self._owed: dict[int, _Owed] = {}
        self._early: set[int] = set()  # the receipt came before the broker's word
        self._again: deque[int] = deque()
        self._evidence_s = float("-inf")  # what was sent before this and has no receipt is lost
        self._looked_s = float("-inf")

    def confirmed(self, seqs: Iterable[int], now_s: float) -> None:
        """Note the broker's word on messages."""
        for seq in seqs:
            if seq in self._early:
                self._early.discard(seq)
            else:
                self._settling.append((seq, now_s))

    def settled(self, now_s: float, *, all_of_them: bool = False) -> list[int]:
        """Give what is delivered now, a second's worth at once: each time is a write to the disk."""
        due = self._settling and now_s - self._settling[0][1] >= self._settle_s + min(
            _SETTLE_EVERY_S, self._settle_s / 2
        )
        if not (due or all_of_them):
            return []
        settled: list[int] = []
        while self._settling and (all_of_them or now_s - self._settling[0][1] >= self._settle_s):
            seq, confirmed_s = self._settling.popleft()
            if self._by_station:
                owed = self._owed.setdefault(seq, _Owed(confirmed_s, confirmed_s))
                owed.sent_s = confirmed_s
            else:
                settled.append(seq)
        return settled

    def received(self, seqs: Iterable[int]) -> None:
        """Note that the station has these."""
        done = set(seqs)
        for seq, confirmed_s in self._settling:
            if seq in done:
                self._evidence_s = max(self._evidence_s, confirmed_s)
        known = done & ({seq for seq, _ in self._settling} | self._owed.keys())
        self._settling = deque(one for one in self._settling if one[0] not in done)
        for seq in done & self._owed.keys():
            self._evidence_s = max(self._evidence_s, self._owed.pop(seq).sent_s)
        self._early |= done - known
        self._looked_s = float("-inf")

    def lost(self) -> None:
        """Note that the connection is gone: what is not settled is sent again."""
        self._settling.clear()
        self._early.clear()
        self._again.clear()

    def gone(self, seq: int) -> None:
        """Note that a message has been given up."""
        self._owed.pop(seq, None)

    def waits(self, seq: int) -> bool:
        """Whether a message is with the station, as far as is known, so that it need not be sent now."""
        return seq in self._owed

    def overdue(self, now_s: float) -> int | None:
        """Give the next message to send again, if there is one."""
        if not self._again and self._owed and now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            self._look(now_s)
        return self._again.popleft() if self._again else None

    def _look(self, now_s: float) -> None:
        oldest = next(iter(self._owed))
        for seq, owed in self._owed.items():
            pause_s = min(AGAIN_MAX_S, self._timeout_s * 2.0 ** min(owed.tries, 32))
            if (owed.sent_s < self._evidence_s or seq == oldest) and now_s - owed.sent_s >= pause_s:
                owed.sent_s, owed.tries = now_s, owed.tries + 1
                self._again.append(seq)

    @property
    def pending(self) -> bool:
        """Whether anything is confirmed and not yet delivered."""
        return bool(self._settling or self._owed)

    def fault(self, now_s: float) -> str | None:
        """Say when receipts stay away, for the health message."""
        oldest = next(iter(self._owed.values()), None)
        if oldest is None or now_s - oldest.since_s < _LATE_TIMES * self._timeout_s:
            return None
        return f"the station sends no receipt for {len(self._owed)} alerts: is it running? (delivery.confirm)"
