"""The tracker follows bodies through misses, false boxes, hiding, shutter pauses and any frame rate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import HEIGHT_PX, WIDTH_PX, Shot, Walker, film, in_line

from edge.config import TrackerConfig
from edge.pipeline.association import associate
from edge.pipeline.compiled_tracker import Follows, make_tracker
from edge.records import CameraShift, Detection, Track

SIZE = {"width_px": WIDTH_PX, "height_px": HEIGHT_PX}


def follow(shots: list[Shot], tracker: Follows | None = None) -> list[tuple[Track, ...]]:
    """Give all shots to a tracker and keep what it says."""
    tracker = tracker or make_tracker(TrackerConfig())
    return [tracker.update(shot.detections, shot.t_s, **SIZE) for shot in shots]


def believed(tracks: tuple[Track, ...]) -> list[Track]:
    """Leave out those not yet believed."""
    return [one for one in tracks if one.confirmed]


def test_empty_input_gives_an_empty_tuple() -> None:
    """Nobody detected, nobody there."""
    assert make_tracker(TrackerConfig()).update((), 0.0) == ()


@pytest.mark.parametrize("fps", [2.0, 5.0, 9.0, 30.0, 60.0])
def test_two_who_cross_keep_their_ids_at_every_rate(fps: float) -> None:
    """People who walk through each other are the same people afterwards, from 2 to 60 frames a second."""
    walkers = [Walker((60.0, 200.0), (30.0, 0.0)), Walker((320.0, 206.0), (-30.0, 0.0), height_px=44.0)]
    steps = follow(list(film(walkers, seconds=8.0, fps=fps)))
    early = next(step for step in steps if len(believed(step)) == 2)
    assert [one.track_id for one in believed(early)] == [one.track_id for one in believed(steps[-1])]
    left, right = believed(steps[-1])
    assert (left.velocity_px_s[0], right.velocity_px_s[0]) == pytest.approx((30.0, -30.0), abs=5.0)


def test_a_single_false_box_is_never_believed() -> None:
    """A box seen in one frame only is dropped by time."""
    tracker = make_tracker(TrackerConfig())
    tracker.update([Detection((10.0, 10.0, 20.0, 40.0), 0.9)], 0.0)
    steps = [tracker.update((), 0.1 * step) for step in range(1, 20)]
    assert not any(believed(step) for step in steps)
    assert steps[-1] == ()


def test_a_weak_detection_holds_a_body_and_begins_none() -> None:
    """Below the detector's threshold a box only continues what is there."""
    tracker = make_tracker(TrackerConfig(), start_score=0.5)
    weak = [Detection((10.0, 10.0, 22.0, 40.0), 0.2)]
    assert all(tracker.update(weak, 0.1 * step) == () for step in range(10))
    for step in range(10, 20):
        tracker.update([Detection((10.0, 10.0, 22.0, 40.0), 0.8)], 0.1 * step)
    (track,) = [tracker.update(weak, 0.1 * step) for step in range(20, 40)][-1]
    assert track.hidden_s == 0.0
    assert track.score == 0.2


def test_a_body_is_believed_by_the_mean_of_its_scores() -> None:
    """Many doubtful looks are no proof, and one doubtful look among sure ones is no harm."""
    for scores, sure in (([0.6] * 12, False), ([0.9, 0.6, 0.8] * 4, True), ([0.7] * 12, True)):
        tracker = make_tracker(TrackerConfig(), start_score=0.5, believe_score=0.7)
        for step, score in enumerate(scores):
            tracks = tracker.update([Detection((10.0, 10.0, 22.0, 40.0), score)], 0.1 * step)
        assert [one.confirmed for one in tracks] == [sure]


def test_a_person_behind_a_bush_comes_out_under_the_same_id() -> None:
    """Hidden for six seconds while walking on, somebody is still there and then the same."""
    walker = Walker((40.0, 200.0), (24.0, 0.0), hidden=lambda t_s: 4.0 < t_s < 10.0)
    steps = follow(list(film([walker], seconds=13.0)))
    assert {one.track_id for step in steps for one in believed(step)} == {1}
    assert believed(steps[60])[0].hidden_s > 1.0


