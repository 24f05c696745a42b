"""What can still be read of a broken outbox file, message by message; what is done already is not worth it.

A worn memory card breaks pages, not files: the other pages are as good as before. A query that meets a broken page
fails as a whole, so each message is asked for by its number, and each story by its neighbours from both ends.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from edge.delivery.store import Row, Story

_MOST_ASKED = 200_000  # numbers; a second or two


class Salvage(NamedTuple):
    """What was found; ``last_seq`` is 0 when it could not be read."""

    rows: list[Row]
    stories: list[Story]
    last_seq: int


def salvage(path: Path) -> Salvage:
    """Read what can be read; never raises, because the alternative is nothing."""
    try:
        with closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as broken:
            last_seq = max(_numbers(broken), default=0)
            rows = [row for row in _rows(broken, last_seq) if _whole(row)]
            stories = {story[0]: story for story in _stories(broken) if all(story)}
            return Salvage(rows, list(stories.values()), last_seq)
    except sqlite3.Error:
        return Salvage([], [], 0)


def _numbers(broken: sqlite3.Connection) -> Iterator[int]:
    for query in ("SELECT value FROM counter WHERE name = 'last_seq'", "SELECT max(seq) FROM message"):
        try:
            found = broken.execute(query).fetchone()
        except sqlite3.Error:
            continue
        if found and isinstance(found[0], int):
            yield found[0]


def _rows(broken: sqlite3.Connection, last_seq: int) -> Iterator[Row]:
    try:
        first_seq = int(broken.execute("SELECT min(seq) FROM message").fetchone()[0] or 0)
    except sqlite3.Error:
        first_seq = 0
    for seq in range(max(first_seq, last_seq - _MOST_ASKED), last_seq + 1):
        try:
            found = broken.execute(
                "SELECT seq, topic, key, rev, phase, utc_s, payload FROM message WHERE seq = ? AND done_utc_s IS NULL",
                (seq,),
            ).fetchone()
        except sqlite3.Error:
            continue
        if found:
            yield Row(*found)


def _stories(broken: sqlite3.Connection) -> Iterator[Story]:
    for order in ("ASC", "DESC"):
        try:
            yield from broken.execute(f"SELECT key, topic, payload FROM story ORDER BY key {order}")  # noqa: S608
        except sqlite3.Error:
            continue


def _whole(row: Row) -> bool:
    """A broken page may still look like one: a message counts only with every part of the right kind."""
    words = isinstance(row.topic, str) and isinstance(row.key, str) and row.phase in ("new", "update", "end")
    return words and isinstance(row.rev, int) and isinstance(row.payload, bytes)
