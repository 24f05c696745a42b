"""Truth files, good and bad, and the one rule of who is judged."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.evaluate.truth import TruthObject, is_judged, load_truth, parse_truth
from edge.simulate import load_scenario, truth_of

GOOD = {
    "format": "edge-truth/1",
    "name": "drawn",
    "start_utc": "2026-02-03T13:16:00Z",
    "width_px": 333,
    "height_px": 201,
    "fps": 9.0,
    "camera": {"lat": 49.0, "moving": False},
    "a key of tomorrow": [1, 2],
    "frames": [
        {"t_s": 0.0, "ffc": False, "objects": [{"id": 1, "kind": "person", "box": [1, 2, 9, 30], "group": 1}]},
        {"t_s": 0.5, "objects": []},
    ],
}


def written(folder, content):
    """Write a truth file and give its path."""
    path = folder / "drawn.truth.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_truth_file_is_read_with_keys_it_does_not_know(tmp_path):
    """Unknown keys are let through, and what is not said has its plain meaning."""
    truth = load_truth(written(tmp_path, GOOD))
    body = truth.frames[0].objects[0]
    assert (body.visible, body.group, body.height_px, truth.identified, truth.groups) == (1.0, 1, 28.0, True, ())
    assert truth.duration_s == pytest.approx(0.5 + 1 / 9)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"format": "edge-truth/9"}, "format: Input should be 'edge-truth/1'"),
        ({"fps": 0}, "fps: "),
        ({"start_utc": "2026-02-03T13:16:00"}, "start_utc: Input should have timezone"),
        ({"frames": [{"t_s": 0.0}, {"t_s": 0.0}]}, r"frames\.1\.t_s: 0\.0 does not come after 0\.0"),
        (
            {"frames": [{"t_s": 0.0, "objects": [{"id": 1, "box": [9, 2, 1, 3]}]}]},
            r"frames\.0\.objects\.0: .*box is x0",
        ),
        ({"frames": [{"t_s": 0.0, "objects": [{"id": 1, "box": [1, 2, 3]}]}]}, r"frames\.0\.objects\.0\.box"),
        (
            {"frames": [{"t_s": 0.0, "objects": [{"id": 1, "box": [1, 2, 3, 4]}] * 2}]},
            r"frames\.0\.objects: two have the same id",
        ),
    ],
)
def test_a_bad_truth_file_names_itself_and_the_key(tmp_path, change, fault):
    """The message holds the path and the place of the first fault."""
    path = written(tmp_path, {**GOOD, **change})
    with pytest.raises(ConfigError, match=fault) as caught:
        load_truth(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(("content", "fault"), [("{", "not JSON"), ("[]", "the file: "), (None, "no such truth file")])
def test_what_is_no_truth_file_is_a_config_error(tmp_path, content, fault):
    """Broken JSON, another kind of file and a missing one are told apart."""
    path = tmp_path / "none.json" if content is None else written(tmp_path, content)
    with pytest.raises(ConfigError, match=fault):
        load_truth(path)


def test_the_simulators_truth_is_understood():
    """A shipped scene's truth passes this reader with its people, groups and lines."""
    truth = parse_truth(truth_of(load_scenario("single-walker")), source="single-walker")
    assert {one.kind for frame in truth.frames for one in frame.objects} == {"person"}
    assert len(truth.groups) == 1
    assert len(truth.lines[0].crossings) == 1


@given(
    height_px=st.floats(0.0, 100.0),
    visible=st.floats(0.0, 1.0),
    proven_px=st.floats(1.0, 60.0),
    kind=st.sampled_from(["person", "deer", "ignore"]),
)
def test_judged_are_persons_high_enough_and_enough_in_sight(height_px, visible, proven_px, kind):
    """All three conditions are needed, and nothing else matters."""
    body = TruthObject(id=1, kind=kind, box=(0.0, 0.0, 5.0, height_px), visible=visible)
    assert is_judged(body, proven_px) == (kind == "person" and height_px >= proven_px and visible >= 0.3)
