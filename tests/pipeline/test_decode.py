"""Suppression of doubles: what it must keep, and that it does not depend on chance."""

import timeit

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.pipeline.decode import suppress

CORNERS = arrays(np.float32, st.tuples(st.integers(0, 30), st.just(4)), elements=st.floats(0, 200, width=32))


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Compute intersection over union of two boxes."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    inner = float(np.prod(np.clip(high - low, 0, None)))
    return inner / max(1e-9, float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - inner)


@given(CORNERS, st.integers(0, 2**32 - 1))
def test_no_two_kept_boxes_overlap_and_every_dropped_one_had_a_better(drawn, seed):
    """Kept boxes of a class lie apart, and each dropped box lies on a kept one that scores at least as much."""
    boxes = np.concatenate((drawn[:, :2], drawn[:, :2] + drawn[:, 2:] + 1), axis=1).astype(np.float64)
    random = np.random.default_rng(seed)
    scores, kinds = random.random(len(boxes)), random.integers(0, 2, len(boxes))
    kept, _ = suppress(boxes, scores, kinds, 0.5)
    assert list(scores[kept]) == sorted(scores[kept], reverse=True)
    for number, first in enumerate(kept):
        for second in kept[number + 1 :]:
            assert kinds[first] != kinds[second] or iou(boxes[first], boxes[second]) <= 0.5 + 1e-6
    for lost in set(range(len(boxes))) - set(kept.tolist()):
        assert any(
            kinds[lost] == kinds[better]
            and scores[better] >= scores[lost]
            and iou(boxes[lost], boxes[better]) >= 0.5 - 1e-6
            for better in kept
        )


def test_equal_scores_keep_their_order():
    """Ties are broken by position, so a replay repeats itself."""
    boxes = np.array([[50.0 * n, 0, 50.0 * n + 10, 20] for n in range(5)])
    assert suppress(boxes, np.full(5, 0.5), np.zeros(5, int), 0.5)[0].tolist() == [0, 1, 2, 3, 4]


def test_a_box_is_placed_by_all_that_gave_way_to_it():
    """Two claims of one body meet at their weighted mean; a neighbour, and a box of another class, stay where they are."""
    boxes = np.array([[0, 0, 10, 20], [2, 0, 12, 20], [30, 0, 40, 20], [1, 0, 11, 20]], np.float32)
    kept, placed = suppress(boxes, np.array([0.9, 0.3, 0.8, 0.5]), np.array([0, 0, 0, 1]), 0.5)
    assert kept.tolist() == [0, 2, 3]
    assert placed.tolist() == [[0.5, 0, 10.5, 20], [30, 0, 40, 20], [1, 0, 11, 20]]


def test_of_two_people_side_by_side_neither_is_drawn_to_the_other():
    """A claim between two bodies helps to place only the better of them."""
    boxes = np.array([[0, 0, 10, 20], [5, 0, 15, 20], [2, 0, 12, 20]], np.float32)
    kept, placed = suppress(boxes, np.array([0.8, 0.7, 0.2]), np.zeros(3, int), 0.5)
    assert kept.tolist() == [0, 1]
    np.testing.assert_allclose(placed, [[0.4, 0, 10.4, 20], [5, 0, 15, 20]], rtol=1e-6)


def test_a_box_without_area_stays_where_it_is():
    """It overlaps nothing, not even itself, and is no reason to divide by nothing."""
    kept, placed = suppress(np.full((2, 4), 7.0), np.array([0.4, 0.6]), np.zeros(2, int), 0.5)
    assert kept.tolist() == [1, 0]
    assert placed.tolist() == [[7.0] * 4] * 2


@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 3), st.floats(0.3, 0.8), st.integers(0, 2**32 - 1))
def test_the_same_boxes_stay_as_with_opencv(people, each, classes, most_iou, seed):
    """OpenCV's suppression, one class at a time, keeps the same boxes: of crowds and of hundreds of claims as well."""
    random = np.random.default_rng(seed)
    size = np.repeat(random.uniform((8, 20), (20, 60), (people, 2)), each, axis=0)
    centre = np.repeat(random.uniform(0, 300, (people, 2)), each, axis=0)
    centre, size = centre + random.normal(0, 0.1, size.shape) * size, size * random.uniform(0.8, 1.2, size.shape)
    boxes = np.concatenate((centre - size / 2, centre + size / 2), axis=1).astype(np.float32)[:1000]
    scores = random.random(len(boxes)).astype(np.float32)
    kinds = random.integers(0, classes, len(boxes))
    kept, _ = suppress(boxes, scores, kinds, most_iou)
    wanted = set()
    for kind in range(classes):
        own = np.flatnonzero(kinds == kind)
        rows = np.concatenate((boxes[own, :2], boxes[own, 2:] - boxes[own, :2]), axis=1)
        stay = cv2.dnn.NMSBoxes(rows.tolist(), scores[own].tolist(), 0.0, most_iou)
        wanted |= set(own[np.asarray(stay, np.intp).ravel()].tolist())
    assert set(kept.tolist()) == wanted


def test_crowds_and_thousands_of_claims_take_no_longer_than_with_opencv():
    """A hundred claims of each of forty people: at most twice OpenCV's time; nothing at all is nothing."""
    random = np.random.default_rng(3)
    centre, size = np.repeat(random.uniform(0, 600, (40, 2)), 100, axis=0), np.array([12.0, 40.0])
    centre = centre + random.normal(0, 0.05, centre.shape) * size
    boxes = np.concatenate((centre - size / 2, centre + size / 2), axis=1).astype(np.float32)
    scores, kinds = random.random(len(boxes)).astype(np.float32), np.zeros(len(boxes), np.intp)

    def with_opencv():
        order = np.argsort(-scores, kind="stable")[:1000]
        rows = np.concatenate((boxes[order, :2], boxes[order, 2:] - boxes[order, :2]), axis=1)
        cv2.dnn.NMSBoxes(rows.tolist(), scores[order].tolist(), 0.0, 0.5)

    ours, theirs = (
        min(timeit.repeat(call, number=1, repeat=15))
        for call in (lambda: suppress(boxes, scores, kinds, 0.5), with_opencv)
    )
    assert ours <= 2 * theirs
    kept, placed = suppress(boxes[:0], scores[:0], kinds[:0], 0.5)
    assert (kept.shape, placed.shape) == ((0,), (0, 4))
