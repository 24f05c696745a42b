"""What every test may use: a clock that only moves when told, and the labelled pictures where they exist."""

import threading
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


class FakeClock:
    """A clock whose hands the test moves; waiting only adds to a number."""

    def __init__(self, utc_s: float = 1_770_124_560.0) -> None:
        """Start at zero, on a February morning."""
        self.now_s = 0.0
        self.offset_s = utc_s

    def monotonic_s(self) -> float:
        """Read the monotonic hand."""
        return self.now_s

    def utc_s(self) -> float:
        """Read the wall hand."""
        return self.offset_s + self.now_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Let ``timeout_s`` pass at once."""
        if not event.is_set():
            self.now_s += timeout_s
        return event.is_set()


@pytest.fixture
def clock() -> FakeClock:
    """Give a clock that stands still until it is moved."""
    return FakeClock()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of labelled thermal pictures, or skip by name."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the labelled thermal pictures in ../shared/data")
    return SHARED_DATA
