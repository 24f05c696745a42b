"""Tracks become groups: who belongs together, how many they are, and what happens when they part and meet."""

import pytest
from chain import Chain
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scenes import Shot, Walker, film, in_line

from edge.config import GroupsConfig
from edge.pipeline.groups import GroupCounter, _at_least
from edge.records import Group, RuleEvents, Track


def watch(walkers: list[Walker], **how: float) -> tuple[Chain, list[tuple[Group, ...]]]:
    """Film walkers and keep the groups of every frame."""
    chain = Chain()
    groups = []
    for shot in film(walkers, **how):
        chain.see(shot)
        groups.append(chain.groups)
    return chain, groups


def living(groups: tuple[Group, ...]) -> list[Group]:
    """Leave out those that have ended."""
    return [one for one in groups if one.ended is None]


def test_empty_input_gives_an_empty_tuple() -> None:
    """Nobody there, no group."""
    assert GroupCounter(GroupsConfig()).update((), RuleEvents(), 0.0) == ()


def test_nine_in_a_line_are_one_group_of_nine() -> None:
    """People who enter one behind the other and walk alike are one group from the first moment on."""
    chain, groups = watch(in_line(9, (0.0, 150.0), (30.0, 4.0), 30.0), seconds=15.0)
    assert {one.group_id for step in groups for one in step} == {1}
    (group,) = chain.groups
    assert max(one.count for step in groups for one in step) == group.count_max == 9


def test_one_person_alone_is_a_group_of_one() -> None:
    """A single walker is a group with the range 1 to 1, once nobody has followed them for a while."""
    _, groups = watch([Walker((60.0, 200.0), (20.0, 0.0))], seconds=12.0)
    ((early,), (group,)) = groups[63], groups[-1]
    assert (early.count, early.count_low, early.count_high) == (1, 1, 2)
    assert (group.count, group.count_low, group.count_high) == (1, 1, 1)
    assert group.velocity_px_s[0] == pytest.approx(20.0, abs=2.0)


def test_the_upper_end_leaves_room_for_those_who_are_still_to_come() -> None:
    """At first for two, then for one, then for nobody; each holds on for the window of 2 s."""
    _, groups = watch([Walker((40.0, 200.0), (20.0, 0.0))], seconds=14.0)
    room = {t_s: groups[9 * t_s][0].count_high - groups[9 * t_s][0].count for t_s in (3, 5, 7, 9, 11)}
    assert room == {3: 2, 5: 2, 7: 1, 9: 1, 11: 0}


def test_a_herd_of_doubtful_bodies_is_no_more_probable_than_its_surest() -> None:
    """Two deer that each look a little like a person are wrong together: their doubts do not multiply."""
    doubtful = [
        Track(
            1 + at,
            "person",
            (10.0 + 30.0 * at, 10.0, 22.0 + 30.0 * at, 40.0),
            0.5,
            (0.0, 0.0),
            0.0,
            1.0,
            confirmed=True,
        )
        for at in range(2)
    ]
    herd = [one._replace(belief=belief) for one, belief in zip(doubtful, (0.53, 0.26), strict=True)]
    (group,) = GroupCounter(GroupsConfig()).update(herd, RuleEvents(), 1.0)
    assert (len(group.members), group.confidence) == (2, 0.53)


def test_a_stone_beside_the_way_holds_nobody_back() -> None:
    """Two walk on; who hid beside a stone that looks a little like a person still belongs to them, and not to the stone."""
    counter = GroupCounter(GroupsConfig())
    told: set[int] = set()
    for frame in range(120):
        t_s = frame / 9.0
        walkers = [_standing(1 + at, 60.0 + 40.0 * at + 12.0 * t_s, t_s, 12.0) for at in range(2)]
        hider = _standing(3, 70.0, min(t_s, 1.0))._replace(hidden_s=max(t_s - 1.0, 0.0))
        stone = _standing(4, 60.0, t_s)._replace(belief=0.2)
        groups = counter.update([*walkers, hider, stone], RuleEvents(), t_s)
        told |= {one.group_id for one in groups if any(member.track_id == 3 for member in one.members)}
    assert told == {1}


