"""Neighbours by grid are those that a look at every pair finds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.near import fewest, nearest, within


def _scattered(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-300.0, 900.0, (count, 2))


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 120), st.integers(1, 120), st.floats(0.0, 400.0))
def test_whoever_is_within_reach_is_found_and_nobody_else(seed: int, count: int, others: int, reach_px: float) -> None:
    """In few and in crowds, for short and for long reaches, with places outside the picture."""
    places, there = _scattered(seed, count), _scattered(seed + 1, others)
    reaches = np.random.default_rng(seed).uniform(-10.0, reach_px, count)
    apart = places[:, None] - there[None]
    distance = np.hypot(apart[..., 0], apart[..., 1])

    rows, columns, found = within(places, reaches, there)

    expected = np.nonzero(distance <= reaches[:, None])
    assert np.array_equal(rows, expected[0])
    assert np.array_equal(columns, expected[1])
    assert np.array_equal(found, distance[expected])


def test_only_the_nearest_few_are_kept_for_each() -> None:
    """Of three in reach the two nearest; of one, that one; rows stay in order."""
    rows, columns = np.array([0, 0, 0, 2]), np.array([5, 6, 7, 5])
    kept = fewest(rows, columns, np.array([3.0, 1.0, 2.0, 9.0]), 2)
    assert [list(one) for one in kept] == [[0, 0, 2], [6, 7, 5], [1.0, 2.0, 9.0]]


def test_who_has_nobody_in_reach_has_no_nearest() -> None:
    """The second point is alone."""
    rows, others = nearest(
        np.array([[0.0, 0.0], [500.0, 0.0]]), np.array([10.0, 10.0]), np.array([[8.0, 0.0], [0.0, 6.0]])
    )
    assert (rows.tolist(), others.tolist()) == ([0], [1])