def test_a_person_who_stops_behind_a_bush_comes_out_under_the_same_id() -> None:
    """Hidden for twenty seconds while standing, somebody is still the same."""
    walker = Walker((0.0, 0.0), hidden=lambda t_s: 5.0 < t_s < 25.0, path=lambda t_s: (40 + 24 * min(t_s, 6.0), 200.0))
    steps = follow(list(film([walker], seconds=28.0)))
    assert {one.track_id for step in steps for one in believed(step)} == {1}


def test_whoever_walks_out_of_the_picture_is_soon_gone() -> None:
    """Beyond the edge there is no bush: the track ends within two seconds and the next one is another."""
    first = Walker((340.0, 200.0), (40.0, 0.0))
    second = Walker((389.0, 200.0), (-40.0, 0.0), from_s=6.0)
    steps = follow(list(film([first, second], seconds=10.0)))
    assert steps[40] == ()
    assert [one.track_id for one in believed(steps[-1])] == [2]


def test_a_shutter_pause_counts_against_nobody() -> None:
    """While the shutter is closed bodies coast and nothing runs out, however long it takes."""
    tracker = make_tracker(TrackerConfig(hidden_s=1.0))
    for shot in film([Walker((60.0, 200.0), (20.0, 0.0))], seconds=2.0):
        tracker.update(shot.detections, shot.t_s, **SIZE)
    paused = [tracker.update((), 2.0 + 0.1 * step, ffc=True, **SIZE) for step in range(40)]
    assert [one.hidden_s for one in paused[-1]] == [0.0]
    after = next(iter(film([Walker((60.0, 200.0), (20.0, 0.0))], seconds=0.1, from_s=6.0)))
    assert [one.track_id for one in tracker.update(after.detections, 6.0, **SIZE)] == [1]


def test_a_moving_camera_moves_the_memory_along() -> None:
    """With the camera's motion told, a scene that shifts by its own width a second is a scene at rest."""
    tracker = make_tracker(TrackerConfig())
    for step in range(20):
        x = 30.0 + 15.0 * step
        shift = CameraShift(dx_px=15.0) if step else CameraShift()
        tracks = tracker.update([Detection((x, 100.0, x + 8.0, 120.0), 0.9)], 0.5 * step, shift)
    (track,) = tracks
    assert track.track_id == 1
    assert track.velocity_px_s == pytest.approx((0.0, 0.0), abs=0.5)


def test_nothing_is_faster_than_a_person_can_be() -> None:
    """A box that jumps by fifteen heights a second is no walker."""
    tracker = make_tracker(TrackerConfig())
    for step in range(12):
        x = 20.0 + 30.0 * step
        tracks = tracker.update([Detection((x, 100.0, x + 8.0, 120.0), 0.9)], 0.1 * step)
    assert not believed(tracks)


def test_who_starts_to_run_between_two_looks_stays_the_same() -> None:
    """At 2 frames/s the first step of a runner is farther than one who stands is looked for; where he began tells."""
    tracker = make_tracker(TrackerConfig())
    for step in range(16):
        x = 100.0 + 30.0 * max(step - 7, 0)
        tracks = tracker.update([Detection((x - 4.0, 100.0, x + 4.0, 120.0), 0.9)], 0.5 * step, **SIZE)
    assert [(one.track_id, one.hidden_s) for one in tracks] == [(1, 0.0)]


def test_a_stalled_stream_is_no_absence_but_a_long_one_is_another_scene() -> None:
    """After five seconds without frames the same people go on; after a minute those not seen at once are forgotten."""
    for pause_s, expected in ((5.0, [1]), (60.0, [])):
        tracker = make_tracker(TrackerConfig())
        for shot in film([Walker((160.0, 200.0))], seconds=2.0):
            tracker.update(shot.detections, shot.t_s, **SIZE)
        for step in range(12):
            tracks = tracker.update((), 2.0 + pause_s + 0.1 * step, **SIZE)
        assert [one.track_id for one in tracks] == expected


