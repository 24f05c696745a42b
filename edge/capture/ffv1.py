"""Whether a packet of FFV1 is what was written: FFmpeg covers up damaged slices with older picture and says nothing.

From version 3 on (RFC 9043, section 4.9) each slice ends in its length, 24 bits, and, where the clip carries checksums,
a status byte and a CRC-32 that makes the remainder of the whole slice zero.
"""

import zlib

_LENGTH, _LENGTH_AND_CRC = 3, 8  # bytes behind a slice
# the CRC takes bits from the highest on, zlib's from the lowest: each byte is turned over first, and only zero is asked for
_TURNED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ALL_ONES = 0xFFFFFFFF


def damaged(packet: bytes) -> bool:
    """Check the slices of one packet of version 3 or 4; one without checksums is believed where its lengths fit."""
    checked = _slices(packet, _LENGTH_AND_CRC)
    if checked is not None:
        return any(zlib.crc32(packet[a:b].translate(_TURNED), _ALL_ONES) != _ALL_ONES for a, b in checked)
    return _slices(packet, _LENGTH) is None


def _slices(packet: bytes, tail: int) -> list[tuple[int, int]] | None:
    """Cut a packet from behind; ``None`` where the lengths do not meet its beginning."""
    found, end = [], len(packet)
    while end > 0:
        if end < tail:
            return None
        begin = end - tail - int.from_bytes(packet[end - tail : end - tail + 3], "big")
        if begin < 0:
            return None
        found.append((begin, end))
        end = begin
    return found
