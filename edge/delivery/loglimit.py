"""A repeated warning is said once a minute: the log of an unattended box must stay small and still name the fault."""

from typing import Any

from edge.clock import Clock
from edge.log import get_logger

_EVERY_S = 60.0
_KINDS_KEPT = 256


class LimitedLog:
    """A logger whose ``warning`` says the same thing at most once a minute, with how often it was kept quiet."""

    def __init__(self, name: str, clock: Clock, every_s: float = _EVERY_S) -> None:
        """Log as ``name``; warnings are the same when event and ``why`` are: numbers belong in other fields."""
        self._log = get_logger(name)
        self._clock = clock
        self._every_s = every_s
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def warning(self, event: str, **fields: Any) -> None:
        """Say it, unless it was said less than ``every_s`` ago."""
        now_s = self._clock.monotonic_s()
        same = (event, str(fields.get("why")))
        last_s, quiet = self._said.get(same, (None, 0))
        if last_s is not None and now_s - last_s < self._every_s:
            self._said[same] = (last_s, quiet + 1)
            return
        if len(self._said) >= _KINDS_KEPT:
            self._said.clear()
        self._said[same] = (now_s, 0)
        self._log.warning(event, **fields, **({"kept_quiet": quiet} if quiet else {}))

    def info(self, event: str, **fields: Any) -> None:
        """Say it every time."""
        self._log.info(event, **fields)

    def error(self, event: str, **fields: Any) -> None:
        """Say it every time: for what happens once."""
        self._log.error(event, **fields)
