"""A small RTSP camera on loopback (RFC 2326, RTP over its own connection) that can be told to misbehave.

GStreamer's server is the honest one (``tests/rigs/rtsp_server.py``); this one cuts, stalls, lies and changes its mind.
"""

import base64
import random
import socket
import struct
import threading
import time
from collections.abc import Callable

from films import FPS, Encoder, units

_NTP_EPOCH_S = 2_208_988_800
_PAYLOAD_BYTES = 1200
_CLOCK_HZ = 90_000


class RtspCamera:
    """Serves H.264 to whoever asks.

    Attributes:
        size: width and height; may be changed while it plays.
        silent: keeps the connection and sends nothing.
        damage: share of packets in which bytes are changed.
        clock_offset_s: how far its sender reports are from this machine's clock; ``None``: it sends none.
        asked: what clients asked for, line by line.
    """

    def __init__(self, *, size: tuple[int, int] = (322, 178), port: int = 0, login: str | None = None) -> None:
        """Listen; ``login`` is ``name:password``."""
        self.size = size
        self.silent = False
        self.damage = 0.0
        self.clock_offset_s: float | None = 0.0
        self.answer: Callable[[str, socket.socket], bool] = lambda _request, _link: False
        self.asked: list[str] = []
        self._login = login
        self._luck = random.Random(11)
        self._links: list[socket.socket] = []
        self._closed = threading.Event()
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"rtsp://127.0.0.1:{self.port}/thermal"

    def cut(self) -> None:
        """Hang up on everybody."""
        while self._links:
            link = self._links.pop()
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        """Go away."""
        self._closed.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()
        for thread in self._threads:
            thread.join(5.0)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            self._links.append(link)
            thread = threading.Thread(target=self._serve, args=(link,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, link: socket.socket) -> None:
        with link:
            try:
                self._talk(link)
            except OSError:
                return

    def _talk(self, link: socket.socket) -> None:
        held = b""
        while not self._closed.is_set():
            while b"\r\n\r\n" not in held:
                got = link.recv(4096)
                if not got:
                    return
                held += got
            head, _, held = held.partition(b"\r\n\r\n")
            request = head.decode("latin-1")
            self.asked.append(request)
            if self.answer(request, link):
                continue
            if not self._permitted(request):
                reply(link, request, "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n')
                continue
            method = request.split(" ", 1)[0]
            if method == "DESCRIBE":
                reply(link, request, "200 OK", "Content-Type: application/sdp\r\n", description(self.size))
            elif method == "SETUP":
                transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 7\r\n"
                reply(link, request, "200 OK", transport)
            elif method == "PLAY":
                reply(link, request, "200 OK", "Session: 7\r\n")
                self._play(link)
                return
            else:
                reply(link, request, "200 OK", "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n")

    def _permitted(self, request: str) -> bool:
        return self._login is None or base64.b64encode(self._login.encode()).decode() in request

    def _play(self, link: socket.socket) -> None:
        size, encoder, index, number, begun_s = None, None, 0, 0, time.monotonic()
        while not self._closed.is_set():
            due_s = begun_s + index / FPS
            time.sleep(max(0.0, due_s - time.monotonic()))
            if self.silent:
                index += 1
                continue
            if encoder is None or size != self.size:
                size = self.size
                encoder = Encoder(*size)
            stamp = index * _CLOCK_HZ // FPS & 0xFFFFFFFF
            if index % FPS == 0 and self.clock_offset_s is not None:
                framed(link, 1, sender_report(stamp, time.time() + self.clock_offset_s))
            payloads = [one for unit in units(encoder.encode(index)) for one in packed(unit)]
            for place, payload in enumerate(payloads):
                marker = 0x80 if place == len(payloads) - 1 else 0
                head = struct.pack("!BBHII", 0x80, 96 | marker, number & 0xFFFF, stamp, 0xEDCE)
                number += 1
                framed(link, 0, head + self._hurt(payload))
            index += 1

    def _hurt(self, payload: bytes) -> bytes:
        if self._luck.random() >= self.damage:
            return payload
        hurt = bytearray(payload)
        for _ in range(max(1, len(hurt) // 20)):
            hurt[self._luck.randrange(min(2, len(hurt) - 1), len(hurt))] = self._luck.randrange(256)
        return bytes(hurt)


def reply(link: socket.socket, request: str, status: str, headers: str = "", body: bytes = b"") -> None:
    """Answer a request."""
    sequence = next((line for line in request.splitlines() if line.lower().startswith("cseq")), "CSeq: 1")
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    link.sendall(f"RTSP/1.0 {status}\r\n{sequence}\r\n{headers}{length}\r\n".encode() + body)


def description(size: tuple[int, int]) -> bytes:
    """Describe the stream; its parameter sets stand in it, as every camera does it."""
    sets = [unit for unit in units(Encoder(*size).encode(0)) if unit[0] & 0x1F in (7, 8)]
    sprop = ",".join(base64.b64encode(unit).decode() for unit in sets)
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=thermal\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
        f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sprop}\r\na=control:trackID=0\r\n"
    ).encode()


def packed(unit: bytes) -> list[bytes]:
    """Cut a NAL unit into RTP payloads (RFC 6184: single, or FU-A)."""
    if len(unit) <= _PAYLOAD_BYTES:
        return [unit]
    head, rest = unit[0], unit[1:]
    parts = [rest[at : at + _PAYLOAD_BYTES] for at in range(0, len(rest), _PAYLOAD_BYTES)]
    flags = [0x80 if place == 0 else 0x40 if place == len(parts) - 1 else 0 for place in range(len(parts))]
    return [bytes([head & 0xE0 | 28, flag | head & 0x1F]) + part for flag, part in zip(flags, parts, strict=True)]


def sender_report(stamp: int, utc_s: float) -> bytes:
    """Write an RTCP sender report (RFC 3550, 6.4.1)."""
    ntp = int((utc_s + _NTP_EPOCH_S) * (1 << 32))
    return struct.pack("!BBHIQIII", 0x80, 200, 6, 0xEDCE, ntp, stamp, 0, 0)


def framed(link: socket.socket, channel: int, packet: bytes) -> None:
    """Send a packet inside the connection."""
    link.sendall(b"$" + bytes([channel]) + struct.pack("!H", len(packet)) + packet)
