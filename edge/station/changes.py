"""What a write to the station's memory changed, and the names that it goes by."""

from dataclasses import dataclass, field

AlertKey = tuple[str, str]
"""Node and alert id."""


class UnknownAlertError(Exception):
    """There is no such alert or trouble. Caught by the web page, which says so."""


@dataclass(slots=True)
class Changes:
    """What a write changed, for whoever shows it."""

    alerts: set[AlertKey] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)
    troubles: set[int] = field(default_factory=set)
