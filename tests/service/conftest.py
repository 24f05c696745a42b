"""A real broker, and somebody who listens to it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from service_scene import Listener

from edge.delivery.brokers import embedded_broker


@pytest.fixture
def broker():
    """Run a loopback broker."""
    with embedded_broker() as running:
        yield running


@pytest.fixture
def listener(broker):
    """Listen to the broker."""
    heard = Listener(broker.port_mqtt5)
    yield heard
    heard.close()
