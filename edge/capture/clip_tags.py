"""What a recorded clip says of itself in its container's tags: when it began, and what its values mean."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast, get_args

from edge.records import Radiometry
from edge.words import RadiometryKind

_START, _RADIOMETRY = "EDGE_START_UTC", "EDGE_RADIOMETRY"


def write(start_utc_s: float | None, radiometry: Radiometry | None) -> dict[str, str]:
    """Give the tags of a clip; what is not known is left out."""
    tags = {}
    if start_utc_s is not None:
        tags[_START] = datetime.fromtimestamp(start_utc_s, UTC).isoformat(timespec="milliseconds")
    if radiometry is not None:
        numbers = (radiometry.scale, radiometry.offset)
        tags[_RADIOMETRY] = " ".join([radiometry.kind, *(repr(one) for one in numbers if one is not None)])
    return tags


def start_utc_s(tags: Mapping[str, str]) -> float:
    """Read when time 0 was; 0 where that is not told."""
    try:
        return datetime.fromisoformat(tags[_START]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return 0.0


def radiometry(tags: Mapping[str, str]) -> Radiometry | None:
    """Read what values mean; ``None`` where that is not told."""
    kind, *numbers = tags.get(_RADIOMETRY, "").split(" ")
    if kind not in get_args(RadiometryKind):
        return None
    try:
        return Radiometry(cast("RadiometryKind", kind), *(float(one) for one in numbers[:2]))
    except ValueError:
        return None
