"""The demonstration: broker, two nodes with sample footage as their cameras, and the control room, on this machine alone."""

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

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

NODES = ("demo-1", "demo-2")
_LAST_WORDS_S = 0.5
_STATION_START_S = 15.0
_STATION_STOP_S = 5.0


class Audience(Protocol):
    """Whoever watches the demonstration."""

    def broker(self, broker: Embedded) -> None:
        """Hear where the broker listens, so that other programs can join."""

    def station(self, url: str | None) -> None:
        """Hear where the control room's page is; ``None``: its packages are not installed."""

    def event(self, event: Event) -> None:
        """Hear what came over MQTT."""


def demonstrate(
    clips: Sequence[Path],
    load_detector: Callable[[], Detector],
    audience: Audience,
    *,
    clock: Clock,
    stopping: threading.Event,
    loop: bool = True,
) -> None:
    """Run broker, two nodes, station and subscriber until ``stopping`` is set, or once through the footage.

    Args:
        clips: footage; each becomes one camera of one of the nodes, a single one a camera of both.
        load_detector: loads the model; each node has its own.
        audience: is told where everything is and what happens.
        clock: time.
        stopping: ends it.
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
    shares = [clips[number :: len(NODES)] or clips for number in range(len(NODES))]
    with tempfile.TemporaryDirectory(prefix="edge-demo-") as name, embedded_broker() as broker:
        folder = Path(name)
        audience.broker(broker)
        delivery = DeliveryConfig(host=broker.host, port=broker.port_mqtt5)
        with _station(delivery, folder, clock) as url:
            audience.station(url)
            nodes = [
                _node(
                    NodeConfig(id=node_id),
                    share,
                    delivery.model_copy(
                        update={"confirm": "station" if url else "broker", "outbox_file": f"{node_id}.sqlite"}
                    ),
                    load_detector(),
                    clock=clock,
                    stopping=stopping,
                    folder=folder,
                    loop=loop,
                )
                for node_id, share in zip(NODES, shares, strict=True)
            ]
            _watch(nodes, Subscriber(delivery, audience.event, clock=clock, session="demo"), clock, stopping)


def _node(
    section: NodeConfig,
    clips: Sequence[Path],
    delivery: DeliveryConfig,
    detector: Detector,
    *,
    clock: Clock,
    stopping: threading.Event,
    folder: Path,
    loop: bool,
) -> Node:
    named = [footage_camera(clip) for clip in clips]
    ids = [camera.id for camera in named]
    cameras = tuple(
        camera.model_copy(update={"id": f"{camera.id[:60]}-{number}"}) if ids.count(camera.id) > 1 else camera
        for number, camera in enumerate(named, start=1)
    )
    footage_of = {camera.id: clip for camera, clip in zip(cameras, clips, strict=True)}

    def make_camera(camera: CameraConfig) -> LiveFootage:
        footage = Footage(footage_of[camera.id], camera_id=camera.id, fps=camera.fps)
        return LiveFootage(footage, clock, loop=loop, stopping=stopping)

    config = Config(node=section, camera=cameras, delivery=delivery)
    return Node(config, detector, clock=clock, stopping=stopping, base=folder, make_camera=make_camera)


def _watch(nodes: Sequence[Node], subscriber: Subscriber, clock: Clock, stopping: threading.Event) -> None:
    heard_all = threading.Event()

    def run(node: Node) -> None:
        try:
            node.run()
        except BaseException:
            stopping.set()  # one that fails ends all
            raise

    with ThreadPoolExecutor(len(nodes) + 1, thread_name_prefix="demo") as pool:
        running = [pool.submit(run, node) for node in nodes]

        def listen_to_the_end() -> None:
            wait(running)
            clock.wait(threading.Event(), _LAST_WORDS_S)
            heard_all.set()

        pool.submit(listen_to_the_end)
        try:
            subscriber.run(heard_all)
        finally:
            stopping.set()
        for node in running:
            node.result()  # an error of a node is an error of the demonstration


@contextmanager
def _station(delivery: DeliveryConfig, folder: Path, clock: Clock) -> Iterator[str | None]:
    """Run a station on a free loopback port for as long as the block lasts, and give its address."""
    try:
        from edge.station import Served, run  # noqa: PLC0415  # an optional extra
        from edge.station.settings import StationConfig  # noqa: PLC0415
    except ImportError:
        yield None
        return
    config = StationConfig.model_validate(
        {
            "delivery": {"host": delivery.host, "port": delivery.port},
            "web": {"port": 0},
            "store": {"url": f"sqlite:///{folder}/station.sqlite"},
        }
    )
    closing, ready = threading.Event(), threading.Event()
    urls: list[str] = []

    def on_ready(served: Served) -> None:
        urls.append(served.url)
        ready.set()

    def serve() -> None:
        try:
            run(config, closing, clock=clock, on_ready=on_ready)
        finally:
            ready.set()

    thread = threading.Thread(target=serve, name="station", daemon=True)
    thread.start()
    ready.wait(_STATION_START_S)
    if not urls:
        closing.set()
        raise ConfigError("the station does not start; see the messages above")
    try:
        yield urls[0]
    finally:
        closing.set()
        thread.join(_STATION_STOP_S)
