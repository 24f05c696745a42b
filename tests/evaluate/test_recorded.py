"""Detections without a detector: their amounts, their file, and the pipeline run on them."""

import json
import statistics

import pytest
from drawing import FPS, HEIGHT_PX, PROVEN_PX, WIDTH_PX, person, true_clip

from edge.config import CameraConfig, Config
from edge.errors import ConfigError
from edge.evaluate.counting import Clip, evaluate_counting
from edge.evaluate.recorded import degrade, perfect, read_detections, run_from_detections, write_detections
from edge.evaluate.truth import TruthMount
from edge.pipeline import Pipeline
from edge.records import Detection


class Blind:
    """A detector that is never asked: detections come from the truth."""

    score = begin = 0.3
    multiple_px = 32
    fixed_px = None


def crowd(frames=400, people=5):
    """Draw people who stand far apart for a long time."""
    return true_clip(*[[person(one, 50 * one) for one in range(1, people + 1)]] * frames)


def pipeline():
    """Make the deployed pipeline without a model."""
    return Pipeline(Config(), CameraConfig(id="drawn", source="footage:drawn"), Blind(), boot_id="0" * 26)


def test_perfect_detections_are_those_in_sight():
    """The hidden, the animals and everybody behind a closed shutter are not detected."""
    objects = [person(1, 40), person(2, 80, visible=0.2), person(3, 120, kind="deer", group=None)]
    truth = true_clip(objects, objects, ffc=(1,))
    first, second = perfect(truth)
    assert [one.box for one in first] == [truth.frames[0].objects[0].box]
    assert second == ()


def test_degraded_detections_are_spoilt_by_the_amounts_that_were_asked_for():
    """Over two thousand boxes the missed and false shares and the jitter come out as ordered."""
    truth = crowd()
    spoilt = degrade(truth, missed=0.1, false=0.05, jitter_px=2.0, seed=3)
    true = [one.box for one in truth.frames[0].objects]
    steps, false = [], 0
    for found in spoilt:
        for one in found:
            nearest = min(true, key=lambda box: abs(box[0] - one.box[0]) + abs(box[1] - one.box[1]))
            if abs(nearest[0] - one.box[0]) < 10 and abs(nearest[1] - one.box[1]) < 10:
                steps += [one.box[0] - nearest[0], one.box[3] - nearest[3]]
            else:
                false += 1
    boxes = len(truth.frames) * len(true)
    assert len(steps) / 2 / boxes == pytest.approx(0.9, abs=0.02)
    assert false / boxes == pytest.approx(0.05, abs=0.015)
    assert statistics.pstdev(steps) == pytest.approx(2.0, abs=0.15)
    assert all(one.box[0] >= 0 and one.box[2] <= WIDTH_PX + 8 and one.box[3] <= HEIGHT_PX for f in spoilt for one in f)


def test_the_same_seed_spoils_the_same_way():
    """Two calls agree, another seed does not, and no spoiling at all is perfect but for scores and order."""
    truth = crowd(frames=10)
    assert degrade(truth, seed=1) == degrade(truth, seed=1)
    assert degrade(truth, seed=1) != degrade(truth, seed=2)
    clean = degrade(truth, missed=0.0, false=0.0, jitter_px=0.0, seed=1)
    assert [{one.box for one in found} for found in clean] == [{one.box for one in found} for found in perfect(truth)]


def test_empty_scenes_are_tempted_too():
    """Where nobody is there are false boxes as well, or an empty scene would prove nothing."""
    spoilt = degrade(true_clip(*[[]] * 400), false=0.05, seed=1)
    assert 5 <= sum(map(len, spoilt)) <= 40


def test_detections_survive_their_file(tmp_path):
    """What was written is read back, frame by frame; a frame without a line has none."""
    truth = crowd(frames=3)
    found = (Detection((1.25, 2.0, 9.5, 30.0), 0.5), Detection((50.0, 2.0, 58.0, 30.0), 0.25))
    path = tmp_path / "found.jsonl"
    write_detections(path, [(0.0, found), (2 / FPS, [Detection((1.0, 2.0, 3.0, 4.0), 0.9, kind="deer")])])
    assert json.loads(path.read_text().splitlines()[0]) == {
        "t_s": 0.0,
        "boxes": [[1.25, 2.0, 9.5, 30.0], [50.0, 2.0, 58.0, 30.0]],
        "scores": [0.5, 0.25],
    }
    assert read_detections(path, truth) == [found, (), ()]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "Invalid JSON"),
        ('{"t_s": 0, "boxes": [[1, 2, 3]], "scores": [0.5]}', r"boxes\.0"),
        ('{"t_s": 0, "boxes": [[1, 2, 3, 4]], "scores": []}', "1 boxes but 0 scores"),
        ('{"t_s": 0, "boxes": [[1, 2, 3, 4]], "scores": [7]}', r"scores\.0"),
        ('{"t_s": 99, "boxes": [], "scores": []}', "is the time of no frame of 'drawn'"),
        ('{"t_s": 0, "boxes": [], "scores": [], "kind": []}', "kind: Extra inputs"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, fault):
    """The message holds file and line number."""
    path = tmp_path / "found.jsonl"
    path.write_text('{"t_s": 0.0, "boxes": [], "scores": []}\n' + line + "\n")
    with pytest.raises(ConfigError, match=fault) as caught:
        read_detections(path, crowd(frames=3))
    assert str(caught.value).startswith(f"{path}:2: ")


def test_a_missing_file_is_a_config_error(tmp_path):
    """The path is in the message."""
    with pytest.raises(ConfigError, match="no such file of detections"):
        read_detections(tmp_path / "none.jsonl", crowd(frames=1))


def test_the_pipeline_runs_on_detections_of_the_truth():
    """Five people who stand still are followed, told once and counted right."""
    truth = crowd(frames=30)
    results = run_from_detections(truth, perfect(truth), pipeline())
    score = evaluate_counting([Clip(truth, results)], proven_height_px=PROVEN_PX).overall
    assert [result.t_s for result in results] == [frame.t_s for frame in truth.frames]
    assert score.clear.switches == 0
    assert score.people.mae < 1.5


def test_detections_of_another_clip_are_refused():
    """The numbers of frames must agree."""
    with pytest.raises(ConfigError, match="2 frames of detections for 'drawn', which has 3"):
        run_from_detections(crowd(frames=3), [(), ()], pipeline())


class Listener:
    """Stands where the pipeline stands and keeps what it is told about the camera."""

    def __init__(self):
        """Start with nothing heard."""
        self.heard = []

    def follow(self, moment, detections, *, sight, shift):
        """Keep the shutter and the shift of one frame."""
        self.heard.append((moment.seq, len(detections), sight.ffc, shift.known))


def test_a_moving_camera_without_poses_shifts_by_nobody_knows_what():
    """Labelled drone pictures do not say how the drone moved, and the tracker must not be told that it stood still."""
    still = true_clip([person(1, 40)], [person(1, 40)], ffc=(1,))
    moving = still.model_copy(update={"camera": TruthMount(moving=True)})
    for truth, known in ((still, True), (moving, False)):
        listener = Listener()
        run_from_detections(truth, perfect(truth), listener)
        assert listener.heard == [(0, 1, False, True), (1, 0, True, known)]
