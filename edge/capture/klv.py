"""What a drone tells of its camera beside the video: KLV packets of MISB ST 0601 in a stream's data track.

The layout is that of MISB ST 0601.19, BER lengths and tags are those of SMPTE ST 336. A packet whose checksum is wrong is
not looked into. An error indicator, a value of the wrong length or an unknown tag costs that value only: the rest of the
packet is still worth having.
"""

from collections import Counter, deque
from collections.abc import Iterator

from edge.capture.st0601 import telemetry, value
from edge.places import Telemetry, TelemetryCount, between

KEY = bytes.fromhex("060e2b34020b01010e01030101000000")
"""Universal label of the UAS Datalink Local Set."""

_CHECKSUM_TAG = 1
_CHECKSUM_BYTES = 2
_MOST_BYTES = 65_536  # a local set is a kilobyte or two; more is damage


def decode(packet: bytes) -> dict[str, float]:
    """Read one packet, from its key to its checksum.

    Returns:
        Values by name, those that were told: angles in degrees, lengths in metres, ``utc_s``.

    Raises:
        ValueError: it is no packet of this kind, is cut off, or its checksum is wrong or missing.
    """
    if packet[: len(KEY)] != KEY:
        raise ValueError("not a UAS local set")
    length, start = _ber_length(packet, len(KEY))
    if start + length != len(packet):
        raise ValueError("the announced length is not that of the packet")
    values: dict[str, float] = {}
    checked = False
    for tag, raw, end in _items(packet, start):
        if checked:
            raise ValueError("the checksum is not the last item")
        if tag == _CHECKSUM_TAG:
            if len(raw) != _CHECKSUM_BYTES or _checksum(packet[: end - _CHECKSUM_BYTES]) != int.from_bytes(raw, "big"):
                raise ValueError("the checksum is wrong")
            checked = True
        else:
            named = value(tag, raw)
            if named is not None:
                values[named[0]] = named[1]
    if not checked:
        raise ValueError("the checksum is missing")
    return values


class KlvReader:
    """Turns the bytes of a data stream into telemetry, and counts what could not be believed."""

    def __init__(self) -> None:
        """Start with nothing read."""
        self.good = 0
        self.faults: Counter[str] = Counter()
        self._why: str | None = None

    @property
    def bad(self) -> int:
        """Packets that were thrown away."""
        return sum(self.faults.values())

    @property
    def count(self) -> TelemetryCount:
        """What was read and what was not, so far."""
        return TelemetryCount(self.good, self.bad, self._why)

    def read(self, payload: bytes) -> Telemetry | None:
        """Read what one packet of the stream holds; of several local sets in it the last good one is given."""
        latest = None
        for packet in _packets(payload):
            try:
                latest = telemetry(decode(packet))
                self.good += 1
            except ValueError as error:
                self._why = str(error)
                self.faults[self._why] += 1
        return latest


class TelemetryTrack:
    """Remembers the last seconds of telemetry by presentation time, so that each frame finds its own."""

    def __init__(self, *, nearest_s: float = 1.5, keep: int = 256) -> None:
        """Start empty; telemetry farther from a frame than ``nearest_s`` is not the frame's (many tell once a second)."""
        self._nearest_s = nearest_s
        self._kept: deque[tuple[float, Telemetry]] = deque(maxlen=keep)

    def put(self, pts_s: float, told: Telemetry) -> None:
        """Add what was told at ``pts_s``; a time that jumps back means that the stream began again."""
        if self._kept and pts_s < self._kept[-1][0] - self._nearest_s:
            self._kept.clear()
        self._kept.append((pts_s, told))

    def at(self, pts_s: float) -> Telemetry | None:
        """Give what was told around a frame's time, carried to it; ``None`` when nothing was told near enough."""
        near = min(self._kept, key=lambda one: abs(one[0] - pts_s), default=None)
        if near is None or abs(near[0] - pts_s) > self._nearest_s:
            return None
        told = self._on_the_way(pts_s) or near[1]
        return told if near[1].utc_s is None else told._replace(utc_s=near[1].utc_s + pts_s - near[0])

    def _on_the_way(self, pts_s: float) -> Telemetry | None:
        """Go between the two around a frame; live, the next is not there yet, and the last two lead on for one step."""
        before = sorted((one for one in self._kept if one[0] <= pts_s), key=lambda one: one[0])[-2:]
        after = min((one for one in self._kept if one[0] > pts_s), key=lambda one: one[0], default=None)
        pair = [*before[-1:], after] if after is not None else before
        if len(pair) < 2:  # noqa: PLR2004
            return None
        (first_s, first), (second_s, second) = pair
        apart_s = second_s - first_s
        if not 0.0 < apart_s <= 2 * self._nearest_s:
            return None
        return between(first, second, min((pts_s - first_s) / apart_s, 2.0), apart_s=apart_s)


