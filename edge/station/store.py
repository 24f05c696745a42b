"""The station's memory: every write to the database, each in one transaction that is on disk when the call returns.

A broker sends a message again until it is acknowledged, and a node sends an alert again until it is confirmed, so
everything here may come twice: a revision is known by node, alert id and revision number, and an older revision that
comes late is kept but changes nothing. An alert id belongs to the node that used it: none
can overwrite another's.

SQLAlchemy Core and no ORM: rows are written by the hundred. One process writes at a time, and inside it one thread
(``_writing``); SQLite in WAL mode lets everybody read meanwhile. ``synchronous=FULL`` because NORMAL may lose the last
commits when the power is cut, and what has been acknowledged to a broker is never sent again.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Select, delete, insert, inspect, select, update
from sqlalchemy.exc import DatabaseError

from edge.delivery.wire import About, AlertEvent, Health, encode
from edge.delivery.wire_sight import SightEvent
from edge.errors import ConfigError
from edge.station import pictures, schema, sights
from edge.station.database import first_line, open_engine, safe_url, upserts
from edge.station.gaps import Run, Stream
from edge.station.pictures import Picture
from edge.station.presence import Standing, loud, standing

PRIORITIES = ("routine", "important", "urgent")
AlertKey = tuple[str, str]
"""Node and alert id."""
Deed = Literal["acknowledge", "dismiss", "note"]
OUTCOMES = ("waiting", "done", "over", "refused")
"""What became of a deed at the alert's node; stored by its place here."""

_STREAMS_KEPT = 4096
_DELETED_AT_ONCE = 500
_HANDLED = {"acknowledge": "acknowledged", "dismiss": "dismissed"}


class UnknownAlertError(Exception):
    """There is no such alert or trouble. Caught by the web page, which says so."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One checked message, and when this station heard it; a retained one may be old."""

    node: str
    body: AlertEvent | SightEvent | Health | About | Picture | Literal["online", "offline"]
    utc_s: float
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What an operator did about an alert, for its node."""

    number: int
    node: str
    alert_id: str
    deed: Deed
    who: str
    text: str | None
    utc_s: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of one run of a node that never came."""

    node: str
    boot_id: str
    missing: list[Run]


@dataclass(slots=True)
class Changes:
    """What a write changed, for whoever shows it."""

    alerts: set[AlertKey] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)
    troubles: set[int] = field(default_factory=set)


