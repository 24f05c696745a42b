"""ULIDs without a hidden clock or random source: both halves are arguments.

Source: the ULID specification (48 bits of milliseconds, 80 bits of entropy, Crockford base 32).
"""

import hashlib

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26
_TIME_BITS = 48
_ENTROPY_BYTES = 10


def ulid(utc_s: float, *seed: str | bytes | int) -> str:
    """Make the ULID of a moment and a seed; the same arguments give the same text, on any machine.

    Args:
        utc_s: seconds since 1970 UTC; the millisecond is what sorts.
        seed: what makes it unique; hashed into the 80 bits.
    """
    digest = hashlib.sha256()
    for part in seed:
        text = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(text).to_bytes(8, "big") + text)  # its length first: ("a|b",) is not ("a", "b")
    time_ms = max(0, round(utc_s * 1000)) & ((1 << _TIME_BITS) - 1)
    number = time_ms << (8 * _ENTROPY_BYTES) | int.from_bytes(digest.digest()[:_ENTROPY_BYTES], "big")
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in reversed(range(_LENGTH)))
