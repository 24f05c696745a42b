"""The truth: against rendered pixels, against geometry, and by itself."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.simulate import Scenario, load_scenario, scenario_names, simulate, truth_of
from edge.simulate.render import Painter
from edge.simulate.truth import Stage, crossings_of

MakeScene = Callable[..., Scenario]
ReadClip = Callable[[Path], list[np.ndarray]]

SAMPLES = Path(__file__).resolve().parent.parent.parent / "sample_footage"
POST_BEFORE_PATH = {"kind": "post", "at_m": [1.0, 28.5], "height_m": 2.5}


def _temperatures(scenario: Scenario, t_s: float) -> np.ndarray:
    stage = Stage(scenario)
    return Painter(stage).paint(stage.at(0, t_s))


def test_a_lone_persons_warm_pixels_lie_inside_the_box(scene: MakeScene, tmp_path: Path, read_clip: ReadClip) -> None:
    """On an odd frame every clearly warm pixel lies in the true box, and the box is tight around them."""
    clip = simulate(scene(camera={"width_px": 233, "height_px": 171}), tmp_path)
    truth = json.loads(clip.with_suffix(".truth.json").read_text(encoding="utf-8"))
    empty = read_clip(simulate(scene(camera={"width_px": 233, "height_px": 171}, parties=[]), tmp_path / "empty.mkv"))
    for frame, bare, entry in zip(read_clip(clip), empty, truth["frames"], strict=True):
        warm = np.argwhere(frame.astype(float) - bare > 150)  # 1.5 C
        (box,) = (thing["box"] for thing in entry["objects"])
        assert warm[:, 1].min() + 1 >= box[0] - 0.5
        assert warm[:, 1].max() <= box[2] + 0.5
        assert warm[:, 0].min() + 1 >= box[1] - 0.5
        assert warm[:, 0].max() <= box[3] + 0.5
        assert warm[:, 0].max() + 1 - warm[:, 0].min() == pytest.approx(box[3] - box[1], abs=3)


def test_the_box_is_as_tall_as_geometry_says(scene: MakeScene) -> None:
    """A standing man of 1.80 m at 30 m, seen level, is as many pixels tall as the focal length says."""
    party = {"path_m": [[0, 30]], "adult_height_m": [1.8, 1.8]}
    truth = truth_of(scene(camera={"height_m": 1.0, "tilt_deg": 0}, parties=[party]))
    box = truth["frames"][0]["objects"][0]["box"]
    focal_px = 203 / 2 / np.tan(np.radians(12))
    assert box[3] - box[1] == pytest.approx(1.8 / 30 * focal_px, rel=0.04)


def test_a_post_hides_the_right_share(scene: MakeScene) -> None:
    """The visible share behind a post equals, within 0.06, what the rendered pixels of body and post say."""
    party = {"path_m": [[1.05, 30]], "facing_deg": 180}
    scenario = scene(things=[POST_BEFORE_PATH], parties=[party], camera={"width_px": 611, "height_px": 401})
    told = truth_of(scenario)["frames"][0]["objects"][0]["visible"]
    alone = _temperatures(scenario.model_copy(update={"things": ()}), 0.0)
    bare = _temperatures(scenario.model_copy(update={"things": (), "parties": ()}), 0.0)
    post = _temperatures(scenario.model_copy(update={"parties": ()}), 0.0)
    both = _temperatures(scenario, 0.0)
    body = alone - bare > 1.0
    seen = body & (np.abs(both - post) > 0.5)
    assert 0.3 < told < 0.95
    assert seen.sum() / body.sum() == pytest.approx(told, abs=0.06)


def test_the_visible_share_dips_behind_the_post_and_returns(scene: MakeScene) -> None:
    """A walker is whole, partly hidden by the post for a moment, and whole again."""
    shares = [
        frame["objects"][0]["visible"]
        for frame in truth_of(scene(things=[POST_BEFORE_PATH], duration_s=9.0, camera={"fps": 10}))["frames"]
        if frame["objects"]
    ]
    assert shares[0] == 1.0
    assert min(shares) < 0.9
    assert shares[60] == 1.0


def test_what_leaves_the_frame_becomes_less_visible(scene: MakeScene) -> None:
    """At the frame's edge the box is clipped and the share outside counts as not visible."""
    truth = truth_of(scene(parties=[{"path_m": [[5.5, 30], [9, 30]], "speed_m_s": 0.5}], duration_s=8.0))
    last = [frame["objects"][0] for frame in truth["frames"] if frame["objects"]][-1]
    assert last["box"][2] == 203.0
    assert last["visible"] < 0.5
    assert not truth["frames"][-1]["objects"]


