"""Which numbers of a node's messages never came: a pure ledger of one node's ``seq`` within one start of it.

A node gives every message a number one above the last. A hole means that a message was given up (an ``update`` shed
from a full outbox) or lost; a late one fills its hole. What is missing before the first number heard, or between two
starts, cannot be known here and is not guessed.
"""

from dataclasses import dataclass, field

MAX_HOLES = 256  # beyond this the oldest are forgotten: a node that numbers at random must not eat the memory


@dataclass(slots=True)
class Stream:
    """What has been heard: all from ``first`` to ``last`` but the holes, each ``(first, last)``, in order."""

    first: int
    last: int
    holes: list[tuple[int, int]] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """How many numbers are missing."""
        return sum(last - first + 1 for first, last in self.holes)

    def take(self, seq: int) -> bool:
        """Note that ``seq`` came; return whether that was news."""
        if seq > self.last:
            if seq > self.last + 1:
                self.holes.append((self.last + 1, seq - 1))
                del self.holes[:-MAX_HOLES]
            self.last = seq
            return True
        if seq < self.first:
            if seq < self.first - 1:
                self.holes.insert(0, (seq + 1, self.first - 1))
                del self.holes[:-MAX_HOLES]
            self.first = seq
            return True
        return self._fill(seq)

    def _fill(self, seq: int) -> bool:
        for index, (first, last) in enumerate(self.holes):
            if first <= seq <= last:
                parts = [(first, seq - 1), (seq + 1, last)]
                self.holes[index : index + 1] = [part for part in parts if part[0] <= part[1]]
                return True
        return False
