"""From a real broker into the store."""

import json
import random
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from station_scene import BOOT, Listener, Nodes, about, alert_id, event, eventually, health, payload

from edge.clock import SystemClock
from edge.delivery.brokers import Mosquitto
from edge.station import schema
from edge.station.archive import Archive
from edge.station.hearing import Hearing
from edge.station.ingest import Ingest
from edge.station.settings import IngestConfig
from edge.station.store import Store

pytestmark = pytest.mark.broker


def count(store: Store, table=schema.alert) -> int:
    """Count the rows of a table."""
    with store.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Store]:
    """Give a SQLite store."""
    store = Store(f"sqlite:///{tmp_path}/station.sqlite")
    yield store
    store.close()


@pytest.fixture
def start(broker: Mosquitto, database: Store) -> Iterator[Callable[[], tuple[Ingest, Hearing]]]:
    """Give a function that starts an ingest and waits until it listens."""
    started: list[Ingest] = []

    def begin() -> tuple[Ingest, Hearing]:
        config = IngestConfig(port=broker.port).as_delivery()
        config = config.model_copy(update={"backoff_max_s": 0.2, "connect_timeout_s": 1.0})
        hearing = Hearing("not yet connected")
        started.append(Ingest(config, database, hearing, lambda _changes: None, name="test", clock=SystemClock()))
        started[-1].start()
        eventually(lambda: hearing.fault is None)
        return started[-1], hearing

    yield begin
    for ingest in started:
        ingest.stop()


def test_what_nodes_say_is_in_the_store(start, nodes: Nodes, database: Store):
    """Alert, birth, health and availability arrive, each where it belongs."""
    _ingest, hearing = start()
    nodes.say("node-7/about", about(), retain=True)
    nodes.say("node-7/availability", b"online", retain=True)
    nodes.say("node-7/health", health(), retain=True)
    nodes.say("node-7/alert", payload(1, 1))
    eventually(lambda: hearing.committed == 4)
    assert (count(database), count(database, schema.node)) == (1, 1)


def test_what_came_while_the_station_was_away_is_there_afterwards(start, nodes: Nodes, database: Store):
    """The broker keeps a station's messages, and an un-acknowledged one comes again without being doubled."""
    start()[0].stop()
    nodes.pour(("node-7/alert", payload(1, rev, seq=rev)) for rev in range(1, 31))
    start()
    eventually(lambda: count(database, schema.revision) == 30)
    assert count(database) == 1


def test_a_broker_that_restarts_is_found_again(start, broker: Mosquitto, database: Store):
    """The ingest says what is wrong meanwhile, and goes on by itself."""
    _ingest, hearing = start()
    broker.kill()
    eventually(lambda: hearing.fault)
    broker.start()
    eventually(lambda: hearing.fault is None)
    again = Nodes(broker.port)
    again.say("node-7/alert", payload(1, 1))
    eventually(lambda: count(database) == 1)
    again.close()


def test_when_the_database_takes_nothing_nothing_is_acknowledged(start, nodes: Nodes, database: Store):
    """Messages stay with the broker until the database works again, and the fault names the setting."""
    _ingest, hearing = start()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE revision RENAME TO hidden")
    nodes.say("node-7/alert", payload(1, 1))
    assert "store.url" in eventually(lambda: hearing.fault)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE hidden RENAME TO revision")
    eventually(lambda: count(database, schema.revision) == 1)
    eventually(lambda: hearing.fault is None)


def _deep(levels: int) -> bytes:
    """Nest lists in lists."""
    return b'{"data":' + b"[" * levels + b"]" * levels + b"}"


