"""The outbox: a message is on disk before anybody tries to send it, and waits there until it is delivered.

It knows topics and bytes, not alerts. One lock, one writer, one file: ``disk`` keeps it alive, ``store`` has the SQL.
On disk a message either waits or is delivered. *Sent* is a fact about one connection and lives with the courier,
*confirmed* is kept in memory only, so a crash or a lost link needs no repair: what waits is sent again, and receivers
dedupe by id. What makes a delivery is the courier's business: a confirmation and some time, or a receipt of the station.

What is delivered stays for ``resend_keep_s`` and at most ``resend_keep_mb``, so that a station with a gap can have it
again. What operators did about a story (``handled``) is kept until the story ends.

Beyond ``outbox_max_mb`` messages of phase ``update`` are given up, superseded ones first, then the oldest; ``new`` and
``end`` never, even if the file then grows beyond the bound. Everything given up is counted.

A full or failing disk loses nothing that was raised: first a reserve file is deleted to make room, then messages wait
in memory, and ``tend`` moves them to the disk when it takes them again. A corrupt file is moved aside, what can still
be read of it and the newest that waited are carried over, and the service goes on.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Self

from edge.clock import Clock
from edge.config import DeliveryConfig
from edge.delivery.disk import RESERVE_BYTES, Disk
from edge.delivery.loglimit import LimitedLog
from edge.delivery.store import Row, Store, Story
from edge.errors import DeliveryError
from edge.metrics import Metrics
from edge.words import Phase

_MEMORY_MAX_BYTES = 16_777_216
_MOVE_EVERY_S = 1.0
_FORGET_EVERY_S = 60.0
_MOVED_AT_ONCE = 32
_REVIVED_AT_ONCE = 1000


class Depth(NamedTuple):
    """How far delivery is behind."""

    waiting: int
    in_memory: int
    oldest_s: float | None
    shed: int


class Found(NamedTuple):
    """What is still here of messages that somebody asks for again: numbers, and runs of numbers that are gone."""

    seqs: list[int]
    gone: list[tuple[int, int]]


class Outbox:
    """A durable queue of messages; use as a context manager. Safe to use from several threads."""

    def __init__(
        self, config: DeliveryConfig, *, clock: Clock, metrics: Metrics, reserve_bytes: int = RESERVE_BYTES
    ) -> None:
        """Open the file, or move it aside and start a new one when it is corrupt.

        Raises:
            ConfigError: another process has it, it is no outbox, or the place cannot be written to.
        """
        self._max_bytes = int(config.outbox_max_mb * 1_000_000)
        self._keep_s = config.resend_keep_s
        self._keep_bytes = int(config.resend_keep_mb * 1_000_000)
        self._clock = clock
        self._metrics = metrics
        self._log = LimitedLog(__name__, clock)
        self._lock = threading.RLock()
        self._memory = Store(":memory:")
        self._confirmed: set[int] = set()
        self._owed: set[int] = set()  # delivered, but the disk would not take the deletion
        self._ended: set[str] = set()  # stories that ended in memory only, while the disk took nothing
        self._handled: dict[str, bytes] = {}  # by key: what operators did about open stories
        self._handled_owed: set[str] = set()  # of these the disk does not know yet
        self._moved_s = clock.monotonic_s()
        self._forgot_s: float | None = None
        self._fault: str | None = None
        self._shed = 0
        self._closed = False
        self._disk = Disk(
            Path(config.outbox_file).expanduser(),
            self._handled,
            clock=clock,
            metrics=metrics,
            log=self._log,
            reserve_bytes=reserve_bytes,
        )
        self.tend()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what memory holds is tried once more."""
        with self._lock:
            if self._closed:
                return
            self.tend()
            self._closed = True
            self._disk.close()
            self._memory.close()

    def append(self, topic: str, encode: Callable[[int], bytes], *, key: str, rev: int, phase: Phase) -> int:
        """Keep a message for good and return its number, which rises by one over all restarts.

        Args:
            topic: where it goes.
            encode: makes the payload, given the number.
            key: of the story it belongs to; the last payload of a story is kept until its ``end``.
            rev: rises with every message of the story; a receipt names key and revision.
            phase: decides what may be given up when the file is full.

        Raises:
            DeliveryError: the outbox is closed.
        """
        with self._lock:
            self._check_open()
            seq = self._disk.last_seq + 1
            row = Row(seq, topic, key, rev, phase, self._clock.utc_s(), encode(seq))
            self._disk.last_seq = seq
            if phase == "end":
                self._handled.pop(key, None)
                self._handled_owed.discard(key)
            if not self._memory.is_empty() and self._clock.monotonic_s() - self._moved_s >= _MOVE_EVERY_S:
                self._move_memory_to_disk()
            if not self._memory.is_empty() or not self._kept_on_disk(row):
                self._memory.put([row])
                self._note_shed(self._memory.shed(_MEMORY_MAX_BYTES))
                self._judge()
            return seq

    def after(self, seq: int, limit: int) -> list[Row]:
        """Read the next messages above ``seq`` in order.

        Raises:
            DeliveryError: the outbox is closed.
        """
        with self._lock:
            self._check_open()
            rows = self._read_disk(seq, limit + len(self._owed)) if self._disk.store else []
            rows = [row for row in rows if row.seq not in self._owed][:limit]
            if len(rows) < limit:  # whatever waits in memory is younger than all on disk
                rows += self._memory.after(seq, limit - len(rows))
            return rows

    def get(self, seq: int) -> Row | None:
        """Read one message; ``None`` when it has been delivered or given up meanwhile."""
        rows = self.after(seq - 1, 1)
        return rows[0] if rows and rows[0].seq == seq else None

    def confirmed(self, seqs: Iterable[int]) -> None:
        """Note that the broker has these: they no longer wait, but stay here until ``delivered``."""
        with self._lock:
            self._confirmed |= set(seqs)

    def doubt(self) -> int:
        """Take back every confirmation that has not become a delivery: they wait again. Return how many."""
        with self._lock:
            doubted = len(self._confirmed)
            self._confirmed.clear()
            return doubted

    def delivered(self, seqs: Iterable[int]) -> None:
        """Let go of messages for good; twice is as good as once."""
        with self._lock:
            self._check_open()
            gone = set(seqs)
            self._confirmed -= gone
            self._owed |= gone
            self._disk.newest.drop(gone)
            if not self._memory.is_empty():
                # The disk still has the stories that these ended; it is told when it takes something again.
                self._ended |= {row.key for row in self._memory.after(0, -1) if row.seq in gone and row.phase == "end"}
                self._memory.remove(gone)
            self._pay_owed()

    def received(self, revisions: Iterable[tuple[str, int]]) -> list[int]:
        """Let go of the messages that a receipt names by key and revision; return their numbers."""
        with self._lock:
            self._check_open()
            asked = list(revisions)
            seqs = self._memory.seqs_of(asked)
            if self._disk.store:
                try:
                    seqs += [seq for seq in self._disk.store.seqs_of(asked) if seq not in self._owed]
                except sqlite3.Error as error:
                    self._disk.replaced(error)
            if seqs:
                self.delivered(seqs)
            return seqs

    def again(
        self, ranges: Iterable[tuple[int, int]], mine: Callable[[bytes], bool], *, limit: int = _REVIVED_AT_ONCE
    ) -> Found:
        """Let messages wait again that somebody says never came.

        Args:
            ranges: first and last number of each run.
            mine: tells from a payload whether it is meant: another run may have used the same numbers.
            limit: how many at most; those beyond it are neither found nor gone.
        """
        with self._lock:
            self._check_open()
            found: list[int] = []
            gone: list[tuple[int, int]] = []
            for first, last in ranges:
                room = limit - len(found)
                if room <= 0:
                    break
                rows, looked_to = self._between(first, last, room)
                seqs = [row.seq for row in rows if mine(row.payload)]
                found += seqs
                gone += _without(seqs, first, looked_to)
            done = set(found) - {row.seq for row in self._memory.after(0, -1)}
            self._owed -= done
            if self._disk.store and done:
                try:
                    self._disk.store.revive(done)
                except sqlite3.Error as error:
                    self._log.warning("outbox: the disk takes nothing", why=str(error))
                    found = [seq for seq in found if seq not in done]
            return Found(found, gone)

    def _between(self, first: int, last: int, limit: int) -> tuple[list[Row], int]:
        """Read messages by number, and tell up to which number these are all."""
        rows = self._memory.between(first, last, limit + 1)
        if self._disk.store:
            try:
                rows = sorted(self._disk.store.between(first, last, limit + 1) + rows, key=lambda row: row.seq)
            except sqlite3.Error as error:
                self._disk.replaced(error)
                return [], first - 1  # asked again later: it may be there
        return rows[:limit], last if len(rows) <= limit else rows[limit - 1].seq

    def handle(self, key: str, told: bytes) -> bool:
        """Keep what an operator did about an open story; return whether there is such a story."""
        with self._lock:
            self._check_open()
            if not self.has_story(key):
                return False
            self._handled[key] = told
            self._handled_owed.add(key)
            self._write_handled()
            return True

    def has_story(self, key: str) -> bool:
        """Whether a story has begun and not ended."""
        return any(story[0] == key for story in self.unfinished())

    def handled(self, key: str) -> bytes | None:
        """Give what an operator did about an open story."""
        with self._lock:
            return self._handled.get(key)

    def _write_handled(self) -> None:
        if self._disk.store and self._handled_owed:
            try:
                self._disk.store.put_handled({key: self._handled[key] for key in self._handled_owed})
            except sqlite3.Error as error:
                self._log.warning("outbox: the disk takes nothing", why=str(error))
                return
            self._handled_owed.clear()

    def unfinished(self) -> list[Story]:
        """List ``(key, topic, last payload)`` of every story that has begun and not ended."""
        with self._lock:
            self._check_open()
            stories: dict[str, Story] = {}
            if self._disk.store:
                try:
                    stories = {story[0]: story for story in self._disk.store.stories()}
                except sqlite3.Error as error:
                    self._disk.replaced(error)
            stories |= {story[0]: story for story in self._memory.stories()}
            return [stories[key] for key in sorted(stories) if key not in self._ended]

    def forget(self, key: str) -> None:
        """End a story without a message, because its last payload cannot be read."""
        with self._lock:
            self._check_open()
            self._handled.pop(key, None)
            self._handled_owed.discard(key)
            self._memory.end_story(key)
            if self._disk.store:
                try:
                    self._disk.store.end_story(key)
                except sqlite3.Error as error:
                    self._log.warning("outbox: the disk takes nothing", why=str(error))

    def tend(self) -> None:
        """Try again what the disk refused, and set the reserve aside; the courier calls this every few seconds."""
        with self._lock:
            if self._closed:
                return
            if self._disk.store is None:
                self._disk.try_to_open()
            self._move_memory_to_disk()
            self._pay_owed()
            self._write_handled()
            self._forget_done()
            if self._disk.store and self._memory.is_empty() and not self._disk.has_reserve():
                self._disk.set_reserve_aside()
            self._judge()

    @property
    def closed(self) -> bool:
        """Whether ``close`` has been called."""
        return self._closed

    @property
    def incident(self) -> str | None:
        """What happened to the file in this run, for the health message."""
        return self._disk.incident

    @property
    def fault(self) -> str | None:
        """What is wrong now, for the health message; asked for every frame, so it waits for nothing."""
        return self._fault

    def depth(self) -> Depth:
        """Say how much waits, and for how long the oldest has."""
        with self._lock:
            self._check_open()
            on_disk, disk_utc_s = 0, None
            if self._disk.store:
                try:
                    on_disk, disk_utc_s = self._disk.store.depth()
                except sqlite3.Error as error:
                    self._disk.replaced(error)
            in_memory, memory_utc_s = self._memory.depth()
            oldest = [utc_s for utc_s in (disk_utc_s, memory_utc_s) if utc_s is not None]
            oldest_s = max(0.0, self._clock.utc_s() - min(oldest)) if oldest else None
            waiting = on_disk + in_memory - len(self._owed) - len(self._confirmed)
            return Depth(max(0, waiting), in_memory, oldest_s if waiting else None, self._shed)

    def _judge(self) -> None:
        if self._disk.store is None or not self._memory.is_empty():
            in_memory = self._memory.depth()[0]
            self._fault = (
                f"disk takes nothing: {in_memory} messages are in memory only (delivery.outbox_file {self._disk.path})"
            )
        elif not self._disk.has_reserve():
            self._fault = f"disk is full: the outbox lives from its reserve (delivery.outbox_file {self._disk.path})"
        else:
            self._fault = None

    def _check_open(self) -> None:
        if self._closed:
            raise DeliveryError("the outbox is closed")

    def _kept_on_disk(self, row: Row) -> bool:
        """Put one message on disk; on the way use up, in this order, a second file and the reserve."""
        for _ in range(3):
            if self._disk.store is None:
                return False
            try:
                self._disk.store.put([row])
                self._disk.newest.add([row])
                self._note_shed(self._disk.store.shed(self._max_bytes))
            except sqlite3.Error as error:
                if not self._disk.recovered(error):
                    return False
                self._judge()
            else:
                return True
        return False

    def _move_memory_to_disk(self) -> None:
        """Move what waits in memory in small steps, oldest first: the disk may have room for some of it only."""
        self._moved_s = self._clock.monotonic_s()
        if not self._disk.store or self._memory.is_empty():
            return
        try:
            while rows := self._memory.after(0, _MOVED_AT_ONCE):
                self._disk.store.put(rows)
                self._disk.newest.add(rows)
                self._memory.remove(row.seq for row in rows)
            self._disk.store.put_stories(self._memory.stories())
            for key in self._ended:
                self._disk.store.end_story(key)
            self._disk.store.set_last_seq(self._disk.last_seq)
        except sqlite3.Error as error:
            self._log.warning("outbox: the disk takes nothing", why=str(error), waiting=self._memory.depth()[0])
            return
        self._ended.clear()
        self._memory.close()
        self._memory = Store(":memory:")
        self._log.info("outbox: the disk takes messages again")

    def _pay_owed(self) -> None:
        if self._disk.store and self._owed:
            try:
                if self._fault is None:
                    self._disk.store.finish(self._owed, self._clock.utc_s())
                else:  # room matters more than what somebody may ask for again
                    self._disk.store.remove(self._owed)
            except sqlite3.Error as error:
                self._log.warning("outbox: the disk takes nothing", why=str(error), undeleted=len(self._owed))
                return
        self._owed.clear()

    def _forget_done(self) -> None:
        now_s = self._clock.monotonic_s()
        if not self._disk.store or (self._forgot_s is not None and now_s - self._forgot_s < _FORGET_EVERY_S):
            return
        self._forgot_s = now_s
        try:
            self._disk.store.forget_done(before_utc_s=self._clock.utc_s() - self._keep_s, max_bytes=self._keep_bytes)
        except sqlite3.Error as error:
            self._log.warning("outbox: the disk takes nothing", why=str(error))

    def _read_disk(self, seq: int, limit: int) -> list[Row]:
        for _ in range(2):  # after a break there is a new file with what could be saved
            try:
                return self._disk.store.after(seq, limit) if self._disk.store else []
            except sqlite3.Error as error:
                if not self._disk.replaced(error):
                    break
        return []  # asked again in a moment

    def _note_shed(self, shed: int) -> None:
        if shed:
            self._shed += shed
            self._metrics.count("outbox_shed", shed)
            self._log.warning("outbox: full, updates given up", shed=shed, since_start=self._shed)


def _without(seqs: list[int], first: int, last: int) -> list[tuple[int, int]]:
    """Give the runs of numbers from ``first`` to ``last`` that are not among ``seqs`` (sorted)."""
    runs, start = [], first
    for seq in [*seqs, last + 1]:
        if seq > start:
            runs.append((start, seq - 1))
        start = seq + 1
    return runs