def test_an_echo_of_a_body_is_no_second_body() -> None:
    """Two boxes on one person are one person."""
    shots = film([Walker((60.0, 200.0), (20.0, 0.0))], seconds=3.0)
    tracker = make_tracker(TrackerConfig())
    for shot in shots:
        box = shot.detections[0].box
        echo = Detection((box[0] + 1.0, box[1] + 1.0, box[2] + 1.0, box[3]), 0.7)
        seen = (*shot.detections, echo) if shot.t_s > 1.0 else shot.detections
        tracks = tracker.update(seen, shot.t_s, **SIZE)
    assert len(tracks) == 1


def test_kinds_are_voted_and_not_mixed_by_one_frame() -> None:
    """One frame in which a person is called a deer changes nothing."""
    tracker = make_tracker(TrackerConfig())
    for shot in film([Walker((60.0, 200.0), (20.0, 0.0))], seconds=3.0):
        kind = "deer" if abs(shot.t_s - 2.0) < 0.01 else "person"
        tracks = tracker.update([Detection(one.box, one.score, kind) for one in shot.detections], shot.t_s)
    assert [one.kind for one in tracks] == ["person"]


def test_ids_belong_to_the_instance() -> None:
    """Two trackers number their bodies each from 1."""
    shots = list(film([Walker((60.0, 200.0))], seconds=1.0))
    assert follow(shots)[-1][0].track_id == follow(shots)[-1][0].track_id == 1


def test_an_hour_of_passers_by_leaves_nobody() -> None:
    """State is pruned by time: after an hour of people who come and go the tracker is empty."""
    tracker = make_tracker(TrackerConfig())
    for minute in range(60):
        for shot in film([Walker((340.0, 200.0), (60.0, 0.0))], seconds=3.0, fps=4.0):
            tracker.update(shot.detections, 60.0 * minute + shot.t_s, **SIZE)
        for step in range(50):
            tracker.update((), 60.0 * minute + 3.0 + step, **SIZE)
    assert tracker.update((), 3600.0, **SIZE) == ()


@settings(max_examples=15, deadline=None)
@given(order=st.randoms(use_true_random=False))
def test_the_order_of_detections_does_not_matter(order) -> None:
    """However the detector lists its boxes, the tracks are the same to the last bit."""
    walkers = [*in_line(4, (160.0, 150.0), (20.0, 4.0), 25.0), Walker((300.0, 160.0), (-25.0, 0.0))]
    shots = list(film(walkers, seconds=4.0, missed=0.1, false=0.1, jitter_px=1.0))
    mixed = []
    for shot in shots:
        found = list(shot.detections)
        order.shuffle(found)
        mixed.append(Shot(shot.t_s, tuple(found), shot.truth))
    assert follow(shots) == follow(mixed)


@settings(max_examples=10, deadline=None)
@given(offset_s=st.floats(-1e5, 1e6))
def test_a_constant_time_offset_changes_no_id(offset_s: float) -> None:
    """The same scene at another hour gives the same bodies."""
    walkers = in_line(4, (160.0, 150.0), (20.0, 4.0), 25.0)
    shots = list(film(walkers, seconds=4.0, missed=0.1, false=0.1, jitter_px=1.0))
    later = [Shot(shot.t_s + offset_s, shot.detections, shot.truth) for shot in shots]
    ids = [[(one.track_id, one.confirmed) for one in step] for step in follow(shots)]
    assert ids == [[(one.track_id, one.confirmed) for one in step] for step in follow(later)]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), people=st.integers(0, 60), boxes=st.integers(0, 60))
def test_assignment_is_one_to_one_and_inside_the_gate(seed: int, people: int, boxes: int) -> None:
    """Nobody gets two boxes, no box two bodies, and nothing out of reach is assigned; tables and trees alike."""
    dice = np.random.default_rng(seed)
    places, measured = dice.uniform(0, 200, (people, 2)), dice.uniform(0, 200, (boxes, 2))
    sizes, box_sizes = np.full((people, 2), (8.0, 20.0)), np.full((boxes, 2), (8.0, 20.0))
    reach = np.full(people, 15.0)
    rows, columns, trust = associate(places, np.full(people, 9.0), sizes, reach, measured, box_sizes)
    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    assert np.all(np.hypot(*(places[rows] - measured[columns]).T) <= 15.0 + 1e-9)
    assert np.all((trust >= 0.0) & (trust <= 1.0))
