"""The broker, one step after the other: is it there, is it the right one, does it let us in, does it take what we say.

What is sent goes to ``edge/v1/{node}/reply/doctor``: a topic of the node's own tree on which nobody else listens. Nothing
is retained, no will is set, and the client's name is not the node's: a running node is not thrown off. Where the broker
takes the name from the certificate or the user name it could be, so beside a running node nobody logs in.
"""

import errno
import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from edge.clock import Clock
from edge.config import DeliveryConfig
from edge.delivery.messages import Caller, Message
from edge.delivery.mqtt import Dialer, Link, tls_context
from edge.delivery.wire import Topics
from edge.doctor.findings import Finding
from edge.doctor.neighbours import Program
from edge.errors import DeliveryError

_CONNECT_S = 5.0
_ECHO_S = 2.0
_TURN_S = 0.1
_SLOW_S = 2.0
_LATER_S = 0.5  # a broker that refuses our certificate says so only after its handshake (TLS 1.3)
_SOON_DAYS = 30
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_REQUESTER = "doctor"
_REFUSED = 0x80


def check_broker(delivery: DeliveryConfig, node: str, *, clock: Clock, nodes: Sequence[Program]) -> list[Finding]:
    """Walk to the broker and back; stops at the first step that fails.

    Args:
        delivery: with its paths spelt out.
        node: ``node.id``.
        clock: for time-outs.
        nodes: nodes that run on this box.
    """
    found = list(_own_certificate(delivery)) if delivery.tls else []
    try:
        sock = _reach(delivery)
    except (OSError, ValueError) as error:  # ValueError: a name that can be none, with empty or endless parts
        return [*found, Finding("broker", "fail", _unreached(delivery, error), _reach_cure(error))]
    with sock:
        found.append(Finding("broker", "pass", f"{delivery.host}:{delivery.port} answers"))
        if delivery.tls:
            found += _encrypt(sock, delivery)
        else:
            found += _plain(delivery)
    if any(one.state == "fail" for one in found):
        return found
    if nodes and (delivery.username is not None or delivery.tls_cert_file is not None):
        told = f"{nodes[0]} is logged in with the same identity; a second login could throw it off"
        return [*found, Finding("broker login", "skip", told, "stop the node first to test login and permission")]
    return [*found, *_log_in(delivery, node, clock)]


def _reach(delivery: DeliveryConfig) -> socket.socket:
    return socket.create_connection((delivery.host, delivery.port), timeout=min(delivery.connect_timeout_s, _CONNECT_S))


def _unreached(delivery: DeliveryConfig, error: OSError | ValueError) -> str:
    place = f"{delivery.host[:80]}:{delivery.port}"
    match error:
        case socket.gaierror():
            return f"the name {delivery.host[:80]} is not found: {error.strerror}"
        case ValueError():
            return f"{place} is no name of a host"
        case ConnectionRefusedError():
            return f"nobody listens on {place}"
        case TimeoutError():
            return f"{place} does not answer within {min(delivery.connect_timeout_s, _CONNECT_S):g} s"
        case _:
            return f"{place}: {getattr(error, 'strerror', None) or error}"


def _reach_cure(error: OSError | ValueError) -> str:
    match error:
        case socket.gaierror() | ValueError():
            return "delivery.host, or the name server of this box"
        case ConnectionRefusedError():
            return "start the broker there; delivery.host and delivery.port"
        case OSError() if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return "this box has no way there: its network, its modem, its VPN"
        case _:
            return "a firewall, the network, or delivery.host and delivery.port"


def _plain(delivery: DeliveryConfig) -> list[Finding]:
    if delivery.host in _LOOPBACK:
        return []
    told = "alerts travel in the clear, and anybody can pretend to be the broker"
    return [Finding("broker TLS", "warn", told, "delivery.tls = true, with certificates of edge pki")]