def test_truth_without_pictures_is_the_truth_beside_the_clip(scene: MakeScene, tmp_path: Path) -> None:
    """The quick truth and the one written with the clip are equal to the last digit."""
    scenario = scene(things=[POST_BEFORE_PATH], duration_s=2.0)
    clip = simulate(scenario, tmp_path)
    beside = json.loads(clip.with_suffix(".truth.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(truth_of(scenario))) == beside


def test_a_line_is_crossed_once_a_person_and_in_the_right_direction(scene: MakeScene) -> None:
    """Four people who walk north across a line cross it four times, northward, in order of time."""
    party = {"path_m": [[-2, 24], [2, 50]], "adults": 4, "spacing_m": 1.5, "speed_m_s": 1.5, "start_s": 0}
    line = {"id": "border", "points_m": [[-8, 32], [8, 32]]}
    truth = truth_of(scene(parties=[party], lines=[line], duration_s=14.0))
    (border,) = truth["lines"]
    assert [crossing["object"] for crossing in border["crossings"]] == [1, 2, 3, 4]
    assert {crossing["direction"] for crossing in border["crossings"]} == {"northward"}
    assert border["to_left"] == "northward"
    assert border["crossings"][0]["t_s"] == pytest.approx(8 / 1.5, abs=0.6)


def test_a_halt_on_the_line_and_a_way_around_it() -> None:
    """Standing on a line counts once when it is left; passing beyond its end does not count."""
    line = load_scenario("running").lines[0].model_copy(update={"points_m": ((-5.0, 10.0), (5.0, 10.0))})
    halting = [(0.0, 0.0, 9.0), (1.0, 0.0, 10.0), (2.0, 0.0, 10.0), (3.0, 0.0, 11.0)]
    around = [(0.0, 7.0, 9.0), (1.0, 7.0, 11.0)]
    back = [(0.0, 0.0, 9.0), (1.0, 0.0, 11.0), (2.0, 0.0, 9.5)]
    assert [leftward for _, leftward in crossings_of(halting, line)] == [True]
    assert crossings_of(around, line) == []
    assert [leftward for _, leftward in crossings_of(back, line)] == [True, False]


def test_a_split_has_a_parent_and_a_merge_ends_the_younger() -> None:
    """Groups keep their lineage: who leaves gets a new group with its parent, who joins ends as merged."""
    split, merge = truth_of(load_scenario("split")), truth_of(load_scenario("merge"))
    first, second = split["groups"]
    assert (len(first["members"]), second["parent"], second["start_s"]) == (6, first["id"], 14.0)
    older, younger = merge["groups"]
    assert (older["merged_into"], younger["merged_into"]) == (None, older["id"])
    assert younger["end_s"] < older["end_s"]
    assert set(younger["members"]) < set(older["members"])


def test_a_swaying_camera_tells_its_pose_in_every_frame(scene: MakeScene) -> None:
    """A camera that moves carries a pose per frame, one that stands does not."""
    swaying = truth_of(scene(camera={"motion": {"kind": "shake"}}, duration_s=1.0))
    assert swaying["camera"]["moving"]
    tilts = {frame["camera"]["tilt_deg"] for frame in swaying["frames"]}
    assert len(tilts) > 1
    assert "camera" not in truth_of(scene(duration_s=1.0))["frames"][0]


def test_lost_frames_leave_gaps_in_time(scene: MakeScene) -> None:
    """Dropped frames are missing from the truth, and the others keep their own times."""
    times = [frame["t_s"] for frame in truth_of(scene(camera={"drop_share": 0.4}, duration_s=12.0))["frames"]]
    assert 20 < len(times) < 55
    assert all(round(t_s * 5) == pytest.approx(t_s * 5) for t_s in times)


@pytest.mark.parametrize("name", scenario_names())
def test_every_shipped_truth_is_consistent(name: str) -> None:
    """Boxes lie in the frame, shares in 0..1, groups list exactly the members seen, and someone comes near enough."""
    scenario = load_scenario(name)
    # a few frames a second are enough to judge the whole clip, and keep this test quick
    camera = scenario.camera.model_copy(update={"fps": min(scenario.camera.fps, 0.6)})
    truth = truth_of(scenario.model_copy(update={"camera": camera}))
    members: dict[int, set[int]] = {}
    tallest_px = 0.0
    for frame in truth["frames"]:
        ids = [thing["id"] for thing in frame["objects"]]
        assert len(ids) == len(set(ids))
        for thing in frame["objects"]:
            x0, y0, x1, y1 = thing["box"]
            assert 0 <= x0 < x1 <= truth["width_px"]
            assert 0 <= y0 < y1 <= truth["height_px"]
            assert 0 <= thing["visible"] <= 1
            assert (thing["group"] is None) == (thing["kind"] != "person")
            if thing["kind"] == "person":
                members.setdefault(thing["group"], set()).add(thing["id"])
                tallest_px = max(tallest_px, y1 - y0)
    assert {group["id"]: set(group["members"]) for group in truth["groups"]} == members
    assert bool(members) == bool(scenario.parties)
    assert not scenario.parties or tallest_px >= 14


@pytest.mark.parametrize("beside", sorted(SAMPLES.glob("*.truth.json")), ids=lambda path: path.name.split(".")[0])
def test_the_sample_clips_belong_to_their_scenarios(beside: Path) -> None:
    """The truth that ships beside a clip is what its scenario says today, to a twentieth of a pixel."""
    shipped = json.loads(beside.read_text(encoding="utf-8"))
    today = json.loads(json.dumps(truth_of(load_scenario(shipped["name"]))))
    assert {key: shipped[key] for key in ("camera", "radiometry", "groups", "lines")} == {
        key: today[key] for key in ("camera", "radiometry", "groups", "lines")
    }
    for frame, again in zip(shipped["frames"], today["frames"], strict=True):
        assert [thing["id"] for thing in frame["objects"]] == [thing["id"] for thing in again["objects"]]
        for thing, twin in zip(frame["objects"], again["objects"], strict=True):
            assert thing["box"] == pytest.approx(twin["box"], abs=0.05)
