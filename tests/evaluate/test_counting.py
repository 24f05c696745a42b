"""The counting report, by drawn scenes whose answers are known."""

import io
import json
import random

import pytest
from drawing import FPS, PROVEN_PX, person, said, told, track, true_clip, walk_together
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from edge.evaluate.counting import Clip, evaluate_counting


def judged(*clips, **asked):
    """Judge clips with the proven height of the drawings."""
    return evaluate_counting(clips, proven_height_px=PROVEN_PX, **asked)


def test_a_node_that_is_always_right_has_no_errors():
    """Two people followed, counted and told once: every share is 1 and every error 0."""
    score = judged(walk_together()).overall
    assert (score.hota.hota, score.identity.idf1, score.clear.mota) == pytest.approx((1.0, 1.0, 1.0))
    assert (score.final.mae, score.final.exact_share, score.count.mae, score.count.coverage) == (0.0, 1.0, 0.0, 1.0)
    assert (score.membership.precision, score.membership.recall) == (1.0, 1.0)
    assert (score.alerts.due, score.alerts.one_new_share, score.alerts.missed, score.alerts.false) == (1, 1.0, 0, 0)
    assert (score.people.exact_share, score.count.mean_width) == (1.0, 0.0)
    assert (score.switches_per_10_person_min, score.false_alerts_per_h) == (0.0, 0.0)
    assert score.duration_s == pytest.approx(6.0)
    assert score.person_minutes == pytest.approx(2 * 6.0 / 60)


def test_a_wrong_number_is_measured_with_its_range():
    """Three people told as 2 with the range 2 to 4: one off, not exact, within one, covered, width two."""
    score = judged(walk_together(people=3, count=2, low=2, high=4)).overall
    for tally in (score.final, score.count, score.people):
        assert (tally.mae, tally.exact_share, tally.within_1_share, tally.coverage) == (1.0, 0.0, 1.0, 1.0)
    assert score.count.mean_width == 2.0


def test_a_range_that_misses_the_truth_does_not_cover_it():
    """Four people told as 2 to 3: two off, not within one, not covered."""
    score = judged(walk_together(people=4, count=2, low=2, high=3)).overall
    assert (score.count.mae, score.count.within_1_share, score.count.coverage) == (2.0, 0.0, 0.0)


def test_crowds_have_no_part_in_the_mean_width():
    """The width is promised for groups up to ten only."""
    score = judged(walk_together(people=12, low=2, high=20)).overall
    assert score.count.mean_width is None
    assert score.count.coverage == 1.0


def test_time_to_the_first_alert_counts_from_visible():
    """An alert at frame 4 of 2 per second comes after 2.5 s of being visible; with 2 s allowed that is too late."""
    clip = walk_together(new_at=4)
    assert judged(clip).overall.alerts.delays_s == pytest.approx((2.5,))
    assert judged(clip).overall.alerts.in_time == 1
    assert judged(clip, allowed_s=2.0).overall.alerts.in_time == 0


def test_a_group_that_is_never_told_is_missed():
    """A visible group without a new alert is missed and lowers the share of exactly one."""
    score = judged(walk_together(new_at=None)).overall
    assert (score.alerts.missed, score.alerts.one_new_share, score.alerts.slowest_s) == (1, 0.0, None)


def test_a_group_told_twice_is_not_told_once():
    """A second new alert of the same people spoils the share of exactly one."""
    clip = walk_together()
    late = clip.results[8]
    again = [*clip.results[:8], said(8, late.groups, new=(1,)), *clip.results[9:]]
    score = judged(Clip(clip.truth, again)).overall
    assert (score.alerts.one_new, score.alerts.due, score.alerts.missed) == (0, 1, 0)


def test_an_alert_about_nobody_is_false():
    """A new alert for a group on an empty spot counts per hour of footage; a deer there makes it no better."""
    truth = true_clip(*[[person(7, 200, kind="deer", group=None)]] * 12)
    results = [
        said(index, [told(1, [track(1, 200, index / FPS)])], new=(1,) if index == 3 else ()) for index in range(12)
    ]
    score = judged(Clip(truth, results)).overall
    assert (score.alerts.false, score.alerts.due) == (1, 0)
    assert score.false_alerts_per_h == pytest.approx(3600 / 6)
    assert score.people.mae == 1.0


