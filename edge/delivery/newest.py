"""The newest messages that wait, kept a second time in memory: what a file that breaks while in use would take along.

SQLite notices a broken page when it reads it, which may be long after it wrote beside it; until then everything looks
kept. How much survived used to be a matter of how large SQLite's own cache happened to be.
"""

from collections.abc import Iterable

from edge.delivery.store import Row

_MAX_BYTES = 524_288  # some hundred alerts: minutes without a broker; usually there are none, because all are delivered


class Newest:
    """The newest messages up to a bound in bytes of payload; not thread-safe, the outbox holds the lock."""

    def __init__(self, max_bytes: int = _MAX_BYTES) -> None:
        """Start empty."""
        self._max_bytes = max_bytes
        self._rows: dict[int, Row] = {}
        self._bytes = 0

    def add(self, rows: Iterable[Row]) -> None:
        """Remember messages that wait on disk; beyond the bound the oldest are forgotten here."""
        for row in rows:
            self._rows[row.seq] = row
            self._bytes += len(row.payload)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._rows)))

    def drop(self, seqs: Iterable[int]) -> None:
        """Forget messages that no longer wait; a number that is not here is nothing."""
        for seq in seqs:
            if seq in self._rows:
                self._drop(seq)

    def rows(self) -> list[Row]:
        """Give what is remembered, oldest first."""
        return list(self._rows.values())

    def _drop(self, seq: int) -> None:
        self._bytes -= len(self._rows.pop(seq).payload)
