"""Time our tracker, rules, groups and alerts beside ``supervision``'s ByteTrack and ``norfair`` on the same detections.

Run it with the interpreter of another environment, in which both of them are installed (they need packages that this
project does not want; ``pip install 'supervision<0.28' norfair``, for later ones have no ByteTrack)::

    python tests/bench/bench_tracker.py /path/to/other/bin/python

Every frame is given to all three one after the other, and the time is the processor's, not the clock's, so what else the
machine does hits them alike and little; the means and their ratios are printed. Nothing of the other two is imported
here: this file runs itself in the other interpreter as a worker.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

FPS = 9.0
HEIGHT_PX = 30.0


def crowd(people: int, frames: int, *, seed: int = 1) -> Iterator[tuple[float, list[list[float]]]]:
    """Film people who walk about in small groups, with 10 % missed, 5 % false and 1 px of jitter: (t_s, boxes)."""
    dice = np.random.default_rng(seed)
    size_px = np.array((640.0, 512.0)) * max(1.0, (people / 60.0) ** 0.5)  # a crowd of 500 needs a wide picture
    centres = dice.uniform(0.0, 1.0, (max(people // 5, 1), 2)) * size_px
    party = dice.integers(0, len(centres), people)
    place = centres[party] + dice.normal(0.0, 40.0, (people, 2))
    velocity = dice.normal(0.0, 15.0, centres.shape)[party] + dice.normal(0.0, 2.0, (people, 2))
    half = np.array((HEIGHT_PX * 0.2, HEIGHT_PX / 2.0))
    for index in range(frames):
        place = place + velocity / FPS
        velocity = np.where((place < 0.0) | (place > size_px), -velocity, velocity)
        seen = place[dice.random(people) >= 0.1]
        false = dice.uniform(0.0, 1.0, (dice.poisson(0.05 * people), 2)) * size_px
        middles = np.concatenate([seen, false])
        middles = middles + dice.normal(0.0, 1.0, middles.shape)
        yield index / FPS, np.concatenate([middles - half, middles + half], axis=1).tolist()


def ours() -> Callable[[float, list[list[float]]], float]:
    """Build our chain; calling it takes one frame and returns milliseconds, the making of records included."""
    # here and not above, because the other interpreter, which runs this file too, has no edge
    from edge.config import AlertsConfig, GroupsConfig, LineConfig, TrackerConfig
    from edge.pipeline.alerts import AlertRaiser
    from edge.pipeline.compiled_tracker import make_tracker
    from edge.pipeline.groups import GroupCounter
    from edge.pipeline.rules import Rules
    from edge.records import Detection

    tracker, groups = make_tracker(TrackerConfig()), GroupCounter(GroupsConfig())
    rules = Rules([LineConfig(id="border", points=((0.1, 0.5), (0.9, 0.5)))], [])
    alerts = AlertRaiser(AlertsConfig(), camera="bench", boot_id="bench")

    def step(t_s: float, boxes: list[list[float]]) -> float:
        detections = [Detection(tuple(box), 0.9) for box in boxes]
        start = time.process_time()
        tracks = tracker.update(detections, t_s, width_px=640, height_px=512)
        events = rules.update(tracks, t_s, 640, 512)
        found = groups.update(tracks, events, t_s)
        alerts.update(found, t_s=t_s, captured_utc_s=t_s, width_px=640, height_px=512)
        return (time.process_time() - start) * 1e3

    return step


def theirs(which: str) -> Callable[[float, list[list[float]]], float]:
    """Build another library's tracker with its defaults; calling it takes one frame and returns milliseconds."""
    if which == "supervision":
        import supervision

        tracker = supervision.ByteTrack(frame_rate=int(FPS))

        def byte_track(_t_s: float, boxes: list[list[float]]) -> float:
            count = len(boxes)
            detections = supervision.Detections(
                xyxy=np.array(boxes, np.float32).reshape(-1, 4),
                confidence=np.full(count, 0.9, np.float32),
                class_id=np.zeros(count, int),
            )
            start = time.process_time()
            tracker.update_with_detections(detections)
            return (time.process_time() - start) * 1e3

        return byte_track
    import norfair

    follower = norfair.Tracker(distance_function="iou", distance_threshold=0.7)  # one of its vectorised ones

    def follow(_t_s: float, boxes: list[list[float]]) -> float:
        detections = [norfair.Detection(np.array(box).reshape(2, 2), scores=np.array((0.9, 0.9))) for box in boxes]
        start = time.process_time()
        follower.update(detections)
        return (time.process_time() - start) * 1e3

    return follow


def work(which: str) -> None:
    """Serve one library on standard input and output: a frame a line in, milliseconds a line out."""
    step = theirs(which)
    for line in sys.stdin:
        t_s, boxes = json.loads(line)
        sys.stdout.write(f"{step(t_s, boxes)}\n")
        sys.stdout.flush()


def measure(python: str, people: int, frames: int) -> dict[str, float]:
    """Give the same frames to all three, frame by frame; mean milliseconds by name."""
    workers = {
        which: subprocess.Popen(
            [python, __file__, "--worker", which], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for which in ("supervision", "norfair")
    }
    mine = ours()
    times: dict[str, list[float]] = {"edge": [], **{which: [] for which in workers}}
    for index, (t_s, boxes) in enumerate(crowd(people, frames)):
        taken = {"edge": mine(t_s, boxes)}
        for which, worker in workers.items():
            worker.stdin.write(json.dumps((t_s, boxes)) + "\n")
            worker.stdin.flush()
            taken[which] = float(worker.stdout.readline())
        if index >= frames // 4:  # the first frames begin tracks and load code
            for which, value in taken.items():
                times[which].append(value)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return {which: statistics.fmean(values) for which, values in times.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", nargs="?", help="interpreter with supervision and norfair")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--worker", choices=("supervision", "norfair"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker)
        return
    sys.stdout.write(
        f"{'people':>6} {'edge ms':>9} {'ByteTrack ms':>13} {'norfair ms':>11} {'share of it':>12} {'share of it':>12}\n"
    )
    for people in (10, 100, 500):
        frames = given.frames if people <= 100 else max(given.frames // 3, 20)
        taken = measure(given.python, people, frames)
        mine = taken["edge"]
        shares = (mine / taken["supervision"], mine / taken["norfair"])
        sys.stdout.write(
            f"{people:>6} {mine:>9.2f} {taken['supervision']:>13.2f} {taken['norfair']:>11.2f}"
            f" {shares[0]:>12.2f} {shares[1]:>12.2f}\n"
        )


if __name__ == "__main__":
    main()
