"""Checks run apart: what hangs, crashes or raises is told in time, and nothing of it stays behind."""

import os
import signal
import subprocess
import time

import pytest

from edge.doctor.apart import apart
from edge.doctor.findings import Finding, worst
from edge.errors import CameraError


def test_findings_come_back_whole():
    """State, words, cure and numbers cross the border between the processes, umlauts included."""
    found = [
        Finding("disk", "warn", "Gerät: 12 °C", "räum auf", {"fsync_ms": 7.5, "kind": "ext4"}),
        Finding("a", "pass", "b"),
    ]
    assert apart("disk", lambda: found, limit_s=10.0) == found


def test_a_check_that_hangs_is_given_up_in_time():
    """A check that sleeps for ever costs its limit and no more, and what it has started is gone too."""

    def hang():
        subprocess.Popen(["sleep", "4321.125"])
        time.sleep(1000)

    start_s = time.monotonic()
    (found,) = apart("camera north", hang, limit_s=0.5)
    assert time.monotonic() - start_s < 5.0
    assert (found.check, found.state) == ("camera north", "fail")
    assert "no answer within 0.5 s" in found.told
    left = subprocess.run(["pgrep", "-f", "sleep 4321.125"], capture_output=True, check=False)
    assert left.stdout == b""


def test_a_check_that_blocks_on_a_fifo_is_given_up(tmp_path):
    """Opening a pipe that nobody writes blocks in the kernel; it is killed there."""
    os.mkfifo(tmp_path / "pipe")
    (found,) = apart("x", lambda: [Finding("x", "pass", (tmp_path / "pipe").read_text())], limit_s=0.5)
    assert found.state == "fail"


def test_a_crash_is_told_as_a_crash():
    """A library that takes the whole process down takes only its check down."""
    (found,) = apart("model", lambda: os.kill(os.getpid(), signal.SIGKILL), limit_s=10.0)
    assert found.state == "fail"
    assert "crashed (signal 9)" in found.told


def test_an_error_of_ours_is_its_message():
    """What the program raises on purpose is told in its own words."""

    def wrong():
        raise CameraError("camera.source: no such camera")

    assert apart("camera", wrong, limit_s=10.0)[0].told == "camera.source: no such camera"


def test_a_bug_in_a_check_is_a_failed_check():
    """Anything else names its kind and does not stop the doctor."""
    (found,) = apart("clock", lambda: 1 / 0, limit_s=10.0)
    assert "ZeroDivisionError" in found.told


def test_what_libraries_print_stays_away_from_the_answer(capfd):
    """Standard output belongs to the table or the JSON."""

    def noisy():
        os.write(1, b"chatter")
        os.write(2, b"chatter")
        return [Finding("a", "pass", "b")]

    apart("a", noisy, limit_s=10.0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_check_can_run_with_the_rights_of_another_user(tmp_path):
    """Root sees what the service's user would see: a file of root's is closed to nobody."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    found = apart(
        "p",
        lambda: [Finding("p", "pass", str((os.geteuid(), os.access(secret, os.R_OK))))],
        limit_s=10.0,
        user="nobody",
    )
    assert found[0].told == "(65534, False)"


def test_the_worst_of_all_is_what_counts():
    """Fail over warn over pass over skip."""
    of = lambda *states: worst([Finding("x", state, "") for state in states])  # noqa: E731
    assert of("pass", "warn", "fail", "skip") == "fail"
    assert of("pass", "warn", "skip") == "warn"
    assert of("pass", "skip") == "pass"
    assert of() == "pass"
