"""A USB thermal camera in user space, plugged into this kernel's ``vhci_hcd``: usbcore and uvcvideo see a true device.

It speaks USB/IP over a socket pair (no tools needed) and USB Video Class 1.0 with a bulk endpoint. What it sends and how
it misbehaves is told on standard input, one command a line; what happens is written to standard output:

    stall, go            send nothing any more; send again
    freeze               repeat the same picture until it is opened again
    unplug, plug         leave the bus; come back
    quit

Needs root and ``modprobe vhci_hcd uvcvideo``.
"""

import argparse
import errno
import select
import socket
import struct
import sys
import time
from pathlib import Path

import numpy as np

_ATTACH = Path("/sys/devices/platform/vhci_hcd.0/attach")
_GUID_TAIL = bytes.fromhex("000010008000 00aa00389b71".replace(" ", ""))
_GUIDS = {"Y16 ": b"Y16 ", "YUYV": b"YUY2", "GREY": b"Y800"}
_BITS = {"Y16 ": 16, "YUYV": 16, "GREY": 8}
_PAYLOAD = 16384
_HEADER = struct.Struct(">IIIII")
_RETURN = struct.Struct(">IIIIIiiiii8x")
_SUBMIT, _UNLINK, _RET_SUBMIT, _RET_UNLINK = 1, 2, 3, 4


