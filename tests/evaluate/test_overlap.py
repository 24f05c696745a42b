"""Overlaps of boxes and the best pairing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.evaluate.overlap import as_boxes, best_pairs, iou, share_inside

sides = st.floats(0.0, 300.0)


@st.composite
def some_boxes(draw):
    """Draw up to four boxes, some of them without area."""
    corners = draw(st.lists(st.tuples(sides, sides, sides, sides), max_size=4))
    return as_boxes([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners])


def test_known_overlaps():
    """Half of one box lies in the other: one third of their union."""
    one, other = as_boxes([(0, 0, 10, 21)]), as_boxes([(5, 0, 15, 21), (50, 50, 60, 60), (3, 3, 3, 3)])
    assert iou(one, other)[0].tolist() == pytest.approx([1 / 3, 0.0, 0.0])
    assert share_inside(one, other)[0].tolist() == pytest.approx([0.5, 0.0, 0.0])
    assert share_inside(other, one)[:, 0].tolist() == pytest.approx([0.5, 0.0, 0.0])


@given(some_boxes(), some_boxes())
def test_overlap_is_symmetric_and_a_share(rows, columns):
    """IoU does not depend on the side and lies in 0..1; no box lies more inside another than it overlaps it."""
    both = iou(rows, columns)
    np.testing.assert_allclose(both, iou(columns, rows).T)
    assert ((both >= 0) & (both <= 1 + 1e-12)).all()
    assert (share_inside(rows, columns) >= both - 1e-12).all()


def test_pairs_have_the_largest_sum_and_nothing_pairs_with_nothing():
    """The greedy choice of 9 would leave 1 for the other; the pairing takes 8 and 8."""
    rows, columns = best_pairs(np.array([[9.0, 8.0], [8.0, 1.0]]))
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0)]
    assert [len(part) for part in best_pairs(np.zeros((0, 3)))] == [0, 0]
