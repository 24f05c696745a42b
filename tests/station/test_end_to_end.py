"""From the node's outbox to the station's disk over a real broker, whatever dies in between; and the way back."""

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from station_scene import RunningStation, eventually

from edge.delivery.brokers import Mosquitto

pytestmark = pytest.mark.broker

# A node as the service has it: outbox and courier, told on its standard input what to do. It answers when it is done.
_NODE = textwrap.dedent("""
    import json, sys
    sys.path[:0] = {path!r}
    from pathlib import Path
    from delivery_scene import Node, quick_config
    node = Node(quick_config(Path(sys.argv[1]), int(sys.argv[2]), confirm="station", receipt_timeout_s=1.0))
    for line in sys.stdin:
        first, last, phases = json.loads(line)
        for number in range(first, last + 1):
            for rev, phase in phases:
                node.raise_alert(number, rev, phase)
                print(f"01JD9{{number:021d}}:{{rev}}", flush=True)
        print("done", node.outbox.depth().waiting, flush=True)
""")
_WHOLE = [[1, "new"], [2, "update"], [3, "end"]]


class NodeProcess:
    """A node in a process of its own, so that it can be killed."""

    def __init__(self, folder: Path, port: int) -> None:
        """Start it on the outbox in ``folder``."""
        tests = Path(__file__).parents[1]
        program = _NODE.format(path=[str(tests / "delivery"), str(tests.parent)])
        command = [sys.executable, "-c", program, str(folder), str(port)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, first: int, last: int, phases=_WHOLE) -> None:
        """Let it raise some groups' alerts."""
        self._process.stdin.write(json.dumps([first, last, phases]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> tuple[set[str], str]:
        """Wait until it is done with that, and give what it raised and its last line."""
        raised: set[str] = set()
        while (line := self._process.stdout.readline().strip()) and not line.startswith("done"):
            raised.add(line)
        return raised, line

    def tell(self, first: int, last: int, phases=_WHOLE) -> set[str]:
        """Let it raise some groups' alerts and wait for that."""
        self.ask(first, last, phases)
        return self.answer()[0]

    def waiting(self) -> int:
        """How many messages wait in its outbox."""
        self.ask(1, 0)
        return int(self.answer()[1].split()[1])

    def kill(self) -> set[str]:
        """Kill it as a power cut would; give what it had raised meanwhile."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        return {line.strip() for line in self._process.stdout if line.startswith("01JD9") and line.endswith("\n")}

    def end(self) -> None:
        """Let it go."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def station(broker: Mosquitto, tmp_path: Path, url: str) -> Iterator[RunningStation]:
    """Give a station on each kind of database."""
    running = RunningStation(tmp_path, broker.port, store={"url": url})
    running.start()
    yield running
    running.stop()


def revisions(url: str) -> list[str]:
    """List every revision that the database holds."""
    engine = create_engine(url.replace("postgresql://", "postgresql+pg8000://"))
    with engine.connect() as connection:
        found = [f"{row[0]}:{row[1]}" for row in connection.execute(text("SELECT alert_id, rev FROM revision"))]
    engine.dispose()
    return sorted(found)


def test_every_revision_is_in_the_station_once_whatever_died(
    broker: Mosquitto, station: RunningStation, url: str, tmp_path: Path
):
    """Station away, broker killed, node killed -9 while it raises: in the end all is there once, the outbox is empty."""
    node = NodeProcess(tmp_path, broker.port)
    raised = node.tell(1, 10)
    station.stop()
    raised |= node.tell(11, 20)
    assert node.waiting() >= 30  # nobody has given a receipt for these
    broker.kill()
    raised |= node.tell(21, 30)
    broker.start()
    raised |= node.tell(31, 40)
    node.ask(41, 70)
    raised |= {node._process.stdout.readline().strip() for _ in range(20)}
    raised |= node.kill()
    broker.kill()
    node = NodeProcess(tmp_path, broker.port)
    raised |= node.tell(101, 105)
    broker.start()
    station.start()
    raised |= node.tell(106, 110)
    eventually(lambda: node.waiting() == 0, 30.0)
    node.end()
    stored = revisions(url)
    assert len(stored) == len(set(stored))
    assert raised <= set(stored)  # a row may be on disk whose line the killed node could no longer print
    assert len(stored) <= len(raised) + 1


def test_an_acknowledgement_reaches_the_node_and_comes_back(broker: Mosquitto, station: RunningStation, tmp_path: Path):
    """Acknowledged over HTTP, answered by the node, and said by its next revision, over its death."""
    node = NodeProcess(tmp_path, broker.port)
    (event_id,) = node.tell(1, 1, [[1, "new"]])
    place = f"alerts/node-7/{event_id.partition(':')[0]}"
    eventually(lambda: station.ask(place)[0] == 200)
    assert station.ask(f"{place}/acknowledge", {"who": "Ada"})[0] == 200
    eventually(lambda: station.ask(place)[1]["actions"][0]["node_answer"] == "done")
    node.kill()
    node = NodeProcess(tmp_path, broker.port)
    node.tell(1, 1, [[2, "update"]])
    handled = eventually(lambda: station.ask(place)[1]["data"].get("handled"))
    assert (handled["state"], handled["by"]) == ("acknowledged", "Ada")
    node.end()
