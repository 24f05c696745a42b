"""A broker of raw sockets that misbehaves on order: the faults that the installable brokers do not show.

It knows just enough of MQTT 3.1.1 and 5 to read CONNECT, PUBLISH and PINGREQ and to answer them as told.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Self

Welcome = Literal[
    "accept", "silent", "close", "garbage", "refuse-v5", "refuse-v5-old-style", "close-v5", "bad-password"
]

GARBAGE = bytes(range(255, 0, -1)) * 4
CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14


@dataclass(frozen=True)
class Published:
    """One PUBLISH as it came."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int
    connection: int


@dataclass
class FakeBroker:
    """Listens on loopback from ``with`` on; ``answer`` gives the PUBACK's reason code, or ``None`` for silence.

    ``hold_acks_s`` keeps answers back until nothing has come for so long: then ``most_outstanding`` tells how many the
    client dared to leave unanswered.
    """

    welcome: Welcome | Callable[[int], Welcome] = "accept"
    answer: Callable[[Published], int | None] = lambda _: 0
    receive_maximum: int | None = None
    max_packet_bytes: int | None = None
    slow_s: float = 0.0
    hold_acks_s: float = 0.0
    garbage_after: int | None = None
    subscribed: int = 1  # what it says to every subscription; 0x80 and above refuse it
    published: list[Published] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    most_outstanding: int = 0
    clean_ends: int = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ending = False
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending = True
        for sock in [self._listener, *self._open]:
            sock.close()

    @property
    def connections(self) -> int:
        """How many clients have come so far."""
        return len(self._open)

    def alerts(self) -> list[Published]:
        """What was published on the alert topic."""
        return [published for published in self.published if published.topic.endswith("/alert")]

    def wait_for(self, condition: Callable[["FakeBroker"], bool], timeout_s: float = 5.0) -> bool:
        """Wait until something has happened here."""
        deadline_s = time.monotonic() + timeout_s
        while not condition(self) and time.monotonic() < deadline_s:
            time.sleep(0.005)
        return condition(self)

    def _accept(self) -> None:
        while not self._ending:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock, len(self._open)), daemon=True).start()

    def _serve(self, sock: socket.socket, connection: int) -> None:
        try:
            self._talk(sock, connection)
        except (OSError, EOFError, struct.error):
            return
        finally:
            if self.welcome != "silent":
                sock.close()

    def _talk(self, sock: socket.socket, connection: int) -> None:
        waiting: list[tuple[int, int]] = []
        version = 4
        while True:
            packet = self._read(sock, self.hold_acks_s if waiting else None)
            if packet is None:
                for mid, code in waiting:
                    sock.sendall(self._puback(mid, code, version))
                waiting.clear()
                continue
            kind, flags, body = packet
            if kind == CONNECT:
                version = body[6]
                self.versions.append(version)
                if not self._greet(sock, version, connection):
                    return
            elif kind == PUBLISH:
                waiting += self._heard(sock, self._parse(flags, body, version, connection))
                if waiting and not self.hold_acks_s:
                    sock.sendall(self._puback(*waiting.pop(), version))
                self.most_outstanding = max(self.most_outstanding, len(waiting))
            elif kind in (SUBSCRIBE, PINGREQ):
                sock.sendall(self._suback(body, version) if kind == SUBSCRIBE else bytes([PINGRESP << 4, 0]))
            elif kind == DISCONNECT:
                self.clean_ends += 1
                return

    def _heard(self, sock: socket.socket, published: Published) -> list[tuple[int, int]]:
        self.published.append(published)
        if self.garbage_after is not None and len(self.published) >= self.garbage_after:
            sock.sendall(GARBAGE)
        code = self.answer(published)
        return [(published.mid, code)] if published.qos and code is not None else []

    def _greet(self, sock: socket.socket, version: int, connection: int) -> bool:
        welcome = self.welcome if isinstance(self.welcome, str) else self.welcome(connection)
        time.sleep(self.slow_s)
        if welcome == "silent":
            time.sleep(30)
        elif welcome == "garbage":
            sock.sendall(GARBAGE)
            time.sleep(0.2)
        elif welcome == "bad-password":
            sock.sendall(bytes([CONNACK << 4, 3, 0, 0x86, 0]) if version == 5 else bytes([CONNACK << 4, 2, 0, 4]))
        elif welcome.startswith("refuse-v5") and version == 5:
            sock.sendall(bytes([CONNACK << 4, 2, 0, 1]) if "old" in welcome else bytes([CONNACK << 4, 3, 0, 0x84, 0]))
        elif welcome == "close" or (welcome == "close-v5" and version == 5):
            pass
        else:
            sock.sendall(self._connack(version))
            return True
        return False

    def _connack(self, version: int) -> bytes:
        if version != 5:
            return bytes([CONNACK << 4, 2, 0, 0])
        properties = b"" if self.receive_maximum is None else b"\x21" + struct.pack("!H", self.receive_maximum)
        properties += b"" if self.max_packet_bytes is None else b"\x27" + struct.pack("!I", self.max_packet_bytes)
        return bytes([CONNACK << 4, 3 + len(properties), 0, 0, len(properties)]) + properties

    @staticmethod
    def _puback(mid: int, code: int, version: int) -> bytes:
        if version == 5 and code:
            return bytes([PUBACK << 4, 4]) + struct.pack("!HBB", mid, code, 0)
        return bytes([PUBACK << 4, 2]) + struct.pack("!H", mid)

    def _suback(self, body: bytes, version: int) -> bytes:
        at, codes = (3 + body[2] if version == 5 else 2), b""
        while at < len(body):
            at += 2 + struct.unpack_from("!H", body, at)[0] + 1
            codes += bytes([self.subscribed])
        properties = b"\0" if version == 5 else b""
        return bytes([SUBACK << 4, 2 + len(properties) + len(codes)]) + body[:2] + properties + codes

    @staticmethod
    def _parse(flags: int, body: bytes, version: int, connection: int) -> Published:
        length = struct.unpack_from("!H", body)[0]
        topic, at, qos, mid = body[2 : 2 + length].decode(), 2 + length, (flags >> 1) & 3, 0
        if qos:
            mid, at = struct.unpack_from("!H", body, at)[0], at + 2
        if version == 5:
            at += 1 + body[at]  # properties here are shorter than 128 bytes
        return Published(topic, body[at:], qos, bool(flags & 1), mid, connection)

    @staticmethod
    def _read(sock: socket.socket, timeout_s: float | None) -> tuple[int, int, bytes] | None:
        sock.settimeout(timeout_s)
        try:
            first = sock.recv(1)
        except TimeoutError:
            return None
        if not first:
            raise EOFError
        sock.settimeout(None)
        length, shift = 0, 0
        while True:
            byte = sock.recv(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                break
        body = b""
        while len(body) < length:
            part = sock.recv(length - len(body))
            if not part:
                raise EOFError
            body += part
        return first[0] >> 4, first[0] & 15, body
