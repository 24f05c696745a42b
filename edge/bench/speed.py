"""The pipeline stage by stage, and the model alone by input size and threads: in this process, nothing else running."""

import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.bench.measured import ModelSpeed, Stages, spread
from edge.bench.pictures import as_frames
from edge.config import CameraConfig, Config, GateConfig
from edge.pipeline import Pipeline
from edge.pipeline.detector import Detector
from edge.records import Detection, Frame, Pixels

_FPS = 9.0  # rate at which the pictures were filmed: what the tracker does depends on it
_WARM_UP = 5
_LEAST_RUNS = 5
_KB = 1000.0

Advance = Callable[[int, int | None], None]


class _Split:
    """The detector with its two halves timed apart."""

    def __init__(self, detector: Detector, timed: "_Times") -> None:
        self._detector = detector
        self._timed = timed
        self.score, self.begin = detector.score, detector.begin
        self.multiple_px, self.fixed_px = detector.multiple_px, detector.fixed_px

    def detect(self, tensor: npt.NDArray[np.uint8], scale: float, size_px: tuple[int, int]) -> tuple[Detection, ...]:
        with self._timed("inference"):
            outputs = self._detector.infer(tensor)
        with self._timed("boxes"):
            return self._detector.read(outputs, (tensor.shape[2], tensor.shape[3]), scale, size_px)


class _Times:
    """Collects what each stage costs, frame by frame: processor time of this thread, which never waits for anything."""

    def __init__(self) -> None:
        self.of: dict[str, list[float]] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start_s = time.thread_time()
        try:
            yield
        finally:
            self.of.setdefault(stage, []).append(time.thread_time() - start_s)


def time_stages(
    config: Config, detector: Detector, pixels: list[Pixels], *, seconds: float, advance: Advance
) -> Stages:
    """Run one camera's pipeline over pictures that walk to and fro, for about ``seconds``.

    Args:
        config: the node's.
        detector: loaded model.
        pixels: pictures of one size.
        seconds: how long to measure, the warm-up excluded.
        advance: told of the progress.
    """
    times = _Times()
    camera = CameraConfig(id="bench", source="footage:bench")
    always = config.model_copy(update={"gate": GateConfig(mode="off")})
    pipeline = Pipeline(always, camera, _Split(detector, times), boot_id="bench", timed=times)
    frames = _to_and_fro(pixels)
    for _ in range(_WARM_UP):
        pipeline.process(next(frames))
    times.of.clear()
    whole: list[float] = []
    cpu_s, begun_s = time.process_time(), time.perf_counter()
    while (done_s := time.perf_counter() - begun_s) < seconds or len(whole) < _LEAST_RUNS:
        frame = next(frames)
        start_s = time.thread_time()
        pipeline.process(frame)
        whole.append(time.thread_time() - start_s)
        advance(min(int(1000 * done_s / seconds), 1000), 1000)
    cpu_s = time.process_time() - cpu_s
    stages = {name: spread(taken) for name, taken in times.of.items() if name != "detect"}
    shares = [1.0 - inference_s / frame_s for inference_s, frame_s in zip(times.of["inference"], whole, strict=True)]
    height_px, width_px = pixels[0].shape
    return Stages(
        width_px=width_px,
        height_px=height_px,
        frame=spread(whole),
        stages=stages,
        beside_inference_share=round(float(np.median(shares)), 4),
        cpu_per_frame_ms=round(1e3 * cpu_s / len(whole), 3),
        allocated_kb=allocated_kb(pipeline, frames),
    )


def allocated_kb(pipeline: Pipeline, frames: Iterator[Frame], count: int = 10) -> float:
    """The most that one frame of ``count`` had allocated at once beyond what was there before it, kB of 1000."""
    peaks = []
    tracemalloc.start()
    try:
        for _ in range(count):
            frame = next(frames)
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            pipeline.process(frame)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return round(max(peaks) / _KB, 1)


def time_model(
    path: Path,
    detectors: dict[int, Detector],
    sizes_px: Sequence[tuple[int, int]],
    *,
    seconds: float,
    advance: Advance,
) -> tuple[ModelSpeed, ...]:
    """Time the model alone; all sizes and numbers of threads take turns, so that a noisy moment hits them alike.

    Args:
        path: names the model in the answer.
        detectors: the model by number of threads.
        sizes_px: widths and heights of the input; rounded up to what the model takes.
        seconds: how long to measure each, about.
        advance: told of the progress.
    """
    dice = np.random.default_rng(1)
    some = next(iter(detectors.values()))
    cases = []
    for size in dict.fromkeys(_input_px(some, *wanted) for wanted in sizes_px):
        tensor = dice.integers(0, 256, (1, 1, size[1], size[0])).astype(np.uint8)
        cases += [(size, threads, detector, tensor, list[float]()) for threads, detector in detectors.items()]
    for _, _, detector, tensor, _ in cases:
        detector.infer(tensor)
    begun_s, total_s, turn = time.perf_counter(), seconds * len(cases), 0
    while (done_s := time.perf_counter() - begun_s) < total_s or turn < _LEAST_RUNS:
        for _, _, detector, tensor, taken in cases:
            start_s = time.perf_counter()
            detector.infer(tensor)
            taken.append(time.perf_counter() - start_s)
        turn += 1
        advance(min(int(1000 * done_s / total_s), 1000), 1000)
    return tuple(
        ModelSpeed(path.stem, *size, threads, spread(taken), round(1.0 / float(np.median(taken)), 1))
        for size, threads, _, _, taken in cases
    )


def _input_px(detector: Detector, width_px: int, height_px: int) -> tuple[int, int]:
    if detector.fixed_px is not None:
        return detector.fixed_px[1], detector.fixed_px[0]
    step_px = detector.multiple_px
    return -(-width_px // step_px) * step_px, -(-height_px // step_px) * step_px


def _to_and_fro(pixels: list[Pixels]) -> Iterator[Frame]:
    around = as_frames([*pixels, *pixels[-2:0:-1]], _FPS)
    turn = 0
    while True:
        shift_s = turn * len(around) / _FPS
        for frame in around:
            yield Frame(
                frame.camera,
                frame.seq + turn * len(around),
                frame.t_s + shift_s,
                frame.captured_utc_s + shift_s,
                frame.pixels,
                frame.radiometry,
            )
        turn += 1