class Pictures:
    """What the camera sees: a recorded clip, or a noisy scene of 20 degrees with somebody walking."""

    def __init__(self, clip: str | None, style: str, *, loop: bool = False) -> None:
        """Read ``clip``, an .npy of (N, H, W) uint16, or draw as needed; ``loop``: it never ends."""
        self.clip = np.load(clip) if clip else None
        self.style, self.loop = style, loop

    def raw(self, number: int, width: int, height: int) -> np.ndarray:
        """Give picture ``number`` as (H, W) uint16; ``IndexError`` when the clip is over."""
        if self.clip is not None:
            return self.clip[number % len(self.clip) if self.loop else number]
        picture = np.random.default_rng(number).integers(29_300, 29_330, (height, width), dtype=np.uint16)
        x = 3 * number % (width - 10)
        picture[height // 2 : height // 2 + 20, x : x + 10] = 30_500
        return picture

    def frame(self, fourcc: str, number: int, width: int, height: int) -> bytes:
        """Give the bytes of one frame in the form that the camera's style says."""
        if self.style == "split":
            half = height // 2
            grey = np.full((half, width, 2), 128, np.uint8)
            grey[:, :, 0] = 90
            kelvin64 = (self.raw(number, width, half).astype(np.uint32) * 64 // 100).astype("<u2")
            return grey.tobytes() + kelvin64.tobytes()
        if self.style == "telemetry":
            rows = np.zeros((2, width), "<u2")
            rows[0, 3] = (2 if number % 20 >= 15 else 3) << 4  # the shutter is closed in five frames of twenty
            return self.raw(number, width, height - 2).astype("<u2").tobytes() + rows.tobytes()
        raw = self.raw(number, width, height)
        if self.style == "agc":  # an 8-bit picture in 16-bit words
            raw = raw - 29_200 >> 3
        if fourcc == "Y16 ":
            return raw.astype("<u2").tobytes()
        grey = (np.clip(raw, 29_200, 31_200) - 29_200 >> 3).astype(np.uint8)
        if fourcc == "GREY":
            return grey.tobytes()
        return np.stack((grey, np.full_like(grey, 128)), axis=2).tobytes()


class Camera:
    """The device: its descriptors, its controls, and the frame that is on its way."""

    def __init__(self, args: argparse.Namespace, pictures: Pictures) -> None:
        """Come out of the box."""
        self.args, self.pictures = args, pictures
        self.formats = [(fourcc, args.sizes) for fourcc in args.formats]
        self.probe, self.commit = (1, 1), None
        self.waiting: dict[int, int] = {}
        self.fid, self.number, self.sent = 0, 0, b""
        self.position, self.due_s = 0, 0.0
        self.stalled = self.frozen = False
        self.device, self.configuration = self._describe()

    def _describe(self) -> tuple[bytes, bytes]:
        interval = int(1e7 / self.args.fps)
        streaming = b""
        for index, (fourcc, sizes) in enumerate(self.formats, 1):
            guid = _GUIDS[fourcc] + _GUID_TAIL
            streaming += struct.pack(
                "<BBBBB16sBBBBBB", 27, 0x24, 4, index, len(sizes), guid, _BITS[fourcc], 1, 0, 0, 0, 0
            )
            for nth, (width, height) in enumerate(sizes, 1):
                size = width * height * _BITS[fourcc] // 8
                rate = int(size * 8 * self.args.fps)
                streaming += struct.pack(
                    "<BBBBBHHIIIIBI", 30, 0x24, 5, nth, 0, width, height, rate, rate, size, interval, 1, interval
                )
        count = len(self.formats)
        total = 13 + count + len(streaming)
        header = struct.pack("<BBBBHBBBBBBB", 13 + count, 0x24, 1, count, total, 0x81, 0, 2, 0, 0, 0, 1) + bytes(count)
        control = struct.pack("<BBBHHIBB", 13, 0x24, 1, 0x0100, 13 + 18 + 9, 48_000_000, 1, 1)
        sensor = struct.pack("<BBBBHBBHHHB3s", 18, 0x24, 2, 1, 0x0201, 0, 0, 0, 0, 0, 3, b"\0\0\0")
        out = struct.pack("<BBBBHBBB", 9, 0x24, 3, 2, 0x0101, 0, 1, 0)
        body = struct.pack("<BBBBBBBB", 8, 11, 0, 2, 14, 3, 0, 2)
        body += struct.pack("<BBBBBBBBB", 9, 4, 0, 0, 0, 14, 1, 0, 2) + control + sensor + out
        body += struct.pack("<BBBBBBBBB", 9, 4, 1, 0, 1, 14, 2, 0, 0) + header + streaming
        body += struct.pack("<BBBBHB", 7, 5, 0x81, 2, 512, 0)
        configuration = struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), 2, 1, 0, 0x80, 250) + body
        vendor, product = (int(part, 16) for part in self.args.ids.split(":"))
        device = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0200, 0xEF, 2, 1, 64, vendor, product, 0x0100, 1, 2, 3, 1)
        return device, configuration

    def answer(self, setup: bytes, data: bytes) -> bytes | None:
        """Answer a control request; ``None`` refuses it."""
        kind, request, value, index, length = struct.unpack("<BBHHH", setup)
        if kind == 0x80 and request == 6:
            return self._descriptor(value >> 8, value & 255, length)
        if kind & 0x60 == 0:
            return {0: b"\0\0", 8: b"\1", 10: b"\0"}.get(request, b"" if request in (1, 3, 5, 9, 11) else None)
        if index & 255 == 1 and value >> 8 in (1, 2):
            return self._streaming_control(request, value >> 8, data, length)
        return None

    def _descriptor(self, kind: int, index: int, length: int) -> bytes | None:
        texts = {1: "edge rig", 2: self.args.product, 3: self.args.serial}
        if kind == 1:
            return self.device[:length]
        if kind == 2:
            return self.configuration[:length]
        if kind == 3 and index == 0:
            return struct.pack("<BBH", 4, 3, 0x0409)[:length]
        if kind == 3 and index in texts:
            text = texts[index].encode("utf-16le")
            return (bytes([2 + len(text), 3]) + text)[:length]
        if kind == 6:
            return struct.pack("<BBHBBBBBB", 10, 6, 0x0200, 0xEF, 2, 1, 64, 1, 0)[:length]
        return None

    def _streaming_control(self, request: int, control: int, data: bytes, length: int) -> bytes:
        if request == 0x01:
            form = min(max(data[2], 1), len(self.formats))
            self.probe = (form, min(max(data[3], 1), len(self.args.sizes)))
            if control == 2:
                self.commit, self.sent, self.position = self.probe, b"", 0
                self.frozen, self.due_s = False, time.monotonic()
                say("opened", self.formats[form - 1][0], *self.args.sizes[self.probe[1] - 1])
            return b""
        if request == 0x86:
            return b"\3"
        if request == 0x85:
            return struct.pack("<H", 26)
        form, nth = self.probe
        width, height = self.args.sizes[nth - 1]
        size = width * height * _BITS[self.formats[form - 1][0]] // 8
        interval = int(1e7 / self.args.fps)
        return struct.pack("<HBBIHHHHHII", 1, form, nth, interval, 0, 0, 0, 0, 0, size, _PAYLOAD)[:length]

    def pump(self, link: socket.socket) -> float:
        """Fill the waiting requests, one frame each ``1 / fps``; return how long there is nothing to do."""
        while self.waiting and self.commit and not self.stalled:
            if self.position >= len(self.sent):
                now_s = time.monotonic()
                if now_s < self.due_s:
                    return self.due_s - now_s
                form, nth = self.commit
                if not (self.frozen and self.sent):
                    try:
                        self.sent = self.pictures.frame(
                            self.formats[form - 1][0], self.number, *self.args.sizes[nth - 1]
                        )
                    except IndexError:
                        self.stalled = True
                        say("clip over")
                        break
                    self.number += 1
                self.position, self.fid = 0, self.fid ^ 1
                self.due_s = max(self.due_s + 1 / self.args.fps, now_s - 0.5)
            seq, room = next(iter(self.waiting.items()))
            del self.waiting[seq]
            chunk = self.sent[self.position : self.position + min(room, _PAYLOAD) - 2]
            self.position += len(chunk)
            last = 2 if self.position >= len(self.sent) else 0
            payload = bytes([2, 0x80 | last | self.fid]) + chunk
            link.sendall(_RETURN.pack(_RET_SUBMIT, seq, 0, 0, 0, 0, len(payload), 0, 0, 0) + payload)
        return 0.5