class Store:
    """One database, open for as long as this object lives."""

    def __init__(self, url: str, *, snapshots_max_mb: float = 500.0) -> None:
        """Open it and make the tables that are missing; keep at most ``snapshots_max_mb`` of pictures.

        Raises:
            ConfigError: it cannot be opened, or a newer station wrote it.
        """
        self.engine = open_engine(url)
        self._snapshots_max_bytes = int(snapshots_max_mb * 1_000_000)
        self._writing = threading.Lock()
        self._streams: OrderedDict[AlertKey, Stream] = OrderedDict()
        self._statements = upserts(self.engine)
        try:
            with self.engine.begin() as connection:
                if self.engine.dialect.name == "sqlite":  # else each table would be a commit of its own
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                there = set(inspect(connection).get_table_names())  # one question instead of two for each table
                missing = [table for table in schema.metadata.sorted_tables if table.name not in there]
                schema.metadata.create_all(connection, tables=missing, checkfirst=False)
            self._check_version()
        except DatabaseError as error:
            self.engine.dispose()
            raise ConfigError(f"store.url {safe_url(url)}: {first_line(error)}") from error

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def take(self, heard: Sequence[Heard]) -> Changes:
        """Keep a batch of messages; when this returns they are on disk.

        Raises:
            sqlalchemy.exc.DBAPIError: nothing of the batch is kept.
        """
        changes = Changes()
        streams: dict[AlertKey, Stream] = {}
        nodes: dict[str, dict[str, Any]] = {}
        alerts: dict[AlertKey, dict[str, Any]] = {}
        revisions: list[dict[str, Any]] = []
        pictured: set[AlertKey] = set()
        try:
            with self._write() as connection:
                for one in heard:
                    _merge_node(nodes, one)
                    if isinstance(one.body, AlertEvent):
                        row = _alert_row(one, one.body)
                        key = (one.node, row["alert_id"])
                        revisions.append({name: row[name] for name in ("node", "alert_id", "rev", "heard_utc_s")})
                        revisions[-1]["event"] = row["state"]
                        first = alerts.setdefault(key, row)
                        if first["rev"] < row["rev"]:
                            alerts[key] = row | {"heard_utc_s": first["heard_utc_s"]}
                        self._follow(connection, streams, one.node, one.body)
                    elif isinstance(one.body, SightEvent):
                        statement = self._statements["sight"]
                        changes.troubles |= sights.keep(connection, statement, one.node, one.body, one.utc_s)
                        self._follow(connection, streams, one.node, one.body)
                    elif isinstance(one.body, Picture):
                        statement = self._statements["snapshot"]
                        most = self._snapshots_max_bytes
                        pictures.keep(connection, statement, one.node, one.body, utc_s=one.utc_s, max_bytes=most)
                        pictured.add((one.node, one.body.alert_id))
                execute = connection.execute
                execute(self._statements["node"], list(nodes.values()))
                if alerts:
                    execute(self._statements["revision"], revisions)
                    execute(self._statements["alert"], list(alerts.values()))
                if streams:
                    execute(self._statements["stream"], [_stream_row(key, it, heard) for key, it in streams.items()])
        except BaseException:
            for key in streams:  # its ledger has run ahead of the disk
                self._streams.pop(key, None)
            raise
        changes.alerts.update(alerts, ((node, alert_id.upper()) for node, alert_id in pictured))  # ULIDs are upper case
        changes.nodes.update(nodes)
        return changes

    def act(self, key: AlertKey, deed: Deed, *, who: str, text: str | None, utc_s: float) -> Changes:
        """Keep what an operator did about an alert; the same again is nothing new.

        Raises:
            UnknownAlertError: there is no such alert.
        """
        table = schema.alert
        here = (table.c.node == key[0]) & (table.c.alert_id == key[1])
        with self._write() as connection:
            found = connection.execute(
                select(table.c.handled, table.c.handled_priority, table.c.priority, table.c.phase).where(here)
            ).first()
            if found is None:
                raise UnknownAlertError
            if deed != "note":
                if found.handled == _HANDLED[deed] and found.priority <= found.handled_priority:
                    return Changes()
                connection.execute(
                    update(table)
                    .where(here)
                    .values(
                        handled=_HANDLED[deed],
                        handled_priority=found.priority,
                        handled_by=who,
                        handled_utc_s=utc_s,
                        handled_reason=text if deed == "dismiss" else None,
                        live=int(found.phase != "end"),
                    )
                )
            row = {
                "node": key[0],
                "alert_id": key[1],
                "utc_s": utc_s,
                "who": who,
                "kind": deed,
                "text": text,
                "told": 0,
            }
            connection.execute(insert(schema.action), row)
        return Changes(alerts={key})

    def untold(self, *, since_utc_s: float, limit: int) -> list[Told]:
        """Give what operators did since then that the alert's node has not answered, the oldest first.

        A node that the broker says is offline cannot, and is left out.
        """
        table = schema.action
        query = (
            select(table)
            .where(table.c.told == 0, table.c.utc_s >= since_utc_s, table.c.node.not_in(_offline()))
            .order_by(table.c.id)
            .limit(limit)
        )
        with self.engine.connect() as connection:
            return [
                Told(row.id, row.node, row.alert_id, row.kind, row.who, row.text, row.utc_s)
                for row in connection.execute(query)
            ]

    def mark_told(self, node: str, number: int, outcome: str, *, utc_s: float) -> Changes:
        """Note a node's answer to a deed about an alert of its own, heard at ``utc_s``."""
        table = schema.action
        mine = (table.c.id == number) & (table.c.node == node)
        with self._write() as connection:
            found = connection.execute(select(table.c.alert_id).where(mine, table.c.told == 0)).first()
            if found is None:
                return Changes()
            connection.execute(update(table).where(mine).values(told=OUTCOMES.index(outcome)))
            alert = schema.alert
            its = (alert.c.node == node) & (alert.c.alert_id == found.alert_id)
            connection.execute(update(alert).where(its).values(changed_utc_s=utc_s))
        return Changes(alerts={(node, found.alert_id)})

    def gaps(self, *, limit: int) -> list[Gap]:
        """Give what is missing of nodes that are not known to be offline, the latest heard first."""
        table = schema.stream
        query = (
            select(table)
            .where(table.c.missing_count > 0, table.c.node.not_in(_offline()))
            .order_by(table.c.heard_utc_s.desc())
            .limit(limit)
        )
        with self.engine.connect() as connection:
            return [Gap(row.node, row.boot_id, _runs(row.missing)) for row in connection.execute(query)]

    def lose(self, node: str, boot_id: str, gone: Sequence[Run]) -> Changes:
        """Note a node's word that missing messages will never come."""
        key = (node, boot_id)
        with self._write() as connection:
            stream = self._streams.get(key) or self._stream_on_disk(connection, key)
            if stream is None or not stream.give_up(gone):
                return Changes()
            self._streams.pop(key, None)  # read anew, should this not get to the disk
            table = schema.stream
            here = (table.c.node == node) & (table.c.boot_id == boot_id)
            connection.execute(update(table).where(here).values(**_ledger(stream)))
        return Changes(nodes={node})

    def acknowledge_trouble(self, number: int, *, who: str, note: str | None, utc_s: float) -> Changes:
        """Keep that an operator knows of a trouble; the first one who does is remembered.

        Raises:
            UnknownAlertError: there is no such trouble.
        """
        table = schema.trouble
        with self._write() as connection:
            found = connection.execute(select(table.c.handled_by).where(table.c.id == number)).first()
            if found is None:
                raise UnknownAlertError
            if found.handled_by is None:
                values = {"handled_by": who, "handled_utc_s": utc_s, "handled_note": note}
                connection.execute(update(table).where(table.c.id == number).values(**values))
        return Changes(troubles={number})

    def judge(self, *, utc_s: float, listening_since_s: float, silent_after_s: float) -> Changes:
        """Begin and end troubles by what is known of every node now.

        Args:
            utc_s: now.
            listening_since_s: since when this station could have heard anything; silence before counts for nothing.
            silent_after_s: how long a node may say nothing.
        """
        changes = Changes()
        with self.engine.connect() as connection:
            nodes = connection.execute(select(schema.node)).all()
            found = connection.execute(select(schema.trouble).where(schema.trouble.c.ended_utc_s.is_(None))).all()
        open_now = {(row.node, row.camera): row for row in found}
        begin: list[dict[str, Any]] = []
        change: list[tuple[int, dict[str, Any]]] = []
        for row in nodes:
            judged = standing_of(row, now_utc_s=utc_s, since_utc_s=listening_since_s, silent_after_s=silent_after_s)
            wanted = {one.camera: one for one in loud(judged)}
            unknown = {one.camera for one in judged if one.state == "unknown"}
            for camera in {*wanted, *(camera for node, camera in open_now if node == row.id)}:
                now, before = wanted.get(camera), open_now.get((row.id, camera))
                if now is not None and before is None:
                    begin.append(_trouble_row(row.id, now, utc_s))
                elif now is None and before is not None and camera not in unknown:
                    change.append((before.id, {"ended_utc_s": utc_s}))
                elif (
                    now is not None and before is not None and (now.state, now.reason) != (before.state, before.reason)
                ):
                    change.append((before.id, {"state": now.state, "reason": now.reason}))
        if begin or change:
            with self._write() as connection:
                for values in begin:
                    number = connection.execute(insert(schema.trouble).values(**values)).inserted_primary_key
                    changes.troubles.add(int(number[0]) if number else 0)
                for trouble_id, new in change:
                    connection.execute(update(schema.trouble).where(schema.trouble.c.id == trouble_id).values(**new))
                    changes.troubles.add(trouble_id)
        return changes

    def expire(self, *, before_utc_s: float) -> int:
        """Delete alerts without a word since ``before_utc_s``, with all that belongs to them; return how many."""
        table, deleted = schema.alert, 0
        old = select(table.c.node, table.c.alert_id).where(table.c.changed_utc_s < before_utc_s)
        while True:
            with self._write() as connection:
                keys = [tuple(row) for row in connection.execute(old.limit(_DELETED_AT_ONCE))]
                for node, alert_id in keys:
                    for owned in (schema.revision, schema.action, schema.alert):
                        connection.execute(delete(owned).where(owned.c.node == node, owned.c.alert_id == alert_id))
                if not keys:
                    connection.execute(delete(schema.trouble).where(schema.trouble.c.ended_utc_s < before_utc_s))
                    for table in (schema.stream, schema.sight, schema.snapshot):
                        connection.execute(delete(table).where(table.c.heard_utc_s < before_utc_s))
                    return deleted
            deleted += len(keys)

    def _follow(
        self, connection: Connection, streams: dict[AlertKey, Stream], node: str, alert_event: AlertEvent | SightEvent
    ) -> None:
        """Note the message's number in the ledger of its node and boot."""
        key, seq = (node, alert_event.data.boot_id), alert_event.data.seq
        stream = self._streams.get(key) or self._stream_on_disk(connection, key)
        if stream is None:
            stream = Stream(seq, seq)
            streams[key] = stream
        elif stream.take(seq):
            streams[key] = stream
        self._streams[key] = stream
        self._streams.move_to_end(key)
        if len(self._streams) > _STREAMS_KEPT:
            self._streams.popitem(last=False)

    def _stream_on_disk(self, connection: Connection, key: AlertKey) -> Stream | None:
        table = schema.stream
        found = connection.execute(select(table).where(table.c.node == key[0], table.c.boot_id == key[1])).first()
        if found is None:
            return None
        return Stream(found.first_seq, found.last_seq, _runs(found.missing), _runs(found.lost), found.lost_count)

    def _check_version(self) -> None:
        with self._write() as connection:
            found = connection.execute(select(schema.meta.c.value).where(schema.meta.c.name == "version")).scalar()
            if found is None:
                connection.execute(insert(schema.meta), {"name": "version", "value": str(schema.VERSION)})
            elif int(found) != schema.VERSION:
                raise ConfigError(
                    f"store.url {safe_url(self.engine.url.render_as_string())}: was written by another version of the "
                    f"station (tables {found}, this one knows {schema.VERSION}); name another database"
                )

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._writing, self.engine.begin() as connection:
            yield connection


