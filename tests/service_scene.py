"""What the tests of the whole node share: a film, a node that sees two people in it, and somebody who listens."""

import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "pipeline"))
from graphs import fixed_model

from edge.clock import SystemClock
from edge.config import CameraConfig, Config, DeliveryConfig, ModelConfig, NodeConfig
from edge.delivery.subscriber import Subscriber
from edge.delivery.wire import AlertEvent
from edge.pipeline import detector
from edge.service import Node

ONE_PERSON = np.array([[[20.0, 30.0, 40.0, 80.0, 0.9]]])
TWO_PEOPLE = np.array([[[20.0, 30.0, 40.0, 80.0, 0.9], [60.0, 30.0, 80.0, 80.0, 0.8]]])


def film(folder: Path, frames: int) -> Path:
    """Write noisy pictures of 100x90."""
    folder.mkdir()
    for index in range(frames):
        picture = np.random.default_rng(index).integers(0, 255, (90, 100)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{index:04d}.png"), picture)
    return folder


def config_of(tmp_path: Path, port: int, *, frames: int = 60, loop: bool = False) -> Config:
    """Configure a node with one camera that plays a film at 20 frames/s."""
    film(tmp_path / "film", frames)
    return Config(
        node=NodeConfig(id="node-7"),
        camera=(CameraConfig(id="north", source="footage:film", fps=20.0, loop=loop),),
        model=ModelConfig(allow_unsigned=True),
        delivery=DeliveryConfig(port=port, health_every_s=1.0, backoff_max_s=1.0),
    )


def node_of(tmp_path: Path, config: Config, stopping: threading.Event, **more) -> Node:
    """Make the node with a model that sees two people in every frame."""
    file = fixed_model(tmp_path, "boxes", {"boxes": TWO_PEOPLE})
    model = detector.load(file, config.model, key=tmp_path / "none")
    return Node(config, model, clock=SystemClock(), stopping=stopping, base=tmp_path, **more)


class Listener:
    """A subscriber in a thread that keeps everything it hears."""

    def __init__(self, port: int) -> None:
        """Start to listen."""
        self.heard = []
        self._stop = threading.Event()
        subscriber = Subscriber(
            DeliveryConfig(port=port, backoff_max_s=1.0), self.heard.append, clock=SystemClock(), session="test"
        )
        self._thread = threading.Thread(target=subscriber.run, args=(self._stop,))
        self._thread.start()
        wait_until(lambda: subscriber.connected)

    def alerts(self) -> list[AlertEvent]:
        """Give the alerts so far."""
        return [event.body for event in self.heard if isinstance(event.body, AlertEvent)]

    def phases(self) -> list[str]:
        """Give the phases of the alerts so far."""
        return [alert.data.phase for alert in self.alerts()]

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join()


def wait_until(true, timeout_s: float = 20.0) -> None:
    """Wait for something to become true."""
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.02)
