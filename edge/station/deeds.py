"""What operators do about alerts: kept with the alert, told to its node, and marked with what the node said to it."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Select, insert, select, update

from edge.station import schema
from edge.station.changes import AlertKey, Changes, UnknownAlertError

Deed = Literal["acknowledge", "dismiss", "note"]
OUTCOMES = ("waiting", "done", "over", "refused")
"""What became of a deed at the alert's node; stored by its place here."""
_HANDLED = {"acknowledge": "acknowledged", "dismiss": "dismissed"}


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


def act(connection: Connection, key: AlertKey, deed: Deed, *, who: str, text: str | None, utc_s: float) -> Changes:
    """Keep what an operator did about an alert; the same again is nothing new.

    Raises:
        UnknownAlertError: there is no such alert.
    """
    table = schema.alert
    here = (table.c.node == key[0]) & (table.c.alert_id == key[1])
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


def untold(connection: Connection, *, since_utc_s: float, limit: int) -> list[Told]:
    """Give what operators did since then that the alert's node has not answered, the oldest first.

    A node that the broker says is offline cannot, and is left out.
    """
    table = schema.action
    query = (
        select(table)
        .where(table.c.told == 0, table.c.utc_s >= since_utc_s, table.c.node.not_in(offline()))
        .order_by(table.c.id)
        .limit(limit)
    )
    return [
        Told(row.id, row.node, row.alert_id, row.kind, row.who, row.text, row.utc_s)
        for row in connection.execute(query)
    ]


def mark_told(connection: Connection, node: str, number: int, outcome: str, *, utc_s: float) -> Changes:
    """Note a node's answer to a deed about an alert of its own, heard at ``utc_s``."""
    table = schema.action
    mine = (table.c.id == number) & (table.c.node == node)
    found = connection.execute(select(table.c.alert_id).where(mine, table.c.told == 0)).first()
    if found is None:
        return Changes()
    connection.execute(update(table).where(mine).values(told=OUTCOMES.index(outcome)))
    alert = schema.alert
    its = (alert.c.node == node) & (alert.c.alert_id == found.alert_id)
    connection.execute(update(alert).where(its).values(changed_utc_s=utc_s))
    return Changes(alerts={(node, found.alert_id)})


def offline() -> Select[tuple[str]]:
    """Select the nodes that the broker says are offline."""
    return select(schema.node.c.id).where(schema.node.c.availability == "offline")