HOSTILE = {
    "html in an id": payload(1, 1, alert_id="<script>alert(1)</script>"),
    "slashes in an id": payload(1, 1, alert_id="../../etc/passwd"),
    "sql in an id": payload(1, 1, alert_id="x'; DROP TABLE alert; --"),
    "a string of 100 kB": payload(1, 1, reasons=["x" * 100_000]),
    "a string of 200 kB": payload(1, 1, reasons=["x" * 200_000]),
    "NaN": json.dumps(event(1, 1, confidence=float("nan"))).encode(),
    "a wrong type": payload(1, 1, count="nine"),
    "a number beyond reason": payload(1, 1, count=10**30),
    "deep nesting": _deep(50_000),
    "no JSON": b"\xff\xfe\x00",
    "nothing": b"",
    "half a surrogate": payload(1, 1).replace(b"line border", b"\\ud800 border"),
    "another node's alert": payload(1, 1, node="node-8"),
    "a time without end": payload(1, 1, captured_at="9999-12-31T23:59:59-23:59"),
    "a list for an object": b"[1, 2, 3]",
}  # fmt: skip


def test_hostile_messages_are_refused_counted_and_explained(start, nodes: Nodes, database: Store):
    """None is stored, none stops what comes after it, and none is asked for again."""
    ingest, hearing = start()
    for message in HOSTILE.values():
        nodes.say("node-7/alert", message)
    nodes.say("node-7/alert", payload(2, 1, reasons=["<img src=x onerror=alert(1)>", "\u0000 NUL"]))
    eventually(lambda: count(database) == 1)
    assert hearing.refused == len(HOSTILE)
    assert all(len(one.reason) < 250 for one in hearing.refusals)
    with database.engine.connect() as connection:
        assert connection.execute(select(schema.alert.c.alert_id)).scalar() == alert_id(2)
    ingest.stop()
    ingest, hearing = start()
    nodes.say("node-7/alert", payload(3, 1, seq=2))
    eventually(lambda: count(database) == 2)
    assert hearing.refused == 0


def test_a_node_is_told_what_is_on_disk(start, broker: Mosquitto, nodes: Nodes):
    """Receipts name event ids, repeated ones too."""
    start()
    with Listener(broker.port, "edge/v1/node-7/receipt") as listener:
        nodes.say("node-7/alert", payload(1, 1))
        nodes.say("node-7/alert", payload(1, 1))
        ids = eventually(lambda: (told := [one for _, told in listener.heard for one in told["ids"]])[1:] and told)
        assert ids == 2 * [f"{alert_id(1)}:1"]


def test_what_operators_did_waits_for_a_node_that_is_away(start, broker: Mosquitto, nodes: Nodes, database: Store):
    """A deed is told when its node comes, again until it answers, and not once more after that."""
    _ingest, hearing = start()
    nodes.say("node-7/alert", payload(1, 1))
    nodes.say("node-7/availability", b"offline", retain=True)
    eventually(lambda: hearing.committed == 2)
    database.act(("node-7", alert_id(1)), "dismiss", who="Ada", text="deer", utc_s=SystemClock().utc_s())
    with Listener(broker.port, "edge/v1/node-7/cmd/#") as listener:
        hearing.on_deed()
        nodes.say("node-7/health", health())
        eventually(lambda: hearing.committed == 3)
        assert listener.heard == []
        for times in (1, 2):
            nodes.say("node-7/availability", b"online", retain=True)
            eventually(lambda times=times: len(listener.heard) == times)
        topic, told = listener.heard[0]
        assert topic == "edge/v1/node-7/cmd/dismiss"
        assert (told["alert_id"], told["who"], told["text"], told["requester"]) == (alert_id(1), "Ada", "deer", "test")
        answer = {"id": told["id"], "command": "dismiss", "outcome": "done"}
        nodes.say("node-8/reply/test", json.dumps(answer).encode())  # it is not its alert
        nodes.say("node-8/reply/test", b'{"id": "\xff"}')
        eventually(lambda: hearing.refused == 1)
        assert database.untold(since_utc_s=0.0, limit=9)
        nodes.say("node-7/reply/test", json.dumps(answer).encode())
        eventually(lambda: not database.untold(since_utc_s=0.0, limit=9))
        nodes.say("node-7/availability", b"online", retain=True)
        eventually(lambda: hearing.committed == 6)
        assert len(listener.heard) == 2


