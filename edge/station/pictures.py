"""Snapshots of alerts: one JPEG each, the latest, bounded in size and number."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select, update

from edge.station import schema

MAX_PICTURE_BYTES = 200_000
_JPEG = (b"\xff\xd8\xff", b"\xff\xd9")


@dataclass(frozen=True, slots=True)
class Picture:
    """A snapshot as it came; ``alert_id`` in lower case, as topics have it."""

    camera: str
    alert_id: str
    jpeg: bytes


def parse_picture(camera: str, alert_id: str, payload: bytes) -> Picture:
    """Take a snapshot that looks like one.

    Raises:
        ValueError: it is too large, or no JPEG file.
    """
    if len(payload) > MAX_PICTURE_BYTES:
        raise ValueError(f"snapshot: {len(payload)} bytes are more than the {MAX_PICTURE_BYTES} allowed")
    if not (payload.startswith(_JPEG[0]) and payload.endswith(_JPEG[1])):
        raise ValueError("snapshot: is no JPEG file")
    return Picture(camera, alert_id, payload)


def keep(connection: Connection, statement: Any, node: str, picture: Picture, *, utc_s: float, max_bytes: int) -> None:
    """Keep the latest picture of an alert, and delete the oldest of all beyond ``max_bytes``."""
    row = {
        "node": node,
        "alert_id": picture.alert_id,
        "camera": picture.camera,
        "heard_utc_s": utc_s,
        "size_bytes": len(picture.jpeg),
        "picture": picture.jpeg,
    }
    connection.execute(statement, row)
    alert = schema.alert
    its = (alert.c.node == node) & (alert.c.alert_id == picture.alert_id.upper())  # as ULIDs are
    connection.execute(update(alert).where(its).values(changed_utc_s=utc_s))
    table = schema.snapshot
    oldest = select(table.c.node, table.c.alert_id).order_by(table.c.heard_utc_s).limit(1)
    while int(connection.execute(select(func.coalesce(func.sum(table.c.size_bytes), 0))).scalar_one()) > max_bytes:
        for key in connection.execute(oldest).all():
            connection.execute(delete(table).where(table.c.node == key.node, table.c.alert_id == key.alert_id))


def picture_of(engine: Engine, node: str, alert_id: str) -> bytes | None:
    """Give the picture of an alert, if there is one."""
    table = schema.snapshot
    query = select(table.c.picture).where(table.c.node == node, table.c.alert_id == alert_id.lower())
    with engine.connect() as connection:
        found = connection.execute(query).scalar()
    return bytes(found) if found is not None else None