class KlvTrack:
    """A stream's data track: bytes go in as they arrive, each frame takes out what was told for its moment."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self._reader = KlvReader()
        self._track = TelemetryTrack()
        self._frame_s: float | None = None

    @property
    def count(self) -> TelemetryCount:
        """What was read and what was not, so far."""
        return self._reader.count

    def reopened(self) -> None:
        """Forget what was told: the stream was opened again, and its clock starts anywhere."""
        self._track = TelemetryTrack()
        self._frame_s = None

    def hear(self, pts_s: float | None, payload: bytes) -> None:
        """Read a packet; one without a time (asynchronous, MISB ST 1402) belongs to the latest frame."""
        told = self._reader.read(payload)
        told_s = self._frame_s if pts_s is None else pts_s
        if told is not None and told_s is not None:
            self._track.put(told_s, told)

    def at(self, pts_s: float | None) -> Telemetry | None:
        """Give what was told for the frame of this time."""
        if pts_s is None:
            return None
        self._frame_s = pts_s
        return self._track.at(pts_s)


def _packets(payload: bytes) -> Iterator[bytes]:
    """Cut a payload into local sets; what lies between them, or is of another kind, is passed over."""
    at = payload.find(KEY)
    while at >= 0:
        try:
            length, start = _ber_length(payload, at + len(KEY))
            if start + length > len(payload):
                raise ValueError("cut off")  # noqa: TRY301  the same fate as a length that cannot be read
            yield payload[at : start + length]
            at = payload.find(KEY, start + length)
        except ValueError:
            after = payload.find(KEY, at + 1)
            yield payload[at : after if after >= 0 else len(payload)]  # for the decoder to refuse, and to be counted
            at = after


def _items(packet: bytes, start: int) -> Iterator[tuple[int, bytes, int]]:
    """Walk tag, value, and where the value ends."""
    at = start
    while at < len(packet):
        tag, at = _ber_oid(packet, at)
        length, at = _ber_length(packet, at)
        if at + length > len(packet):
            raise ValueError("an item is cut off")
        yield tag, packet[at : at + length], at + length
        at += length


def _ber_length(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise ValueError("cut off before a length")
    first = data[at]
    if first < 0x80:  # noqa: PLR2004  the short form
        return first, at + 1
    size = first & 0x7F
    if not 1 <= size <= 4 or at + 1 + size > len(data):  # noqa: PLR2004
        raise ValueError("a length that cannot be")
    length = int.from_bytes(data[at + 1 : at + 1 + size], "big")
    if length > _MOST_BYTES:
        raise ValueError("a length that cannot be")
    return length, at + 1 + size


def _ber_oid(data: bytes, at: int) -> tuple[int, int]:
    tag = 0
    for size in range(1, 4):
        if at >= len(data):
            break
        tag = tag << 7 | data[at] & 0x7F
        at += 1
        if not data[at - 1] & 0x80:
            return tag, at
        if size == 1 and tag == 0:
            break  # a leading zero is no tag
    raise ValueError("a tag that cannot be")


def _checksum(data: bytes) -> int:
    """Add up 16-bit words, as ST 0601 does; a last single byte is the high half of a word."""
    return (sum(data[::2]) * 256 + sum(data[1::2])) & 0xFFFF