@pytest.mark.parametrize("unjudged", [{"height_px": 10.0}, {"visible": 0.2}])
def test_a_person_who_is_not_judged_is_neither_missed_nor_false(unjudged):
    """Somebody too small or too hidden may be told or not: no error either way."""
    truth = true_clip(*[[person(1, 50, **unjudged)]] * 12)
    height_px = unjudged.get("height_px", 21.0)
    silent = [said(index) for index in range(12)]
    telling = [
        said(index, [told(1, [track(1, 50, index / FPS, height_px=height_px)])], new=(1,) if index == 3 else ())
        for index in range(12)
    ]
    for results in (silent, telling):
        score = judged(Clip(truth, results)).overall
        assert (score.alerts.false, score.alerts.due, score.alerts.missed) == (0, 0, 0)
        assert (score.people.mae, score.people.exact_share, score.people.mean_unjudged) == (0.0, 1.0, 1.0)
        assert (score.hota.hota, score.clear.mota, score.membership.precision) == (None, None, None)


def hiding_clip(hidden_frames, *, told_while_hidden):
    """Two people stand; the second is behind a bush for some frames, and the node tells ``told_while_hidden`` then."""
    frames, results = [], []
    for index in range(10 + hidden_frames):
        hidden = index >= 10
        frames.append([person(1, 40), person(2, 120, visible=0.0 if hidden else 1.0)])
        members = [track(1, 40, index / FPS), track(2, 120, index / FPS, seen=not hidden)]
        count = told_while_hidden if hidden else 2
        results.append(said(index, [told(1, members[:count], count=count)], new=(1,) if index == 2 else ()))
    return Clip(true_clip(*frames), results)


def test_hiding_is_not_leaving():
    """A person known and then hidden must still be counted, for the time that is asked for."""
    kept, dropped = hiding_clip(8, told_while_hidden=2), hiding_clip(8, told_while_hidden=1)
    assert judged(kept).overall.count.exact_share == 1.0
    assert judged(dropped).overall.count.exact_share < 1.0
    assert judged(dropped, remembered_s=0.0).overall.count.exact_share == 1.0
    assert judged(kept, remembered_s=0.0).overall.count.exact_share == 1.0


def test_a_hidden_track_is_no_false_box():
    """The guessed place of a hidden body is not measured as a tracker's box."""
    assert judged(hiding_clip(8, told_while_hidden=2)).overall.clear.false == 0


def test_frames_without_a_result_keep_the_last_word():
    """Where frames were dropped the told number stands, and the people there count as not followed."""
    clip = walk_together()
    score = judged(Clip(clip.truth, [result for result in clip.results if result.seq not in (6, 7)])).overall
    assert score.count.exact_share == 1.0
    assert score.clear.misses == 4


def test_the_shutter_hides_nobody_from_the_count_but_everybody_from_the_tracker():
    """While the shutter is closed nothing is asked of the tracker, and the group is still there."""
    clip = walk_together()
    closed = replaced(clip.truth, ffc=(5, 6))
    blind = [said(index, clip.results[4].groups) if index in (5, 6) else clip.results[index] for index in range(12)]
    score = judged(Clip(closed, blind)).overall
    assert (score.clear.misses, score.clear.false, score.hota.hota) == (0, 0, pytest.approx(1.0))
    assert score.count.exact_share == 1.0


def replaced(truth, *, ffc):
    """Close the shutter in some frames of a truth."""
    frames = [frame.model_copy(update={"ffc": index in ffc}) for index, frame in enumerate(truth.frames)]
    return truth.model_copy(update={"frames": tuple(frames)})


def split_clip(*, parts):
    """Four people walk together and part at frame 10; the node tells ``parts`` from frame 13 on, 2 being new."""
    frames, results = [], []
    for index in range(26):
        apart = max(0, index - 10) * 6
        xs = {1: 100 - apart, 2: 112 - apart, 3: 130 + apart, 4: 142 + apart}
        frames.append([person(one, x, group=2 if one > 2 and index >= 10 else 1) for one, x in xs.items()])
        follow = {one: track(one, x, index / FPS) for one, x in xs.items()}
        sets = parts if index >= 13 else {1: (1, 2, 3, 4)}
        groups = [told(number, [follow[one] for one in members]) for number, members in sets.items()]
        results.append(said(index, groups, new={2: (1,), 13: (2,)}.get(index, ())))
    groups = [{"id": 1, "members": [1, 2, 3, 4]}, {"id": 2, "members": [3, 4], "parent": 1}]
    return Clip(true_clip(*frames, groups=groups), results)


@pytest.mark.parametrize("parts", [{1: (1, 2), 2: (3, 4)}, {1: (3, 4), 2: (1, 2)}])
def test_either_half_of_a_split_may_be_the_new_one(parts):
    """Whichever half keeps the old id, both true groups have been told exactly once."""
    score = judged(split_clip(parts=parts)).overall
    assert (score.alerts.due, score.alerts.one_new, score.alerts.missed, score.alerts.false) == (2, 2, 0, 0)
    assert score.final.exact_share == 1.0
    assert score.count.exact_share == 1.0


