"""Preprocessing beside other ways: a plain copy, OpenCV at its best, the usual numpy; in turns, on one thread."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from edge.bench.measured import Comparison, spread
from edge.bench.pictures import as_frames
from edge.config import PreprocessConfig
from edge.pipeline.preprocess import Preprocessor
from edge.records import Frame, Pixels

_FPS = 9.0
_MULTIPLE_PX = 32
_WARM_UP = 10
_NUMPY_EVERY = 10  # it is a hundred times slower: the others must not wait for it
_WEIGHT, _BACKGROUND_WEIGHT = 0.1, 14  # at 9 frames/s

Advance = Callable[[int, int | None], None]


@dataclass(slots=True)
class _Timed:
    """One way to do it, with the times it took; every so many turns."""

    run: Callable[[Frame], object]
    every: int = 1
    taken_s: list[float] = field(default_factory=list)


def compare(pixels: list[Pixels], *, seconds: float, advance: Advance) -> Comparison:
    """Time all of them on the same pictures, one after the other, again and again.

    Args:
        pixels: pictures of one size, sides multiples of 32.
        seconds: how long to measure, about.
        advance: told of the progress.

    Raises:
        ModuleNotFoundError: OpenCV is not installed.
    """
    import cv2  # noqa: PLC0415

    from edge.bench.compositions import NumpyComposition, OpenCvComposition  # noqa: PLC0415

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        config, (height_px, width_px) = PreprocessConfig(), pixels[0].shape
        copied = np.empty_like(pixels[0])
        plain = Preprocessor(config, multiple_px=_MULTIPLE_PX)
        watching = Preprocessor(config, multiple_px=_MULTIPLE_PX, watch=True, motion=True)
        opencv, opencv_all = (OpenCvComposition(config, height_px, width_px) for _ in range(2))
        plateau = PreprocessConfig(agc="plateau")
        equalising = Preprocessor(plateau, multiple_px=_MULTIPLE_PX)
        opencv_plateau = OpenCvComposition(plateau, height_px, width_px)
        usual = NumpyComposition(config, _MULTIPLE_PX)
        ways = {
            "copy": _Timed(lambda frame: np.copyto(copied, frame.pixels)),
            "ours": _Timed(plain.apply),
            "opencv": _Timed(lambda frame: opencv.prepare(frame.pixels, _WEIGHT)),
            "numpy": _Timed(lambda frame: usual.prepare(frame.pixels, _WEIGHT), _NUMPY_EVERY),
            "ours_plateau": _Timed(equalising.apply),
            "opencv_plateau": _Timed(lambda frame: opencv_plateau.prepare(frame.pixels, _WEIGHT)),
            "ours_watching": _Timed(lambda frame: (watching.apply(frame), watching.moved(frame, ffc=False))),
            "opencv_watching": _Timed(
                lambda frame: (
                    opencv_all.prepare(frame.pixels, _WEIGHT),
                    opencv_all.watch(frame.pixels, _BACKGROUND_WEIGHT),
                )
            ),
        }
        _take_turns(list(ways.values()), as_frames(pixels, _FPS), seconds, advance)
    finally:
        cv2.setNumThreads(threads)
    median = {name: statistics.median(way.taken_s) for name, way in ways.items()}
    return Comparison(
        width_px=width_px,
        height_px=height_px,
        times={name: spread(way.taken_s) for name, way in ways.items()},
        beside_copy=round(median["ours"] / median["copy"], 2),
        beside_opencv=round(median["ours"] / median["opencv"], 3),
        beside_numpy=round(median["ours"] / median["numpy"], 4),
        plateau_beside_opencv=round(median["ours_plateau"] / median["opencv_plateau"], 3),
        watching_beside_opencv=round(median["ours_watching"] / median["opencv_watching"], 3),
    )


def _take_turns(ways: list[_Timed], frames: list[Frame], seconds: float, advance: Advance) -> None:
    begun_s, turn = time.perf_counter(), -_WARM_UP
    while (done_s := time.perf_counter() - begun_s) < seconds or turn < _WARM_UP:
        frame = frames[turn % len(frames)]
        moment = Frame("bench", turn, turn / _FPS, 0.0, frame.pixels, frame.radiometry)
        for way in ways:
            if turn % way.every:
                continue
            start_s = time.thread_time()
            way.run(moment)
            took_s = time.thread_time() - start_s
            if turn >= 0:
                way.taken_s.append(took_s)
        turn += 1
        advance(min(int(1000 * done_s / seconds), 1000), 1000)
