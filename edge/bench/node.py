"""The whole node as its own process: start, rate, latency, processor time and memory, seen from outside.

It runs ``edge run`` with a lossless clip as its camera and a broker of its own, and listens to it as a control room
would; nothing in the node knows that it is measured.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from edge.bench.measured import NodeRun, spread
from edge.bench.pictures import write_clip
from edge.box import cpu_s, resident_mb
from edge.clock import SystemClock
from edge.config import Config, DeliveryConfig
from edge.delivery.brokers import embedded_broker
from edge.delivery.subscriber import Event, Subscriber
from edge.delivery.wire import AlertEvent, Health
from edge.errors import EdgeError
from edge.records import Pixels

_STARTS = 5
_START_S = 60.0
_SAMPLE_S = 1.0
_TENTH = 10
_STOP_S = 10.0
_IMPORTS = "cv2, onnxruntime" if find_spec("cv2") else "onnxruntime"
_EDGE = "from edge.cli import main; main()"

Advance = Callable[[int, int | None], None]


@dataclass(slots=True)
class _Heard:
    """What the node said while it was measured."""

    latencies_s: list[float] = field(default_factory=list)
    rates: dict[str, list[float]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        now_s = time.time()
        if isinstance(event.body, AlertEvent) and event.body.data.phase != "end" and not event.retained:
            self.latencies_s.append(now_s - event.body.data.captured_at.timestamp())
        elif isinstance(event.body, Health):
            for name, camera in event.body.cameras.items():
                self.dropped[name] = camera.dropped or 0
                if camera.fps is not None:
                    self.rates.setdefault(name, []).append(camera.fps)


def run_node(
    config: Config,
    base: Path,
    pixels: list[Pixels],
    *,
    fps: float,
    seconds: float,
    cameras: int = 1,
    stop: threading.Event,
    advance: Advance,
) -> NodeRun:
    """Start the node a few times, then let it run for ``seconds``.

    Args:
        config: its ``[model]`` is used; everything else is as shipped.
        base: folder that relative paths of ``config`` are meant from.
        pixels: what its camera shows, to and fro.
        fps: rate of each camera.
        seconds: how long to let it run.
        cameras: how many there are.
        stop: ends the run early; what there is by then is reported.
        advance: told of the progress.

    Raises:
        DeliveryError: no broker can be started here.
        EdgeError: the node ended, or processed no frame in time.
    """
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as name, embedded_broker() as broker:
        folder = Path(name)
        write_clip(folder / "camera.mkv", pixels, fps)
        delivery = DeliveryConfig(host=broker.host, port=broker.port_mqtt5, health_every_s=_SAMPLE_S)
        file = folder / "node.toml"
        file.write_text(node_toml(config, base, delivery, cameras=cameras), encoding="utf-8")
        starts_s, imports_s = zip(*[_one_start(file) for _ in range(_STARTS)], strict=True)
        heard, done = _Heard(), threading.Event()
        subscriber = Subscriber(delivery, heard.take, clock=SystemClock(), node="bench")
        listening = threading.Thread(target=subscriber.run, args=(done,), name="bench-listener")
        listening.start()
        try:
            with running_node(file) as (process, _):
                memory_mb, busy, ran_s = _watch(process, seconds, stop, advance)
        finally:
            done.set()
            listening.join()
    tenth = max(1, len(memory_mb) // _TENTH)
    settled_mb, last_mb = (
        statistics.median(memory_mb[tenth : 2 * tenth] or memory_mb),
        statistics.median(memory_mb[-tenth:]),
    )
    rates = [statistics.median(told) for told in heard.rates.values()]
    return NodeRun(
        start_s=round(statistics.median(starts_s), 3),
        imports=_IMPORTS,
        imports_s=round(statistics.median(imports_s), 3),
        start_ratio=round(statistics.median(a / b for a, b in zip(starts_s, imports_s, strict=True)), 2),
        cameras=cameras,
        camera_fps=fps,
        fps=round(sum(rates), 1) if rates else None,
        least_fps=min(rates) if rates else None,
        dropped=sum(heard.dropped.values()),
        latency=spread(heard.latencies_s) if heard.latencies_s else None,
        cpu_share=round(busy, 3),
        resident_mb=round(last_mb, 1),
        growth_mb=round(last_mb - settled_mb, 2),
        minutes=round(ran_s / 60.0, 2),
    )


def node_toml(
    config: Config,
    base: Path,
    delivery: DeliveryConfig,
    *,
    clip: str = "camera.mkv",
    cameras: int = 1,
    gate: str | None = None,
    node: str = "bench",
) -> str:
    """Write the configuration of a node that films ``clip`` over and over.

    Args:
        config: its ``[model]`` is used.
        base: folder that relative paths of ``config`` are meant from.
        delivery: where its broker is.
        clip: file beside the configuration.
        cameras: how many film it.
        gate: ``gate.mode``; as shipped where None.
        node: its name.
    """
    model = config.model.model_dump(exclude_unset=True)
    if config.model.path:
        model["path"] = str((base / config.model.path).resolve())
    tables: dict[str, dict[str, object]] = {
        "node": {"id": node},
        "model": model,
        "alerts": {"update_every_s": 0.0},
        "delivery": {"host": delivery.host, "port": delivery.port, "health_every_s": delivery.health_every_s},
        "log": {"format": "json"},
    }
    if gate is not None:
        tables["gate"] = {"mode": gate}
    lines = [f'[[camera]]\nid = "bench-{n}"\nsource = "footage:{clip}"\nloop = true' for n in range(cameras)]
    lines += [
        f"[{table}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
        for table, values in tables.items()
    ]
    return "\n".join(lines) + "\n"


def _one_start(file: Path) -> tuple[float, float]:
    """Time one start of the node, and beside it the import of the libraries that it is measured by."""
    begun_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {_IMPORTS}"], check=True)  # noqa: S603
    imports_s = time.perf_counter() - begun_s
    with running_node(file) as (_, start_s):
        return start_s, imports_s


@contextmanager
def running_node(file: Path) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """Start the node and wait for its first frame; yields the process and how long that took."""
    begun_s = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", _EDGE, "run", str(file)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C in the terminal ends the measurement, which then ends the node
    )
    assert process.stderr is not None
    kill = threading.Timer(_START_S, process.kill)
    kill.start()
    said: list[str] = []
    try:
        for line in process.stderr:
            said.append(line)
            if '"first frame processed"' in line:
                break
        else:
            raise EdgeError(
                f"the node processed no frame in {_START_S:g} s; its last word: {''.join(said[-1:]).strip()}"
            )
        kill.cancel()
        start_s = time.perf_counter() - begun_s
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        yield process, start_s
    finally:
        kill.cancel()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _watch(
    process: subprocess.Popen[str], seconds: float, stop: threading.Event, advance: Advance
) -> tuple[list[float], float, float]:
    """Sample memory once a second; returns the samples in MB, the share of a core, and how long it ran in seconds."""
    memory_mb: list[float] = []
    begun_s, busy_s = time.monotonic(), cpu_s(process.pid)
    while (ran_s := time.monotonic() - begun_s) < seconds and not stop.wait(min(_SAMPLE_S, seconds)):
        if process.poll() is not None:
            raise EdgeError(f"the node ended by itself after {ran_s:.0f} s with exit code {process.returncode}")
        memory_mb.append(resident_mb(process.pid))
        advance(min(int(ran_s), int(seconds)), int(seconds))
    ran_s = time.monotonic() - begun_s
    return memory_mb or [resident_mb(process.pid)], (cpu_s(process.pid) - busy_s) / ran_s, ran_s


def lower_priority() -> None:
    """Let everything else on this machine go first: a long soak must not be in the way."""
    os.nice(10)
