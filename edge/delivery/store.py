"""The SQL of the outbox: one SQLite database, on disk or in memory, with messages, open stories and the last number.

A message *waits* until it is delivered; then it is *done* and stays for a while, so that it can be sent again to a
station that never got it. Whoever asks for messages gets those that wait.

Every method is one transaction and lets ``sqlite3.Error`` out; what to do about a full disk or a broken file is decided
by ``outbox``, which owns a store on disk and, in need, a second one in memory with the same schema.

``locking_mode=EXCLUSIVE`` keeps a second process out and needs no shared-memory file. ``synchronous=FULL`` because in
WAL mode NORMAL may lose the last commits when the power is cut, and the last alert is the one that matters.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from edge.words import Phase

Story = tuple[str, str, bytes]
"""Key, topic and last payload of something that has begun and not ended."""

_APPLICATION_ID = 0x65646765  # "edge": tells our file from somebody else's SQLite file
_VERSION = 2
_WAL_PAGES = 64  # checkpoint after 256 kB: small devices have small disks, and alerts are rare
_CACHE_KB = 256  # the newest messages and the way to them, instead of 2 MB; the kernel keeps the rest
_SHED_AT_ONCE = 32
_SCHEMA = """
CREATE TABLE message (
    seq INTEGER PRIMARY KEY, topic TEXT NOT NULL, key TEXT NOT NULL, rev INTEGER NOT NULL, phase TEXT NOT NULL,
    utc_s REAL NOT NULL, done_utc_s REAL, payload BLOB NOT NULL
);
CREATE INDEX message_by_key ON message (key, rev);
CREATE INDEX waiting_by_seq ON message (seq) WHERE done_utc_s IS NULL;
CREATE INDEX update_by_seq ON message (seq) WHERE phase = 'update' AND done_utc_s IS NULL;
CREATE INDEX done_by_seq ON message (seq) WHERE done_utc_s IS NOT NULL;
CREATE TABLE story (key TEXT PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE handled (key TEXT PRIMARY KEY, told BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counter VALUES ('last_seq', 0);
"""
_DONE = "SELECT seq FROM message WHERE done_utc_s IS NOT NULL ORDER BY seq LIMIT ?"
_SUPERSEDED = """
SELECT seq FROM message AS old WHERE phase = 'update' AND done_utc_s IS NULL
AND EXISTS (SELECT 1 FROM message AS later WHERE later.key = old.key AND later.rev > old.rev)
ORDER BY seq LIMIT ?
"""
_OLDEST = "SELECT seq FROM message WHERE phase = 'update' AND done_utc_s IS NULL ORDER BY seq LIMIT ?"
_ROW = "SELECT seq, topic, key, rev, phase, utc_s, payload FROM message"


class Row(NamedTuple):
    """One message as it is kept."""

    seq: int
    topic: str
    key: str
    rev: int
    phase: Phase
    utc_s: float
    payload: bytes


class ForeignFileError(Exception):
    """The file is SQLite, but not an outbox of this version. Caught by ``outbox``."""


class Store:
    """One SQLite database, open for as long as this object lives; not thread-safe, the outbox holds the lock."""

    def __init__(self, path: str) -> None:
        """Open or create the database at ``path`` (``:memory:`` for one without a file) and check it.

        Raises:
            sqlite3.Error: as SQLite says; BUSY when another process has it.
            ForeignFileError: it belongs to another program or a newer version.
        """
        self._connection = sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
        try:
            self._set_up()
        except BaseException:
            self._connection.close()
            raise

    def _set_up(self) -> None:
        ask = self._connection.execute
        ask("PRAGMA locking_mode = EXCLUSIVE")
        ask("PRAGMA journal_mode = WAL")
        ask("PRAGMA synchronous = FULL")
        ask(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        ask(f"PRAGMA journal_size_limit = {_WAL_PAGES * 4096}")
        ask(f"PRAGMA cache_size = -{_CACHE_KB}")
        application, version = self._number("PRAGMA application_id"), self._number("PRAGMA user_version")
        if self._number("SELECT count(*) FROM sqlite_master") == 0:
            with self._transaction():
                for statement in _SCHEMA.split(";"):
                    ask(statement)
                ask(f"PRAGMA application_id = {_APPLICATION_ID}")
                ask(f"PRAGMA user_version = {_VERSION}")
        elif (application, version) != (_APPLICATION_ID, _VERSION):
            raise ForeignFileError
        elif ask("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("quick_check failed")

    def close(self) -> None:
        """Close the database; what is committed stays."""
        self._connection.close()

    def put(self, rows: Iterable[Row]) -> None:
        """Keep messages, and with each the state of its story."""
        with self._transaction():
            for row in rows:
                self._put(row)

    def _put(self, row: Row) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?, ?, NULL, ?)",
            (row.seq, row.topic, row.key, row.rev, row.phase, row.utc_s, row.payload),
        )
        if row.phase == "end":
            self._end_story(row.key)
        else:
            self._put_story((row.key, row.topic, row.payload))
        self._connection.execute("UPDATE counter SET value = max(value, ?) WHERE name = 'last_seq'", (row.seq,))

    def put_stories(self, stories: Iterable[Story]) -> None:
        """Keep open stories whose messages are gone already."""
        with self._transaction():
            for story in stories:
                self._put_story(story)

    def _put_story(self, story: Story) -> None:
        self._connection.execute("INSERT OR REPLACE INTO story VALUES (?, ?, ?)", story)

    def remove(self, seqs: Iterable[int]) -> None:
        """Delete messages; a number that is not there is nothing."""
        with self._transaction():
            self._connection.executemany("DELETE FROM message WHERE seq = ?", [(seq,) for seq in seqs])

    def finish(self, seqs: Iterable[int], utc_s: float) -> None:
        """Note that messages are delivered; a number that is not there is nothing."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE message SET done_utc_s = ? WHERE seq = ? AND done_utc_s IS NULL", [(utc_s, seq) for seq in seqs]
            )

    def revive(self, seqs: Iterable[int]) -> None:
        """Let messages that are done wait once more."""
        with self._transaction():
            self._connection.executemany("UPDATE message SET done_utc_s = NULL WHERE seq = ?", [(seq,) for seq in seqs])

    def forget_done(self, *, before_utc_s: float, max_bytes: int) -> None:
        """Delete what was done before ``before_utc_s``, and the oldest of the rest beyond ``max_bytes`` of payload."""
        done = self._connection.execute(  # one row after another: there may be thousands
            "SELECT seq, done_utc_s, length(payload) FROM message WHERE done_utc_s IS NOT NULL ORDER BY seq DESC"
        )
        kept_bytes, victims = 0, []
        for seq, done_utc_s, size_bytes in done:
            kept_bytes += size_bytes
            if done_utc_s < before_utc_s or kept_bytes > max_bytes:
                victims.append(seq)
        if victims:
            self.remove(victims)

    def end_story(self, key: str) -> None:
        """Forget a story without a message."""
        with self._transaction():
            self._end_story(key)

    def _end_story(self, key: str) -> None:
        self._connection.execute("DELETE FROM story WHERE key = ?", (key,))
        self._connection.execute("DELETE FROM handled WHERE key = ?", (key,))

    def after(self, seq: int, limit: int) -> list[Row]:
        """Read the next messages that wait, in the order of their numbers."""
        found = self._connection.execute(
            f"{_ROW} WHERE seq > ? AND done_utc_s IS NULL ORDER BY seq LIMIT ?", (seq, limit)
        )
        return [Row(*values) for values in found]

    def between(self, first: int, last: int, limit: int) -> list[Row]:
        """Read messages by number, those that wait and those that are done."""
        found = self._connection.execute(f"{_ROW} WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?", (first, last, limit))
        return [Row(*values) for values in found]

    def seqs_of(self, revisions: Iterable[tuple[str, int]]) -> list[int]:
        """Give the numbers of messages that wait, by key and revision."""
        query = "SELECT seq FROM message WHERE key = ? AND rev = ? AND done_utc_s IS NULL"
        return [seq for revision in revisions for (seq,) in self._connection.execute(query, revision)]

    def handled(self) -> dict[str, bytes]:
        """Read what operators did about open stories, by key."""
        return dict(self._connection.execute("SELECT key, told FROM handled"))

    def put_handled(self, handled: Mapping[str, bytes]) -> None:
        """Keep what operators did."""
        with self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO handled VALUES (?, ?)", handled.items())

    def stories(self) -> list[Story]:
        """Read what has begun and not ended, oldest key first (keys are ULIDs, which sort by time)."""
        return list(self._connection.execute("SELECT key, topic, payload FROM story ORDER BY key"))

    def depth(self) -> tuple[int, float | None]:
        """Count the messages that wait, and say when the oldest was put in (seconds since 1970 UTC)."""
        count, oldest_utc_s = self._connection.execute(
            "SELECT count(*), min(utc_s) FROM message WHERE done_utc_s IS NULL"
        ).fetchone()
        return int(count), oldest_utc_s

    def is_empty(self) -> bool:
        """Whether there is neither a message nor a story."""
        return self._number("SELECT EXISTS (SELECT 1 FROM message) OR EXISTS (SELECT 1 FROM story)") == 0

    def last_seq(self) -> int:
        """Read the last number that was given out."""
        return self._number("SELECT value FROM counter WHERE name = 'last_seq'")

    def set_last_seq(self, seq: int) -> None:
        """Let a later run continue above ``seq``."""
        with self._transaction():
            self._connection.execute("UPDATE counter SET value = ? WHERE name = 'last_seq'", (seq,))

    def used_bytes(self) -> int:
        """Pages in use; the file itself never shrinks, its free pages are used again."""
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * self._number("PRAGMA page_size")

    def shed(self, max_bytes: int) -> int:
        """Delete ``update`` messages until at most ``max_bytes`` are in use or none is left; return how many.

        What is done goes before them all and is not counted. Of those that wait superseded ones go first, because a
        later message of the same story says all that they said; then the oldest.
        """
        shed = 0
        while self.used_bytes() > max_bytes:
            for query in (_DONE, _SUPERSEDED, _OLDEST):
                victims = [seq for (seq,) in self._connection.execute(query, (_SHED_AT_ONCE,))]
                if victims:
                    break
            else:
                break
            self.remove(victims)
            shed += len(victims) if query != _DONE else 0
        return shed

    def _number(self, query: str) -> int:
        return int(self._connection.execute(query).fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite has already rolled back after some errors
                self._connection.execute("ROLLBACK")
            raise
