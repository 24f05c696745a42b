"""What differs between SQLite and PostgreSQL: opening, inserting what may be there already, and copying."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, case, create_engine, event, func
from sqlalchemy.exc import DatabaseError

from edge.errors import ConfigError
from edge.station import schema

BUSY_S = 5.0


def backup(url: str, target: Path) -> None:
    """Copy a SQLite database while a station goes on writing to it, from this or another process.

    Raises:
        ConfigError: the database is not SQLite or not there, or the target exists or cannot be written.
    """
    if not url.startswith("sqlite:///"):
        raise ConfigError("backup copies SQLite only; use pg_dump for a PostgreSQL store.url")
    file = Path(url.removeprefix("sqlite:///"))
    if not file.is_file():
        raise ConfigError(f"store.url {url}: there is no such file")
    if target.exists():
        raise ConfigError(f"{target}: exists already; name a new file")
    unfinished = target.with_name(target.name + ".part")
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_S)) as source, closing(sqlite3.connect(unfinished)) as copy:
            source.backup(copy)
        unfinished.replace(target)  # whoever finds the file finds a whole one
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(f"{target}: cannot be written: {error}") from error


def safe_url(url: str) -> str:
    """Give a database URL without its password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def first_line(error: DatabaseError) -> str:
    """Say in one line what a driver complains about."""
    return str(error.orig).splitlines()[0] if str(error.orig) else type(error.orig).__name__


def open_engine(url: str) -> Engine:
    """Prepare connections to a database; SQLite with a write-ahead log, every commit on disk.

    Raises:
        ConfigError: its folder cannot be made.
    """
    if url.startswith("postgresql"):
        return create_engine("postgresql+pg8000://" + url.partition("://")[2], pool_pre_ping=True)
    file = Path(url.removeprefix("sqlite:///"))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"store.url {url}: {error}") from error
    # The connection used last is used first: each has a cache of its own, and five warm ones are memory for nothing.
    engine = create_engine(url, connect_args={"timeout": BUSY_S}, pool_use_lifo=True)

    @event.listens_for(engine, "connect")
    def _tune(connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def upserts(engine: Engine) -> dict[str, Any]:
    """Write the statements that insert or, for what is there already, update; in the dialect of the database."""
    upsert: Any
    if engine.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as upsert  # noqa: PLC0415  (70 ms that most never need)
    else:
        from sqlalchemy.dialects.sqlite import insert as upsert  # noqa: PLC0415
    node, alert, stream = schema.node, schema.alert, schema.stream

    node_put = upsert(node)
    new = node_put.excluded
    values: dict[str, Any] = {
        name: func.coalesce(new[name], node.c[name]) for name in ("boot_id", "availability", "about", "health")
    }
    values["heard_utc_s"] = case(
        (new.heard_utc_s > node.c.heard_utc_s, new.heard_utc_s), else_=node.c.heard_utc_s
    )  # a retained message may be older than what was heard since
    alert_put = upsert(alert)
    newer = alert_put.excluded
    kept = {"node", "alert_id", "heard_utc_s", "handled", "handled_priority", "live"}
    state = {column.name: newer[column.name] for column in alert.c if column.name not in kept}
    for name in ("handled_by", "handled_utc_s", "handled_reason"):
        del state[name]
    state["live"] = case(
        (newer.phase != "end", 1),
        (alert.c.handled == "open", 1),
        (newer.priority > alert.c.handled_priority, 1),
        else_=0,
    )
    picture_put = upsert(schema.snapshot)
    newest = {column.name: picture_put.excluded[column.name] for column in schema.snapshot.c if not column.primary_key}
    stream_put = upsert(stream)
    ledger = {column.name: stream_put.excluded[column.name] for column in stream.c if not column.primary_key}
    return {
        "node": node_put.on_conflict_do_update(index_elements=["id"], set_=values),
        "revision": upsert(schema.revision).on_conflict_do_nothing(),
        "sight": upsert(schema.sight).on_conflict_do_nothing(),
        "snapshot": picture_put.on_conflict_do_update(index_elements=["node", "alert_id"], set_=newest),
        "alert": alert_put.on_conflict_do_update(
            index_elements=["node", "alert_id"], set_=state, where=newer.rev > alert.c.rev
        ),
        "stream": stream_put.on_conflict_do_update(index_elements=["node", "boot_id"], set_=ledger),
    }
