"""Messages as they are kept: what a batch of them becomes in the tables of alerts, nodes and numbers heard."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge.delivery.wire import About, AlertEvent, Health, encode
from edge.delivery.wire_sight import SightEvent
from edge.station.gaps import Run, Stream
from edge.station.pictures import Picture

PRIORITIES = ("routine", "important", "urgent")


@dataclass(frozen=True, slots=True)
class Heard:
    """One checked message, and when this station heard it; a retained one may be old."""

    node: str
    body: AlertEvent | SightEvent | Health | About | Picture | Literal["online", "offline"]
    utc_s: float
    retained: bool = False


def alert_row(heard: Heard, alert_event: AlertEvent) -> dict[str, Any]:
    """Make the row of an alert that this revision begins."""
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


def merge_node(nodes: dict[str, dict[str, Any]], heard: Heard) -> None:
    """Note in ``nodes``, by name, what a message says about its node."""
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


def stream_row(key: tuple[str, str], stream: Stream, heard: Sequence[Heard]) -> dict[str, Any]:
    """Make the row of the numbers that a node gave in one of its starts."""
    return {
        "node": key[0],
        "boot_id": key[1],
        "first_seq": stream.first,
        "last_seq": stream.last,
        "heard_utc_s": heard[-1].utc_s,
        **ledger(stream),
    }


def ledger(stream: Stream) -> dict[str, Any]:
    """Write down which numbers are missing and which are lost."""
    return {
        "missing": json.dumps(stream.holes),
        "missing_count": stream.missing,
        "lost": json.dumps(stream.lost),
        "lost_count": stream.lost_count,
    }


def runs(text: str) -> list[Run]:
    """Read runs of numbers back."""
    return [(first, last) for first, last in json.loads(text)]
