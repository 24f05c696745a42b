"""How long to wait before the next try: doubling, capped, with jitter, and from the start again after a success."""

import random

_FIRST_S = 1.0
_LEAST_SHARE = 0.5  # jitter: a thousand nodes that lost one broker together must not come back together


class Backoff:
    """A sequence of pauses."""

    def __init__(self, max_s: float, first_s: float = _FIRST_S) -> None:
        """Begin at ``first_s`` and never pause longer than ``max_s``."""
        self._first_s = min(first_s, max_s)
        self._max_s = max_s
        self._tries = 0
        self._random = random.Random()  # noqa: S311  # spreads load, hides nothing

    def next_s(self) -> float:
        """Give the next pause."""
        full_s = min(self._max_s, self._first_s * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return full_s * self._random.uniform(_LEAST_SHARE, 1.0)

    def reset(self) -> None:
        """Begin again: it worked."""
        self._tries = 0
