"""The station's memory: every write to the database, each in one transaction that is on disk when the call returns.

A broker sends a message again until it is acknowledged, and a node sends an alert again until it is confirmed, so
everything here may come twice: a revision is known by node, alert id and revision number, and an older revision that
comes late is kept but changes nothing. An alert id belongs to the node that used it: none
can overwrite another's.

SQLAlchemy Core and no ORM: rows are written by the hundred. One process writes at a time, and inside it one thread
(``_writing``); SQLite in WAL mode lets everybody read meanwhile. ``synchronous=FULL`` because NORMAL may lose the last
commits when the power is cut, and what has been acknowledged to a broker is never sent again.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, inspect, select, update
from sqlalchemy.exc import DatabaseError

from edge.delivery.wire import AlertEvent
from edge.delivery.wire_sight import SightEvent
from edge.errors import ConfigError
from edge.station import deeds, pictures, schema, sights, troubles
from edge.station.changes import AlertKey, Changes
from edge.station.database import first_line, open_engine, safe_url, upserts
from edge.station.deeds import Deed, Told, offline
from edge.station.gaps import Run, Stream
from edge.station.pictures import Picture
from edge.station.rows import Heard, alert_row, ledger, merge_node, runs, stream_row

_STREAMS_KEPT = 4096
_DELETED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of one run of a node that never came."""

    node: str
    boot_id: str
    missing: list[Run]


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
                    merge_node(nodes, one)
                    if isinstance(one.body, AlertEvent):
                        row = alert_row(one, one.body)
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
                    execute(self._statements["stream"], [stream_row(key, it, heard) for key, it in streams.items()])
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
        with self._write() as connection:
            return deeds.act(connection, key, deed, who=who, text=text, utc_s=utc_s)

    def untold(self, *, since_utc_s: float, limit: int) -> list[Told]:
        """Give what operators did since then that the alert's node has not answered; as ``deeds.untold``."""
        with self.engine.connect() as connection:
            return deeds.untold(connection, since_utc_s=since_utc_s, limit=limit)

    def mark_told(self, node: str, number: int, outcome: str, *, utc_s: float) -> Changes:
        """Note a node's answer to a deed about an alert of its own, heard at ``utc_s``."""
        with self._write() as connection:
            return deeds.mark_told(connection, node, number, outcome, utc_s=utc_s)

    def gaps(self, *, limit: int) -> list[Gap]:
        """Give what is missing of nodes that are not known to be offline, the latest heard first."""
        table = schema.stream
        query = (
            select(table)
            .where(table.c.missing_count > 0, table.c.node.not_in(offline()))
            .order_by(table.c.heard_utc_s.desc())
            .limit(limit)
        )
        with self.engine.connect() as connection:
            return [Gap(row.node, row.boot_id, runs(row.missing)) for row in connection.execute(query)]

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
            connection.execute(update(table).where(here).values(**ledger(stream)))
        return Changes(nodes={node})

    def acknowledge_trouble(self, number: int, *, who: str, note: str | None, utc_s: float) -> Changes:
        """Keep that an operator knows of a trouble; the first one who does is remembered.

        Raises:
            UnknownAlertError: there is no such trouble.
        """
        with self._write() as connection:
            return troubles.acknowledge(connection, number, who=who, note=note, utc_s=utc_s)

    def judge(self, *, utc_s: float, listening_since_s: float, silent_after_s: float) -> Changes:
        """Begin and end troubles by what is known of every node now; arguments as ``troubles.judge``."""
        times = {"utc_s": utc_s, "listening_since_s": listening_since_s, "silent_after_s": silent_after_s}
        with self._write() as connection:
            return troubles.judge(connection, **times)

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
        return Stream(found.first_seq, found.last_seq, runs(found.missing), runs(found.lost), found.lost_count)

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
