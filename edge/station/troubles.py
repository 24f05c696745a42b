"""Troubles: a camera that is blind or lost, or a node that says nothing, from when it began until it ended."""

from typing import Any

from sqlalchemy import Connection, insert, select, update

from edge.delivery.wire import About, Health
from edge.station import schema
from edge.station.changes import Changes, UnknownAlertError
from edge.station.presence import Standing, loud, standing


def judge(connection: Connection, *, utc_s: float, listening_since_s: float, silent_after_s: float) -> Changes:
    """Begin and end troubles by what is known of every node now.

    Args:
        connection: within a write, so that nobody begins the same trouble meanwhile.
        utc_s: now.
        listening_since_s: since when this station could have heard anything; silence before counts for nothing.
        silent_after_s: how long a node may say nothing.
    """
    changes, table = Changes(), schema.trouble
    nodes = connection.execute(select(schema.node)).all()
    found = connection.execute(select(table).where(table.c.ended_utc_s.is_(None))).all()
    open_now = {(row.node, row.camera): row for row in found}
    for row in nodes:
        judged = standing_of(row, now_utc_s=utc_s, since_utc_s=listening_since_s, silent_after_s=silent_after_s)
        wanted = {one.camera: one for one in loud(judged)}
        unknown = {one.camera for one in judged if one.state == "unknown"}
        for camera in {*wanted, *(camera for node, camera in open_now if node == row.id)}:
            now, before = wanted.get(camera), open_now.get((row.id, camera))
            if now is not None and before is None:
                number = connection.execute(insert(table).values(**_row(row.id, now, utc_s))).inserted_primary_key
                changes.troubles.add(int(number[0]) if number else 0)
            elif before is not None and (new := _news(now, before, utc_s, is_unknown=camera in unknown)):
                connection.execute(update(table).where(table.c.id == before.id).values(**new))
                changes.troubles.add(before.id)
            else:
                continue
            changes.nodes.add(row.id)  # nobody spoke, and yet the node stands differently
    return changes


def _news(now: Standing | None, before: Any, utc_s: float, *, is_unknown: bool) -> dict[str, Any]:
    """Tell what became of an open trouble; nothing while that is unknown."""
    if now is None:
        return {} if is_unknown else {"ended_utc_s": utc_s}
    same = (now.state, now.reason) == (before.state, before.reason)
    return {} if same else {"state": now.state, "reason": now.reason}


def _row(node: str, one: Standing, utc_s: float) -> dict[str, Any]:
    return {"node": node, "camera": one.camera, "state": one.state, "reason": one.reason, "began_utc_s": utc_s}


def acknowledge(connection: Connection, number: int, *, who: str, note: str | None, utc_s: float) -> Changes:
    """Keep that an operator knows of a trouble; the first one who does is remembered.

    Raises:
        UnknownAlertError: there is no such trouble.
    """
    table = schema.trouble
    found = connection.execute(select(table.c.handled_by).where(table.c.id == number)).first()
    if found is None:
        raise UnknownAlertError
    if found.handled_by is None:
        values = {"handled_by": who, "handled_utc_s": utc_s, "handled_note": note}
        connection.execute(update(table).where(table.c.id == number).values(**values))
    return Changes(troubles={number})


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
