"""Where the groups on the map have been: the positions of their revisions, oldest first."""

import json
from typing import Any

from sqlalchemy import Engine, select

from edge.station import schema

MAX_TRAILS = 100
MAX_POINTS = 100


def trails(engine: Engine) -> list[dict[str, Any]]:
    """Give the latest trails of live alerts that have a position; the newest alerts when there are too many."""
    alert, revision = schema.alert, schema.revision
    newest = select(alert.c.node, alert.c.alert_id).where(alert.c.live == 1, alert.c.state.contains('"position":{"'))
    found: list[dict[str, Any]] = []
    with engine.connect() as connection:
        for node, alert_id in connection.execute(newest.order_by(alert.c.changed_utc_s.desc()).limit(MAX_TRAILS)):
            events = connection.scalars(
                select(revision.c.event)
                .where(revision.c.node == node, revision.c.alert_id == alert_id)
                .order_by(revision.c.rev.desc())
                .limit(MAX_POINTS)
            )
            points = [point for event in events if (point := _point(json.loads(event)["data"]))]
            if points:
                found.append({"node": node, "alert_id": alert_id, "points": points[::-1]})
    return found


def _point(data: dict[str, Any]) -> dict[str, Any] | None:
    place = data.get("position")
    if place is None:
        return None
    return {"rev": data["rev"], "at": data["captured_at"], "lat": place["lat"], "lon": place["lon"]}
