"""Counters, gauges and stage timers of one node, and one ``snapshot()`` of them all.

Plain dictionaries under a lock: the frame loop touches them a few times a frame, and the health message, ``edge bench``
and the Prometheus page all read the same snapshot. Durations are measured by whoever calls ``observe_s``: a stage below
the programs reads no clock.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from edge.clock import Clock

_TIMES_KEPT = 512  # about a minute at 9 frames/s: enough for a p99 that means something, 4 kB a stage


class StageTime(NamedTuple):
    """How long one stage took: totals since start, percentiles over the latest calls."""

    calls: int
    total_s: float
    p50_s: float
    p99_s: float


class Snapshot(NamedTuple):
    """Everything that is measured, at one moment."""

    counters: dict[str, int]
    gauges: dict[str, float]
    stages: dict[str, StageTime]


class Metrics:
    """What one node counts and times; safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        """Start empty; ``clock`` is only used by ``timed``."""
        self._clock = clock
        self._lock = threading.Lock()
        self._counters: dict[str, int] = {}
        self._gauges: dict[str, float] = {}
        self._totals: dict[str, tuple[int, float]] = {}
        self._latest: dict[str, deque[float]] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Add ``by`` to the counter ``name``."""
        with self._lock:
            self._counters[name] = self._counters.get(name, 0) + by

    def gauge(self, name: str, value: float) -> None:
        """Set the gauge ``name``; its unit stands in its name."""
        with self._lock:
            self._gauges[name] = value

    def observe_s(self, stage: str, duration_s: float) -> None:
        """Note that ``stage`` took ``duration_s``."""
        with self._lock:
            calls, total_s = self._totals.get(stage, (0, 0.0))
            self._totals[stage] = (calls + 1, total_s + duration_s)
            self._latest.setdefault(stage, deque(maxlen=_TIMES_KEPT)).append(duration_s)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time the body of a ``with`` statement as ``stage``."""
        start_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            self.observe_s(stage, self._clock.monotonic_s() - start_s)

    def counters(self) -> dict[str, int]:
        """Copy the counters alone: cheap enough for every frame."""
        with self._lock:
            return dict(self._counters)

    def snapshot(self) -> Snapshot:
        """Copy everything; later changes do not touch the copy."""
        with self._lock:
            counters, gauges, totals = dict(self._counters), dict(self._gauges), dict(self._totals)
            copied = {name: list(times) for name, times in self._latest.items()}
        latest = {name: sorted(times) for name, times in copied.items()}
        stages = {
            name: StageTime(calls, total_s, _at(latest[name], 0.50), _at(latest[name], 0.99))
            for name, (calls, total_s) in totals.items()
        }
        return Snapshot(counters, gauges, stages)


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
