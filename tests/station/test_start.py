"""How the station starts: quickly, and without anything that only a node needs."""

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from page_scene import measured

from edge.delivery.brokers import free_port

_IMPORTS = "import starlette.applications, starlette.routing, uvicorn, sqlalchemy"
_ASKED = b"GET /api/v1/live HTTP/1.1\r\nhost: localhost\r\n\r\n"


@contextmanager
def started(folder: Path) -> Iterator[tuple[int, float]]:
    """Run ``edge station`` on a database to be made; give its process id and the seconds to its first answer."""
    port, folder_of_it = free_port(), folder / str(time.monotonic_ns())
    folder_of_it.mkdir()
    config = folder_of_it / "station.toml"
    config.write_text(f"[web]\nport = {port}\n[delivery]\nport = {free_port()}\n")
    began_s = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", "from edge.cli import main; main()", "station", config],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout.readline().startswith(b"control room at")
        with socket.create_connection(("127.0.0.1", port)) as page:
            page.sendall(_ASKED)
            assert page.recv(12) == b"HTTP/1.1 200"
        yield process.pid, time.perf_counter() - began_s
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_nothing_of_the_node_is_loaded(tmp_path: Path):
    """A station that answers holds no part of onnxruntime, OpenCV, PyAV, scipy or numpy."""
    with started(tmp_path) as (number, _):
        held = Path(f"/proc/{number}/maps").read_text()
    assert "sqlite3" in held  # libraries do show up here
    assert [name for name in ("onnxruntime", "/cv2/", "/av/", "scipy", "numpy") if name in held] == []


@pytest.mark.slow
def test_the_first_answer_comes_within_twice_the_time_of_its_libraries(tmp_path: Path):
    """The whole command against a whole interpreter that imports them: median of pairs, taken in turn."""
    ratios = []
    for _ in range(9):
        began_s = time.perf_counter()
        subprocess.run([sys.executable, "-c", _IMPORTS], check=True)
        imports_s = time.perf_counter() - began_s
        with started(tmp_path) as (_, station_s):
            ratios.append(station_s / imports_s)
    measured(f"first answer after {statistics.median(ratios):.2f} times the import of its libraries: {sorted(ratios)}")
    assert statistics.median(ratios) <= 2.0
