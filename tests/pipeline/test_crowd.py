"""The compiled passes over people decide exactly as their specifications do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import crowd
from edge.config import GroupsConfig, TrackerConfig
from edge.pipeline.bonds import Bonds, CompiledBonds, make_bonds
from edge.pipeline.company import together
from edge.pipeline.compiled_tracker import CompiledTracker, make_tracker
from edge.pipeline.tracker import Tracker
from edge.records import CameraShift, Detection, Track

needs_core = pytest.mark.skipif(crowd.library() is None, reason="the compiled core was not built")


def walk(dice: np.random.Generator, people: int, frames: int) -> list[tuple[float, list[Track]]]:
    """Let people mill about who come, go, hide and turn; on whole pixels, so that distances are often equal."""
    place = dice.integers(0, 300, (people, 2)).astype(float)
    height_px = dice.integers(1, 60, people)
    since_s = np.zeros(people)
    shots, t_s = [], 0.0
    for _ in range(frames):
        t_s += float(dice.choice([0.0, 0.05, 0.2, 1.0]))
        step = dice.integers(-8, 9, (people, 2)) * (dice.random((people, 1)) < 0.5)
        place = place + step
        there = dice.random(people) < 0.9
        since_s = np.where(dice.random(people) < 0.02, t_s, since_s)
        tracks = [
            Track(
                track_id=3 * row + 1,
                kind="person",
                box=(*place[row], place[row, 0] + height_px[row] // 3, place[row, 1] + height_px[row]),
                score=0.9,
                velocity_px_s=(float(step[row, 0]), float(step[row, 1])),
                first_seen_s=float(since_s[row]),
                last_seen_s=t_s if dice.random() < 0.9 else t_s - 0.5,
                confirmed=True,
            )
            for row in np.nonzero(there)[0]
        ]
        shots.append((t_s, tracks))
    return shots


@needs_core
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    people=st.sampled_from([0, 1, 2, 5, 12, 60]),
    hold_s=st.sampled_from([0.0, 0.5, 3.0]),
    leave_distance_heights=st.sampled_from([2.5, 4.0, 20.0]),
)
def test_compiled_bonds_are_their_specification(seed, people, hold_s, leave_distance_heights):
    """Whoever comes, goes, hides or is in whichever group: the same people are tied in every frame."""
    dice = np.random.default_rng(seed)
    config = GroupsConfig(hold_s=hold_s, leave_distance_heights=leave_distance_heights)
    plain, compiled = Bonds(config), CompiledBonds(config, crowd.library())
    before_s = 0.0
    for t_s, tracks in walk(dice, people, 12):
        group_of = {one.track_id: int(dice.integers(0, 4)) for one in tracks if dice.random() < 0.8}
        expected = plain.update(tracks, group_of, t_s, t_s - before_s)
        found = compiled.update(tracks, group_of, t_s, t_s - before_s)
        assert found.tolist() == expected.tolist()
        assert len(compiled) == len(plain)
        before_s = t_s


@needs_core
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), people=st.sampled_from([0, 1, 2, 6, 20]), hidden=st.sampled_from([0.0, 0.2, 0.7])
)
def test_compiled_company_is_its_specification(seed, people, hidden):
    """Whoever is tied to whom and out of sight, at equal distances too: the same sets in the same order."""
    dice = np.random.default_rng(seed)
    ((_, tracks),) = walk(dice, people, 1)
    ids = [one.track_id for one in tracks]
    pairs = [(low, high) for low in ids for high in ids if low < high and dice.random() < 0.2]
    ties = np.array(dice.permutation(pairs), np.int64).reshape(-1, 2)
    out_of_sight = frozenset(one for one in ids if dice.random() < hidden)
    found = together(tracks, ties, out_of_sight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(crowd.FORCED_BY, "reference")
        assert found == together(tracks, ties, out_of_sight)


@st.composite
def films(draw):
    """Draw a few frames of boxes of people who are close enough to be mistaken, some missed, some unsure, some false."""
    dice = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    people, wide_px = draw(st.sampled_from([(1, 90), (4, 90), (15, 200), (90, 900)]))
    place = dice.uniform(0.0, wide_px, (people, 2))
    velocity = dice.normal(0.0, 25.0, (people, 2))
    half = np.stack([dice.uniform(2.0, 9.0, people), dice.uniform(5.0, 30.0, people)], axis=1)
    frames, t_s = [], draw(st.sampled_from([0.0, 5e4]))
    for _ in range(draw(st.integers(1, 30))):
        step_s = float(dice.choice([0.0, 0.04, 0.11, 0.5, 2.0]))
        t_s += step_s
        place = place + velocity * step_s
        seen = np.nonzero(dice.random(people) < 0.8)[0]
        middles = np.concatenate(
            [place[seen] + dice.normal(0.0, 1.5, (len(seen), 2)), dice.uniform(0.0, wide_px, (2, 2))]
        )
        halves = np.concatenate([half[seen], half[:1], half[:1]])
        scores = dice.choice([0.2, 0.55, 0.9], len(middles))
        boxes = np.concatenate([middles - halves, middles + halves], axis=1).tolist()
        kinds = dice.choice(["person", "deer"], len(middles), p=[0.9, 0.1])
        found = [
            Detection(tuple(box), float(score), str(kind))
            for box, score, kind in zip(boxes, scores, kinds, strict=True)
        ]
        turned = CameraShift(*dice.normal(0.0, 3.0, 2), (1.01, 0.02, -0.02, 0.99))
        shifts = (CameraShift(), CameraShift(*dice.normal(0.0, 3.0, 2)), turned, CameraShift(known=False))
        shift = shifts[dice.choice(4, p=[0.7, 0.2, 0.07, 0.03])]
        frames.append((t_s, found, shift, dice.random() < 0.05))
    return frames


@needs_core
@settings(max_examples=150, deadline=None)
@given(frames=films())
def test_the_compiled_tracker_is_its_specification(frames):
    """The same bodies under the same ids, wherever boxes are contested; places but for the last digits of a logarithm."""
    compiled = CompiledTracker(TrackerConfig(), crowd.library(), start_score=0.5, believe_score=0.7)
    plain = Tracker(TrackerConfig(), start_score=0.5, believe_score=0.7)
    for t_s, detections, shift, ffc in frames:
        expected = plain.update(detections, t_s, shift, ffc=ffc, width_px=200, height_px=150)
        found = compiled.update(detections, t_s, shift, ffc=ffc, width_px=200, height_px=150)
        assert [decided(one) for one in found] == [decided(one) for one in expected]
        for one, other in zip(found, expected, strict=True):
            assert numbers(one) == pytest.approx(numbers(other), rel=1e-9, abs=1e-9)


def decided(track: Track) -> tuple[object, ...]:
    """List what is decided and not computed: it must be the same to the bit."""
    return (track.track_id, track.kind, track.score, track.first_seen_s, track.last_seen_s, track.confirmed, track.hidden_s,
            track.leaving)  # fmt: skip


def numbers(track: Track) -> list[float]:
    """List what is computed."""
    return [*track.box, *track.velocity_px_s, track.belief]


def test_the_specification_runs_where_nothing_was_compiled(monkeypatch):
    """The environment can choose it, and so does a machine without a compiler."""
    monkeypatch.setenv(crowd.FORCED_BY, "reference")
    assert isinstance(make_bonds(GroupsConfig()), Bonds)
    assert isinstance(make_tracker(TrackerConfig()), Tracker)
    monkeypatch.delenv(crowd.FORCED_BY)
    monkeypatch.setattr(crowd, "_loaded", lambda: None)
    assert isinstance(make_bonds(GroupsConfig()), Bonds)