def _encrypt(sock: socket.socket, delivery: DeliveryConfig) -> list[Finding]:
    name = "broker TLS"
    sock.settimeout(_CONNECT_S)
    try:
        context = tls_context(delivery)
        with context.wrap_socket(sock, server_hostname=delivery.host) as encrypted:
            version, certificate = encrypted.version(), encrypted.getpeercert(binary_form=True)
            refused = _refused_later(encrypted)
    except DeliveryError as error:
        return [Finding(name, "fail", str(error), "the files of edge pki, in delivery.tls_*_file")]
    except ssl.SSLCertVerificationError as error:
        return [Finding(name, "fail", f"its certificate is not trusted: {error.verify_message}", _trust_cure(error))]
    except (OSError, ValueError) as error:
        silent = isinstance(error, TimeoutError)
        told = f"it does not speak TLS within {_CONNECT_S:g} s" if silent else f"TLS fails: {_tls_words(error)}"
        return [Finding(name, "fail", told, "delivery.port (8883 is usual with TLS), delivery.tls")]
    if refused:
        cure = "delivery.tls_cert_file: a certificate that this broker's authority made, and has not revoked (edge pki list)"
        return [Finding(name, "fail", f"it refuses our certificate: {refused}", cure)]
    found = []
    if not delivery.tls_verify:
        told = "its certificate is not verified: whoever stands in between can silence or forge every alert"
        found.append(Finding(name, "warn", told, "delivery.tls_verify = true, and delivery.tls_ca_file"))
    elif certificate is not None:
        found.append(_running_out(name, x509.load_der_x509_certificate(certificate), "broker", f"{version}, verified"))
    return found


def _refused_later(encrypted: ssl.SSLSocket) -> str | None:
    encrypted.settimeout(_LATER_S)
    try:
        closed = encrypted.recv(1) == b""
    except TimeoutError:  # it waits for us to speak, as it should
        return None
    except (ssl.SSLError, ConnectionError) as error:
        return _tls_words(error)
    return "it hangs up" if closed else None


