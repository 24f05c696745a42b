"""What the delivery tests share: quick configurations, alerts to send, and a node around outbox and courier."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.clock import SystemClock
from edge.config import DeliveryConfig
from edge.delivery.courier import Courier
from edge.delivery.desk import read_handled
from edge.delivery.outbox import Outbox
from edge.delivery.wire import About, Topics, encode
from edge.delivery.wire_alert import alert_event
from edge.metrics import Metrics
from edge.records import Alert, Crossing, Group, Track
from edge.words import Phase

BOOT_ID = "01JD8ABCDEFGHJKMNPQRSTVWXY"
TOPICS = Topics("node-7")
BIRTH = encode(About(node="node-7", version="0.1.0", boot_id=BOOT_ID, started=datetime.now(UTC), cameras=["north"]))
QUICK = {
    "ack_timeout_s": 0.5,
    "connect_timeout_s": 0.5,
    "backoff_max_s": 0.1,
    "will_delay_s": 1,
    "ack_settle_s": 1.0,
}


def quick_config(folder: Path, port: int = 1, **settings: Any) -> DeliveryConfig:
    """Make a configuration whose time-outs are shorter than a file may set them, so that the tests are quick."""
    config = DeliveryConfig(port=port, outbox_file=str(folder / "outbox.sqlite"))
    return config.model_copy(update={**QUICK, **settings})


def make_alert(number: int = 1, rev: int = 1, phase: Phase = "new", **group: Any) -> Alert:
    """Make an alert of a group of nine on a frame of odd, non-square size; ``number`` gives its id."""
    first, second = (
        Track(one, "person", box, 0.88125, (0.1, -4.0), 1.0, 4.4, confirmed=True, belief=0.93)
        for one, box in ((12, (131.0, 141.0, 138.5, 182.25)), (13, (195.0, 130.0, 202.0, 171.0)))
    )
    state: dict[str, Any] = {
        "group_id": number,
        "members": (first, second),
        "count": 9,
        "count_low": 8,
        "count_high": 10,
        "count_max": 9,
        "first_seen_s": 1.0,
        "zone": "meadow",
        "crossing": Crossing("border", "northward", 4),
    }
    return Alert(
        alert_id=f"01JD9{number:021d}",
        rev=rev,
        phase=phase,
        camera="north",
        group=Group(**{**state, **group}),
        width_px=321,
        height_px=257,
        priority="urgent",
        reasons=("line border crossed northward", "air -8 °C"),
        captured_utc_s=1_770_124_564.512,
        first_seen_utc_s=1_770_124_561.0,
        last_seen_utc_s=1_770_124_564.4,
    )


class Node:
    """An outbox and a courier, as the service has them."""

    def __init__(self, config: DeliveryConfig) -> None:
        """Open the outbox and start the courier."""
        clock = SystemClock()
        self.metrics = Metrics(clock)
        self.outbox = Outbox(config, clock=clock, metrics=self.metrics)
        self.courier = Courier(
            self.outbox, config, topics=TOPICS, birth=lambda: BIRTH, clock=clock, metrics=self.metrics
        )
        self.courier.start()

    def raise_alert(self, number: int = 1, rev: int = 1, phase: Phase = "new") -> int:
        """Leave one alert in the outbox, as the service does."""
        alert = make_alert(number, rev, phase)
        seq = self.outbox.append(
            TOPICS.alert,
            lambda seq: alert_event(
                alert,
                node="node-7",
                seq=seq,
                boot_id=BOOT_ID,
                clock="ntp",
                handled=read_handled(self.outbox.handled(alert.alert_id)),
            ),
            key=alert.alert_id,
            rev=rev,
            phase=phase,
        )
        self.courier.wake()
        return seq

    def wait_until_empty(self, timeout_s: float = 8.0) -> bool:
        """Wait until everything is delivered."""
        return eventually(lambda: self.outbox.depth().waiting == 0, timeout_s)

    def end(self, drain_s: float = 0.0) -> bool:
        """Stop the courier and close the outbox."""
        drained = self.courier.stop(drain_s)
        self.outbox.close()
        return drained


def eventually(condition: Callable[[], bool], timeout_s: float = 5.0) -> bool:
    """Wait until ``condition`` holds."""
    deadline_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.005)
    return condition()
