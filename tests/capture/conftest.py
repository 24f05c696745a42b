"""What tests of cameras share: a kernel without one, and streams that are watched."""

import pytest
from fake_kernel import FakeKernel
from watching import Watched


@pytest.fixture
def kernel(tmp_path, clock, monkeypatch):
    """Give a kernel without a camera."""
    made = FakeKernel(tmp_path, clock)
    made.install(monkeypatch)
    return made


@pytest.fixture
def watch(tmp_path):
    """Watch streams; what is watched, and the server that was named with it, is closed at the end."""
    watched, servers = [], []

    def start(source, server=None, **settings) -> Watched:
        if server is not None:
            servers.append(server)
        watched.append(Watched(source, tmp_path, **settings))
        return watched[-1]

    yield start
    for one in watched:
        one.close()
    for server in servers:
        server.close()
