"""How far a body is believed: strength, motion, sharing a box, hiding."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.pipeline.belief import belief, on_another, seen_belief

SHARE = st.floats(0.0, 1.0)


@settings(deadline=None)
@given(SHARE, SHARE, st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_who_is_stronger_or_moved_farther_is_believed_no_less(
    weak: float, strong: float, near: float, far: float
) -> None:
    """In both directions, and always as a probability."""
    weak, strong, near, far = min(weak, strong), max(weak, strong), min(near, far), max(near, far)
    low, high = seen_belief(np.array([weak, strong]), np.array([near, far]))
    assert 0.0 <= low <= high + 1e-12 <= 1.0 + 1e-12


def test_a_warm_stone_is_doubted_and_a_walker_as_faint_is_not() -> None:
    """Both are seen half of the time; only one of them has moved."""
    stone, walker = seen_belief(np.array([0.45, 0.45]), np.array([0.1, 6.0]))
    assert stone < 0.3
    assert walker > 0.6


def test_two_boxes_on_one_person_are_both_doubted_and_two_people_apart_are_not() -> None:
    """The twins share three quarters of their boxes; the third stands a body's width away."""
    place = np.array([[100.0, 100.0], [102.0, 100.0], [120.0, 100.0]])
    size = np.full((3, 2), (10.0, 30.0))
    share = on_another(place, size, np.ones(3, np.bool_))
    assert share.round(2).tolist() == [0.8, 0.8, 0.0]
    sure = belief(np.full(3, 0.96), np.full(3, 0.65), np.zeros(3), share)
    assert sure[0] == sure[1] < 0.6
    assert sure[2] > 0.9


def test_nobody_covers_anybody_where_nobody_is_seen() -> None:
    """A lone body, and bodies that are all hidden."""
    one = np.array([[5.0, 5.0]]), np.array([[4.0, 9.0]])
    assert on_another(*one, np.array([True])).tolist() == [0.0]
    two = np.array([[5.0, 5.0], [6.0, 5.0]]), np.full((2, 2), 9.0)
    assert on_another(*two, np.array([False, False])).tolist() == [0.0, 0.0]


@settings(deadline=None)
@given(SHARE, st.floats(0.0, 60.0), st.floats(0.0, 60.0), SHARE)
def test_who_is_hidden_for_longer_is_believed_no_more(seen: float, short_s: float, long_s: float, share: float) -> None:
    """Alone or behind another."""
    short_s, long_s = sorted((short_s, long_s))
    both = belief(np.full(2, seen), np.full(2, 0.7), np.array([short_s + 1e-3, long_s + 1e-3]), np.full(2, share))
    assert both[0] >= both[1] - 1e-12
