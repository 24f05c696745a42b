"""How the programs log: one line for each event, to standard error, for people or for journald.

An event is a few fixed words; what differs from time to time stands in fields beside it, so that a log can be searched.
It is the standard library's logging underneath, and not structlog, which brings rich, attrs and asyncio with it: they
took a tenth of the node's start and of its memory.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.config import LogConfig

_FIELDS = "edge_fields"


class Log:
    """A logger whose events carry fields."""

    def __init__(self, name: str) -> None:
        """Log as ``name``, a dotted module name."""
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **fields: Any) -> None:
        """Say what only its author wants to know."""
        self._say(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Say what happened."""
        self._say(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Say what somebody should look at."""
        self._say(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Say what is lost or broken."""
        self._say(logging.ERROR, event, fields)

    def _say(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, extra={_FIELDS: fields})


def get_logger(name: str) -> Log:
    """Give the logger of a module."""
    return Log(name)


def configure(config: "LogConfig | None" = None) -> None:
    """Send every line to standard error in the configured form, from the configured level on; libraries' from warnings on.

    Args:
        config: ``[log]``; without it only warnings, for people.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if config is not None and config.format == "json" else _Console())
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, _Json | _Console):
            root.removeHandler(old)
    root.addHandler(handler)
    logging.getLogger("edge").setLevel(config.level.upper() if config is not None else logging.WARNING)


class _Console(logging.Formatter):
    """``2026-02-03T13:16:04Z warning camera lost camera=north``."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, _FIELDS, {})
        told = "".join(f" {name}={_plain(value)}" for name, value in fields.items())
        line = f"{_stamp(record, 'seconds')} {record.levelname.lower():7} {record.getMessage()}{told}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        import json  # noqa: PLC0415  (a node that logs for people does not pay for it here)

        told = {"timestamp": _stamp(record, "milliseconds"), "level": record.levelname.lower()}
        told |= {"logger": record.name, "event": record.getMessage(), **getattr(record, _FIELDS, {})}
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def _stamp(record: logging.LogRecord, precision: str) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def _plain(value: Any) -> str:
    """Write a value so that neither a blank nor an escape sequence in it can be taken for something else."""
    text = value if isinstance(value, str) else repr(value)
    return text if text.isprintable() and text and not any(letter in text for letter in " =\"'") else repr(text)
