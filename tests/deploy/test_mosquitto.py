"""The shipped broker configuration, with certificates of ``edge pki``: who gets in, and who may write and read what."""

import socket
import ssl
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from broker_site import SHIPPED, Site, shipped_broker

from edge.clock import SystemClock
from edge.config import DeliveryConfig
from edge.delivery.asyncapi import asyncapi
from edge.delivery.brokers import mosquitto_path
from edge.delivery.messages import Caller, Message
from edge.delivery.mqtt import Link
from edge.errors import DeliveryError

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(mosquitto_path() is None, reason="needs mosquitto"),
]

NOT_AUTHORISED = 0x87


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Site]:
    """Start mosquitto as shipped."""
    with shipped_broker(tmp_path_factory.mktemp("site")) as running:
        yield running


def dial(config: DeliveryConfig, name: str = "", filters: tuple[tuple[str, int], ...] = ()) -> Link:
    """Connect as the node's own code does."""
    return Link(config, Caller(name, filters=filters), "5", clock=SystemClock(), stopping=lambda: False)


def answer(link: Link, topic: str, *, payload: bytes = b"{}", retain: bool = False) -> int:
    """Publish one message and return the broker's reason code for it."""
    number = link.send(Message(topic, payload, retain=retain))
    for _ in range(50):
        for told in link.turn(0.2)[0]:
            if told.mid == number:
                return told.code
    raise AssertionError("no answer")


def heard(link: Link, seconds: float = 0.5) -> list[str]:
    """Collect the topics that arrive."""
    topics, deadline = [], time.monotonic() + seconds
    while time.monotonic() < deadline:
        for arrival in link.turn(0.05)[1]:
            topics.append(arrival.topic)
            link.acknowledge(arrival)
    return topics


# who dials, with what in hand -> the setting that the refusal names; None: is let in
ADMITTED = {
    "node with its certificate": ("node-7", {}, None),
    "station with its certificate": ("station", {}, None),
    "nobody's certificate": ("nobody", {}, "delivery.tls_cert_file"),
    "expired certificate": ("late", {}, "delivery.tls_cert_file"),
    "revoked certificate": ("stolen", {}, "delivery.tls_cert_file"),
    "certificate of another authority of the same name": ("forged", {}, "delivery.tls_cert_file"),
    "broker's certificate in a client's hand": ("posing", {}, "delivery.tls_cert_file"),
    "plain TCP": ("node-7", {"tls": False}, "delivery.tls"),
    "node that trusts another authority": ("node-7", {"ca": "theirs"}, "delivery.tls_ca_file"),
}


@pytest.mark.parametrize(("who", "how", "named"), ADMITTED.values(), ids=ADMITTED.keys())
def test_only_who_holds_a_living_certificate_gets_in(site: Site, who: str, how: dict, named: str | None):
    """Each stranger is refused before a byte of MQTT, and the error names the setting to look at."""
    if named is None:
        dial(site.who(who, **how)).close()
        return
    with pytest.raises(DeliveryError, match=named):
        dial(site.who(who, **how))


