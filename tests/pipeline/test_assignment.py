"""The node's own assignment agrees with scipy's, and falls apart into pieces that share nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.pipeline.assignment import cheapest, pieces

optimize = pytest.importorskip("scipy.optimize", reason="scipy is no dependency of the node")


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 14), st.integers(1, 14), st.booleans())
def test_the_sum_of_costs_is_as_small_as_scipys(seed: int, rows: int, columns: int, ties: bool) -> None:
    """For wide, tall and square tables, negative costs and many ties; each row and column is used once."""
    cost = np.random.default_rng(seed).normal(0.0, 20.0, (rows, columns))
    if ties:
        cost = np.round(cost / 20.0)

    chosen_rows, chosen_columns = cheapest(cost)

    best = optimize.linear_sum_assignment(cost)
    assert cost[chosen_rows, chosen_columns].sum() == pytest.approx(cost[best].sum(), abs=1e-9)
    assert len(chosen_rows) == min(rows, columns) == len(set(chosen_columns.tolist()))
    assert np.all(np.diff(chosen_rows) > 0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), unique=True, max_size=40))
def test_pieces_share_no_row_and_no_column(pairs: list[tuple[int, int]]) -> None:
    """Every pair is in exactly one piece, and two pairs with a row or column in common are in the same."""
    rows, columns = [row for row, _ in pairs], [column for _, column in pairs]

    found = list(pieces(rows, columns))

    assert sorted(index for piece in found for index in piece) == list(range(len(pairs)))
    for side in (rows, columns):
        users = [{side[index] for index in piece} for piece in found]
        assert sum(map(len, users)) == len(set(side))
