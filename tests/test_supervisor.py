"""What systemd hears of a node: a real socket, real frames, and silence when nothing is looked at."""

import socket
import threading
from contextlib import contextmanager

import pytest
from service_scene import config_of, node_of, wait_until

from edge.delivery.brokers import free_port
from edge.errors import CameraError
from edge.supervisor import Supervisor


@pytest.fixture
def ear(tmp_path, monkeypatch):
    """Give the socket that systemd would listen on, and the environment it would set."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(0.1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        yield sock


def heard(sock):
    """Collect what has arrived."""
    words = []
    while True:
        try:
            words.append(sock.recv(4096).decode())
        except TimeoutError:
            return words


class Silent:
    """A camera whose driver hangs: it opens, and then nothing comes and nothing fails."""

    camera_id = "north"

    def __init__(self, stopping, error=None):
        """Wait for ``stopping``, or fail with ``error``."""
        self._stopping = stopping
        self._error = error

    def __enter__(self):
        """Open it."""
        if self._error:
            raise self._error
        return self

    def __exit__(self, *_):
        """Close it."""

    def __iter__(self):
        """Give nothing until the node stops."""
        self._stopping.wait()
        yield from ()


@contextmanager
def running(tmp_path, **more):
    """Run a node in a thread, without a broker."""
    stopping = threading.Event()
    make = {name: (lambda _section, camera=camera: camera(stopping)) for name, camera in more.items()}
    node = node_of(tmp_path, config_of(tmp_path, free_port(), loop=True), stopping, **make)
    thread = threading.Thread(target=node.run)
    thread.start()
    try:
        yield node
    finally:
        stopping.set()
        thread.join()


def test_watchdog_is_fed_by_frames_and_no_oftener_than_needed(tmp_path, ear):
    """Ready once, alive about every quarter of the period while frames are looked at, and a word at the end."""
    with running(tmp_path) as node:
        wait_until(lambda: node.metrics.counters().get("frames_processed/north", 0) >= 40)
        words = heard(ear)
    words += heard(ear)
    assert words[0] == "READY=1"
    assert words.count("READY=1") == 1
    assert 4 <= words.count("WATCHDOG=1") <= 40
    assert any(word.startswith("STATUS=") and "alert(s) wait" in word for word in words)
    assert "STOPPING=1" in words


def test_watchdog_of_a_node_whose_camera_hangs_unnoticed_runs_out(tmp_path, ear):
    """No frame and no fault: nothing looks at pictures, so systemd is told nothing and starts the node again."""
    with running(tmp_path, make_camera=Silent):
        wait_until(lambda: "READY=1" in heard(ear))
        for _ in range(5):
            assert "WATCHDOG=1" not in heard(ear)


def test_watchdog_of_a_node_that_waits_for_a_lost_camera_is_fed(tmp_path, ear):
    """A camera that is known to be away is not cured by a restart; the alerts of the others would only be broken off."""
    with running(tmp_path, make_camera=lambda stopping: Silent(stopping, CameraError("unplugged"))):
        wait_until(lambda: "WATCHDOG=1" in heard(ear))


def test_node_that_no_supervisor_started_says_nothing(clock, monkeypatch):
    """Without a socket, or with one that is gone, every word is a no-op."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Supervisor.from_environment(clock).ready()
    gone = Supervisor(clock, "/nonexistent/socket", 10.0)
    gone.ready()
    gone.alive()
    gone.status("ok")


def test_abstract_socket_is_understood(clock):
    """Systemd may name a socket that has no file; it is written with an @."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0edge-test-notify")
        sock.settimeout(1.0)
        told = Supervisor(clock, "@edge-test-notify", 8.0)
        told.status("two\nlines")
        told.status("two\nlines")
        told.alive()
        told.alive()
        clock.now_s = 2.0
        told.alive()
        assert heard(sock) == ["STATUS=two lines", "WATCHDOG=1", "WATCHDOG=1"]
