"""One run of the benchmark, from the box's name to the settings that are recommended for it."""

import importlib
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from edge.bench.compare import compare
from edge.bench.measured import Comparison, Heat, ModelSpeed, NodeRun, Report, StillRun
from edge.bench.node import run_node
from edge.bench.pictures import pictures
from edge.bench.speed import time_model, time_stages
from edge.bench.still import run_still
from edge.box import temperatures_c, this_box, throttling
from edge.config import Config
from edge.errors import DeliveryError
from edge.pipeline.detector import Detector
from edge.records import Pixels

SIZES_PX = ((320, 256), (640, 512), (1280, 1024))
SIZE_PX = (640, 512)
_PICTURES = 12
_NODE_PICTURES = 48
_KEPT_UP_SHARE = 0.5  # of what one thread could do: a rate that leaves room for whatever else the box does
_FASTER = 0.8  # another thread must save a fifth of the time, or it only heats the box
_LIBRARIES = ("numpy", "onnxruntime", "av")

Progress = Callable[[str], AbstractContextManager[Callable[[int, int | None], None]]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be measured.

    Attributes:
        config: configuration; its model and stages are used.
        base: folder that its relative paths are meant from.
        load: loads the model with a number of threads.
        seconds: how long each part takes, about.
        fps: rate of a camera; ``None``: half of what one thread can do, shared by the cameras, 30 at most.
        minutes: length of the soak; ``None``: no soak, the node runs for ``4 * seconds``.
        cameras: how many the node has.
        compare: hold preprocessing against OpenCV and numpy too.
    """

    config: Config
    base: Path
    load: Callable[[Config], Detector]
    seconds: float
    fps: float | None
    minutes: float | None
    cameras: int = 1
    compare: bool = False


def measure(wish: Wish, *, stop: threading.Event, progress: Progress) -> Report:
    """Measure everything that is wished for.

    Raises:
        CameraError: the sample footage, from which the pictures are made, is not installed.
        EdgeError: the node does not run.
    """
    box, before_c = this_box(), temperatures_c()
    missing: list[str] = []
    if (load := os.getloadavg()[0]) > box.cores / 2:
        missing.append(f"an idle box: the load was {load:.1f} on {box.cores} cores before this began")
    counts = [threads for threads in (1, 2, 3, 4, 6, 8) if threads <= box.cores]
    detectors = {threads: wish.load(_with_threads(wish.config, threads)) for threads in counts}
    with progress("stages") as advance:
        shown = pictures(*SIZE_PX, _PICTURES)
        stages = time_stages(wish.config, detectors[1], shown, seconds=wish.seconds, advance=advance)
    compared = _compared(shown, wish.seconds, progress, missing) if wish.compare else None
    with progress("model") as advance:
        path = Path(wish.config.model.path or f"{detectors[1].identity.id}.onnx")
        models = time_model(path, detectors, SIZES_PX, seconds=wish.seconds / 2, advance=advance)
    detectors.clear()
    threads = _threads(models)
    one_thread_fps = 1e3 / stages.frame.p50_ms
    fps = wish.fps or (
        60.0 if wish.minutes else min(30.0, max(1.0, round(_KEPT_UP_SHARE * one_thread_fps / wish.cameras)))
    )
    node: NodeRun | None = None
    with progress("node") as advance:
        seconds = 60.0 * wish.minutes if wish.minutes else 4 * wish.seconds
        try:
            filmed = pictures(*SIZE_PX, _NODE_PICTURES)
            node = run_node(
                wish.config,
                wish.base,
                filmed,
                fps=fps,
                seconds=seconds,
                cameras=wish.cameras,
                stop=stop,
                advance=advance,
            )
        except DeliveryError as error:
            missing.append(f"node: {error}")
    still: StillRun | None = None
    if node is not None and not stop.is_set():
        with progress("still scene") as advance:
            seconds = 4 * wish.seconds
            still = run_still(wish.config, wish.base, SIZE_PX, fps=fps, seconds=seconds, stop=stop, advance=advance)
    return Report(
        box=box,
        versions={name: str(importlib.import_module(name).__version__) for name in _LIBRARIES},
        stages=stages,
        models=models,
        node=node,
        still=still,
        compared=compared,
        heat=Heat(before_c, temperatures_c(), throttling()),
        recommended={
            "model.threads": str(threads),
            "cameras at 9 frames/s and 640x512": str(int(_fps_of(models, threads) / 9.0)),
        },
        not_measured=tuple(missing),
    )


def _compared(shown: list[Pixels], seconds: float, progress: Progress, missing: list[str]) -> Comparison | None:
    try:
        with progress("comparison") as advance:
            return compare(shown, seconds=seconds, advance=advance)
    except ModuleNotFoundError:
        missing.append("comparison with OpenCV: pip install 'edge-thermal[tools]'")
        return None


def _with_threads(config: Config, threads: int) -> Config:
    return config.model_copy(update={"model": config.model.model_copy(update={"threads": threads})})


def _threads(models: tuple[ModelSpeed, ...]) -> int:
    """Take another thread only while it saves at least a fifth of the time at the usual size."""
    usual = sorted(
        (speed.threads, speed.inference.p50_ms) for speed in models if (speed.width_px, speed.height_px) == SIZE_PX
    )
    best, best_ms = usual[0] if usual else (1, 0.0)
    for threads, p50_ms in usual[1:]:
        if p50_ms < _FASTER * best_ms:
            best, best_ms = threads, p50_ms
    return best


def _fps_of(models: tuple[ModelSpeed, ...], threads: int) -> float:
    return next((s.fps for s in models if s.threads == threads and (s.width_px, s.height_px) == SIZE_PX), models[0].fps)
