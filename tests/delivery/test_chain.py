"""The whole chain over real brokers: what is raised arrives, whatever is stopped, killed or restarted in between."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from cable import Cable
from delivery_scene import Node, eventually, quick_config

from edge.clock import SystemClock
from edge.delivery.brokers import Iotcore, Mosquitto
from edge.delivery.subscriber import Event, Subscriber
from edge.delivery.wire import AlertEvent

VERSIONS = pytest.mark.parametrize("version", ["5", "3.1.1"])


class Room:
    """A control room with a session of its own: hears, remembers, and says what it has."""

    def __init__(self, config, **how) -> None:
        """Start listening."""
        self.events: list[Event] = []
        self.subscriber = Subscriber(config, self.events.append, clock=SystemClock(), **how)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.subscriber.run, args=(self._stop,), daemon=True)
        self._thread.start()
        assert eventually(lambda: self.subscriber.connected)

    def alert_ids(self) -> Counter[str]:
        """How often each alert revision was heard."""
        return Counter(event.body.id for event in self.events if isinstance(event.body, AlertEvent))

    def words(self) -> list[str]:
        """What was heard of availability."""
        return [event.body for event in self.events if isinstance(event.body, str)]

    def leave(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(5.0)


@contextmanager
def room(config, **how):
    """Open a control room for the length of a block."""
    opened = Room(config, **how)
    try:
        yield opened
    finally:
        opened.leave()


def tell_stories(node: Node, first: int, last: int) -> set[str]:
    """Raise new, update and end of some groups, a few milliseconds apart; return the ids of all revisions."""
    raised = set()
    for number in range(first, last + 1):
        for rev, phase in ((1, "new"), (2, "update"), (3, "end")):
            node.raise_alert(number, rev, phase)
            raised.add(f"01JD9{number:021d}:{rev}")
    return raised


@pytest.mark.broker
@VERSIONS
def test_every_alert_survives_a_broker_that_dies_three_times(tmp_path, start_node, mosquitto, version):
    """Mosquitto is stopped, killed and killed again in the middle of 201 alerts: each arrives, once after dedupe."""
    config = quick_config(tmp_path, mosquitto.port, mqtt_version=version, ack_timeout_s=1.0)
    with room(config, session="room") as control:
        node = start_node(config)
        raised = tell_stories(node, 1, 17)
        for end in (mosquitto.stop, mosquitto.kill, mosquitto.kill):
            end()
            raised |= tell_stories(node, len(raised) // 3 + 1, len(raised) // 3 + 10)
            mosquitto.start()
            raised |= tell_stories(node, len(raised) // 3 + 1, len(raised) // 3 + 6)
        raised |= tell_stories(node, len(raised) // 3 + 1, 67)
        assert len(raised) == 201
        assert node.wait_until_empty(20.0)
        assert eventually(lambda: set(control.alert_ids()) == raised, 10.0)
        assert control.subscriber.malformed == 0


@pytest.mark.broker
def test_room_that_is_away_hears_everything_later(tmp_path, start_node, mosquitto):
    """Alerts raised while the control room is closed wait in its session; the broker's word for that is 'delivered'."""
    config = quick_config(tmp_path, mosquitto.port)
    with room(config, session="room"):
        pass
    node = start_node(config)
    raised = tell_stories(node, 1, 5)
    assert node.wait_until_empty()
    with room(config, session="room") as control:
        assert eventually(lambda: set(control.alert_ids()) == raised)


@pytest.mark.broker
def test_alerts_wait_for_the_first_subscriber(tmp_path, start_node, mosquitto):
    """With nobody subscribed at all, mosquitto says so and the node keeps its alerts until a control room appears."""
    config = quick_config(tmp_path, mosquitto.port)
    node = start_node(config)
    raised = tell_stories(node, 1, 4)
    assert eventually(lambda: "nobody is subscribed" in (node.courier.fault or ""))
    assert node.outbox.depth().waiting == 12
    with room(config) as control:
        assert eventually(lambda: set(control.alert_ids()) == raised)
        assert max(control.alert_ids().values()) == 1
    assert node.wait_until_empty()


WRITER = """
import os, sys
sys.path[:0] = {path!r}
from pathlib import Path
from delivery_scene import Node, quick_config
node = Node(quick_config(Path(sys.argv[1]), int(sys.argv[2])))
for number in range(1, 1000):
    for rev, phase in ((1, "new"), (2, "update"), (3, "end")):
        node.raise_alert(number, rev, phase)
        print(f"01JD9{{number:021d}}:{{rev}}", flush=True)
"""


