"""The demonstration: broker, node with sample footage as its cameras, and a subscriber, on this machine alone."""

import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edge.capture.footage import Footage
from edge.capture.live import LiveFootage
from edge.clock import Clock
from edge.config import CameraConfig, Config, DeliveryConfig, NodeConfig
from edge.delivery.brokers import embedded_broker
from edge.delivery.subscriber import Heard, Subscriber
from edge.errors import ConfigError
from edge.pipeline.detector import Detector
from edge.records import Result
from edge.replay import footage_camera
from edge.service import Node

_LISTEN_S = 0.2
_LAST_WORDS_S = 0.5


def demonstrate(
    clips: Sequence[Path],
    detector: Detector,
    *,
    clock: Clock,
    stopping: threading.Event,
    on_broker: Callable[[str, int], None],
    on_heard: Callable[[Heard], None],
    on_result: Callable[[Result], None] = lambda _result: None,
    loop: bool = True,
) -> None:
    """Run broker, node and subscriber until ``stopping`` is set, or once through the footage.

    Args:
        clips: footage; each becomes one camera.
        detector: loaded model.
        clock: time.
        stopping: ends it.
        on_broker: told host and port once the broker listens, so that other programs can join.
        on_heard: told of everything that came over MQTT, as a control room would see it.
        on_result: told of every frame's result.
        loop: start footage again at its end.

    Raises:
        ConfigError: no footage, or no broker can be started here.
        CameraError: the footage cannot be read.
    """
    if not clips:
        raise ConfigError("no footage to demonstrate with; name a clip or folder")
    sections = tuple(footage_camera(clip, fps=9.0) for clip in clips)
    footage_of = {section.id: clip for section, clip in zip(sections, clips, strict=True)}

    def make_camera(section: CameraConfig) -> LiveFootage:
        footage = Footage(footage_of[section.id], camera_id=section.id, fps=section.fps)
        return LiveFootage(footage, clock, loop=loop, stopping=stopping)

    with tempfile.TemporaryDirectory(prefix="edge-demo-") as folder, embedded_broker() as broker:
        on_broker(broker.host, broker.port)
        delivery = DeliveryConfig(host=broker.host, port=broker.port, outbox_file="outbox.sqlite")
        config = Config(node=NodeConfig(id="demo"), camera=sections, delivery=delivery)
        with Subscriber(delivery) as subscriber:
            node = Node(
                config,
                detector,
                clock=clock,
                stopping=stopping,
                base=Path(folder),
                make_camera=make_camera,
                on_result=on_result,
            )
            with ThreadPoolExecutor(1, thread_name_prefix="node") as pool:
                running = pool.submit(node.run)
                try:
                    while not running.done():
                        _pass_on(subscriber, on_heard, _LISTEN_S)
                finally:
                    stopping.set()
                running.result()  # an error of the node is an error of the demonstration
            while _pass_on(subscriber, on_heard, _LAST_WORDS_S):
                pass


def _pass_on(subscriber: Subscriber, on_heard: Callable[[Heard], None], timeout_s: float) -> bool:
    heard = subscriber.next(timeout_s=timeout_s)
    if heard is not None:
        on_heard(heard)
    return heard is not None