def _tls_words(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else str(error)


def _trust_cure(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message.lower()
    if "expired" in said:
        return "edge pki renew the broker's certificate; if the clock of this box is wrong, mend that first"
    if "not yet valid" in said:
        return "the clock of this box: sudo timedatectl set-ntp true"
    if "mismatch" in said or "doesn't match" in said:
        return "delivery.host as in the certificate, or edge pki issue broker NAME --host with this one"
    return "delivery.tls_ca_file = the ca.crt of the authority that made the broker's certificate"


def _own_certificate(delivery: DeliveryConfig) -> Iterator[Finding]:
    """Judge our own certificate by itself: a broker only says that it does not like it."""
    if delivery.tls_cert_file is None:
        return
    try:
        certificate = x509.load_pem_x509_certificate(Path(delivery.tls_cert_file).read_bytes())
    except (OSError, ValueError) as error:
        told = f"{delivery.tls_cert_file}: {getattr(error, 'strerror', None) or 'not a certificate'}"
        yield Finding("certificate", "fail", told, "delivery.tls_cert_file = the client.crt of edge pki")
        return
    yield _running_out("certificate", certificate, "node", "our own")


def _running_out(name: str, certificate: x509.Certificate, whose: str, told: str) -> Finding:
    now = datetime.now(UTC)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    days = (end - now).days
    if now < begin:
        cure = "the clock of this box: sudo timedatectl set-ntp true"
        return Finding(name, "fail", f"{told}: valid only from {begin:%Y-%m-%d %H:%M} UTC on", cure)
    cure = f"edge pki renew {whose.upper()}, and copy the new files"
    if now > end:
        return Finding(name, "fail", f"{told}: ran out on {end:%Y-%m-%d}", cure, {"days_left": days})
    told = f"{told}, valid until {end:%Y-%m-%d}"
    if days < _SOON_DAYS:
        return Finding(name, "warn", told, cure, {"days_left": days})
    return Finding(name, "pass", told, None, {"days_left": days})


def _log_in(delivery: DeliveryConfig, node: str, clock: Clock) -> list[Finding]:
    quick = delivery.model_copy(
        update={"connect_timeout_s": min(delivery.connect_timeout_s, _CONNECT_S), "keepalive_s": 10}
    )
    topic = Topics(node).reply(_REQUESTER)
    caller = Caller(f"{node}-doctor", filters=((topic, 1),), must_hear=False)
    dialer = Dialer(quick, caller, clock=clock)
    try:
        link = _dialled(dialer)
    except DeliveryError as error:
        return [Finding("broker login", "fail", str(error), "the settings that are named; edge pki for certificates")]
    try:
        found = [Finding("broker login", "pass", f"MQTT {link.version}")]
        return [*found, _round_trip(link, topic, clock)]
    except DeliveryError as error:
        return [Finding("broker permission", "fail", str(error), "the broker's access rules (deploy/mosquitto/acl)")]
    finally:
        link.close()


def _dialled(dialer: Dialer) -> Link:
    """Dial; once more where it hung up without a word, for then the other MQTT version comes with the third time."""
    for _ in range(2):
        try:
            return dialer.dial(lambda: False)
        except DeliveryError as error:
            if "hangs up" not in str(error):
                raise
    return dialer.dial(lambda: False)


@dataclass(slots=True)
class _Echo:
    """What became of one message that we sent to ourselves."""

    confirmed_s: float | None = None
    heard_s: float | None = None
    code: int = 0
    reason: str = ""


def _round_trip(link: Link, topic: str, clock: Clock) -> Finding:
    name, echo = "broker permission", _send_to_self(link, topic, clock)
    rules = "the broker's access rules: this identity must write edge/v1/NODE/# (deploy/mosquitto/acl)"
    if echo.confirmed_s is None:
        return Finding(
            name, "fail", f"a message is not confirmed within {_CONNECT_S:g} s", "look into the broker's log"
        )
    measured: dict[str, float | str] = {"confirmed_ms": round(1e3 * echo.confirmed_s, 1)}
    if echo.code >= _REFUSED:
        return Finding(name, "fail", f"it may not write {topic}: {echo.reason}", rules, measured)
    told = f"confirmed in {1e3 * echo.confirmed_s:.0f} ms"
    if echo.heard_s is None and link.version != "5":
        return Finding(name, "warn", f"{told}, but nothing comes back: it may neither write nor hear", rules, measured)
    if echo.heard_s is None:
        told = f"writes its own topics, {told}; but it does not hear {topic}"
        cure = "the broker's access rules: pattern read edge/v1/%u/reply/doctor, as in deploy/mosquitto/acl"
        return Finding(name, "warn", told, cure, measured)
    measured["round_trip_ms"] = round(1e3 * echo.heard_s, 1)
    told = f"writes and hears its own topics, {told}, there and back in {1e3 * echo.heard_s:.0f} ms"
    if echo.confirmed_s > _SLOW_S:
        return Finding(name, "warn", told, "a slow link: alerts come late", measured)
    return Finding(name, "pass", told, None, measured)


def _send_to_self(link: Link, topic: str, clock: Clock) -> _Echo:
    token, echo, began_s = os.urandom(8).hex().encode(), _Echo(), clock.monotonic_s()
    number = link.send(Message(topic, b'{"echo":"' + token + b'"}', qos=1, expiry_s=5))
    until_s = began_s + _CONNECT_S
    while clock.monotonic_s() < until_s and echo.code < _REFUSED and None in (echo.confirmed_s, echo.heard_s):
        answers, arrivals = link.turn(_TURN_S)
        now_s = clock.monotonic_s()
        for answer in answers:
            if answer.mid == number:
                echo.confirmed_s, echo.code, echo.reason = now_s - began_s, answer.code, answer.reason
                until_s = min(until_s, now_s + _ECHO_S)
        for arrival in arrivals:
            link.acknowledge(arrival)
            if token in arrival.payload:
                echo.heard_s = now_s - began_s
    return echo
