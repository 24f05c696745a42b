"""Sight alerts: a node's word, kept like any alert, that one of its cameras cannot see.

The troubles that call an operator are judged from health, which is there at once and gone with the next one. A sight
alert survives an outage: one that tells of a trouble nobody here has seen makes it known, over or not.
"""

from typing import Any

from sqlalchemy import Connection, Engine, and_, func, insert, or_, select, update

from edge.delivery.wire import encode, iso_utc
from edge.delivery.wire_sight import SightEvent
from edge.station import schema
from edge.station.presence import LOUD


def keep(connection: Connection, statement: Any, node: str, event: SightEvent, utc_s: float) -> set[int]:
    """Keep one revision, heard at ``utc_s``; return the numbers of the troubles that it changed."""
    data = event.data
    row = {
        "node": node,
        "alert_id": data.alert_id,
        "rev": data.rev,
        "camera": data.camera,
        "heard_utc_s": utc_s,
        "event": encode(event).decode(),
    }
    if connection.execute(statement, row).rowcount == 0:
        return set()  # it came before
    told_s = {"began": data.since.timestamp(), "ended": event.time.timestamp()}
    if data.clock != "ntp":  # its clock may be anywhere
        told_s = dict.fromkeys(told_s, utc_s)
    began_utc_s, ended_utc_s = min(told_s["began"], utc_s), min(told_s["ended"], utc_s)
    over = data.phase == "end"
    table = schema.trouble
    here = and_(table.c.node == node, table.c.camera == data.camera)
    known = or_(table.c.ended_utc_s.is_(None), table.c.ended_utc_s >= began_utc_s)
    found = connection.execute(select(table.c.id, table.c.ended_utc_s).where(here, known)).all()
    if found:
        still = [row.id for row in found if over and row.ended_utc_s is None]
        if still:
            connection.execute(update(table).where(table.c.id.in_(still)).values(ended_utc_s=ended_utc_s))
        return set(still)
    if not over and data.state not in LOUD:
        return set()
    values = {
        "node": node,
        "camera": data.camera,
        "state": data.state if data.state in LOUD else "blind",
        "reason": data.reason,
        "began_utc_s": began_utc_s,
        "ended_utc_s": ended_utc_s if over else None,
    }
    number = connection.execute(insert(table).values(**values)).inserted_primary_key
    return {int(number[0])} if number else set()


def latest(engine: Engine, *, limit: int) -> list[dict[str, Any]]:
    """Give the last word of every sight alert, the latest heard first."""
    table = schema.sight
    last = (
        select(table.c.node, table.c.alert_id, func.max(table.c.rev).label("rev"))
        .group_by(table.c.node, table.c.alert_id)
        .subquery()
    )
    same = and_(table.c.node == last.c.node, table.c.alert_id == last.c.alert_id, table.c.rev == last.c.rev)
    query = select(table).join(last, same).order_by(table.c.heard_utc_s.desc()).limit(limit)
    with engine.connect() as connection:
        return [
            {
                "node": row.node,
                "heard_at": iso_utc(row.heard_utc_s),
                "data": SightEvent.model_validate_json(row.event).data.model_dump(mode="json", exclude_none=True),
            }
            for row in connection.execute(query)
        ]
