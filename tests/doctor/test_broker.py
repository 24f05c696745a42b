"""The way to the broker, on real brokers: each step that fails is named, with what to do, and none waits for ever."""

import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, str(Path(__file__).parent.parent / "deploy"))
sys.path.insert(0, str(Path(__file__).parent.parent / "delivery"))
from broker_site import shipped_broker
from fake_broker import FakeBroker

from edge.clock import SystemClock
from edge.config import DeliveryConfig
from edge.delivery.brokers import Mosquitto, free_port, mosquitto_path
from edge.doctor import broker as doctor_broker
from edge.doctor.broker import check_broker
from edge.doctor.neighbours import Program
from edge.pki import Authority

NOW = datetime.now(UTC)


def asked(delivery, node="node-7", nodes=()):
    """Give the findings by check, and check that it took no longer than a person waits."""
    start_s = time.monotonic()
    found = check_broker(delivery, node, clock=SystemClock(), nodes=nodes)
    assert time.monotonic() - start_s < 15.0
    return {one.check: one for one in found}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Run the shipped broker."""
    if mosquitto_path() is None:
        pytest.skip("needs mosquitto")
    with shipped_broker(tmp_path_factory.mktemp("site")) as running:
        yield running


def test_a_node_on_the_shipped_broker_passes_every_step(site):
    """Reach, TLS, own certificate, login, permission and the round trip are all well, with numbers."""
    found = asked(site.who("node-7"))
    assert {name: one.state for name, one in found.items()} == dict.fromkeys(
        ("certificate", "broker", "broker TLS", "broker login", "broker permission"), "pass"
    )
    assert "TLSv1.3, verified, valid until" in found["broker TLS"].told
    assert found["broker permission"].measured["round_trip_ms"] > 0


@pytest.mark.parametrize(
    ("who", "how", "check", "told", "fix"),
    [
        ("stolen", {}, "broker TLS", "refuses our certificate", "edge pki list"),
        ("forged", {}, "broker TLS", "refuses our certificate", "tls_cert_file"),
        ("nobody", {}, "broker TLS", "refuses our certificate", "tls_cert_file"),
        ("late", {}, "certificate", "ran out on", "edge pki renew NODE"),
        ("node-7", {"ca": "theirs"}, "broker TLS", "not trusted", "tls_ca_file"),
        ("node-7", {"tls": False}, "broker login", "hangs up", "settings that are named"),
    ],
)
def test_what_keeps_a_node_out_is_named(site, who, how, check, told, fix):
    """Revoked, foreign, missing and expired certificates, a wrong authority, and no TLS at all: each has its own cure."""
    found = asked(site.who(who, **how))[check]
    assert found.state == "fail", found
    assert told in found.told
    assert fix in found.fix


def test_a_certificate_under_another_name_may_not_write(site):
    """``node.id`` and the certificate's name must agree; the broker says so, and the cure is in the access rules."""
    found = asked(site.who("node-8"), node="node-7")["broker permission"]
    assert found.state == "fail"
    assert "may not write edge/v1/node-7/reply/doctor" in found.told
    assert "access rules" in found.fix


@pytest.mark.parametrize(
    ("hosts", "shift_days", "told", "fix"),
    [
        (["127.0.0.1"], -100, "certificate has expired", "edge pki renew"),
        (["127.0.0.1"], +10, "not yet valid", "timedatectl"),
        (["broker.example"], 0, "IP address mismatch", "delivery.host"),
    ],
)
def test_a_broker_with_a_bad_certificate_is_not_trusted(tmp_path, hosts, shift_days, told, fix):
    """Expired, not yet valid, made for another host: told as such."""
    if mosquitto_path() is None:
        pytest.skip("needs mosquitto")
    Authority(tmp_path, now=NOW).create("ours")
    made = Authority(tmp_path, now=NOW + timedelta(days=shift_days)).issue("broker", "broker", hosts, days=30)
    settings = (f"certfile {made}/server.crt", f"keyfile {made}/server.key", "allow_anonymous true")
    with Mosquitto(tmp_path, settings=settings) as broker:
        delivery = DeliveryConfig(port=broker.port, tls=True, tls_ca_file=str(tmp_path / "ca.crt"))
        found = asked(delivery)["broker TLS"]
    assert found.state == "fail"
    assert told in found.told
    assert fix in found.fix


def test_a_certificate_that_runs_out_soon_is_a_warning(tmp_path):
    """A month is time enough to renew it."""
    Authority(tmp_path, now=NOW).create("ours")
    held = Authority(tmp_path, now=NOW).issue("node", "node-7", days=20)
    delivery = DeliveryConfig(
        port=free_port(), tls=True, tls_cert_file=f"{held}/client.crt", tls_key_file=f"{held}/client.key"
    )
    found = asked(delivery)
    assert found["certificate"].state == "warn"
    assert found["certificate"].measured["days_left"] in (19, 20)
    assert found["broker"].told.startswith("nobody listens on")


def test_without_tls_only_loopback_is_quiet(tmp_path, monkeypatch):
    """On this machine plain MQTT is fine; anywhere else alerts in the clear are a warning."""
    if mosquitto_path() is None:
        pytest.skip("needs mosquitto")
    with Mosquitto(tmp_path) as broker:
        found = asked(DeliveryConfig(port=broker.port))
        assert {one.state for one in found.values()} == {"pass"}, found
        monkeypatch.setattr(doctor_broker, "_LOOPBACK", ())  # every test broker is on loopback
        assert asked(DeliveryConfig(port=broker.port))["broker TLS"].state == "warn"


