"""KLV packets for tests, values and checksums written by an independent library."""

from typing import Any

import pytest

st0601 = pytest.importorskip("stanag4609.st0601", reason="stanag4609 is not installed (extra dev)")

DRONE: dict[int, float] = {
    5: 200.0, 6: -3.0, 7: 4.0, 13: 48.1, 14: 11.5, 15: 870.0, 16: 32.0, 17: 25.9, 18: 350.0, 19: -47.0, 20: 2.0,
    21: 98.0, 22: 56.0, 23: 48.0994, 24: 11.4997, 25: 800.0, 26: 0.0004, 27: -0.0005, 28: 0.0003, 29: 0.0006,
    30: -0.0003, 31: 0.0005, 32: -0.0002, 33: -0.0004, 75: 917.0, 78: 847.0, 82: 48.0998, 83: 11.4992, 84: 48.0997,
    85: 11.5003, 86: 48.0991, 87: 11.5002, 88: 48.0992, 89: 11.4993, 90: -3.1, 91: 4.1, 104: 917.25,
}  # fmt: skip
"""Tag and value of everything that is read."""


def packet(
    values: dict[int, Any] | None = None,
    *,
    more: bytes = b"",
    checksum: int | None = None,
    utc_s: float = 1_770_124_564.5,
) -> bytes:
    """Write one local set; ``more`` are items as bytes, put before the checksum."""
    told = DRONE if values is None else values
    body = _item(2, round(utc_s * 1e6).to_bytes(8, "big"))
    body += b"".join(_item(tag, _raw(tag, value)) for tag, value in told.items())
    body += more + b"\x01\x02"
    length = len(body) + 2
    ber = bytes([length]) if length < 128 else bytes([0x81, length])
    head = st0601.ST0601_KEY + ber + body
    total = st0601.running_sum_16(head) if checksum is None else checksum
    return head + total.to_bytes(2, "big")


def _raw(tag: int, value: float) -> bytes:
    told = st0601.IMAPFieldValue(value, 3) if tag == 104 else value
    return st0601.encode_field_value(tag, told)


def _item(tag: int, raw: bytes) -> bytes:
    oid = bytes([tag]) if tag < 128 else bytes([0x80 | tag >> 7, tag & 0x7F])
    return oid + bytes([len(raw)]) + raw
