"""Clock: the kernel's own word on how far the wall hand can be believed."""

import threading

from edge import clock
from edge.clock import SystemClock, clock_quality


def test_the_quality_is_one_of_the_three_words():
    """The kernel of this machine gives an answer."""
    assert clock_quality() in ("ntp", "rtc", "unsynchronised")


def test_an_undisciplined_kernel_without_rtc_is_unsynchronised(monkeypatch, tmp_path):
    """TIME_ERROR from adjtimex means nobody steers the clock; an RTC makes it at least plausible."""

    class Kernel:
        """Answers adjtimex as a kernel without a time daemon does."""

        def __init__(self, _name, **_options):
            """Take what CDLL takes."""

        def adjtimex(self, _timex):
            """Say TIME_ERROR."""
            return 5

    monkeypatch.setattr(clock.ctypes, "CDLL", Kernel)
    monkeypatch.setattr(clock, "_RTC", tmp_path / "none")
    assert clock_quality() == "unsynchronised"
    monkeypatch.setattr(clock, "_RTC", tmp_path)
    assert clock_quality() == "rtc"


def test_a_wait_ends_at_once_when_the_event_is_set():
    """Nobody waits out a pause after the stop flag."""
    event = threading.Event()
    event.set()
    system = SystemClock()
    before_s = system.monotonic_s()
    assert system.wait(event, 30.0)
    assert system.monotonic_s() - before_s < 5.0
