"""The shipped model on the shipped clips: a changed default shows up here as a changed alert."""

import json
import math
from datetime import datetime
from pathlib import Path

import pytest
from test_replay import edge

from edge.places import Origin

SAMPLES = Path(__file__).resolve().parent.parent / "sample_footage"
EXACT = (
    "alert_id",
    "rev",
    "phase",
    "seq",
    "count",
    "count_low",
    "count_high",
    "count_max",
    "reasons",
    "priority",
    "line",
)


def told(lines: bytes) -> list[dict]:
    """Read the data of alert lines."""
    return [json.loads(line)["data"] for line in lines.splitlines()]


@pytest.mark.parametrize("clip", sorted(SAMPLES.glob("*.mkv")), ids=lambda clip: clip.stem)
def test_a_sample_clip_gives_its_expected_alerts(clip, tmp_path):
    """Every revision has the expected story; boxes and scores may differ in the last digit on another processor."""
    got = tmp_path / "alerts.jsonl"
    assert edge("replay", clip, "--alerts", got) == 0
    expected = told(clip.with_suffix(".alerts.jsonl").read_bytes())
    found = told(got.read_bytes())
    assert [{key: one.get(key) for key in EXACT} for one in found] == [
        {key: one.get(key) for key in EXACT} for one in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert one["box"] == pytest.approx(other["box"], abs=0.005)
        assert one["confidence"] == pytest.approx(other["confidence"], abs=0.01)


@pytest.mark.parametrize("name", ["nine-in-snow", "drone-transit"])
def test_compiled_code_and_its_specification_tell_the_same(name, tmp_path, monkeypatch):
    """Whether the native core was built changes no byte of what a node says."""
    told_by = []
    for kernels in ("native", "reference"):
        monkeypatch.setenv("EDGE_PREPROCESS", kernels)
        got = tmp_path / f"{kernels}.jsonl"
        assert edge("replay", SAMPLES / f"{name}.mkv", "--alerts", got) == 0
        told_by.append(got.read_bytes())
    assert told_by[0] == told_by[1]


def test_there_are_at_least_three_small_clips():
    """Each has truth and expected alerts beside it and stays below 6 MB."""
    clips = sorted(SAMPLES.glob("*.mkv"))
    assert len(clips) >= 3
    for clip in clips:
        assert clip.stat().st_size < 6_000_000
        assert clip.with_suffix(".truth.json").exists()
        assert clip.with_suffix(".alerts.jsonl").exists()


@pytest.mark.parametrize("name", ["nine-in-snow", "drone-transit", "group-with-dog"])
def test_told_positions_are_where_the_people_are(name):
    """The expected alerts of people name a place within the stated error of the middle of the nearest people."""
    truth = json.loads((SAMPLES / f"{name}.truth.json").read_text())
    start = datetime.fromisoformat(truth["start_utc"])
    errors_m, stated_m = [], []
    for one in told((SAMPLES / f"{name}.alerts.jsonl").read_bytes()):
        t_s = (datetime.fromisoformat(one["captured_at"]) - start).total_seconds()
        frame = min(truth["frames"], key=lambda frame: abs(frame["t_s"] - t_s))
        places = [seen["position"] for seen in frame["objects"] if seen["kind"] == "person"]
        if one["phase"] == "end" or one["count"] < 3 or not places:
            continue
        origin = Origin(one["position"]["lat"], one["position"]["lon"])
        metres = sorted(
            (origin.to_metres(place["lat"], place["lon"]) for place in places), key=lambda at: math.hypot(*at)
        )
        near = metres[: one["count"]]
        errors_m.append(math.hypot(*(sum(at[axis] for at in near) / len(near) for axis in (0, 1))))
        stated_m.append(one["position"]["ce_m"])
    assert len(errors_m) >= 3
    assert all(error_m < ce_m for error_m, ce_m in zip(errors_m, stated_m, strict=True))
