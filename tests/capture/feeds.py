"""Feeds on loopback that can be told to misbehave: a drone's transport stream over UDP, cameras that speak HTTP."""

import io
import random
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import av
import cv2
import numpy as np
from films import FPS, frame_of, picture

_TS_PACKET = 188
_DATAGRAM = 7 * _TS_PACKET


class Show:
    """What a feed shows, shared by all who watch it.

    Attributes:
        size: width and height; may be changed while it plays.
        silent: sends nothing at all.
        blank: sends sound and no pictures.
        frozen: sends the same picture again and again (MJPEG).
        damage: share of transport packets, or pictures, in which bytes are changed.
        start_s: presentation time of the first picture.
        klv: gives the KLV of each picture, where there is any.
        session: counts up when the sender starts anew, as after a change of battery.
    """

    def __init__(self, *, size: tuple[int, int] = (322, 178), klv: Callable[[int], bytes | None] | None = None) -> None:
        """Play well."""
        self.size = size
        self.silent = False
        self.blank = False
        self.frozen = False
        self.damage = 0.0
        self.start_s = 0.0
        self.sound = False
        self.klv = klv
        self.session = 0
        self.closed = threading.Event()
        self._luck = random.Random(12)

    def hurt(self, data: bytes, *, spare: int = 4) -> bytes:
        """Change some bytes of a piece of data, by chance; its first ones are left alone."""
        if self._luck.random() >= self.damage:
            return data
        changed = bytearray(data)
        for _ in range(max(1, len(changed) // 40)):
            changed[self._luck.randrange(spare, len(changed))] = self._luck.randrange(256)
        return bytes(changed)

    def film(self, frames: int) -> bytes:
        """Give so many pictures as a transport stream, without waiting."""
        muxed = _Muxed(self, "mpegts", 0, {})
        return b"".join(muxed.frame(index) for index in range(frames)) + muxed.end()

    def play(self, send: Callable[[bytes], Any], *, container: str = "mpegts") -> None:
        """Send until it is closed, or until ``send`` fails."""
        session = None
        index, begun_s = 0, time.monotonic()
        muxed: _Muxed | None = None
        while not self.closed.is_set():
            time.sleep(max(0.0, begun_s + index / FPS - time.monotonic()))
            if not self.silent:
                if muxed is None or session != self.session or muxed.size != self.size:
                    # a new picture size is a new encoder; a new session also begins its times and counters again
                    kept = muxed.counters if muxed is not None and session == self.session else {}
                    first = index if session != self.session else muxed.first_index if muxed else index
                    muxed, session = _Muxed(self, container, first, kept), self.session
                send(muxed.frame(index))
            index += 1


class _Muxed:
    """One encoder and its container, as bytes."""

    def __init__(self, show: Show, container: str, first_index: int, counters: dict[int, int]) -> None:
        self.size = show.size
        self.first_index = first_index
        self.counters = counters
        self._show = show
        self._ts = container == "mpegts"
        self._buffer = io.BytesIO()
        self._buffer.seekable = lambda: False  # type: ignore[method-assign]
        options = {"movflags": "frag_every_frame+empty_moov+default_base_moof"}
        if self._ts:
            options = {"max_interleave_delta": "1"}  # sound does not wait for pictures that never come
        self._out = av.open(self._buffer, "w", format=container, options=options)
        self._video = self._out.add_stream("libx264", rate=FPS)
        self._video.width, self._video.height, self._video.pix_fmt = *show.size, "yuv420p"
        self._video.options = {"tune": "zerolatency", "preset": "ultrafast", "g": "5"}
        self._sound = self._out.add_stream("mp2", rate=32000) if show.sound else None
        self._data = self._out.add_data_stream("klv") if show.klv else None

    def frame(self, index: int) -> bytes:
        """Give the bytes of one picture and what belongs to it."""
        show = self._show
        ticks = index - self.first_index + round(show.start_s * FPS)
        klv = show.klv(index) if show.klv else None
        if klv is not None:
            told = av.Packet(klv)
            told.stream, told.time_base, told.pts, told.dts = self._data, frame_of(0, 32, 32).time_base, ticks, ticks
            self._out.mux(told)
        if not show.blank:
            shown = frame_of(index, *self.size)
            shown.pts = ticks
            self._out.mux(self._video.encode(shown))
        if self._sound is not None:
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 32000 // FPS), np.int16), "s16", "mono")
            samples.rate, samples.pts = 32000, ticks * 32000 // FPS
            self._out.mux(self._sound.encode(samples))
        return self._taken()

    def end(self) -> bytes:
        """Give what the container still held."""
        self._out.close()
        return self._taken()

    def _taken(self) -> bytes:
        taken = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return self._numbered(taken) if self._ts else taken

    def _numbered(self, taken: bytes) -> bytes:
        """Go on with the continuity counters of the encoder before, and damage what is to be damaged."""
        packets = [taken[at : at + _TS_PACKET] for at in range(0, len(taken), _TS_PACKET)]
        done = []
        for packet in packets:
            pid = (packet[1] & 0x1F) << 8 | packet[2]
            count = self.counters.get(pid, -1) + 1 & 15
            self.counters[pid] = count
            done.append(self._show.hurt(packet[:3] + bytes([packet[3] & 0xF0 | count]) + packet[4:]))
        return b"".join(done)


class UdpFeed:
    """A drone's transport stream, sent to a port."""

    def __init__(self, port: int, show: Show) -> None:
        """Start sending."""
        self.show = show
        self._to = ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=show.play, args=(self._send,), daemon=True)
        self._thread.start()

    def _send(self, data: bytes) -> None:
        for at in range(0, len(data), _DATAGRAM):
            self._socket.sendto(data[at : at + _DATAGRAM], self._to)

    def close(self) -> None:
        """Stop sending."""
        self.show.closed.set()
        self._thread.join()
        self._socket.close()


class HttpCamera:
    """Serves ``/mjpeg``, ``/ts`` and ``/mp4`` for as long as somebody listens."""

    def __init__(self, show: Show, *, port: int = 0) -> None:
        """Listen."""
        self.show = show
        self.links: list[socket.socket] = []
        self.asked: list[str] = []
        self.text = b""
        camera = self

        class Handler(BaseHTTPRequestHandler):
            """Hands each request to the camera."""

            def do_GET(self) -> None:
                """Answer until the listener has gone."""
                camera.asked.append(self.path)
                camera.links.append(self.connection)
                try:
                    camera.serve(self)
                except OSError:
                    return

            def log_message(self, *_: Any) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def url(self, path: str) -> str:
        """Name one of its streams."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        kind = request.path.strip("/").split("?")[0]
        if kind == "round":
            request.send_response(302)
            request.send_header("Location", "/round")
            request.end_headers()
            return
        request.send_response(200)
        if kind == "text":
            request.end_headers()
            request.wfile.write(self.text)
            return
        types = {"mjpeg": "multipart/x-mixed-replace;boundary=next", "ts": "video/mp2t", "mp4": "video/mp4"}
        request.send_header("Content-Type", types[kind])
        request.end_headers()
        if kind == "mjpeg":
            self._mjpeg(request.wfile.write)
        else:
            self.show.play(request.wfile.write, container="mpegts" if kind == "ts" else "mp4")

    def _mjpeg(self, send: Callable[[bytes], Any]) -> None:
        index, shown, begun_s, show = 0, 0, time.monotonic(), self.show
        while not show.closed.is_set():
            time.sleep(max(0.0, begun_s + index / FPS - time.monotonic()))
            if not show.silent:
                shown = shown if show.frozen else index
                jpeg = cv2.imencode(".jpg", picture(shown, *show.size))[1].tobytes()
                head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                send(head.encode() + show.hurt(jpeg, spare=200) + b"\r\n")
            index += 1

    def cut(self) -> None:
        """Hang up on everybody."""
        while self.links:
            try:
                self.links.pop().shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        """Go away."""
        self.show.closed.set()
        self._server.shutdown()
        self._server.server_close()
        self.cut()
        self._thread.join()
