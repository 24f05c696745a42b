"""One MQTT connection: opened, used for as long as it lives, and thrown away. The only file that imports paho.

A fresh paho client for every connection, because a reused one sends everything unanswered at once after a reconnect
and ignores what the server said it can take (Receive Maximum). paho's own thread and queue are not used either: the
owner of the ``Link`` turns it, in one thread, so an answer is never seen before the number it belongs to, and paho
never holds more than the few messages that are on their way.

On MQTT 5 the session outlives the connection for a little longer than the will is delayed, and is taken up again
(``clean start`` off): with a session that ends at once the broker would publish the will at once, delay or not.
"""

import select
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.clock import Clock
from edge.config import DeliveryConfig
from edge.delivery.messages import Answer, Arrival, Caller, Message, Wake
from edge.errors import DeliveryError
from edge.log import get_logger

_log = get_logger(__name__)

Version = Literal["5", "3.1.1"]

_MAX_INCOMING_BYTES = 262_144
_SESSION_AFTER_WILL_S = 20
_PACKET_OVERHEAD_BYTES = 128  # fixed header, lengths, packet id, and the properties that are set here
_TURN_S = 0.2
_BAD_VERSION = 0x84
_FAILURE = 0x80
_SETTING_OF = {
    0x85: "node.id",
    0x86: "delivery.username, delivery.password_file",
    0x87: "delivery.username, delivery.password_file, delivery.tls_cert_file",
    0x8A: "node.id",
    0x8E: "node.id: another client has the same name",
    0x95: "the broker's maximum packet size",
    0x9A: "the broker's retain_available",
}


class VersionRefusedError(DeliveryError):
    """The broker does not speak this MQTT version, or hung up before it said anything. Caught by ``Dialer``."""

    def __init__(self, message: str, *, certain: bool) -> None:
        """Tell with ``certain`` whether the broker said so, or just closed."""
        super().__init__(message)
        self.certain = certain


