"""A kernel without a camera, for every test that plugs one in."""

import pytest
from fake_kernel import FakeKernel


@pytest.fixture
def kernel(tmp_path, clock, monkeypatch):
    """Give a kernel without a camera."""
    made = FakeKernel(tmp_path, clock)
    made.install(monkeypatch)
    return made
