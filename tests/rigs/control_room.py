"""A broker and a subscriber outside the box: what a control room hears, and whether anything is missing from it."""

import tempfile
import threading
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Self

from edge.clock import SystemClock
from edge.config import DeliveryConfig
from edge.delivery.brokers import Mosquitto
from edge.delivery.subscriber import Subscriber
from edge.delivery.wire import AlertEvent, Health
from edge.delivery.wire_sight import SightEvent

_LEAP = 100_000  # outbox.py leaps by a million, so that numbers given out from memory are never given out again


class ControlRoom:
    """Keeps every alert that arrives, and the latest health."""

    def __init__(self) -> None:
        """Prepare; nothing runs yet."""
        self._folder = tempfile.TemporaryDirectory(prefix="edge-room-")
        self.broker = Mosquitto(Path(self._folder.name))
        self.heard: list[AlertEvent | SightEvent] = []
        self.last_health: Health | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Start broker and subscriber."""
        self.broker.start()
        self.port = self.broker.port
        subscriber = Subscriber(DeliveryConfig(port=self.port), self._keep, clock=SystemClock(), session="rig-room")
        self._thread = threading.Thread(target=subscriber.run, args=(self._stopping,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop both."""
        self.stop_listening()
        self.broker.stop()
        self._folder.cleanup()

    def stop_listening(self) -> None:
        """Stop the subscriber."""
        self._stopping.set()
        self._thread.join(20)

    def _keep(self, event) -> None:
        body = event.body
        with self._lock:
            if isinstance(body, Health):
                self.last_health = body
            elif isinstance(body, AlertEvent | SightEvent):
                self.heard.append(body)

    def health(self) -> Health | None:
        """Give the latest health."""
        return self.last_health

    def alerts(self) -> list:
        """Give the data of every alert about a group, each message once."""
        with self._lock:
            return list({event.id: event.data for event in self.heard if isinstance(event, AlertEvent)}.values())

    def began(self) -> int:
        """Count the alerts that began."""
        return sum(one.phase == "new" for one in self.alerts())

    def open_alerts(self) -> set[str]:
        """Name the alerts that began and have not ended."""
        phases = defaultdict(set)
        for one in self.alerts():
            phases[one.alert_id].add(one.phase)
        return {name for name, seen in phases.items() if "end" not in seen}

    def gaps(self) -> list[int]:
        """Give the numbers that are missing; a leap is no gap: it is how an outbox goes on after a full disk."""
        seen = sorted({event.data.seq for event in self.heard})
        return [seq for one, other in pairwise(seen) if other - one < _LEAP for seq in range(one + 1, other)]

    def summary(self) -> dict:
        """Count messages by phase, runs of the node, and what is missing."""
        alerts = self.alerts()
        phases = Counter(one.phase for one in alerts)
        runs = len({one.boot_id for one in alerts})
        return {
            **phases,
            "messages": len(alerts),
            "boots": runs,
            "gaps": self.gaps(),
            "open": sorted(self.open_alerts()),
        }
