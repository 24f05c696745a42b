"""The history as files for other programs: GeoJSON for maps, CSV for spreadsheets."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = (
    "heard_at", "node", "camera", "alert_id", "phase", "priority", "count", "count_low", "count_high", "count_max",
    "confidence", "first_seen", "last_seen", "captured_at", "clock", "lat", "lon", "ce_m", "heading_deg", "speed_m_s",
    "zone", "line", "direction", "crossed", "reasons", "ended", "handled", "handled_by", "handled_at", "handled_reason",
)  # fmt: skip


def geojson(alerts: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Write a FeatureCollection piece by piece (RFC 7946); a group whose place is unknown has a null geometry."""
    yield '{"type":"FeatureCollection","features":['
    for number, alert in enumerate(alerts):
        yield (",\n" if number else "\n") + json.dumps(feature(alert), ensure_ascii=False)
    yield "\n]}\n"


def feature(alert: dict[str, Any]) -> dict[str, Any]:
    """Make one alert a GeoJSON feature."""
    data = dict(alert["data"])
    place = data.pop("position", None)
    told = {name: value for name, value in alert.items() if name != "data" and value is not None}
    return {
        "type": "Feature",
        "id": f"{alert['node']}/{alert['alert_id']}",
        "geometry": {"type": "Point", "coordinates": [place["lon"], place["lat"]]} if place else None,
        "properties": {**data, **({"ce_m": place["ce_m"], "method": place["method"]} if place else {}), **told},
    }


def table(alerts: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Write CSV piece by piece; text that a spreadsheet would run as a formula is made plain with an apostrophe."""
    line = io.StringIO()
    writer = csv.writer(line)
    writer.writerow(_COLUMNS)
    for alert in alerts:
        data = alert["data"]
        crossing = data.get("line") or {}
        row = {
            **data,
            **(data.get("position") or {}),
            **{name: value for name, value in alert.items() if name != "data"},
            "line": crossing.get("id"),
            "direction": crossing.get("direction"),
            "crossed": crossing.get("crossed"),
            "reasons": "; ".join(data.get("reasons", ())),
        }
        writer.writerow([_cell(row.get(name)) for name in _COLUMNS])
        yield line.getvalue()
        line.seek(0)
        line.truncate()
    yield line.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value
