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
from edge.delivery.brokers import Embedded, embedded_broker
from edge.delivery.subscriber import Event, Subscriber
from edge.errors import ConfigError
from edge.pipeline.detector import Detector
from edge.replay import footage_camera
from edge.service import Node

_LAST_WORDS_S = 0.5


def demonstrate(
    clips: Sequence[Path],
    detector: Detector,
    *,
    clock: Clock,
    stopping: threading.Event,
    on_broker: Callable[[Embedded], None],
    on_event: Callable[[Event], None],
    loop: bool = True,
) -> None:
    """Run broker, node and subscriber until ``stopping`` is set, or once through the footage.

    Args:
        clips: footage; each becomes one camera.
        detector: loaded model.
        clock: time.
        stopping: ends it.
        on_broker: told once the broker listens, so that other programs can join.
        on_event: told of everything that came over MQTT, as a control room would see it.
        loop: start footage again at its end.

    Raises:
        ConfigError: no footage, or no broker can be started here.
        CameraError: the footage cannot be read.
    """
    if not clips:
        raise ConfigError("no footage to demonstrate with; name a clip or folder")
    for clip in clips:
        with Footage(clip):  # what cannot be opened is told now; a node would wait for it for ever
            pass
    named = [footage_camera(clip) for clip in clips]
    ids = [section.id for section in named]
    sections = tuple(
        section.model_copy(update={"id": f"{section.id[:60]}-{number}"}) if ids.count(section.id) > 1 else section
        for number, section in enumerate(named, start=1)
    )
    footage_of = {section.id: clip for section, clip in zip(sections, clips, strict=True)}

    def make_camera(section: CameraConfig) -> LiveFootage:
        footage = Footage(footage_of[section.id], camera_id=section.id, fps=section.fps)
        return LiveFootage(footage, clock, loop=loop, stopping=stopping)

    with tempfile.TemporaryDirectory(prefix="edge-demo-") as folder, embedded_broker() as broker:
        on_broker(broker)
        delivery = DeliveryConfig(host=broker.host, port=broker.port_mqtt5)
        node = Node(
            Config(node=NodeConfig(id="demo"), camera=sections, delivery=delivery),
            detector,
            clock=clock,
            stopping=stopping,
            base=Path(folder),
            make_camera=make_camera,
        )
        heard_all = threading.Event()
        subscriber = Subscriber(delivery, on_event, clock=clock, node="demo", session="demo")

        def work() -> None:
            try:
                node.run()
                clock.wait(threading.Event(), _LAST_WORDS_S)
            finally:
                heard_all.set()

        with ThreadPoolExecutor(1, thread_name_prefix="node") as pool:
            running = pool.submit(work)
            try:
                subscriber.run(heard_all)
            finally:
                stopping.set()
            running.result()  # an error of the node is an error of the demonstration
