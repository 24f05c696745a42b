"""What the gate before the model saves: two whole nodes film the same empty scene, one with it and one without."""

import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edge.bench.measured import StillRun
from edge.bench.node import node_toml, running_node
from edge.bench.pictures import write_clip
from edge.box import cpu_s
from edge.clock import SystemClock
from edge.config import Config, DeliveryConfig
from edge.delivery.brokers import embedded_broker
from edge.delivery.subscriber import Event, Subscriber
from edge.delivery.wire import Health
from edge.errors import EdgeError
from edge.records import Pixels

_PICTURES = 64
_NOISE_COUNTS = 3.0  # standard deviation: 30 mK of a core whose counts are centikelvin
_SETTLE_S = 15.0  # longer than ``gate.warm_up_s``
_SETTLE_MOST_S = 90.0  # a box that does not keep up plays the clip more slowly, and so the warm-up too
_SLICE_S = 2.0
_HEALTH_EVERY_S = 5.0
_GATES = {"gated": "auto", "always": "off"}

Advance = Callable[[int, int | None], None]


def still_pictures(width_px: int, height_px: int) -> list[Pixels]:
    """Film an empty slope: the same every time but for the sensor's noise; (H, W) uint16 each."""
    dice = np.random.default_rng(1)
    down, across = np.mgrid[0:height_px, 0:width_px]
    ground = 27_000.0 + 0.4 * down + 12.0 * np.sin(across / 23.0) + 9.0 * np.sin(down / 11.0)
    shape = ground.shape
    return [np.rint(ground + dice.normal(0.0, _NOISE_COUNTS, shape)).astype(np.uint16) for _ in range(_PICTURES)]


def run_still(
    config: Config,
    base: Path,
    size_px: tuple[int, int],
    *,
    fps: float,
    seconds: float,
    stop: threading.Event,
    advance: Advance,
) -> StillRun | None:
    """Let both nodes run side by side, and compare the processor time that each took for a frame.

    Args:
        config: its ``[model]`` is used; everything else is as shipped.
        base: folder that relative paths of ``config`` are meant from.
        size_px: width and height.
        fps: rate of the camera.
        seconds: how long to measure, after both have learnt the scene.
        stop: ends the run early.
        advance: told of the progress.

    Returns:
        None where it was stopped before both nodes had told what they did.

    Raises:
        DeliveryError: no broker can be started here.
        EdgeError: a node ended, or processed no frame in time.
    """
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as name, embedded_broker() as broker:
        folder = Path(name)
        write_clip(folder / "still.nut", still_pictures(*size_px), fps)
        delivery = DeliveryConfig(host=broker.host, port=broker.port_mqtt5, health_every_s=_HEALTH_EVERY_S)
        files = {}
        for node, gate in _GATES.items():
            files[node] = folder / node / "node.toml"
            files[node].parent.mkdir()
            text = node_toml(config, base, delivery, clip="../still.nut", gate=gate, node=node)
            files[node].write_text(text, encoding="utf-8")
        with (
            _rates(delivery) as (rates, closed),
            running_node(files["gated"]) as (gated, _),
            running_node(files["always"]) as (always, _),
        ):
            nodes = {"gated": gated, "always": always}
            if not _wait(_SETTLE_S, nodes, stop, seconds, advance):
                return None
            if not _wait(_SETTLE_MOST_S - _SETTLE_S, nodes, stop, seconds, advance, until=closed):
                return None
            for heard in rates.values():
                heard.clear()
            pids = (gated.pid, always.pid)
            begun_s, before = time.monotonic(), [cpu_s(pid) for pid in pids]
            _wait(seconds, nodes, stop, 0.0, advance)
            ran_s, after = time.monotonic() - begun_s, [cpu_s(pid) for pid in pids]
    if not all(rates.values()):
        return None
    shares = [(end_s - start_s) / ran_s for start_s, end_s in zip(before, after, strict=True)]
    fps_of = [statistics.mean(rates[node]) for node in _GATES]
    per_frame = [share / max(rate, 0.1) for share, rate in zip(shares, fps_of, strict=True)]
    return StillRun(
        camera_fps=fps,
        gated_fps=round(fps_of[0], 1),
        always_fps=round(fps_of[1], 1),
        gated_share=round(shares[0], 4),
        always_share=round(shares[1], 4),
        ratio=round(per_frame[0] / per_frame[1], 4),
    )


def _wait(
    seconds: float,
    nodes: dict[str, subprocess.Popen[str]],
    stop: threading.Event,
    more_s: float,
    advance: Advance,
    *,
    until: threading.Event | None = None,
) -> bool:
    """Let both run, until something happens if that comes first; returns whether nobody asked to stop."""
    begun_s = time.monotonic()
    while (ran_s := time.monotonic() - begun_s) < seconds and not (until and until.is_set()):
        if stop.wait(min(_SLICE_S, seconds - ran_s)):
            return False
        for name, process in nodes.items():
            if process.poll() is not None:
                raise EdgeError(f"the node '{name}' ended by itself after {ran_s:.0f} s")
        advance(int(ran_s), int(seconds + more_s))
    return True


@contextmanager
def _rates(delivery: DeliveryConfig) -> Iterator[tuple[dict[str, list[float]], threading.Event]]:
    """Listen to the frames per second that each node says it has looked at, and for the gate's closing."""
    rates: dict[str, list[float]] = {node: [] for node in _GATES}
    closed = threading.Event()

    def take(event: Event) -> None:
        if isinstance(event.body, Health) and event.node in rates:
            cameras = event.body.cameras.values()
            rates[event.node] += [camera.fps for camera in cameras if camera.fps is not None]
            if any(camera.gated for camera in cameras):
                closed.set()

    done = threading.Event()
    subscriber = Subscriber(delivery, take, clock=SystemClock(), node="+")
    listening = threading.Thread(target=subscriber.run, args=(done,), name="bench-listener")
    listening.start()
    try:
        yield rates, closed
    finally:
        done.set()
        listening.join()
