"""Suppression of doubles: what it must keep, and that it does not depend on chance."""

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
    kept = suppress(boxes, scores, kinds, 0.5)
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
    assert suppress(boxes, np.full(5, 0.5), np.zeros(5, int), 0.5).tolist() == [0, 1, 2, 3, 4]