def standing_of(row: Any, *, now_utc_s: float, since_utc_s: float, silent_after_s: float) -> list[Standing]:
    """Judge a row of the node table; silence counts from ``since_utc_s`` on."""
    health = Health.model_validate_json(row.health) if row.health else None
    about = About.model_validate_json(row.about) if row.about else None
    return standing(
        availability=row.availability,
        health=health,
        cameras=about.cameras if about else (),
        heard_utc_s=max(row.heard_utc_s, since_utc_s),
        now_utc_s=now_utc_s,
        silent_after_s=silent_after_s,
    )


def _alert_row(heard: Heard, alert_event: AlertEvent) -> dict[str, Any]:
    data = alert_event.data
    return {
        "node": heard.node,
        "alert_id": data.alert_id,
        "rev": data.rev,
        "camera": data.camera,
        "phase": data.phase,
        "priority": PRIORITIES.index(data.priority),
        "count": data.count,
        "count_max": data.count_max,
        "heard_utc_s": heard.utc_s,
        "changed_utc_s": heard.utc_s,
        "state": encode(alert_event).decode(),
        "handled": "open",
        "handled_priority": -1,
        "live": 1,
    }


def _merge_node(nodes: dict[str, dict[str, Any]], heard: Heard) -> None:
    row = nodes.get(heard.node)
    if row is None:
        row = nodes[heard.node] = {
            "id": heard.node,
            "boot_id": None,
            "availability": None,
            "about": None,
            "health": None,
            "heard_utc_s": 0.0,
            "since_utc_s": heard.utc_s,
        }
    said_utc_s = heard.utc_s
    match heard.body:
        case AlertEvent() | SightEvent():
            row["boot_id"] = heard.body.data.boot_id
        case Health():
            row["boot_id"], row["health"] = heard.body.boot_id, encode(heard.body).decode()
            said_utc_s = min(heard.utc_s, heard.body.time.timestamp()) if heard.retained else heard.utc_s
        case About():
            row["boot_id"], row["about"] = heard.body.boot_id, encode(heard.body).decode()
            said_utc_s = min(heard.utc_s, heard.body.started.timestamp()) if heard.retained else heard.utc_s
        case Picture():
            pass
        case word:
            row["availability"] = word
            # 'offline' is the broker's word about the node, not the node's
            said_utc_s = 0.0 if heard.retained or word == "offline" else heard.utc_s
    row["heard_utc_s"] = max(row["heard_utc_s"], said_utc_s)


def _stream_row(key: AlertKey, stream: Stream, heard: Sequence[Heard]) -> dict[str, Any]:
    return {
        "node": key[0],
        "boot_id": key[1],
        "first_seq": stream.first,
        "last_seq": stream.last,
        "heard_utc_s": heard[-1].utc_s,
        **_ledger(stream),
    }


def _ledger(stream: Stream) -> dict[str, Any]:
    return {
        "missing": json.dumps(stream.holes),
        "missing_count": stream.missing,
        "lost": json.dumps(stream.lost),
        "lost_count": stream.lost_count,
    }


def _runs(text: str) -> list[Run]:
    return [(first, last) for first, last in json.loads(text)]


def _offline() -> Select[tuple[str]]:
    return select(schema.node.c.id).where(schema.node.c.availability == "offline")


def _trouble_row(node: str, one: Standing, utc_s: float) -> dict[str, Any]:
    return {"node": node, "camera": one.camera, "state": one.state, "reason": one.reason, "began_utc_s": utc_s}