def serve(link: socket.socket, camera: Camera) -> None:
    """Handle one request from the host controller."""
    head = _exactly(link, 48)
    command, seq, _, direction, endpoint = _HEADER.unpack(head[:20])
    if command == _UNLINK:
        (victim,) = struct.unpack(">I", head[20:24])
        status = -errno.ECONNRESET if camera.waiting.pop(victim, None) is not None else 0
        link.sendall(_RETURN.pack(_RET_UNLINK, seq, 0, 0, 0, status, 0, 0, 0, 0))
        return
    (length,) = struct.unpack(">i", head[24:28])
    data = _exactly(link, length) if direction == 0 and length > 0 else b""
    if endpoint:
        camera.waiting[seq] = length
        return
    answer = camera.answer(head[40:48], data)
    status = 0 if answer is not None else -errno.EPIPE
    body = (answer or b"") if direction else b""
    done = len(body) if direction else (length if answer is not None else 0)
    link.sendall(_RETURN.pack(_RET_SUBMIT, seq, 0, 0, 0, status, done, 0, 0, 0) + body)


def plug(port: int) -> socket.socket:
    """Hand one end of a socket pair to the host controller, which finds a high-speed device on it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    _ATTACH.write_text(f"{port} {theirs.fileno()} {0x10001 + port} 3")
    theirs.close()
    return ours


def _exactly(link: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        more = link.recv(count - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def say(*words: object) -> None:
    """Tell what happens."""
    print(f"{time.monotonic():.3f}", *words, flush=True)


def main() -> None:
    """Be a camera until told to quit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ids", default="1e4e:0100")
    parser.add_argument("--serial", default="FL0001")
    parser.add_argument("--product", default="PureThermal (emulated)")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fps", type=float, default=9.0)
    parser.add_argument("--formats", default="Y16 ", help="fourcc, comma between")
    parser.add_argument("--sizes", default="160x120")
    parser.add_argument("--clip")
    parser.add_argument("--loop", action="store_true", help="start the clip again at its end")
    parser.add_argument("--style", default="plain", choices=("plain", "split", "telemetry", "agc"))
    args = parser.parse_args()
    args.formats = args.formats.split(",")
    args.sizes = [tuple(map(int, size.split("x"))) for size in args.sizes.split(",")]
    pictures = Pictures(args.clip, args.style, loop=args.loop)
    # what is loaded at first use comes from the host's disk, and while the guest waits for that its clock runs fast
    pictures.frame(args.formats[0], 0, *args.sizes[0])
    camera, link, idle_s = Camera(args, pictures), plug(args.port), 0.5
    say("plugged")
    while True:
        ready, _, _ = select.select([sys.stdin, *([link] if link else [])], [], [], min(idle_s, 0.5))
        if sys.stdin in ready:
            word = sys.stdin.readline().strip()
            if word in ("quit", ""):
                return
            if word in ("stall", "go"):
                camera.stalled, camera.due_s = word == "stall", time.monotonic()
            elif word == "freeze":
                camera.frozen = True
            elif word == "unplug" and link:
                link.close()
                link = None
            elif word == "plug" and not link:
                camera, link = Camera(args, camera.pictures), plug(args.port)
            say(word)
        try:
            if link and link in ready:
                serve(link, camera)
            idle_s = camera.pump(link) if link else 0.5
        except (EOFError, OSError) as error:
            say("the bus let go", repr(error))
            link, idle_s = None, 0.5


if __name__ == "__main__":
    main()
