"""Metrics: counted from many threads, timed by the given clock, read as one snapshot."""

import threading

import pytest

from edge.metrics import Metrics


def test_counts_from_many_threads_are_all_there(clock):
    """Nothing is lost when threads count at once."""
    metrics = Metrics(clock)
    threads = [threading.Thread(target=lambda: [metrics.count("frames") for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.snapshot().counters == {"frames": 4000}


def test_a_stage_is_timed_even_when_it_fails(clock):
    """An exception inside a timed stage does not lose the time it took."""
    metrics = Metrics(clock)
    with pytest.raises(ValueError, match="broken"), metrics.timed("detect"):
        clock.now_s += 0.25
        raise ValueError("broken")
    assert metrics.snapshot().stages["detect"].total_s == pytest.approx(0.25)


def test_percentiles_are_of_the_latest_calls(clock):
    """The 99th percentile sees the slow call, the median does not."""
    metrics = Metrics(clock)
    for number in range(100):
        metrics.observe_s("track", 9.0 if number == 50 else 0.001)
    stage = metrics.snapshot().stages["track"]
    assert (stage.calls, stage.p50_s, stage.p99_s) == (100, 0.001, 9.0)


def test_a_snapshot_stands_still(clock):
    """Counting on does not change what was read."""
    metrics = Metrics(clock)
    metrics.count("a")
    before = metrics.snapshot()
    metrics.count("a")
    assert before.counters == {"a": 1}