def test_a_split_that_is_not_noticed_is_a_missed_group():
    """Two halves told as one group: the new true group is missed, and its number was never told."""
    score = judged(split_clip(parts={1: (1, 2, 3, 4)})).overall
    assert (score.alerts.due, score.alerts.one_new, score.alerts.missed) == (2, 1, 1)
    assert score.membership.recall < 1.0
    assert score.final.exact_share == 0.5


def test_one_person_who_leaves_a_group_needs_no_alert_of_his_own():
    """The true group of one that splits off is not due."""
    frames = [
        [person(1, 40), person(2, 50), person(3, 60 + 8 * max(0, index - 8), group=2 if index >= 8 else 1)]
        for index in range(24)
    ]
    truth = true_clip(*frames, groups=[{"id": 1}, {"id": 2, "parent": 1}])
    results = [
        said(
            index,
            [told(1, [track(one["id"], one["box"][0], index / FPS) for one in objects])],
            new=(1,) if index == 2 else (),
        )
        for index, objects in enumerate(frames)
    ]
    score = judged(Clip(truth, results)).overall
    assert (score.alerts.due, score.alerts.one_new, score.alerts.missed) == (1, 1, 0)


def test_two_groups_told_as_one_are_half_found():
    """Two true pairs in one told group: the group agrees with neither by more than half, and only one pair is told."""
    frames = [[person(1, 20), person(2, 30), person(3, 200, group=2), person(4, 210, group=2)]] * 12
    results = [
        said(
            index,
            [told(1, [track(one["id"], one["box"][0], index / FPS) for one in objects])],
            new=(1,) if index == 2 else (),
        )
        for index, objects in enumerate(frames)
    ]
    score = judged(Clip(true_clip(*frames), results)).overall
    assert score.membership.recall == 0.5
    assert (score.alerts.due, score.alerts.missed) == (2, 1)
    assert score.people.exact_share == 1.0
    assert score.count.mae == 2.0


def line(*crossings):
    """Draw the line ``border`` and who crosses it when, northward."""
    return {
        "id": "border",
        "points": [[0.5, 0.0], [0.5, 1.0]],
        "crossings": [{"t_s": t_s, "object": number, "direction": "northward"} for t_s, number in crossings],
    }


def crossing_clip(*steps, crossings, groups_at=None):
    """Two people cross; the node's group says the number of crossings in ``steps`` frame by frame."""
    frames = [[person(1, 40), person(2, 60)]] * len(steps)
    results = []
    for index, crossed in enumerate(steps):
        members = [track(1, 40, index / FPS), track(2, 60, index / FPS)]
        group = told(1, members, crossing=("border", "northward", crossed) if crossed else None)
        results.append(said(index, [group] if groups_at is None else groups_at(index, members)))
    return Clip(true_clip(*frames, lines=[line(*crossings)]), results)


def test_crossings_are_compared_per_line_and_direction():
    """Two true crossings told one by one are right; a third one told is one off."""
    right = judged(crossing_clip(0, 0, 1, 2, 2, crossings=[(1.0, 1), (1.5, 2)])).overall.lines
    assert (right.true, right.told, right.off, right.clips, right.clips_off) == (2, 2, 0, 1, 0)
    wrong = judged(crossing_clip(0, 0, 1, 2, 3, crossings=[(1.0, 1), (1.5, 2)])).overall.lines
    assert (wrong.true, wrong.told, wrong.off, wrong.clips_off) == (2, 3, 1, 1)


def test_a_merge_does_not_count_crossings_twice():
    """The younger group's crossing is handed over with it and counted once."""

    def groups_at(index, members):
        if index < 3:
            apart = [told(1, members[:1]), told(2, members[1:], crossing=("border", "northward", 1))]
            return apart if index else [told(1, members[:1]), told(2, members[1:])]
        joined = told(1, members, crossing=("border", "northward", 2 if index > 3 else 1))
        gone = told(2, members[1:], crossing=("border", "northward", 1), ended="merged", merged_into=1)
        return [joined, gone] if index == 3 else [joined]

    lines = judged(crossing_clip(0, 0, 0, 0, 0, 0, crossings=[(0.5, 2), (2.0, 1)], groups_at=groups_at)).overall.lines
    assert (lines.true, lines.told, lines.off) == (2, 2, 0)


def test_crossings_of_people_out_of_the_picture_are_not_asked_for():
    """Whoever crosses where the camera does not look, or was never to be found, is not in the sum."""
    frames = [[person(1, 40), person(3, 90, height_px=9.0)]] * 6
    truth = true_clip(*frames, lines=[line((1.0, 2), (1.0, 3))])
    assert judged(Clip(truth, [said(index) for index in range(6)])).overall.lines.true == 0