class Link:
    """One connection to the broker, open from the start; not thread-safe."""

    def __init__(
        self, config: DeliveryConfig, caller: Caller, version: Version, *, clock: Clock, stopping: Callable[[], bool]
    ) -> None:
        """Connect, wait for the broker's welcome, and subscribe; takes at most about twice ``connect_timeout_s``.

        Raises:
            DeliveryError: the broker cannot be reached, refuses, or says nothing; names the setting to look at.
            VersionRefusedError: it may speak another version.
        """
        self.version = version
        self.max_packet_bytes: int | None = None
        self.window = config.window
        self._config = config
        self._caller = caller
        self._clock = clock
        self._place = f"{config.host}:{config.port}"
        self._welcome: tuple[ReasonCode, Properties | None] | None = None
        self._granted: list[ReasonCode] | None = None
        self._gone: str | None = None
        self._answers: list[Answer] = []
        self._arrivals: list[Arrival] = []
        self._client = self._new_client()
        try:
            self._connect(stopping)
            if caller.filters:
                self._subscribe(stopping)
        except BaseException:
            self._drop()
            raise

    @property
    def deaf(self) -> str | None:
        """Which subscription the broker has refused, for the health message."""
        for (name, _), reason in zip(self._caller.filters, self._granted or (), strict=False):
            if reason.value >= _FAILURE:
                return f"the broker does not let this node hear {name}: {reason} (its access rules)"
        return None

    def send(self, message: Message) -> int:
        """Hand a message to the connection and return the number its answer will carry.

        Raises:
            DeliveryError: the connection is gone.
        """
        properties = self._properties(
            PacketTypes.PUBLISH, MessageExpiryInterval=message.expiry_s, ContentType=message.content_type
        )
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain, properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise DeliveryError(self._lost(str(info.rc)))
        return info.mid

    def fits(self, message: Message) -> bool:
        """Say whether the broker takes packets of this size."""
        size = len(message.payload) + len(message.topic.encode()) + _PACKET_OVERHEAD_BYTES
        return self.max_packet_bytes is None or size <= self.max_packet_bytes

    def turn(
        self, timeout_s: float, wake: Wake | None = None, *, reading: bool = True
    ) -> tuple[list[Answer], list[Arrival]]:
        """Read and write what is there, waiting at most ``timeout_s`` for something to happen.

        Without ``reading`` what comes in stays in the network, which slows the broker down; not for longer than the
        keep-alive, because its answers stay there too.

        Raises:
            DeliveryError: the connection is gone, or what comes over it is not MQTT.
        """
        self._wait(timeout_s, wake, reading=reading)
        steps = [self._client.loop_read] * reading + [self._client.loop_write, self._client.loop_misc]
        try:
            for step in steps:
                code = step()
                if code != MQTTErrorCode.MQTT_ERR_SUCCESS and self._gone is None:
                    self._gone = code.name
        except Exception as error:  # noqa: BLE001  # paho's decoder raises whatever garbage makes it trip over
            self._gone = f"it answers garbage ({type(error).__name__})"
        answers, self._answers = self._answers, []
        arrivals, self._arrivals = self._arrivals, []
        if (self._gone is not None or self._client.socket() is None) and not answers and not arrivals:
            raise DeliveryError(self._lost(self._gone or "closed"))
        return answers, arrivals

    def acknowledge(self, arrival: Arrival) -> None:
        """Tell the broker that it need not send this again."""
        if arrival.qos > 0:
            self._client.ack(arrival.mid, arrival.qos)

    def close(self) -> None:
        """Say goodbye, so that the broker drops the will and the session of a publisher."""
        ends = 0 if self._caller.session_s == 0 else None
        self._client.disconnect(properties=self._properties(PacketTypes.DISCONNECT, SessionExpiryInterval=ends))
        self._drop()

    def _drop(self) -> None:
        """Close the socket without a word, and let go of paho: the ring of callbacks would keep its sockets open."""
        sock = self._client.socket()
        if sock is not None:
            sock.close()
        client = self._client
        client.on_connect = client.on_disconnect = client.on_publish = client.on_subscribe = client.on_message = None

    def _new_client(self) -> Client:
        clean = None if self.version == "5" else self._caller.session_s == 0
        client = Client(
            CallbackAPIVersion.VERSION2,
            self._caller.client_id,
            clean_session=clean,
            protocol=MQTTv5 if self.version == "5" else MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = self._config.connect_timeout_s
        client.max_inflight_messages_set(self._config.window + 1)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        will = self._caller.will
        if will is not None:
            properties = self._properties(PacketTypes.WILLMESSAGE, WillDelayInterval=self._config.will_delay_s)
            client.will_set(will.topic, will.payload, will.qos, will.retain, properties)
        if self._config.username is not None:
            client.username_pw_set(self._config.username, _password(self._config))
        if self._config.tls:
            client.tls_set_context(tls_context(self._config))
        return client

    def _connect(self, stopping: Callable[[], bool]) -> None:
        session_s = self._caller.session_s
        if self._caller.will is not None:
            session_s = max(session_s, self._config.will_delay_s + _SESSION_AFTER_WILL_S)
        properties = self._properties(
            PacketTypes.CONNECT,
            SessionExpiryInterval=session_s,
            ReceiveMaximum=self._config.window,
            MaximumPacketSize=_MAX_INCOMING_BYTES,
        )
        arguments: dict[str, Any] = {"clean_start": False, "properties": properties} if self.version == "5" else {}
        try:
            self._client.connect(self._config.host, self._config.port, self._config.keepalive_s, **arguments)
        except (OSError, ValueError) as error:
            raise DeliveryError(f"broker {self._place}: {_why_not(error, tls=self._config.tls)}") from error
        try:
            self._turn_until(lambda: self._welcome is not None, "does not answer CONNECT", stopping)
        except DeliveryError as error:
            if self._welcome is None and self._gone is not None:
                message = f"broker {self._place} hangs up before it says anything ({self._suspects()})"
                raise VersionRefusedError(message, certain=False) from error
            if self._welcome is None or not self._welcome[0].is_failure:
                raise
        reason, offered = self._welcome or (None, None)
        if reason is None or reason.is_failure:
            raise self._refusal(reason)
        if self.version == "5":
            self.window = min(self.window, getattr(offered, "ReceiveMaximum", 65_535))
            self.max_packet_bytes = getattr(offered, "MaximumPacketSize", None)

    def _suspects(self) -> str:
        if not self._config.tls:
            return "delivery.port, delivery.tls, delivery.mqtt_version"
        if self._config.tls_cert_file is None:
            return "delivery.tls_cert_file: it may ask for a certificate"
        return "delivery.tls_cert_file: it may not like this certificate"

    def _refusal(self, reason: ReasonCode | None) -> DeliveryError:
        code = reason.value if reason else 0
        hint = f" ({_SETTING_OF[code]})" if code in _SETTING_OF else ""
        message = f"broker {self._place} refuses the connection: {reason}{hint}"
        return VersionRefusedError(message, certain=True) if code == _BAD_VERSION else DeliveryError(message)

    def _subscribe(self, stopping: Callable[[], bool]) -> None:
        if self.version == "5":
            wanted: Any = [(name, SubscribeOptions(qos)) for name, qos in self._caller.filters]
        else:
            wanted = list(self._caller.filters)
        self._client.subscribe(wanted)
        if not self._caller.must_hear:
            return
        self._turn_until(lambda: self._granted is not None, "does not answer SUBSCRIBE", stopping)
        refused = [reason for reason in self._granted or [] if reason.value >= _FAILURE]
        if refused:
            raise DeliveryError(f"broker {self._place} refuses the subscription: {refused[0]} (its access rules)")

    def _turn_until(self, done: Callable[[], bool], complaint: str, stopping: Callable[[], bool]) -> None:
        deadline_s = self._clock.monotonic_s() + self._config.connect_timeout_s
        early: list[Arrival] = []
        while not done():
            left_s = deadline_s - self._clock.monotonic_s()
            if stopping():
                raise DeliveryError("stopped while connecting")
            if left_s <= 0.0:
                raise DeliveryError(
                    f"broker {self._place} {complaint} within {self._config.connect_timeout_s} s "
                    "(delivery.host, delivery.port, delivery.tls)"
                )
            _, arrivals = self.turn(min(left_s, _TURN_S))
            early += arrivals
        self._arrivals = early + self._arrivals

    def _properties(self, packet: int, **values: int | str | None) -> Properties | None:
        """Collect MQTT 5 properties; 3.1.1 has none."""
        if self.version != "5":
            return None
        properties = Properties(packet)  # type: ignore[no-untyped-call]
        for name, value in values.items():
            if value is not None:
                setattr(properties, name, value)
        return properties

    def _wait(self, timeout_s: float, wake: Wake | None, *, reading: bool) -> None:
        sock = self._client.socket()
        if sock is None or self._gone is not None or self._arrivals:
            return
        poller = select.poll()
        poller.register(sock, select.POLLIN * reading | select.POLLOUT * self._client.want_write())
        if wake is not None:
            poller.register(wake, select.POLLIN)
        # TLS may hold decrypted bytes that the kernel no longer shows as readable.
        pending = reading and isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        poller.poll(0 if pending else max(0, int(timeout_s * 1000)))
        if wake is not None:
            wake.clear()

    def _lost(self, reason: str) -> str:
        return f"connection to broker {self._place} is lost: {reason}"

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._welcome = (reason, properties)

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        hint = f" ({_SETTING_OF[reason.value]})" if reason.value in _SETTING_OF else ""
        who = "the broker says" if flags.is_disconnect_packet_from_server else "closed"
        self._gone = f"{who}: {reason}{hint}"

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._answers.append(Answer(mid, reason.value, str(reason)))

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._granted = reasons

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._arrivals.append(Arrival(message.topic, bytes(message.payload), message.qos, message.mid, message.retain))


class Dialer:
    """Opens one link after another, and finds out which MQTT version the broker speaks.

    MQTT 5 comes first each time, so that a broker that is upgraded gets its reason codes used without a restart. A
    clear refusal leads to 3.1.1 with the next try; a hang-up without a word only when it happened twice, because a
    broker that is just starting does the same.
    """

    _SILENT_CLOSES_BEFORE_FALLBACK = 2

    def __init__(self, config: DeliveryConfig, caller: Caller, *, clock: Clock) -> None:
        self._config = config
        self._caller = caller
        self._clock = clock
        self._silent_closes = 0
        self._fall_back = False
        if config.tls and not config.tls_verify:
            _log.warning("the broker's certificate is not verified", setting="delivery.tls_verify = false")

    def dial(self, stopping: Callable[[], bool]) -> Link:
        """Open a link; ``stopping`` is asked whether to give up early.

        Raises:
            DeliveryError: no link this time.
        """
        wanted = self._config.mqtt_version
        version: Version = ("3.1.1" if self._fall_back else "5") if wanted == "auto" else wanted
        try:
            link = Link(self._config, self._caller, version, clock=self._clock, stopping=stopping)
        except VersionRefusedError as error:
            if wanted == "auto" and version == "5":
                if error.certain:
                    self._fall_back = True
                    return self.dial(stopping)
                self._silent_closes += 1
                self._fall_back = self._silent_closes >= self._SILENT_CLOSES_BEFORE_FALLBACK
            else:
                self._fall_back, self._silent_closes = False, 0
            hint = " (delivery.mqtt_version)" if error.certain else ""
            raise DeliveryError(f"{error}{hint}") from error
        self._fall_back, self._silent_closes = False, 0
        return link


def _password(config: DeliveryConfig) -> str | None:
    if config.password_file is None:
        return None
    try:
        lines = Path(config.password_file).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryError(f"delivery.password_file {config.password_file}: cannot be read: {error}") from error
    if not lines or not lines[0]:
        raise DeliveryError(f"delivery.password_file {config.password_file}: its first line is empty")
    return lines[0]


def tls_context(config: DeliveryConfig) -> ssl.SSLContext:
    """Verify the broker, unless the configuration refuses that in writing: a false one could silence every alert."""
    try:
        context = ssl.create_default_context(cafile=config.tls_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise DeliveryError(f"delivery.tls_ca_file {config.tls_ca_file}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not config.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config.tls_cert_file is not None:
        try:
            context.load_cert_chain(config.tls_cert_file, config.tls_key_file, password=lambda: _no_passphrase(config))
        except (OSError, ssl.SSLError) as error:
            raise DeliveryError(
                f"delivery.tls_cert_file {config.tls_cert_file}, delivery.tls_key_file {config.tls_key_file}: {error}"
            ) from error
    return context


def _no_passphrase(config: DeliveryConfig) -> str:
    """Refuse an encrypted key instead of asking whoever sits at a terminal: at a node nobody does."""
    raise DeliveryError(
        f"delivery.tls_key_file {config.tls_key_file}: is encrypted; a node needs it without a passphrase"
    )


def _why_not(error: BaseException, *, tls: bool) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message} (delivery.tls_ca_file, delivery.host)"
        case ssl.SSLError():
            return f"TLS fails: {error.reason or error} (delivery.tls, delivery.port)"
        case socket.gaierror():
            return f"the name is not found: {error.strerror} (delivery.host)"
        case ConnectionRefusedError():
            return "nobody listens there (delivery.host, delivery.port)"
        case TimeoutError():
            return "does not answer (delivery.host, delivery.port)"
        case _ if tls:
            return f"{error} (delivery.tls, delivery.port)"
        case _:
            return f"{error} (delivery.host, delivery.port)"