@pytest.mark.parametrize(
    ("version", "taken"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
)
def test_tls_is_of_the_version_that_the_configuration_says(site: Site, version: ssl.TLSVersion, taken: bool):
    """Nothing older than TLS 1.2 is spoken."""
    context = ssl.create_default_context(cafile=str(site.folder / "ca.crt"))
    context.load_cert_chain(site.folder / "node-7" / "client.crt", site.folder / "node-7" / "client.key")
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", site.port), timeout=5) as sock:
        if taken:
            with context.wrap_socket(sock, server_hostname="127.0.0.1") as tls:
                assert tls.version() == version.name.replace("_", ".")
        else:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(sock, server_hostname="127.0.0.1")


# who publishes, to which topic -> whether it is taken
WRITTEN = {
    "node, its own alert": ("node-7", "edge/v1/node-7/alert", True),
    "node, its own health": ("node-7", "edge/v1/node-7/health", True),
    "node, its own count": ("node-7", "edge/v1/node-7/cam/north/count", True),
    "node, its own answer": ("node-7", "edge/v1/node-7/reply/station", True),
    "node, another node's alert": ("node-7", "edge/v1/node-8/alert", False),
    "node, another node's availability": ("node-7", "edge/v1/node-8/availability", False),
    "node, a command to another node": ("node-7", "edge/v1/node-8/cmd/mute", False),
    "node, a receipt for itself": ("node-7", "edge/v1/node-7/receipt", False),
    "node, a command to itself": ("node-7", "edge/v1/node-7/cmd/mute", False),
    "node, outside the tree": ("node-7", "other/topic", False),
    "node, a name that only begins like its own": ("node-7", "edge/v1/node-77/alert", False),
    "station, a command": ("station", "edge/v1/node-7/cmd/mute", True),
    "station, a receipt": ("station", "edge/v1/node-7/receipt", True),
    "station, an alert in a node's name": ("station", "edge/v1/node-7/alert", False),
}


@pytest.mark.parametrize(("who", "topic", "taken"), WRITTEN.values(), ids=WRITTEN.keys())
def test_each_writes_its_own_topics_only(site: Site, who: str, topic: str, taken: bool):
    """The broker says so with MQTT 5's reason code, and what is refused reaches nobody."""
    listener = dial(site.who("station"), filters=(("edge/v1/#", 1),)) if who != "station" else None
    writer = dial(site.who(who))
    code = answer(writer, topic)
    assert (code != NOT_AUTHORISED) == taken
    if listener is not None:
        assert (topic in heard(listener)) == taken
        listener.close()
    writer.close()


# who listens, to what filter, a topic written -> whether it arrives
READ = {
    "station, everything": ("station", "edge/v1/#", "edge/v1/node-8/alert", True),
    "node, its own commands": ("node-7", "edge/v1/node-7/cmd/#", "edge/v1/node-7/cmd/mute", True),
    "node, its own echo": ("node-7", "edge/v1/node-7/reply/doctor", "edge/v1/node-7/reply/doctor", True),
    "node, its own answers to a station": ("node-7", "edge/v1/node-7/reply/+", "edge/v1/node-7/reply/station", False),
    "node, its own receipts": ("node-7", "edge/v1/node-7/receipt", "edge/v1/node-7/receipt", True),
    "node, another's alerts": ("node-7", "edge/v1/node-8/alert", "edge/v1/node-8/alert", False),
    "node, everything": ("node-7", "#", "edge/v1/node-8/alert", False),
    "node, another's commands": ("node-7", "edge/v1/node-8/cmd/#", "edge/v1/node-8/cmd/mute", False),
}


@pytest.mark.parametrize(("who", "wanted", "topic", "arrives"), READ.values(), ids=READ.keys())
def test_each_hears_what_is_meant_for_it(site: Site, who: str, wanted: str, topic: str, arrives: bool):
    """The station hears all nodes; a node hears neither another's alerts nor its commands, whatever it asks for."""
    try:
        listener = dial(site.who(who), filters=((wanted, 1),))
    except DeliveryError:
        assert not arrives
        return
    if "/reply/" in topic:  # only the node itself may write there
        listener.send(Message(topic, b"{}"))
    else:
        writer = dial(site.who("node-8" if "node-8/alert" in topic else "station"))
        assert answer(writer, topic) != NOT_AUTHORISED
        writer.close()
    assert (topic in heard(listener)) == arrives
    listener.close()


def test_a_node_cannot_throw_another_off_by_taking_its_client_id(site: Site):
    """The client's name is the certificate's, whatever the client says."""
    victim = dial(site.who("node-8"), "edge-node-8")
    thief = dial(site.who("node-7"), "edge-node-8")
    assert answer(thief, "edge/v1/node-7/health") != NOT_AUTHORISED
    assert answer(victim, "edge/v1/node-8/health") != NOT_AUTHORISED
    thief.close()
    victim.close()


def test_will_of_a_node_is_held_to_the_same_rules(site: Site):
    """A will cannot announce another node's death."""
    listener = dial(site.who("station"), filters=(("edge/v1/node-8/#", 1),))
    will = Message("edge/v1/node-8/availability", b"offline", retain=True)
    caller = Caller("edge-node-7", will=will)
    config = site.who("node-7").model_copy(update={"will_delay_s": 0})
    Link(config, caller, "5", clock=SystemClock(), stopping=lambda: False)._drop()
    assert "edge/v1/node-8/availability" not in heard(listener, 1.0)
    listener.close()


def test_node_may_write_every_topic_that_the_contract_lets_it_write():
    """The access rules and the AsyncAPI document know the same topics: a new one is not forgotten in either."""
    rules = (SHIPPED / "acl").read_text().splitlines()
    written = [line.split(" ", 2)[2] for line in rules if line.startswith("pattern write")]
    read = [line.split(" ", 2)[2] for line in rules if line.startswith("pattern read")]
    known = asyncapi()
    for name, operation in known["operations"].items():
        channel = operation["channel"]["$ref"].rpartition("/")[2]
        address = known["channels"][channel]["address"].replace("{node}", "%u")
        rules = written if operation["action"] == "send" else read
        covered = any(address == rule or (rule.endswith("/#") and address.startswith(rule[:-1])) for rule in rules)
        assert covered, f"{name}: {address} is not in deploy/mosquitto/acl"
