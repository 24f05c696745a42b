"""The model: is it the one that was signed, where does it run, and does it keep up with the cameras."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edge.config import CameraConfig, Config
from edge.doctor.findings import Finding
from edge.errors import EdgeError
from edge.pipeline import Pipeline
from edge.pipeline.detector import Detector
from edge.pipeline.preprocess import backend
from edge.pipeline.preprocess.scaling import scale_to_fill
from edge.records import Frame

_MEASURE_S = 3.0
_WARM_UP = 2
_LEAST_RUNS = 3
_EASY_SHARE = 0.8  # of the time there is: the rest is for whatever else the box does
_SLOW_FPS = 3.0


@dataclass(frozen=True, slots=True)
class Stream:
    """What one camera sends.

    Attributes:
        camera: its id.
        width_px: of its frames.
        height_px: of its frames.
        fps: its rate, frames per second.
    """

    camera: str
    width_px: int = 640
    height_px: int = 512
    fps: float = 9.0


def check_model(
    config: Config, load: Callable[[Config], Detector], streams: Sequence[Stream], *, beside_node: bool
) -> list[Finding]:
    """Load the model as the node does, and time whole frames of the cameras' sizes.

    Args:
        config: the whole configuration.
        load: loads its model.
        streams: what the cameras send; none: one camera of 640x512 at 9 frames/s is supposed.
        beside_node: a node runs on this box meanwhile, which makes this slower than it is.
    """
    try:
        detector = load(config)
    except EdgeError as error:
        return [Finding("model", "fail", str(error), "mend the [model] section, or install edge again"), _native()]
    return [
        _signed(detector),
        _provider(detector),
        _native(),
        _speed(config, detector, streams or (Stream("a camera"),), beside_node=beside_node),
    ]


def _signed(detector: Detector) -> Finding:
    name = f"{detector.identity.id} {detector.identity.version}"
    if detector.signed:
        return Finding("model", "pass", f"{name}, signed by this project")
    return Finding(
        "model", "warn", f"{name}, without a valid signature", "fine if it is your own; else clear model.path"
    )


def _provider(detector: Detector) -> Finding:
    if detector.fault is None:
        return Finding("provider", "pass", f"runs on {detector.providers[0]}")
    return Finding("provider", "warn", detector.fault, "install the onnxruntime of this board, or mend model.providers")


def _native() -> Finding:
    used = backend()
    if used.reason is None:
        return Finding("native core", "pass", "frames are prepared by compiled code")
    return Finding(
        "native core",
        "warn",
        f"frames are prepared several times slower than they could be: {used.reason}",
        "sudo apt install g++, then install edge again",
    )


def _speed(config: Config, detector: Detector, streams: Sequence[Stream], *, beside_node: bool) -> Finding:
    took_s = {(one.width_px, one.height_px): 0.0 for one in streams}
    for width_px, height_px in took_s:
        took_s[width_px, height_px] = frame_s(config, detector, width_px, height_px)
    load = sum(one.fps * took_s[one.width_px, one.height_px] for one in streams)
    slowest = min(one.fps / max(load, 1.0) for one in streams)
    worst_s = max(took_s.values())
    told = f"a frame takes {1e3 * worst_s:.0f} ms; the cameras ask for {load:.0%} of the time there is"
    if beside_node:
        told += " (measured beside a running node, so too high)"
    elif os.getloadavg()[0] > len(os.sched_getaffinity(0)):
        told += " (measured on a busy box, so too high)"
    measured: dict[str, float | str] = {"frame_ms": round(1e3 * worst_s, 1), "load_share": round(load, 3)}
    if load <= _EASY_SHARE:
        return Finding("speed", "pass", told, None, measured)
    if slowest >= min(_SLOW_FPS, *(one.fps for one in streams)):
        told += f"; about {slowest:.1f} frames/s will be looked at, the newest first"
        return Finding("speed", "warn", told, _faster(config, streams), measured)
    told += f"; {slowest:.1f} frames/s are too few to follow people"
    return Finding("speed", "fail", told, _faster(config, streams), measured)


def _faster(config: Config, streams: Sequence[Stream]) -> str:
    cores = len(os.sched_getaffinity(0))
    if config.model.threads < cores:
        return f"model.threads = {cores} (edge bench says what is best here)"
    scale = config.model.input_scale
    if any((scale_to_fill(one.height_px, one.width_px, 1) if scale == "auto" else scale) > 1.0 for one in streams):
        return "model.input_scale = 1.0"
    if len(streams) > 1:
        return "fewer cameras on this box"
    return "a smaller camera.size_px, or a faster box"


def frame_s(config: Config, detector: Detector, width_px: int, height_px: int, seconds: float = _MEASURE_S) -> float:
    """Time one whole frame of this size, the median of some; the picture is noise, which costs as much as any other."""
    pipeline = Pipeline(config, CameraConfig(id="doctor", source="footage:noise"), detector, boot_id="doctor")
    dice = np.random.default_rng(1)
    pictures = [dice.integers(29_000, 30_000, (height_px, width_px)).astype(np.uint16) for _ in range(3)]
    taken: list[float] = []
    began_s, number = time.perf_counter(), 0
    while len(taken) < _LEAST_RUNS or time.perf_counter() - began_s < seconds:
        frame = Frame("doctor", number, number / 9.0, number / 9.0, pictures[number % len(pictures)])
        start_s = time.perf_counter()
        pipeline.process(frame)
        if number >= _WARM_UP:
            taken.append(time.perf_counter() - start_s)
        number += 1
    return statistics.median(taken)
