"""What goes over a connection to the broker, and who connects: known without loading MQTT, which takes a while."""

import socket
from typing import NamedTuple


class Message(NamedTuple):
    """Something to publish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None
    content_type: str | None = None


class Answer(NamedTuple):
    """What the broker said to one message, by the number that ``send`` gave."""

    mid: int
    code: int
    reason: str


class Arrival(NamedTuple):
    """A message that came in; ``Link.acknowledge`` tells the broker that it is safe here."""

    topic: str
    payload: bytes
    qos: int
    mid: int
    retain: bool


class Caller(NamedTuple):
    """Who connects: the client's name, its will, how long the broker keeps a session for it, and what it hears.

    With ``must_hear`` a link without its subscriptions is none; else it speaks at once and ``Link.deaf`` tells.
    """

    client_id: str
    will: Message | None = None
    session_s: int = 0
    filters: tuple[tuple[str, int], ...] = ()
    must_hear: bool = True


class Wake:
    """Ends a waiting ``turn`` from another thread."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    def set(self) -> None:
        """End the current or the next wait."""
        try:
            self._write.send(b"\0")
        except OSError:  # full: it is awake already; closed: nobody waits
            return

    def clear(self) -> None:
        """Forget earlier calls of ``set``."""
        try:
            while self._read.recv(4096):
                pass
        except OSError:
            return

    def fileno(self) -> int:
        """Give the descriptor to wait for."""
        return self._read.fileno()

    def close(self) -> None:
        """Give both sockets back."""
        self._read.close()
        self._write.close()