def test_a_gap_is_asked_for_and_what_is_gone_is_lost(
    start, broker: Mosquitto, nodes: Nodes, database: Store, monkeypatch
):
    """What the node sends again fills the gap; what it says is gone stays visible as lost, and is not asked for again."""
    monkeypatch.setattr("edge.station.answers._GRACE_S", 0.1)
    monkeypatch.setattr("edge.station.answers._LOOK_EVERY_S", 0.1)
    _ingest, hearing = start()
    with Listener(broker.port, "edge/v1/node-7/cmd/resend") as listener:
        for seq in (1, 6):
            nodes.say("node-7/alert", payload(seq, 1, seq=seq))
        ((_, told),) = eventually(lambda: list(listener.heard))
        assert (told["boot_id"], told["ranges"]) == (BOOT, [[2, 5]])
        nodes.say("node-7/alert", payload(3, 1, seq=3))
        answer = {"id": told["id"], "command": "resend", "outcome": "done", "resent": 1, "gone": [[2, 2], [4, 5]]}
        nodes.say("node-7/reply/test", json.dumps(answer).encode())
        eventually(lambda: not database.gaps(limit=9))
        archive = Archive(database.engine, silent_after_s=60.0, forget_alert_after_s=60.0)
        (gap,) = archive.gaps("node-7")
        assert (gap["missing"], gap["lost"], gap["lost_count"]) == ([], [[2, 2], [4, 5]], 3)
        nodes.say("node-7/alert", payload(4, 1, seq=4))
        eventually(lambda: hearing.committed == 4)
        (node,) = archive.nodes(now_utc_s=0.0, since_utc_s=0.0)
        assert (node["missing_messages"], node["lost_messages"]) == (0, 2)


_STATION = textwrap.dedent("""
    import sys, threading
    from edge import log
    from edge.clock import SystemClock
    from edge.config import LogConfig
    from edge.station.hearing import Hearing
    from edge.station.ingest import Ingest
    from edge.station.settings import IngestConfig
    from edge.station.store import Store
    log.configure(LogConfig())
    port, file = int(sys.argv[1]), sys.argv[2]
    hearing = Hearing("not yet connected")
    ingest = Ingest(IngestConfig(port=port).as_delivery(), Store(f"sqlite:///{file}"), hearing, lambda c: None,
                    name="killed", clock=SystemClock())
    ingest.start()
    while hearing.fault: threading.Event().wait(0.01)
    print("listening", flush=True)
    threading.Event().wait()
""")


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_a_killed_station_loses_nothing_and_doubles_nothing(
    rounds: int, broker: Mosquitto, nodes: Nodes, tmp_path: Path
):
    """However often it is killed under load, every message that the broker took is there once at the end."""
    file, sent, moments = tmp_path / "killed.sqlite", 0, random.Random(7)
    for _ in range(rounds):
        process = subprocess.Popen(
            [sys.executable, "-c", _STATION, str(broker.port), str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout.readline() == b"listening\n"
        killer = threading.Timer(moments.uniform(0.0, 0.2), process.kill)
        killer.start()
        nodes.pour(
            ("node-7/alert", payload(number // 5, number % 5 + 1, seq=number)) for number in range(sent, sent + 60)
        )
        sent += 60
        killer.join()
        process.wait()
        process.stdout.close()
    store = Store(f"sqlite:///{file}")
    config = IngestConfig(port=broker.port).as_delivery()
    ingest = Ingest(config, store, Hearing(None), lambda _changes: None, name="killed", clock=SystemClock())
    ingest.start()
    eventually(lambda: count(store, schema.revision) == sent, 20.0)
    ingest.stop()
    assert count(store) == sent // 5
    with store.engine.connect() as connection:
        assert connection.execute(select(schema.stream.c.missing_count)).scalars().all() == [0]
    store.close()
