"""A node under load: many cameras share one box fairly, and a box that cannot keep up shows now and not a while ago."""

import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from edge.bench.pictures import pictures
from edge.clock import SystemClock
from edge.commands.work import load_detector
from edge.config import CameraConfig, Config, DeliveryConfig, ModelConfig, NodeConfig
from edge.pipeline import Moment, Pipeline
from edge.pipeline.preprocess import Preprocessor
from edge.records import Frame, Radiometry
from edge.service import Node

SIDES_PX = (213, 171)


class Reel:
    """A camera whose pictures come from memory, at its own rate, until the node stops."""

    def __init__(self, name: str, shown, fps: float, stopping: threading.Event) -> None:
        """Show nothing yet."""
        self.camera_id = name
        self.latest_seq = -1
        self._shown, self._fps, self._stopping = shown, fps, stopping

    def __enter__(self):
        """Open it."""
        return self

    def __exit__(self, *_):
        """Close it."""

    def __iter__(self):
        """Give a frame when it is due."""
        begun_s = time.monotonic()
        while not self._stopping.is_set():
            self.latest_seq += 1
            due_s = begun_s + self.latest_seq / self._fps
            if self._stopping.wait(max(0.0, due_s - time.monotonic())):
                return
            pixels = self._shown[self.latest_seq % len(self._shown)]
            yield Frame(self.camera_id, self.latest_seq, due_s, time.time(), pixels, Radiometry("counts"))


class Load:
    """A node that runs with some reels for a while; remembers how old every frame was when it was done."""

    def __init__(self, folder: Path, shown, *, cameras: int, fps: float) -> None:
        """Build it with the shipped model; nobody answers on its broker's port."""
        self.stopping = threading.Event()
        names = [f"cam-{number}" for number in range(cameras)]
        self.reels = {name: Reel(name, shown, fps, self.stopping) for name in names}
        config = Config(
            node=NodeConfig(id="load"),
            camera=tuple(CameraConfig(id=name, source="footage:reel") for name in names),
            model=ModelConfig(allow_unsigned=True),
            delivery=DeliveryConfig(port=1, outbox_file=str(folder / f"{cameras}.sqlite")),
        )
        self.node = Node(
            config,
            load_detector(config, folder),
            clock=SystemClock(),
            stopping=self.stopping,
            base=folder,
            make_camera=lambda section: self.reels[section.id],
        )

    def run(self, seconds: float) -> tuple[dict[str, int], float]:
        """Run; give the frames processed by camera, and the processor time of the whole process."""
        timer = threading.Timer(seconds, self.stopping.set)
        timer.start()
        cpu_s = time.process_time()
        self.node.run()
        cpu_s = time.process_time() - cpu_s
        counters = self.node.metrics.counters()
        return {name: counters.get(f"frames_processed/{name}", 0) for name in self.reels}, cpu_s


@pytest.fixture(scope="module")
def shown():
    """Give some pictures of people."""
    return pictures(*SIDES_PX, 6)


@pytest.mark.parametrize("cameras", [2, 8])
def test_many_cameras_share_the_box_fairly(tmp_path, shown, cameras):
    """Of cameras that all show more than the box can do, none is looked at less than four fifths as often as another."""
    many, _ = Load(tmp_path, shown, cameras=cameras, fps=400.0 / cameras).run(2.0)
    assert min(many.values()) >= 0.8 * max(many.values()) > 0


def test_a_box_that_cannot_keep_up_shows_now_and_counts_what_it_left_out(tmp_path, shown):
    """At ten times what it can do, the frame in hand is the newest there was, the rest is counted, memory stays flat."""
    load = Load(tmp_path, shown, cameras=1, fps=1000.0)
    pipeline, ages, memory = load.node._pipelines["cam-0"], [], []
    process = pipeline.process

    def watched(frame):
        ages.append(load.reels["cam-0"].latest_seq - frame.seq)  # how many newer ones there were when it was taken
        memory.append(tracemalloc.get_traced_memory()[0])
        return process(frame)

    pipeline.process = watched
    tracemalloc.start()
    try:
        processed, _ = load.run(3.0)
    finally:
        tracemalloc.stop()
    counters = load.node.metrics.counters()
    assert sorted(ages)[int(0.9 * len(ages))] <= 3
    left_out = counters["frames_captured/cam-0"] - processed["cam-0"] - counters["frames_replaced/cam-0"]
    assert 0 <= left_out <= 1  # one may lie in the slot at the end
    assert counters["frames_replaced/cam-0"] > processed["cam-0"]
    third = len(memory) // 3
    assert np.median(memory[-third:]) - np.median(memory[third : 2 * third]) < 1_000_000


def test_the_model_and_what_follows_it_allocate_little_once_warm(tmp_path):
    """Of a 640x512 frame with nine people, inference, tracking, grouping and alerting ask for 64 kB at once at most."""
    config = Config(model=ModelConfig(allow_unsigned=True))
    detector = load_detector(config, tmp_path)
    pipeline = Pipeline(config, CameraConfig(id="a", source="footage:x"), detector, boot_id="b")
    preprocess = Preprocessor(config.preprocess, multiple_px=detector.multiple_px)
    shown, peaks = pictures(640, 512, 6), []
    for seq in range(40):
        frame = Frame("a", seq, seq / 9.0, seq / 9.0, shown[seq % len(shown)], Radiometry("counts"))
        prepared = preprocess.apply(frame)
        if seq == 20:
            tracemalloc.start()
        if seq >= 20:
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
        found = detector.detect(prepared.tensor, prepared.scale, (512, 640))
        result = pipeline.follow(Moment(seq, seq / 9.0, seq / 9.0, 640, 512), found)
        if seq >= 20:
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    assert len(result.detections) >= 5
    assert max(peaks) <= 64_000