def test_names_and_passwords_that_are_refused(tmp_path):
    """A wrong password is told with its setting, and never the password."""
    if mosquitto_path() is None:
        pytest.skip("needs mosquitto")
    (tmp_path / "password").write_text("open barley\n")
    with Mosquitto(tmp_path, settings=("allow_anonymous false",)) as broker:
        delivery = DeliveryConfig(port=broker.port, username="node-7", password_file=str(tmp_path / "password"))
        found = asked(delivery)["broker login"]
    assert found.state == "fail"
    assert "delivery.password_file" in found.told
    assert "barley" not in str(found)


def test_the_access_rules_of_3_1_1_are_silent_but_the_echo_is_not(tmp_path):
    """On MQTT 3.1.1 a broker never says no; that nothing comes back does."""
    if mosquitto_path() is None:
        pytest.skip("needs mosquitto")
    (tmp_path / "acl").write_text("topic read nothing\n")
    with Mosquitto(tmp_path, settings=("allow_anonymous true", f"acl_file {tmp_path}/acl")) as broker:
        found = asked(DeliveryConfig(port=broker.port, mqtt_version="3.1.1"))["broker permission"]
    assert found.state == "warn"
    assert "nothing comes back" in found.told


def test_rules_without_the_echo_are_a_warning_that_names_the_line(tmp_path):
    """Access rules of an earlier release let a node write and not hear itself; the doctor says what to add."""
    if mosquitto_path() is None:
        pytest.skip("needs mosquitto")
    (tmp_path / "acl").write_text("topic write edge/v1/node-7/#\n")
    with Mosquitto(tmp_path, settings=("allow_anonymous true", f"acl_file {tmp_path}/acl")) as broker:
        found = asked(DeliveryConfig(port=broker.port))["broker permission"]
    assert found.state == "warn"
    assert "reply/doctor" in found.fix


@pytest.mark.parametrize("welcome", ["silent", "close", "garbage"])
def test_something_that_is_no_broker_is_found_out(welcome):
    """Whoever accepts and says nothing, hangs up or talks rubbish is told within seconds."""
    with FakeBroker(welcome=welcome) as broker:
        found = asked(DeliveryConfig(port=broker.port))["broker login"]
    assert found.state == "fail"


def test_a_door_that_never_speaks_tls_is_given_up(tmp_path):
    """A black hole that accepts the connection costs five seconds."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        found = asked(DeliveryConfig(port=hole.getsockname()[1], tls=True))["broker TLS"]
    assert found.state == "fail"
    assert "does not speak TLS within" in found.told


@pytest.mark.parametrize(
    ("host", "told", "fix"),
    [
        ("no-such-host.invalid", "is not found", "delivery.host"),
        ("127.0.0.1", "nobody listens", "start the broker"),
        ("..", "is no name of a host", "delivery.host"),
        ("a" * 300, "is no", "delivery.host"),
    ],
)
def test_a_broker_that_is_not_there(host, told, fix):
    """An unknown name, a closed port and what can be no name have different cures."""
    found = asked(DeliveryConfig(host=host, port=free_port()))["broker"]
    assert found.state == "fail"
    assert told in found.told
    assert fix in found.fix


def test_a_running_node_is_not_thrown_off(site):
    """Where the broker takes the client's name from the certificate, a second login would end the first: there is none."""
    nodes = [Program(4711, "edge run", "edge.service")]
    found = asked(site.who("node-7"), nodes=nodes)
    assert found["broker TLS"].state == "pass"
    assert found["broker login"].state == "skip"
    assert "edge.service (process 4711)" in found["broker login"].told
    log = (site.folder / "log").read_text()
    assert "already connected" not in log


def test_files_that_are_no_certificates(tmp_path):
    """A key in the certificate's place, or nothing there, names the setting."""
    (tmp_path / "x").write_text("nonsense")
    for file, told in ((tmp_path / "x", "not a certificate"), (tmp_path / "none", "No such file")):
        delivery = DeliveryConfig(port=free_port(), tls=True, tls_cert_file=str(file), tls_key_file=str(file))
        found = asked(delivery)["certificate"]
        assert found.state == "fail"
        assert told in found.told
        assert "tls_cert_file" in found.fix


def test_an_encrypted_key_is_told_and_nobody_is_asked_for_a_passphrase(tmp_path):
    """OpenSSL would ask at the terminal, and a service would wait there for ever."""
    key = ec.generate_private_key(ec.SECP256R1())
    Authority(tmp_path, now=NOW).create("ours")
    held = Authority(tmp_path, now=NOW).issue("node", "node-7")
    locked = serialization.BestAvailableEncryption(b"sesame")
    written = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    (held / "client.key").write_bytes(written)
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        delivery = DeliveryConfig(
            port=port, tls=True, tls_cert_file=f"{held}/client.crt", tls_key_file=f"{held}/client.key"
        )
        found = asked(delivery)["broker TLS"]
    assert found.state == "fail"
    assert "is encrypted" in found.told


def test_nothing_is_left_at_the_broker(site):
    """After the doctor there is no retained message and no will of his."""
    asked(site.who("node-8"), node="node-8")
    command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(site.port), "--cafile", str(site.folder / "ca.crt"), "-W", "1",
               "--cert", str(site.folder / "station/client.crt"), "--key", str(site.folder / "station/client.key"),
               "-t", "edge/v1/#", "-v"]  # fmt: skip
    heard = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "node-8" not in heard.stdout