@pytest.mark.broker
def test_every_alert_survives_the_death_of_the_node(tmp_path, start_node, mosquitto):
    """A node killed between raising and confirmation has lost nothing: the next run sends what the dead one left."""
    config = quick_config(tmp_path, mosquitto.port)
    with room(config, session="room") as control:
        program = WRITER.format(path=[str(Path(__file__).parent), str(Path(__file__).parents[2])])
        command = [sys.executable, "-c", program, str(tmp_path), str(mosquitto.port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as dying:
            raised = [dying.stdout.readline().strip() for _ in range(40)]
            os.kill(dying.pid, signal.SIGKILL)
            raised += [line.strip() for line in dying.stdout if line.endswith("\n")]
            raised = [line for line in raised if line.startswith("01JD9")]  # the log goes to the same place
        node = start_node(config)
        assert node.wait_until_empty()
        assert eventually(lambda: set(raised) <= set(control.alert_ids()))


@pytest.mark.broker
@VERSIONS
def test_offline_is_said_by_the_will(tmp_path, mosquitto, version):
    """A node that dies is announced as offline by the broker, and its next start as online."""
    config = quick_config(tmp_path, mosquitto.port, mqtt_version=version)
    with room(config) as control:
        program = WRITER.format(path=[str(Path(__file__).parent), str(Path(__file__).parents[2])])
        command = [sys.executable, "-c", program, str(tmp_path), str(mosquitto.port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as dying:
            dying.stdout.readline()
            assert eventually(lambda: control.words() == ["online"])
            os.kill(dying.pid, signal.SIGKILL)
        assert eventually(lambda: control.words() == ["online", "offline"])
        node = Node(config)
        assert eventually(lambda: control.words() == ["online", "offline", "online"])
        node.end()
        assert eventually(lambda: control.words()[-1] == "offline")


@pytest.mark.broker
def test_short_gap_is_not_announced(tmp_path, start_node, mosquitto):
    """A connection that breaks and comes back within ``will_delay_s`` raises no 'offline'."""
    config = quick_config(tmp_path, mosquitto.port)
    with room(config) as control, Cable(mosquitto.port) as cable:
        node = start_node(config.model_copy(update={"port": cable.port, "will_delay_s": 1}))
        assert eventually(lambda: control.words() == ["online"])
        cable.cut()
        assert eventually(lambda: node.metrics.snapshot().counters["delivery_connections"] == 2)
        time.sleep(1.5)
        assert set(control.words()) == {"online"}


@pytest.mark.broker
def test_cable_that_dies_without_a_word(tmp_path, start_node, mosquitto):
    """A half-open connection is left after ``ack_timeout_s``; what it swallowed is sent again."""
    config = quick_config(tmp_path, mosquitto.port)
    with room(config) as control, Cable(mosquitto.port) as cable:
        node = start_node(config.model_copy(update={"port": cable.port}))
        raised = tell_stories(node, 1, 3)
        cable.dead = True
        raised |= tell_stories(node, 4, 6)
        assert eventually(lambda: not node.courier.connected)
        cable.dead = False
        assert node.wait_until_empty()
        assert eventually(lambda: set(control.alert_ids()) == raised)


@pytest.mark.broker
def test_access_rules_of_a_real_broker(tmp_path, start_node):
    """Mosquitto's refusal of a topic becomes a fault that names it; the alert stays."""
    (tmp_path / "acl").write_text("topic write edge/v1/node-7/about\ntopic write edge/v1/node-7/availability\n")
    with Mosquitto(tmp_path, settings=("allow_anonymous true", f"acl_file {tmp_path}/acl")) as broker:
        node = start_node(quick_config(tmp_path, broker.port))
        node.raise_alert()
        assert eventually(lambda: "does not let this node write edge/v1/node-7/alert" in (node.courier.fault or ""))
        assert node.outbox.depth().waiting == 1


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_iotcore_carries_alerts(tmp_path, start_node, version):
    """The embedded broker of the demo extra takes the same node and the same control room, in both versions."""
    pytest.importorskip("iotcore")
    with Iotcore(tmp_path) as broker:
        port = broker.port_mqtt5 if version == "5" else broker.port
        config = quick_config(tmp_path, port, mqtt_version=version)
        with room(config, session="room") as control:
            node = start_node(config)
            raised = tell_stories(node, 1, 20)
            assert node.wait_until_empty()
            assert eventually(lambda: set(control.alert_ids()) == raised)


def test_auto_finds_the_version_of_iotcore(tmp_path, start_node):
    """On a port that speaks 3.1.1 only, ``auto`` ends up connected."""
    pytest.importorskip("iotcore")
    with Iotcore(tmp_path) as broker:
        node = start_node(quick_config(tmp_path, broker.port, mqtt_version="auto"))
        assert eventually(lambda: node.courier.connected)
        node.raise_alert()
        assert node.wait_until_empty()