def _standing(track_id: int, x: float, t_s: float, speed_px_s: float = 0.0) -> Track:
    box = (x, 100.0, x + 16.0, 140.0)
    return Track(track_id, "person", box, 0.9, (speed_px_s, 0.0), 0.0, t_s, confirmed=True)


def test_people_who_cross_never_become_one_group() -> None:
    """Passing each other is not walking together."""
    _, groups = watch([Walker((60.0, 200.0), (30.0, 0.0)), Walker((320.0, 210.0), (-30.0, 0.0))], seconds=8.0)
    assert max(one.count for step in groups for one in step) == 1


def test_two_who_meet_and_walk_on_together_become_one_after_a_while() -> None:
    """The older group goes on and the younger ends as merged into it, not before hold_s."""
    first = Walker((40.0, 200.0), (12.0, 0.0))
    second = Walker((0, 0), path=lambda t_s: (max(280.0 - 30.0 * t_s, 60.0 + 12.0 * t_s), 205.0))
    chain, groups = watch([first, second], seconds=14.0)
    merged = [(index / 9.0, one) for index, step in enumerate(groups) for one in step if one.ended == "merged"]
    ((when_s, younger),) = merged
    assert (younger.group_id, younger.merged_into) == (2, 1)
    assert when_s > 5.2 + 2.0
    assert living(chain.groups)[0].count == 2


def test_a_group_that_splits_leaves_a_child_with_a_parent() -> None:
    """The larger part keeps the id; the smaller begins a group that names its parent, after split_after_s."""
    stay = in_line(3, (180.0, 60.0), (8.0, 0.0), 30.0)
    leave = [
        Walker((0, 0), path=lambda t_s, x=x: (x + 8.0 * t_s, 60.0 + max(t_s - 4.0, 0.0) * 30.0)) for x in (90.0, 66.0)
    ]
    _, groups = watch([*stay, *leave], seconds=11.8)
    assert [one.count for one in groups[45]] == [5]
    parent, child = living(groups[-1])[0], living(groups[-1])[1]
    assert (parent.group_id, child.parent) == (1, 1)
    assert {parent.count, child.count} == {2, 3}


def test_the_count_does_not_flicker_when_one_is_hidden() -> None:
    """Somebody behind another for two seconds is still counted."""
    walkers = in_line(3, (150.0, 180.0), (15.0, 0.0), 35.0)
    hider = Walker((45.0, 180.0), (15.0, 0.0), hidden=lambda t_s: 4.0 < t_s < 6.0)
    _, groups = watch([*walkers, hider], seconds=9.0)
    assert {one.count for step in groups[20:] for one in step} == {4}


def test_a_person_who_sits_for_two_minutes_is_one_group() -> None:
    """Rest ends nothing."""
    _, groups = watch([Walker((200.0, 200.0))], seconds=120.0, fps=3.0, missed=0.1, jitter_px=1.0)
    assert {one.group_id for step in groups for one in step} == {1}
    assert len(living(groups[-1])) == 1


def test_a_shutter_pause_changes_no_group() -> None:
    """While the shutter is closed the groups are told as they were."""
    chain = Chain()
    shots = list(film(in_line(3, (150.0, 180.0), (15.0, 0.0), 35.0), seconds=6.0))
    chain.watch(shots[:30])
    before = chain.groups
    for shot in shots[30:40]:
        chain.see(Shot(shot.t_s, (), {}), ffc=True)
        assert chain.groups == before
    chain.watch(shots[40:])
    assert [(one.group_id, one.count) for one in chain.groups] == [(1, 3)]
    assert len(chain.phases("new")) == 1


def test_a_group_that_left_ends_once() -> None:
    """Out of the picture and not come back: one last word."""
    _, groups = watch([Walker((330.0, 200.0), (40.0, 0.0), until_s=4.0)], seconds=12.0)
    assert [one.ended for step in groups for one in step if one.ended] == ["left"]
    assert groups[-1] == ()


