"""What the machine says of itself, and what a Raspberry Pi says of its throttling."""

import os
import subprocess
import sys
import time

import pytest

from edge import box


def test_this_machine_has_a_processor_cores_and_memory():
    """The description is of a machine that could run this test."""
    found = box.this_box()
    assert found.processor
    assert found.cores == len(os.sched_getaffinity(0))
    assert 100 < found.memory_mb < 10_000_000
    assert all(-60.0 < reading < 150.0 for reading in box.temperatures_c().values())


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("0x0", ()),
        ("0x50005", ("under-voltage", "throttled")),
        ("0x80008", ("soft temperature limit",)),
        ("50000", ("under-voltage since switched on", "throttled since switched on")),
        ("0x20001", ("under-voltage", "frequency capped since switched on")),
        ("error=1", None),
    ],
)
def test_the_firmware_word_is_read(word, meaning):
    """Low bits are now, high bits since it was switched on; nothing is told twice."""
    assert box.throttle_words(word) == meaning


def test_a_process_is_weighed_and_timed_from_outside():
    """Memory and processor time of another process are what it took, and 0 once it is gone."""
    code = "import time; block = bytearray(80_000_000)\nwhile time.process_time() < 0.4: pass\ninput()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    try:
        deadline_s = time.monotonic() + 30.0
        while box.cpu_s(process.pid) < 0.3 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert 75.0 < box.resident_mb(process.pid) < 200.0
        assert 0.3 <= box.cpu_s(process.pid) < 2.0
    finally:
        process.kill()
        process.wait()
    assert box.resident_mb(process.pid) == 0.0
    assert box.cpu_s(process.pid) == 0.0
