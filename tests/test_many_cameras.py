"""Several cameras in one process: they share what the box can do, and each gets its part."""

import threading
import time
from pathlib import Path

import pytest

from edge.bench.pictures import pictures
from edge.clock import SystemClock
from edge.commands.work import load_detector
from edge.config import CameraConfig, Config, DeliveryConfig
from edge.records import Frame, Radiometry
from edge.service import Node

SIZE_PX = (321, 257)
FPS = 120.0  # of all cameras together: more than the box can do
FRAMES = 80


class HurriedCamera:
    """Shows the same few pictures again and again, faster than the node can look at them."""

    def __init__(self, camera_id, shown, fps, stopping):
        """Show ``shown`` in turn, ``fps`` a second."""
        self.camera_id, self.shown, self.fps, self.stopping = camera_id, shown, fps, stopping

    def __enter__(self):
        """Give itself."""
        return self

    def __exit__(self, *_):
        pass

    def __iter__(self):
        seq = 0
        while not self.stopping.wait(1.0 / self.fps):
            now_s = time.monotonic()
            yield Frame(
                self.camera_id, seq, now_s, time.time(), self.shown[seq % len(self.shown)], Radiometry("counts")
            )
            seq += 1


def served(count: int, detector, shown, folder: Path) -> tuple[dict[str, int], float]:
    """Let a node with ``count`` cameras process frames; tell how many of each, and at how many a second of CPU."""
    stopping = threading.Event()
    names = [f"camera-{n}" for n in range(count)]
    config = Config(
        camera=tuple(CameraConfig(id=name, source="footage:none") for name in names),
        delivery=DeliveryConfig(port=1, outbox_file=str(folder / f"{count}.sqlite")),
    )

    def make(section):
        return HurriedCamera(section.id, shown, FPS / count, stopping)

    node = Node(config, detector, clock=SystemClock(), stopping=stopping, base=folder, make_camera=make)

    def frames() -> dict[str, int]:
        counters = node.metrics.counters()
        return {name: counters.get(f"frames_processed/{name}", 0) for name in names}

    running = threading.Thread(target=node.run)
    running.start()
    try:
        while sum(frames().values()) < 10 * count:
            time.sleep(0.01)
        before, begun_s = frames(), time.process_time()
        while sum(frames().values()) < sum(before.values()) + FRAMES:
            time.sleep(0.01)
        after, took_s = frames(), time.process_time() - begun_s
    finally:
        stopping.set()
        running.join()
    done = {name: after[name] - before[name] for name in names}
    return done, sum(done.values()) / took_s


@pytest.mark.slow  # it times: a busy box says nothing of the node
@pytest.mark.parametrize("count", [2, 4, 8])
def test_more_cameras_cost_nothing_and_none_starves(count, tmp_path):
    """Together they get as many frames a second of CPU as one alone, within a tenth, and each its equal share."""
    detector, shown = load_detector(Config(), tmp_path), pictures(*SIZE_PX, 6)
    rates = []
    for turn in range(2):
        (tmp_path / str(turn)).mkdir()
        _, alone = served(1, detector, shown, tmp_path / str(turn))
        done, together = served(count, detector, shown, tmp_path / str(turn))
        assert min(done.values()) >= 0.8 * FRAMES / count
        rates.append(together / alone)
    assert max(rates) >= 0.9
