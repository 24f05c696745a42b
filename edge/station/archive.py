"""Everything that is read from the database, as plain JSON-ready dictionaries; ``views`` documents their shape.

Lists leave out the members of a group: a card that is opened asks for them. History goes page by page from the newest
on, by the station's own clock, because a node's may be wrong.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, func, or_, select, tuple_

from edge.delivery.wire import iso_utc
from edge.station import schema
from edge.station.changes import AlertKey, UnknownAlertError
from edge.station.deeds import OUTCOMES
from edge.station.presence import LOUD
from edge.station.rows import PRIORITIES
from edge.station.troubles import standing_of

MAX_LIVE = 500
MAX_PAGE = 500
_EXPORT_PAGE = 500
_MAX_REVISIONS = 2000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts of the history; ``None`` for all."""

    node: str | None = None
    camera: str | None = None
    priority: str | None = None
    handled: str | None = None
    min_count: int | None = None
    from_utc_s: float | None = None
    to_utc_s: float | None = None


class Archive:
    """Reads; safe to use from several threads."""

    def __init__(self, engine: Engine, *, silent_after_s: float, forget_alert_after_s: float) -> None:
        """Read through ``engine``; the two durations are settings of ``[presence]``."""
        self._engine = engine
        self._silent_after_s = silent_after_s
        self._forget_alert_after_s = forget_alert_after_s

    def live_alerts(self, *, now_utc_s: float) -> tuple[list[dict[str, Any]], int]:
        """Give what goes on or is unattended, loudest and newest first, at most ``MAX_LIVE``, and how many in all."""
        table = schema.alert
        fresh = table.c.changed_utc_s > now_utc_s - self._forget_alert_after_s
        calls = or_(table.c.handled == "open", table.c.priority > table.c.handled_priority)
        live = and_(table.c.live == 1, or_(fresh, calls))
        order = (calls.desc(), table.c.priority.desc(), table.c.heard_utc_s.desc())
        with self._engine.connect() as connection:
            rows = connection.execute(select(table).where(live).order_by(*order).limit(MAX_LIVE)).all()
            count = len(rows)
            if count == MAX_LIVE:
                count = int(connection.execute(select(func.count()).select_from(table).where(live)).scalar_one())
        return [_alert(row) for row in rows], count

    def alerts(self, keys: set[AlertKey]) -> list[dict[str, Any]]:
        """Give alerts by key, live or not; those that are gone are left out."""
        if not keys:
            return []
        table = schema.alert
        some = select(table).where(tuple_(table.c.node, table.c.alert_id).in_(sorted(keys)))
        with self._engine.connect() as connection:
            return [_alert(row) for row in connection.execute(some)]

    def page(self, wanted: Wanted, *, limit: int, before: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """Give one page of history, newest first, and the cursor of the next one.

        Raises:
            ValueError: ``before`` is no cursor of ours.
        """
        with self._engine.connect() as connection:
            rows = connection.execute(_history(wanted, before).limit(limit + 1)).all()
        more = len(rows) > limit
        rows = rows[:limit]
        return [_alert(row) for row in rows], (_cursor(rows[-1]) if more and rows else None)

    def count(self, wanted: Wanted) -> int:
        """Count the alerts of a history."""
        with self._engine.connect() as connection:
            query = select(func.count()).select_from(schema.alert).where(*_conditions(wanted))
            return int(connection.execute(query).scalar_one())

    def walk(self, wanted: Wanted) -> Iterator[dict[str, Any]]:
        """Give the whole history page by page, for an export; no transaction is held between pages."""
        before: str | None = None
        while True:
            found, before = self.page(wanted, limit=_EXPORT_PAGE, before=before)
            yield from found
            if before is None:
                return

    def card(self, key: AlertKey) -> dict[str, Any]:
        """Give one alert whole: with members, every revision in short, and what operators did.

        Raises:
            UnknownAlertError: there is none.
        """
        table, revision, action = schema.alert, schema.revision, schema.action
        with self._engine.connect() as connection:
            row = connection.execute(select(table).where(table.c.node == key[0], table.c.alert_id == key[1])).first()
            if row is None:
                raise UnknownAlertError
            revisions = connection.execute(
                select(revision.c.rev, revision.c.heard_utc_s, revision.c.event)
                .where(revision.c.node == key[0], revision.c.alert_id == key[1])
                .order_by(revision.c.rev.desc())
                .limit(_MAX_REVISIONS)
            ).all()
            picture = schema.snapshot
            pictured = connection.execute(
                select(picture.c.heard_utc_s).where(picture.c.node == key[0], picture.c.alert_id == key[1].lower())
            ).first()
            deeds = connection.execute(
                select(action).where(action.c.node == key[0], action.c.alert_id == key[1]).order_by(action.c.id)
            ).all()
        return {
            **_alert(row, members=True),
            "revisions": [_revision(one) for one in reversed(revisions)],
            "actions": [
                {
                    "at": iso_utc(deed.utc_s),
                    "who": deed.who,
                    "kind": deed.kind,
                    "text": deed.text,
                    "node_answer": OUTCOMES[deed.told],
                }
                for deed in deeds
            ],
            "has_snapshot": pictured is not None,
        }

    def troubles(self) -> list[dict[str, Any]]:
        """Give every trouble that lasts, or that nobody has acknowledged; the latest first."""
        table = schema.trouble
        lasting = or_(table.c.ended_utc_s.is_(None), table.c.handled_utc_s.is_(None))
        with self._engine.connect() as connection:
            rows = connection.execute(select(table).where(lasting).order_by(table.c.id.desc()).limit(MAX_LIVE)).all()
        return [_trouble(row) for row in rows]

    def troubles_by_id(self, numbers: set[int]) -> list[dict[str, Any]]:
        """Give troubles by number, over or not."""
        table = schema.trouble
        with self._engine.connect() as connection:
            return [_trouble(row) for row in connection.execute(select(table).where(table.c.id.in_(sorted(numbers))))]

    def trouble_history(self, *, limit: int) -> list[dict[str, Any]]:
        """Give the latest troubles, over or not."""
        table = schema.trouble
        with self._engine.connect() as connection:
            return [_trouble(row) for row in connection.execute(select(table).order_by(table.c.id.desc()).limit(limit))]

    def nodes(self, *, now_utc_s: float, since_utc_s: float, only: set[str] | None = None) -> list[dict[str, Any]]:
        """Give the registry: each node, its cameras, how they stand, and when it last said anything."""
        table, stream = schema.node, schema.stream
        query = select(table).order_by(table.c.id)
        sums = (func.sum(stream.c.missing_count).label("missing"), func.sum(stream.c.lost_count).label("lost"))
        gaps = select(stream.c.node, *sums).group_by(stream.c.node)
        if only is not None:
            query, gaps = query.where(table.c.id.in_(sorted(only))), gaps.where(stream.c.node.in_(sorted(only)))
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
            missing = {row.node: (int(row.missing), int(row.lost)) for row in connection.execute(gaps)}
        return [
            self._node(row, missing.get(row.id, (0, 0)), now_utc_s=now_utc_s, since_utc_s=since_utc_s) for row in rows
        ]

    def gaps(self, node: str) -> list[dict[str, Any]]:
        """Give the numbers that are missing from a node, start by start; the latest first."""
        table = schema.stream
        query = select(table).where(table.c.node == node).order_by(table.c.heard_utc_s.desc()).limit(MAX_PAGE)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [
            {
                "boot_id": row.boot_id,
                "first_seq": row.first_seq,
                "last_seq": row.last_seq,
                "missing": json.loads(row.missing),
                "missing_count": row.missing_count,
                "lost": json.loads(row.lost),
                "lost_count": row.lost_count,
                "heard_at": iso_utc(row.heard_utc_s),
            }
            for row in rows
        ]

    def _node(self, row: Row[Any], missing: tuple[int, int], *, now_utc_s: float, since_utc_s: float) -> dict[str, Any]:
        health = json.loads(row.health) if row.health else None
        about = json.loads(row.about) if row.about else None
        node, *cameras = standing_of(
            row, now_utc_s=now_utc_s, since_utc_s=since_utc_s, silent_after_s=self._silent_after_s
        )
        details = health["cameras"] if health else {}
        return {
            "node": row.id,
            "state": node.state,
            "reason": node.reason,
            "loud": node.state in LOUD,
            "availability": row.availability,
            "heard_at": iso_utc(row.heard_utc_s) if row.heard_utc_s > 0 else None,
            "first_heard_at": iso_utc(row.since_utc_s),
            "missing_messages": missing[0],
            "lost_messages": missing[1],
            "cameras": [
                {**details.get(one.camera, {}), "camera": one.camera, "state": one.state, "reason": one.reason}
                for one in cameras
            ],
            "health": health,
            "about": about,
        }


def _history(wanted: Wanted, before: str | None) -> Select[Any]:
    table = schema.alert
    order = (table.c.heard_utc_s.desc(), table.c.node.desc(), table.c.alert_id.desc())
    query = select(table).where(*_conditions(wanted)).order_by(*order)
    if before is not None:
        query = query.where(tuple_(table.c.heard_utc_s, table.c.node, table.c.alert_id) < tuple_(*_place(before)))
    return query


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    table = schema.alert
    found: list[ColumnElement[bool]] = []
    if wanted.node is not None:
        found.append(table.c.node == wanted.node)
    if wanted.camera is not None:
        found.append(table.c.camera == wanted.camera)
    if wanted.priority is not None:
        found.append(table.c.priority >= PRIORITIES.index(wanted.priority))
    if wanted.handled is not None:
        found.append(table.c.handled == wanted.handled)
    if wanted.min_count is not None:
        found.append(table.c.count_max >= wanted.min_count)
    if wanted.from_utc_s is not None:
        found.append(table.c.heard_utc_s >= wanted.from_utc_s)
    if wanted.to_utc_s is not None:
        found.append(table.c.heard_utc_s < wanted.to_utc_s)
    return found


def _cursor(row: Row[Any]) -> str:
    return f"{row.heard_utc_s!r}/{row.node}/{row.alert_id}"


def _place(cursor: str) -> tuple[float, str, str]:
    heard, node, alert_id = cursor.split("/")
    return float(heard), node, alert_id


def _alert(row: Row[Any], *, members: bool = False) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(row.state)
    data = event["data"]
    if not members:
        data.pop("members", None)
    calls = row.handled == "open" or row.priority > row.handled_priority
    return {
        "node": row.node,
        "alert_id": row.alert_id,
        "calls": calls,
        "louder_again": calls and row.handled != "open",
        "live": bool(row.live),
        "heard_at": iso_utc(row.heard_utc_s),
        "changed_at": iso_utc(row.changed_utc_s),
        "handled": row.handled,
        "handled_by": row.handled_by,
        "handled_at": iso_utc(row.handled_utc_s) if row.handled_utc_s is not None else None,
        "handled_reason": row.handled_reason,
        "data": data,
    }


def _revision(row: Row[Any]) -> dict[str, Any]:
    data: Mapping[str, Any] = json.loads(row.event)["data"]
    short = ("phase", "count", "count_low", "count_high", "priority", "captured_at", "box", "position", "heading_deg")
    return {"rev": row.rev, "heard_at": iso_utc(row.heard_utc_s)} | {name: data[name] for name in short if name in data}


def _trouble(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "node": row.node,
        "camera": row.camera or None,
        "state": row.state,
        "reason": row.reason,
        "began_at": iso_utc(row.began_utc_s),
        "ended_at": iso_utc(row.ended_utc_s) if row.ended_utc_s is not None else None,
        "handled_by": row.handled_by,
        "handled_at": iso_utc(row.handled_utc_s) if row.handled_utc_s is not None else None,
        "handled_note": row.handled_note,
    }
