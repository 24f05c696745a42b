"""The shipped model on the shipped clips: a changed default shows up here as a changed alert."""

import json
from pathlib import Path

import pytest
from test_replay import edge

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


def test_there_are_at_least_three_small_clips():
    """Each has truth and expected alerts beside it and stays below 6 MB."""
    clips = sorted(SAMPLES.glob("*.mkv"))
    assert len(clips) >= 3
    for clip in clips:
        assert clip.stat().st_size < 6_000_000
        assert clip.with_suffix(".truth.json").exists()
        assert clip.with_suffix(".alerts.jsonl").exists()
