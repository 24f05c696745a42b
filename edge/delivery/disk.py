"""The outbox's file: opened, kept alive, replaced when it is broken. What lies in it is the outbox's business.

A full disk gives up the reserve file first. A corrupt file is moved aside, and what can still be read of it and the
newest that waited are carried over into a new one. Numbers rise whatever happens to the file.
"""

import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from edge.clock import Clock
from edge.delivery.loglimit import LimitedLog
from edge.delivery.newest import Newest
from edge.delivery.salvage import salvage
from edge.delivery.store import ForeignFileError, Store
from edge.errors import ConfigError
from edge.metrics import Metrics

RESERVE_BYTES = 1_048_576  # about a thousand alerts
_SEQ_LEAP = 1_000_000  # more than a run can give out from memory before somebody frees the disk
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Disk:
    """One file and its reserve; not safe to use from several threads.

    Attributes:
        path: of the file.
        store: the open file; ``None`` while the disk is full or read-only.
        newest: copies of what was put last, in case the file breaks.
        handled: by key, what operators did about open stories; shared with the outbox, filled from the file.
        last_seq: the last number given out.
        incident: what happened to the file in this run, for the health message.
    """

    def __init__(
        self,
        path: Path,
        handled: dict[str, bytes],
        *,
        clock: Clock,
        metrics: Metrics,
        log: LimitedLog,
        reserve_bytes: int,
    ) -> None:
        """Open the file, or move it aside and start a new one when it is corrupt.

        Raises:
            ConfigError: another process has it, it is no outbox, or the place cannot be written to.
        """
        self.path = path
        self.newest = Newest()
        self.handled = handled
        self.last_seq = 0
        self.incident: str | None = None
        self._reserve_path = path.with_name(path.name + ".reserve")
        self._reserve_bytes = reserve_bytes
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self.store = self._open()
        self.last_seq = self.store.last_seq() if self.store else self._seq_of_a_lost_file()

    def close(self) -> None:
        """Close the file."""
        if self.store:
            self.store.close()

    def try_to_open(self) -> None:
        """Open the file that could not be opened before."""
        try:
            self.store = self._open()
            self.last_seq = max(self.last_seq, self.store.last_seq() if self.store else 0)
        except (ConfigError, sqlite3.Error) as error:  # somebody else took the place meanwhile: memory goes on
            self._log.warning("outbox: cannot be opened", why=str(error), file=str(self.path))

    def has_reserve(self) -> bool:
        """Whether there is room set aside for when the disk is full."""
        return self._reserve_path.exists()

    def set_reserve_aside(self) -> None:
        """Take the room that a full disk gets back."""
        try:
            with self._reserve_path.open("wb") as reserve:
                os.posix_fallocate(reserve.fileno(), 0, self._reserve_bytes)
            if self.store:
                self.store.set_last_seq(self.last_seq)
        except (OSError, sqlite3.Error) as error:
            self._reserve_path.unlink(missing_ok=True)
            self._log.warning("outbox: no room for the reserve", why=str(error), file=str(self._reserve_path))

    def recovered(self, error: sqlite3.Error) -> bool:
        """Do something about an error of writing; return whether another try makes sense."""
        if _code(error) in _CORRUPT and self.store:
            self.store.close()
            self.store = self._replace_corrupt_file(error)
            return self.store is not None
        self._log.warning("outbox: the disk takes nothing", why=str(error), file=str(self.path))
        if not self._reserve_path.exists():
            return False
        self._reserve_path.unlink(missing_ok=True)
        if self.store:
            try:
                # Numbers given out from memory are not on disk: should this run die, the next starts far above them.
                self.store.set_last_seq(self.last_seq + _SEQ_LEAP)
                self.store.forget_done(before_utc_s=float("inf"), max_bytes=0)
            except sqlite3.Error:
                return False
        return True

    def replaced(self, error: sqlite3.Error) -> bool:
        """Do something about an error of reading; return whether another file has taken its place."""
        self._log.warning("outbox: cannot be read", why=str(error), file=str(self.path))
        return _code(error) in _CORRUPT and self.recovered(error)

    def _open(self) -> Store | None:
        """Open the file; ``None`` when the disk is full or read-only, which must not keep the service from starting."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            opened = Store(str(self.path))
            for key, told in opened.handled().items():
                self.handled.setdefault(key, told)
        except ForeignFileError:
            raise ConfigError(
                f"{self.path}: belongs to another program or a newer version; name another delivery.outbox_file"
            ) from None
        except PermissionError as error:
            raise ConfigError(f"{self.path}: {error.strerror}; change its owner or delivery.outbox_file") from error
        except OSError as error:
            self._log.warning("outbox: cannot be opened", why=str(error), file=str(self.path))
            return None
        except sqlite3.Error as error:
            if _code(error) in _BUSY:
                raise ConfigError(
                    f"{self.path}: another process has it open; stop it, or give each its own delivery.outbox_file"
                ) from None
            if _code(error) in _CORRUPT:
                return self._replace_corrupt_file(error)
            if self.path.is_dir() or not os.access(self.path.parent, os.W_OK):
                raise ConfigError(f"{self.path}: {error}; change its owner or delivery.outbox_file") from error
            self._log.warning("outbox: cannot be opened", why=str(error), file=str(self.path))
            return None
        return opened

    def _replace_corrupt_file(self, error: sqlite3.Error) -> Store | None:
        stamp = datetime.fromtimestamp(self._clock.utc_s(), UTC).strftime("%Y%m%dT%H%M%S")
        aside = self.path.with_name(f"{self.path.name}.corrupt-{stamp}")
        for suffix in ("", "-wal"):
            source = self.path.with_name(self.path.name + suffix)
            if source.exists():
                source.replace(aside.with_name(aside.name + suffix))
        self.incident = f"outbox file was corrupt ({error}); moved to {aside.name}"
        self._metrics.count("outbox_corrupt")
        self._log.error("outbox: corrupt file moved aside", why=str(error), moved_to=str(aside))
        found = salvage(aside)
        rows = {row.seq: row for row in [*found.rows, *self.newest.rows()]}
        self.last_seq = max(self.last_seq, found.last_seq) or self._seq_of_a_lost_file()
        try:
            fresh = Store(str(self.path))
            fresh.put_stories(found.stories)
            fresh.put(rows[seq] for seq in sorted(rows))
            fresh.put_handled(self.handled)
            fresh.set_last_seq(self.last_seq)
        except sqlite3.Error as second:
            self._log.warning("outbox: cannot be opened", why=str(second), file=str(self.path))
            return None
        self._log.info("outbox: carried over from the corrupt file", messages=len(rows), stories=len(found.stories))
        return fresh

    def _seq_of_a_lost_file(self) -> int:
        """Seconds since 1970 are above any count of alerts so far: numbers still rise when the last one is unknown."""
        return int(self._clock.utc_s())


def _code(error: sqlite3.Error) -> int:
    """Primary result code; a failed ``quick_check`` is our own and has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return sqlite3.SQLITE_CORRUPT if code is None else code & 0xFF
