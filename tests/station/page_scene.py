"""What the browser tests share: a page in headless Chromium, a busy night, pictures of what there is to see.

Screenshots go to ``out/page`` of the checkout, or to the folder named by EDGE_SCREENSHOTS.
"""

import json
import os
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from station_scene import Nodes, RunningStation, about, eventually, health, payload

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    "--enable-unsafe-swiftshader",
)  # fmt: skip
SCREENSHOTS = Path(os.environ.get("EDGE_SCREENSHOTS") or Path(__file__).resolve().parents[2] / "out" / "page")


@contextmanager
def page_of(browser: Any, station: RunningStation, *, quiet: bool = True, **context: Any) -> Iterator[Any]:
    """Open the page; fail at its end if it asked another host for anything or, when ``quiet``, complained."""
    with browser.new_context(**({"viewport": {"width": 1920, "height": 1080}} | context)) as opened:
        page = opened.new_page()
        complaints: list[str] = []
        foreign: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        ours = (station.url, "data:", f"blob:{station.url}")
        opened.on("request", lambda asked: None if asked.url.startswith(ours) else foreign.append(asked.url))
        page.add_init_script("localStorage.setItem('edge-operator', 'Desk 2')")
        page.goto(station.url)
        until(page, "globalThis.edgeStation?.state.station")
        yield page
        assert foreign == []
        assert not quiet or complaints == []


def now() -> str:
    """Write this moment as a node does."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lively(state: str = "ok", reason: str | None = None) -> bytes:
    """Make a health message of this moment."""
    return json.dumps(json.loads(health(state, reason, south="ok")) | {"time": now()}).encode()


POSES = {
    "pass-east": {"north": {"lat": 48.9990, "lon": -111.9601, "heading_deg": 352.0, "fov_deg": 50.0, "range_m": 400.0},
                  "south": {"lat": 48.9990, "lon": -111.9601, "heading_deg": 170.0, "fov_deg": 32.0}},
    "river-3": {"north": {"lat": 48.9975, "lon": -111.9500, "heading_deg": 20.0, "fov_deg": 90.0, "range_m": 250.0},
                "south": {"lat": 48.9975, "lon": -111.9500, "heading_deg": 230.0, "fov_deg": 90.0, "range_m": 250.0}},
}  # fmt: skip


def position(lat: float, lon: float, ce_m: float = 25.0) -> dict[str, Any]:
    """Make the place of a group."""
    return {"lat": lat, "lon": lon, "ce_m": ce_m, "method": "ground-plane"}


def a_night(nodes: Nodes) -> None:
    """Let three nodes say what a busy night brings; one of them has told nobody where its cameras stand."""
    for name in ("pass-east", "pass-west", "river-3"):
        nodes.say(f"{name}/about", about(name, ["north", "south"], poses=POSES.get(name)), retain=True)
        nodes.say(f"{name}/availability", b"online", retain=True)
    nodes.say("pass-east/health", lively())
    nodes.say("pass-west/health", lively("blind", "the picture is flat: lens covered or fog"))
    nodes.say("river-3/health", lively("degraded", "the shutter closes often"))
    members = [
        {"track_id": one, "box": [0.41 + 0.024 * one, 0.55, 0.425 + 0.024 * one, 0.71], "score": 0.9, "height_px": 61}
        for one in range(9)
    ]
    for rev, (count, low, high) in enumerate([(2, 2, 2), (4, 3, 5), (6, 5, 7), (9, 8, 10)], start=1):
        told = {"count": count, "count_low": low, "count_high": high, "priority": "urgent", "members": members}
        told |= {"last_seen": now(), "captured_at": now(), "heading_deg": 352.0, "speed_m_s": 0.8}
        told |= {"position": position(49.0004 + 0.0003 * rev, -111.9600 - 0.0001 * rev * rev)}
        line = {"id": "border", "direction": "northward", "crossed": 4}
        nodes.say("pass-east/alert", payload(1, rev, node="pass-east", seq=rev, line=line, **told))
    nodes.say("pass-west/alert", payload(2, 1, node="pass-west", camera="south", priority="routine", count=1,
                                         count_low=1, count_high=1, zone="meadow", reasons=["walks slowly"]))  # fmt: skip
    nodes.say("river-3/alert", payload(3, 1, node="river-3", heading_deg=352.0, speed_m_s=0.8, count=6, count_high=8,
                                       position=position(48.9988, -111.9493, 40.0)))  # fmt: skip


def shoot(page: Any, name: str) -> None:
    """Keep a picture of the page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def until(page: Any, holds: str, within_s: float = 10.0) -> None:
    """Wait for an expression; playwright's own waiting needs the eval that our pages forbid."""
    eventually(lambda: page.evaluate(holds), within_s)


def measured(text: str) -> None:
    """Say a measured number where ``pytest -s`` shows it."""
    sys.stdout.write(f"\n{text}\n")


def rows(page: Any) -> list[str]:
    """Give the text of every row of the live list."""
    return page.locator("#list .row").all_inner_texts()


class Behind:
    """The same station, seen through another port."""

    def __init__(self, station: RunningStation, port: int) -> None:
        """Say where it seems to be."""
        self.url = f"http://127.0.0.1:{port}/"
        self.ask = station.ask


class Valve:
    """A TCP relay that can stop carrying bytes without closing anything, as a cut cable does."""

    def __init__(self, port: int) -> None:
        """Carry to ``port`` of loopback."""
        self._target = port
        self._flows = threading.Event()
        self._flows.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        """Be there for a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of everything."""
        self.open()
        self._listener.close()

    def shut(self) -> None:
        """Carry nothing from now on; what has been sent stays on the way."""
        self._flows.clear()

    def open(self) -> None:
        """Carry again."""
        self._flows.set()

    def _accept(self) -> None:
        """Join each connection to one of our own."""
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:  # nobody is there now; later somebody may be
                near.close()
                continue
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: Any, sink: Any) -> None:
        """Carry one direction, while the valve is open."""
        try:
            while piece := source.recv(65536):
                self._flows.wait()
                sink.sendall(piece)
        except OSError:
            pass
        finally:
            sink.close()
