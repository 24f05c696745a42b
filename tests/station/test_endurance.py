"""How fast the station takes revisions on one core, and what hours of them cost its memory."""

import json
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from station_scene import Nodes, eventually, payload

from edge.delivery.brokers import Mosquitto

pytestmark = pytest.mark.broker

_STATION = textwrap.dedent("""
    import os, sys, threading
    from edge.station import run
    from edge.station.settings import StationConfig
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    port, url = int(sys.argv[1]), sys.argv[2]
    config = StationConfig(delivery={"port": port}, web={"port": 0}, store={"url": url})
    run(config, threading.Event(), on_ready=lambda served: print(served.url, flush=True))
""")


class Process:
    """A station in a process of its own, held to one core."""

    def __init__(self, port: int, url: str) -> None:
        """Start it and wait for its page."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _STATION, str(port), url],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.url = self._process.stdout.readline().strip()

    def health(self) -> dict:
        """Ask how it does."""
        with urllib.request.urlopen(f"{self.url}api/v1/live", timeout=30) as answer:
            return json.load(answer)["station"]

    def cpu_s(self) -> float:
        """Tell the processor time it has used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def memory_mb(self) -> float:
        """Tell the memory it holds."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def end(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a broker that queues any number; its default gives up after a thousand."""
    folder = tmp_path / "roomy"
    folder.mkdir()
    settings = ("allow_anonymous true", "autosave_on_changes false", "max_queued_messages 0", "max_inflight_messages 0")
    with Mosquitto(folder, settings=settings) as running:
        yield running


@pytest.mark.slow
def test_three_thousand_revisions_a_second_on_one_core(roomy: Mosquitto, tmp_path: Path):
    """Each is on disk before it is acknowledged. Counted in processor time: the machine has others to serve."""
    url, number = f"sqlite:///{tmp_path}/rate.sqlite", 15_000
    first = Process(roomy.port, url)
    eventually(lambda: first.health()["fault"] is None)
    first.end()  # its session stays at the broker
    nodes = Nodes(roomy.port)
    nodes.pour(("node-7/alert", payload(one // 30, one % 30 + 1, seq=one)) for one in range(number))
    nodes.close()
    station = Process(roomy.port, url)
    began_s, cpu_s = time.monotonic(), station.cpu_s()
    eventually(lambda: time.sleep(0.2) or station.health()["committed"] >= number, 120.0)
    took_s, used_s = time.monotonic() - began_s, station.cpu_s() - cpu_s
    station.end()
    print(f"{number / took_s:.0f} a second of wall time, {number / used_s:.0f} a second of processor time")  # noqa: T201
    assert number / used_s >= 3000


@pytest.mark.parametrize("minutes", [0.05, pytest.param(30, marks=pytest.mark.slow)])
def test_memory_is_flat_under_live_alerts(minutes: float, roomy: Mosquitto, tmp_path: Path):
    """Groups come, change and end, a page is open all the time: after the first moments nothing grows."""
    station = Process(roomy.port, f"sqlite:///{tmp_path}/flat.sqlite")
    eventually(lambda: station.health()["fault"] is None)  # until it has subscribed, what is said is for nobody
    nodes, said, over = Nodes(roomy.port), 0, threading.Event()

    def watch() -> None:
        with urllib.request.urlopen(f"{station.url}api/v1/stream", timeout=60) as page:
            while not over.is_set() and page.readline():
                pass

    page = threading.Thread(target=watch)
    page.start()

    def live(for_s: float) -> None:
        nonlocal said
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            for one in range(said, said + 30):
                phase = ("new", "update", "end")[one % 3]
                nodes.say("node-7/alert", payload(one // 3, one % 3 + 1, phase=phase, seq=one))
            said += 30
            time.sleep(0.5)

    live(max(3.0, min(60.0, minutes * 12)))
    eventually(lambda: station.health()["committed"] >= said, 30.0)  # a busy machine is still warming up until then
    before_mb = station.memory_mb()
    held_mb = []
    for _ in range(6):
        live(minutes * 10.0)
        held_mb.append(station.memory_mb())
    after_mb = held_mb[-1]
    eventually(lambda: station.health()["committed"] >= said, 30.0)
    over.set()
    nodes.close()
    station.end()
    page.join(10.0)
    print(f"{said} revisions, {before_mb:.1f} MB then, {after_mb:.1f} MB now: {held_mb}")  # noqa: T201
    assert after_mb - before_mb < 8.0