def test_without_identities_only_numbers_of_people_are_judged():
    """Labelled single pictures give the people table; areas to ignore excuse what is told there."""
    objects = [person(0, 40, group=None), person(1, 90, group=None), person(2, 200, group=None, kind="ignore")]
    truth = true_clip(*[objects] * 8, identified=False)
    results = [
        said(index, [told(5, [track(1, 40, index / FPS), track(2, 90, index / FPS), track(3, 200, index / FPS)])])
        for index in range(8)
    ]
    report = judged(Clip(truth, results))
    score = report.overall
    assert (score.people.mae, score.people.exact_share, score.people.coverage) == (0.0, 1.0, 1.0)
    assert (score.hota.hota, score.alerts.due, score.count.mae) == (None, 0, None)
    assert [table.title for table in report.tables()] == ["all people in the picture, over time"]


def test_no_clips_make_an_empty_report():
    """Nothing measured is None, and the report can still be written and shown."""
    report = judged()
    assert (report.overall.hota.hota, report.overall.final.mae, report.overall.false_alerts_per_h) == (None, None, None)
    assert json.loads(report.to_json())["overall"]["hota"] is None
    shown(report)


def test_an_empty_clip_adds_nothing():
    """A clip without people and without words has no errors to share."""
    clip = Clip(true_clip([], [], []), [said(index) for index in range(3)])
    score = judged(clip, walk_together()).overall
    assert score.count == judged(walk_together()).overall.count
    assert judged(Clip(true_clip(), [])).overall.people.mae is None


def shown(report):
    """Print all tables to a string."""
    console = Console(file=io.StringIO(), width=200)
    for table in report.tables():
        console.print(table)
    return console.file.getvalue()


def test_the_report_can_be_printed_and_read_back():
    """JSON holds every clip and its groups; tables end with the sum of all."""
    report = judged(walk_together(), walk_together(people=3, count=2))
    back = json.loads(report.to_json())
    assert [clip["groups"][0]["people"] for clip in back["clips"]] == [[2, 2], [3, 3]]
    assert back["overall"]["final_count"]["exact"] == 0.5
    assert "all" in shown(report)
    assert "50.0 %" in shown(report)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_clips_results_tracks_and_groups_does_not_matter(seed):
    """Shuffling everything that has no order changes no number."""
    shuffle = random.Random(seed)
    clips = [walk_together(), split_clip(parts={1: (1, 2), 2: (3, 4)}), hiding_clip(6, told_while_hidden=1)]
    mixed = [
        Clip(clip.truth, shuffle.sample([shuffled(result, shuffle) for result in clip.results], len(clip.results)))
        for clip in shuffle.sample(clips, len(clips))
    ]
    before, after = judged(*clips).as_dict()["overall"], judged(*mixed).as_dict()["overall"]
    before["time_to_alert_s"].sort()
    after["time_to_alert_s"].sort()
    assert json.dumps(rounded(before)) == json.dumps(rounded(after))


def shuffled(result, shuffle):
    """Shuffle the tracks and groups of one result."""
    tracks = tuple(shuffle.sample(result.tracks, len(result.tracks)))
    groups = tuple(one._replace(members=tuple(shuffle.sample(one.members, len(one.members)))) for one in result.groups)
    return result._replace(tracks=tracks, groups=tuple(shuffle.sample(groups, len(groups))))


def rounded(value):
    """Round every number, because sums in another order differ in the last bit."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, 9) if isinstance(value, float) else value


@settings(max_examples=25, deadline=None)
@given(offset_s=st.floats(-0.2, 0.2))
def test_small_offsets_in_time_do_not_matter(offset_s):
    """Container times are rounded to milliseconds; results up to half a period off still belong to their frames."""
    clip = walk_together()
    moved = [
        result._replace(t_s=result.t_s + offset_s, tracks=late(result.tracks, offset_s)) for result in clip.results
    ]
    assert judged(Clip(clip.truth, moved)).overall.hota.hota == pytest.approx(1.0)


def late(tracks, offset_s):
    """Move the times of tracks."""
    return tuple(one._replace(last_seen_s=one.last_seen_s + offset_s) for one in tracks)


def test_a_told_crossing_of_somebody_too_small_to_be_judged_is_no_fault():
    """Told or not, one who is 9 px high is right; a second crossing told is nobody's."""

    def off(crossed):
        frames = [[person(1, 40), person(3, 90, height_px=9.0)]] * 6
        group = told(1, [track(1, 40, 0.0)], crossing=("border", "northward", crossed) if crossed else None)
        results = [said(index, [group]) for index in range(6)]
        return judged(Clip(true_clip(*frames, lines=[line((1.0, 3))]), results)).overall.lines.off

    assert [off(0), off(1), off(2)] == [0, 0, 1]
