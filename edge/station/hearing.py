"""How well the station hears, for the page to tell: kept apart from the ingest, so that the page is there before it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_REFUSALS_KEPT = 50


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that was not taken, and why."""

    utc_s: float
    topic: str
    reason: str


@dataclass(slots=True)
class Hearing:
    """What the ingest says of itself; it alone writes, anybody reads.

    Attributes:
        fault: why nothing can be heard or kept; ``None`` while all is well.
        listening_since_s: since when the station could have heard anything, seconds since 1970 UTC.
        committed: messages on disk since the start.
        refused: messages that could not be read since the start.
        refusals: the latest of them.
        on_deed: to be called when an operator did something that a node should know; from any thread.
    """

    fault: str | None
    listening_since_s: float | None = None
    committed: int = 0
    refused: int = 0
    refusals: deque[Refusal] = field(default_factory=lambda: deque(maxlen=_REFUSALS_KEPT))
    on_deed: Callable[[], None] = lambda: None
