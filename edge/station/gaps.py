"""Which numbers of a node's messages never came: a pure ledger of one node's ``seq`` within one start of it.

A node gives every message a number one above the last. A hole means that a message was given up (an ``update`` shed
from a full outbox) or lost; a late one fills its hole. The station asks the node for what is missing; what the node no
longer has is *lost*, and stays visible as that. What is missing before the first number heard, or between two starts,
cannot be known here and is not guessed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

MAX_HOLES = 256  # beyond this the oldest are lost: a node that numbers at random must not eat the memory
Run = tuple[int, int]
"""First and last number of a run, both included."""


@dataclass(slots=True)
class Stream:
    """What has been heard: all from ``first`` to ``last`` but the holes and the lost, each in order."""

    first: int
    last: int
    holes: list[Run] = field(default_factory=list)
    lost: list[Run] = field(default_factory=list)
    lost_count: int = 0

    @property
    def missing(self) -> int:
        """How many numbers are missing and may still come."""
        return sum(last - first + 1 for first, last in self.holes)

    def take(self, seq: int) -> bool:
        """Note that ``seq`` came; return whether that was news."""
        if seq > self.last:
            if seq > self.last + 1:
                self.holes.append((self.last + 1, seq - 1))
                self._bound()
            self.last = seq
            return True
        if seq < self.first:
            if seq < self.first - 1:
                self.holes.insert(0, (seq + 1, self.first - 1))
                self._bound()
            self.first = seq
            return True
        if _fill(self.holes, seq):
            return True
        if _fill(self.lost, seq):
            self.lost_count -= 1
            return True
        return False

    def give_up(self, gone: Iterable[Run]) -> int:
        """Note that these will never come; return how many of them were missing."""
        count = 0
        for first, last in gone:
            kept: list[Run] = []
            for hole in self.holes:
                cut = (max(first, hole[0]), min(last, hole[1]))
                if cut[0] > cut[1]:
                    kept.append(hole)
                    continue
                parts = [(hole[0], cut[0] - 1), (cut[1] + 1, hole[1])]
                kept += [part for part in parts if part[0] <= part[1]]
                self._lose(cut)
                count += cut[1] - cut[0] + 1
            self.holes = kept
        return count

    def _bound(self) -> None:
        for hole in self.holes[:-MAX_HOLES]:
            self._lose(hole)
        del self.holes[:-MAX_HOLES]

    def _lose(self, run: Run) -> None:
        self.lost_count += run[1] - run[0] + 1
        self.lost = sorted([*self.lost, run])[-MAX_HOLES:]


def _fill(runs: list[Run], seq: int) -> bool:
    for index, (first, last) in enumerate(runs):
        if first <= seq <= last:
            parts = [(first, seq - 1), (seq + 1, last)]
            runs[index : index + 1] = [part for part in parts if part[0] <= part[1]]
            return True
    return False
