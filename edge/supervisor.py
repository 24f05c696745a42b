"""What systemd is told: that the node is ready, that it is alive, how it does, that it stops.

The protocol is one datagram to ``$NOTIFY_SOCKET`` (sd_notify(3)), so a library would be longer than the code. Alive
means that a frame was processed, and is never said by a timer of its own: a node that turns without looking at pictures
must be started again. Whoever is not started by systemd has no socket, and nothing happens.
"""

import os
import socket

from edge.clock import Clock

_OFTEN_ENOUGH = 4.0  # times a watchdog period; more is only noise for systemd


class Supervisor:
    """The way to systemd, or nowhere."""

    def __init__(self, clock: Clock, address: str | None = None, watchdog_s: float | None = None) -> None:
        """Find the socket; ``from_environment`` takes it from where systemd says."""
        self._clock = clock
        self._address = ("\0" + address[1:] if address.startswith("@") else address) if address else None
        self._pause_s = watchdog_s / _OFTEN_ENOUGH if watchdog_s else 0.0
        self._due_s = clock.monotonic_s()
        self._status: str | None = None

    @classmethod
    def from_environment(cls, clock: Clock) -> "Supervisor":
        """Read ``NOTIFY_SOCKET`` and ``WATCHDOG_USEC``."""
        period_us = os.environ.get("WATCHDOG_USEC", "")
        watchdog_s = int(period_us) / 1e6 if period_us.isdigit() else None
        return cls(clock, os.environ.get("NOTIFY_SOCKET"), watchdog_s)

    def ready(self) -> None:
        """Say that the service runs."""
        self._say("READY=1")

    def alive(self) -> None:
        """Feed the watchdog, no oftener than it needs."""
        if self._clock.monotonic_s() >= self._due_s:
            self._due_s = self._clock.monotonic_s() + self._pause_s
            self._say("WATCHDOG=1")

    def status(self, words: str) -> None:
        """Give the line that ``systemctl status`` shows; the same words are said once."""
        if words != self._status:
            self._status = words
            self._say(f"STATUS={' '.join(words.split())}")

    def stopping(self) -> None:
        """Say that the end was meant."""
        self._say("STOPPING=1")

    def _say(self, words: str) -> None:
        if self._address is None:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)  # a systemd that is busy must not hold up a frame
            try:
                sock.sendto(words.encode(), self._address)
            except OSError:  # systemd restarts itself, too; the next word gets through
                return
