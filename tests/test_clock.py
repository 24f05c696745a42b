"""Clock: the kernel's own word on how far the wall hand can be believed."""

import threading

import pytest

from edge import clock
from edge.clock import SystemClock, clock_quality


class Kernel:
    """Answers adjtimex as a kernel in a given state does."""

    def __init__(self, state: int) -> None:
        """Remember the state."""
        self._state = state

    def adjtimex(self, _timex) -> int:
        """Say the state."""
        return self._state


@pytest.mark.parametrize(
    ("state", "rtc", "quality"),
    [
        (0, False, "ntp"),
        (1, True, "ntp"),
        (5, True, "rtc"),
        (5, False, "unsynchronised"),
        (-1, False, "unsynchronised"),
    ],
)
def test_the_kernel_says_how_far_the_clock_can_be_believed(monkeypatch, tmp_path, state, rtc, quality):
    """TIME_ERROR, or no answer, means that nobody steers the clock; an RTC makes it at least plausible."""
    monkeypatch.setattr(clock, "_LIBC", Kernel(state))
    monkeypatch.setattr(clock, "_RTC", tmp_path if rtc else tmp_path / "none")
    assert clock_quality() == quality


def test_this_machine_has_an_answer():
    """The real kernel call works and stays cheap enough for the frame loop."""
    assert clock_quality() in ("ntp", "rtc", "unsynchronised")


def test_a_wait_ends_at_once_when_the_event_is_set():
    """Nobody waits out a pause after the stop flag."""
    event = threading.Event()
    event.set()
    system = SystemClock()
    before_s = system.monotonic_s()
    assert system.wait(event, 30.0)
    assert system.monotonic_s() - before_s < 5.0