def test_animals_make_no_group() -> None:
    """Only persons are grouped; a deer is followed and not counted."""
    chain, groups = watch([Walker((60.0, 200.0), (20.0, 0.0), kind="deer")], seconds=4.0)
    assert chain.tracks[0].confirmed
    assert not any(groups)


def test_whoever_is_ignored_is_not_counted() -> None:
    """Tracks in an ignored zone are in no group."""
    track = Track(1, "person", (10.0, 10.0, 20.0, 50.0), 0.9, (0.0, 0.0), 0.0, 1.0, confirmed=True)
    assert GroupCounter(GroupsConfig()).update([track], RuleEvents(ignored=frozenset({1})), 1.0) == ()


def test_an_hour_of_passers_by_leaves_the_state_empty() -> None:
    """Groups, bonds and memberships are pruned by time."""
    chain = Chain()
    for minute in range(60):
        for shot in film([Walker((340.0, 200.0), (60.0, 0.0))], seconds=3.0, fps=4.0, from_s=0.0):
            chain.see(Shot(60.0 * minute + shot.t_s, shot.detections, shot.truth))
        for step in range(50):
            chain.see(Shot(60.0 * minute + 3.0 + step, (), {}))
    counter = chain.counter
    assert (counter._stories, counter._group_of, len(counter._bonds), len(counter._bonds._ids)) == ({}, {}, 0, 0)
    assert chain.groups == ()


def test_dropping_every_second_frame_changes_no_group_id() -> None:
    """Half the frames tell the same groups."""
    walkers = [*in_line(5, (150.0, 100.0), (15.0, 0.0), 30.0), *in_line(3, (250.0, 250.0), (-20.0, 0.0), 30.0)]
    shots = list(film(walkers, seconds=9.0, fps=10.0))
    full, half = Chain().watch(shots), Chain().watch(shots[::2])
    assert [(one.group_id, one.count) for one in full.groups] == [(one.group_id, one.count) for one in half.groups]


def test_leaving_nearer_than_joining_is_refused() -> None:
    """A configuration in which groups would flicker names both settings."""
    with pytest.raises(ValidationError, match="leave_distance_heights"):
        GroupsConfig(join_distance_heights=3.0, leave_distance_heights=2.0)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 1000), people=st.integers(1, 12))
def test_every_believed_person_is_in_exactly_one_group(seed: int, people: int) -> None:
    """Whatever happens, membership is a partition, and the count lies in its range."""
    walkers = [
        Walker(((37 * one) % 380.0, 60.0 + (53 * one) % 220.0), ((seed * one) % 41 - 20.0, (seed + one) % 21 - 10.0))
        for one in range(people)
    ]
    chain = Chain()
    for shot in film(walkers, seconds=6.0, fps=6.0, missed=0.2, false=0.1, jitter_px=2.0, seed=seed):
        chain.see(shot)
        members = [one.track_id for group in living(chain.groups) for one in group.members if not empty(group, chain)]
        believed = [one.track_id for one in chain.tracks if one.confirmed]
        assert sorted(members) == sorted(believed)
        assert all(one.count_low <= one.count <= one.count_high for one in living(chain.groups))


def empty(group: Group, chain: Chain) -> bool:
    """Tell whether everybody of a group is gone and it only waits for somebody to come back."""
    return not {one.track_id for one in group.members} & {one.track_id for one in chain.tracks}


def test_the_lower_end_of_a_range_leaves_out_as_many_as_are_doubted_together() -> None:
    """Of six who are each believed by 0.9 one may be missing; nobody sure is left out, and no coin decides."""
    assert _at_least([0.99] * 6, 0.75) == 6
    assert _at_least([0.9] * 6, 0.75) == 5
    assert _at_least([0.99, 0.99, 0.5], 0.75) == 2
    assert _at_least([], 0.75) == 0
