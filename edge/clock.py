"""Time as an argument: everything below the programs is told what time it is.

A ``Clock`` has a monotonic hand for durations and a wall hand for the control room. The stages use neither; they get
``t_s`` with each frame. Tests pass a clock whose ``sleep`` only moves a number.
"""

import ctypes
import threading
import time
from pathlib import Path
from typing import Literal, Protocol

ClockQuality = Literal["ntp", "rtc", "unsynchronised"]

_TIME_ERROR = 5  # adjtimex(2): "the system clock is not synchronized to a reliable server"
_TIMEX_BYTES = 208  # sizeof(struct timex) on 64-bit Linux; only the return value is read
_LIBC = ctypes.CDLL(None, use_errno=True)  # once: looking a library up by name forks a process each time
_RTC = Path("/sys/class/rtc/rtc0")


class Clock(Protocol):
    """What the programs need of time."""

    def monotonic_s(self) -> float:
        """Seconds on a hand that never steps."""

    def utc_s(self) -> float:
        """Seconds since 1970 UTC; may step when NTP first answers."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until ``event`` is set or ``timeout_s`` have passed; return whether it is set."""


class SystemClock:
    """The machine's own clock."""

    def monotonic_s(self) -> float:
        """Seconds on ``CLOCK_MONOTONIC``."""
        return time.monotonic()

    def utc_s(self) -> float:
        """Seconds since 1970 UTC."""
        return time.time()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until ``event`` is set or ``timeout_s`` have passed; return whether it is set."""
        return event.wait(timeout_s)


def clock_quality() -> ClockQuality:
    """How far the wall clock can be believed, as the kernel tells it.

    Source: adjtimex(2), whose return value is TIME_ERROR until a time daemon has disciplined the clock. It is asked
    through the kernel and not through one daemon's files, so chrony, ntpd and systemd-timesyncd all count.
    """
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: read only
    state = _LIBC.adjtimex(timex)
    if 0 <= state < _TIME_ERROR:
        return "ntp"
    return "rtc" if _RTC.exists() else "unsynchronised"
