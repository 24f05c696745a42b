"""What the gate before the model saves: two whole nodes film the same empty scene, one with it and one without."""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.bench.measured import StillRun
from edge.bench.node import node_toml, running_node
from edge.bench.pictures import write_clip
from edge.box import cpu_s
from edge.config import Config, DeliveryConfig
from edge.delivery.brokers import embedded_broker
from edge.errors import EdgeError
from edge.records import Pixels

_PICTURES = 64
_NOISE_COUNTS = 3.0  # standard deviation: 30 mK of a core whose counts are centikelvin
_SETTLE_S = 15.0  # longer than ``gate.warm_up_s``
_SLICE_S = 2.0

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
    """Let both nodes run side by side, and compare the processor time that each took, slice by slice.

    Args:
        config: its ``[model]`` is used; everything else is as shipped.
        base: folder that relative paths of ``config`` are meant from.
        size_px: width and height.
        fps: rate of the camera.
        seconds: how long to measure, after both have learnt the scene.
        stop: ends the run early.
        advance: told of the progress.

    Returns:
        None where it was stopped before both nodes had learnt the scene.

    Raises:
        DeliveryError: no broker can be started here.
        EdgeError: a node ended, or processed no frame in time.
    """
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as name, embedded_broker() as broker:
        folder = Path(name)
        write_clip(folder / "still.nut", still_pictures(*size_px), fps)
        files = []
        for gate in ("auto", "off"):
            (folder / gate).mkdir()
            files.append(folder / gate / "node.toml")
            delivery = DeliveryConfig(host=broker.host, port=broker.port_mqtt5)
            text = node_toml(config, base, delivery, clip="../still.nut", gate=gate)
            files[-1].write_text(text, encoding="utf-8")
        with running_node(files[0]) as (gated, _), running_node(files[1]) as (always, _):
            total_s = _SETTLE_S + seconds
            begun_s = time.monotonic()
            shares: list[tuple[float, float]] = []
            before = (time.monotonic(), cpu_s(gated.pid), cpu_s(always.pid))
            while (ran_s := time.monotonic() - begun_s) < total_s and not stop.wait(_SLICE_S):
                if gated.poll() is not None or always.poll() is not None:
                    raise EdgeError(f"a node ended by itself after {ran_s:.0f} s")
                now = (time.monotonic(), cpu_s(gated.pid), cpu_s(always.pid))
                if ran_s >= _SETTLE_S:
                    wall_s = now[0] - before[0]
                    shares.append(((now[1] - before[1]) / wall_s, (now[2] - before[2]) / wall_s))
                before = now
                advance(min(int(ran_s), int(total_s)), int(total_s))
    if not shares:
        return None
    both = [statistics.mean(of) for of in zip(*shares, strict=True)]
    return StillRun(fps, round(both[0], 4), round(both[1], 4), round(both[0] / both[1], 4), len(shares))
