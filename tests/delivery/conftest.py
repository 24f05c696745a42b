"""Nodes that end with their test, and a real broker for those that need one."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from delivery_scene import Node

from edge.config import DeliveryConfig
from edge.delivery.brokers import Mosquitto, mosquitto_path


@pytest.fixture
def start_node() -> Iterator[Callable[[DeliveryConfig], Node]]:
    """Give a function that starts nodes; they end with the test."""
    nodes: list[Node] = []

    def start(config: DeliveryConfig) -> Node:
        nodes.append(Node(config))
        return nodes[-1]

    yield start
    for node in nodes:
        node.end()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a running mosquitto of its own, or skip by name."""
    if mosquitto_path() is None or shutil.which("mosquitto_sub") is None:
        pytest.skip("needs mosquitto and mosquitto-clients")
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    with Mosquitto(folder) as broker:
        yield broker
