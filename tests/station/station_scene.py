"""What the station tests share: events as nodes send them, a publisher that is no code of ours, and waiting."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from edge.delivery import wire
from edge.station import run
from edge.station.rows import Heard
from edge.station.settings import StationConfig

BOOT = "01JD8ABCDEFGHJKMNPQRSTVWXY"
CAPTURED = "2026-02-03T13:16:04.512Z"


def alert_id(number: int) -> str:
    """Make the id of the alert with that number."""
    return f"01JD9{number:021d}"


def event(number: int = 1, rev: int = 1, *, node: str = "node-7", camera: str = "north", **data: Any) -> dict[str, Any]:
    """Make an alert as it stands on the wire; ``data`` replaces fields of its data."""
    told: dict[str, Any] = {
        "alert_id": alert_id(number), "rev": rev, "phase": "new" if rev == 1 else "update", "seq": 1, "boot_id": BOOT,
        "count": 9, "count_low": 8, "count_high": 10, "count_max": 9, "confidence": 0.93, "priority": "important",
        "reasons": ["line border crossed northward"], "box": [0.41, 0.52, 0.63, 0.71], "first_seen": CAPTURED,
        "members": [{"track_id": 12, "box": [0.41, 0.55, 0.43, 0.71], "score": 0.88, "height_px": 61}],
        "last_seen": CAPTURED, "captured_at": CAPTURED, "clock": "ntp", "camera": camera, "snapshot": "none",
    }  # fmt: skip
    told |= data
    return {
        "specversion": "1.0",
        "id": f"{told['alert_id']}:{told['rev']}",
        "source": f"edge/{node}/cam/{camera}",
        "type": "edge.group",
        "time": CAPTURED,
        "datacontenttype": "application/json",
        "dataschema": "edge/v1/alert.json",
        "data": told,
    }


def payload(*args: Any, **kwargs: Any) -> bytes:
    """Make an alert's bytes; arguments as ``event``."""
    return json.dumps(event(*args, **kwargs)).encode()


def heard(number: int = 1, rev: int = 1, *, utc_s: float = 1000.0, node: str = "node-7", **data: Any) -> Heard:
    """Make an alert as the store takes it."""
    return Heard(node, wire.parse_alert(payload(number, rev, node=node, **data)), utc_s)


def health(state: str = "ok", reason: str | None = None, *, node_state: str | None = None, **cameras: str) -> bytes:
    """Make a health message of a node with a camera ``north``."""
    told: dict[str, Any] = {
        "state": node_state or state,
        "time": CAPTURED,
        "boot_id": BOOT,
        "uptime_s": 12.0,
        "clock": "ntp",
        "cameras": {"north": {"state": state, **({"reason": reason} if reason else {})}},
        "outbox": {"waiting": 0, "shed": 0},
    }
    told["cameras"] |= {name: {"state": word} for name, word in cameras.items()}
    return json.dumps(told).encode()


def about(node: str = "node-7", cameras: Iterable[str] = ("north",), **more: Any) -> bytes:
    """Make a birth document; ``more`` adds to it."""
    return json.dumps(
        {"node": node, "version": "0.1.0", "contract": "edge/v1", "boot_id": BOOT, "started": CAPTURED,
         "cameras": list(cameras), **more}
    ).encode()  # fmt: skip


class Nodes:
    """Publishes as nodes do, through plain paho."""

    def __init__(self, port: int) -> None:
        """Connect to the broker on ``port``."""
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(200)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def say(self, topic: str, message: bytes, *, retain: bool = False) -> None:
        """Publish under ``edge/v1/`` and wait until the broker has it."""
        self._client.publish(f"edge/v1/{topic}", message, qos=1, retain=retain).wait_for_publish(5.0)

    def pour(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publish many and wait for all."""
        last = None
        for topic, message in messages:
            last = self._client.publish(f"edge/v1/{topic}", message, qos=1)
        if last is not None:
            last.wait_for_publish(60.0)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


class Listener:
    """Hears what is said on a topic, through plain paho; as a context manager."""

    def __init__(self, port: int, topic: str) -> None:
        """Subscribe, and wait until that is granted."""
        self.heard: list[tuple[str, Any]] = []
        granted = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        self._client.on_message = lambda _c, _u, one: self.heard.append((one.topic, json.loads(one.payload)))
        self._client.on_subscribe = lambda *_: granted.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(topic, qos=1)
        self._client.loop_start()
        assert granted.wait(5.0)

    def __enter__(self) -> Self:
        """Listen for a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


class RunningStation:
    """A whole station in a thread, and a plain HTTP client for it; can be stopped and started on the same address."""

    def __init__(self, folder: Path, broker_port: int, **settings: Any) -> None:
        """Prepare one that keeps its database in ``folder``; ``settings`` replace tables of its configuration."""
        self._settings = {
            "delivery": {"port": broker_port, "backoff_max_s": 1.0},
            "store": {"url": f"sqlite:///{folder}/station.sqlite"},
        } | settings
        self.port = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start it and wait until it listens to the broker."""
        config = StationConfig.model_validate(
            {**self._settings, "web": {"port": self.port, **self._settings.get("web", {})}}
        )
        ready: list[Any] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=run, args=(config, self._stopping), kwargs={"on_ready": ready.append})
        self._thread.start()
        self.port = eventually(lambda: ready)[0].port
        eventually(lambda: self.ask("health")[0] != 503)

    def stop(self) -> None:
        """End it."""
        if self._thread is not None:
            self._stopping.set()
            self._thread.join(10.0)
            assert not self._thread.is_alive()
            self._thread = None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Ask ``/api/v1/{path}``, with POST when there is a body; give status, content and headers."""
        return self.ask_raw(f"/api/v1/{path}", None if body is None else json.dumps(body).encode(), **headers)

    def ask_raw(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Ask any path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        given = {"content-type": "application/json"} if body is not None else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", path, body, given)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        told = {name.lower(): value for name, value in answer.getheaders()}
        kind = told.get("content-type", "")
        return answer.status, json.loads(content) if "json" in kind else content.decode(), told


def eventually(holds: Callable[[], Any], within_s: float = 10.0) -> Any:
    """Wait until ``holds`` gives something true, and give it back; fail when it does not in time."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < deadline_s, f"not within {within_s} s"
        time.sleep(0.02)
