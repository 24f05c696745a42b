"""Several looks at one picture: each person once, wherever the seams lie."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.pipeline.looks import merge, shift_into_frame
from edge.pipeline.preprocess import CloseUps
from edge.records import Detection

FRAME_PX = (211, 317)
SURE = 0.55


def seen(x0, y0, x1, y1, score=0.8, kind="person"):
    """Make one detection."""
    return Detection((float(x0), float(y0), float(x1), float(y1)), score, kind)


def boxes_of(found):
    """Give the boxes alone."""
    return [d.box for d in found]


def test_without_close_ups_nothing_changes():
    """One look is its own answer."""
    whole = (seen(1, 2, 11, 32), seen(2, 3, 12, 33, 0.5))
    assert merge(whole, [], SURE) == whole
    assert merge(whole, [[], []], SURE) == whole


def test_a_person_in_every_look_is_one():
    """The best of the boxes of one person stays, whichever look it is from."""
    close = seen(100.5, 50.5, 110, 80, 0.9)
    found = merge((seen(100, 50, 112, 82, 0.7),), [[close], [seen(101, 51, 111, 81, 0.6)]], SURE)
    assert found == (close,)


def test_a_pair_that_the_whole_shows_as_one_is_two():
    """A sure close-up overrules the surer box around two people."""
    pair = [seen(100, 50, 110, 80, 0.6), seen(111, 50, 121, 80, 0.58)]
    assert boxes_of(merge((seen(99, 49, 122, 81, 0.9),), [pair], SURE)) == boxes_of(pair)


def test_an_unsure_close_up_does_not_overrule():
    """A weak fragment of somebody whom the whole shows well is an echo."""
    whole = seen(99, 49, 122, 101, 0.9)
    assert merge((whole,), [[seen(100, 50, 110, 70, 0.2)]], SURE) == (whole,)


def test_neighbours_of_one_look_are_left_alone():
    """What one look shows as two stays two, however much they overlap: suppression has been asked already."""
    pair = (seen(100, 50, 110, 80), seen(101, 50, 112, 80, 0.7))
    assert merge(pair, [[seen(10, 10, 20, 40)]], SURE)[:2] == (pair[0], seen(10, 10, 20, 40))
    assert len(merge(pair, [[seen(10, 10, 20, 40)]], SURE)) == 3


def test_a_dog_beside_its_keeper_is_not_the_keeper():
    """Boxes of other kinds never stand for each other."""
    assert len(merge((seen(0, 0, 20, 40),), [[seen(1, 1, 19, 39, kind="dog")]], SURE)) == 2


def test_what_a_seam_cuts_is_dropped_and_what_the_frame_cuts_is_kept():
    """Half a person at a seam is somebody else's; half a person at the frame's edge is all there is."""
    window = (100, 0, 200, 90)
    found = [seen(0, 20, 8, 50), seen(40, 0, 50, 22), seen(60, 60, 70, 90), seen(30, 30, 40, 60)]
    assert boxes_of(shift_into_frame(found, window, FRAME_PX)) == [(140, 0, 150, 22), (130, 30, 140, 60)]


@given(
    x=st.integers(0, 300), y=st.integers(0, 190), width=st.integers(3, 25), height=st.integers(4, 18),
    columns=st.integers(1, 4), rows=st.integers(1, 3),
)  # fmt: skip
def test_whoever_is_smaller_than_the_overlap_is_seen_whole_in_a_close_up(x, y, width, height, columns, rows):
    """A bright body anywhere in an odd frame is uncut in at least one close-up, and comes back to its place."""
    picture = np.full(FRAME_PX, 80, np.uint8)
    x, y = min(x, FRAME_PX[1] - width), min(y, FRAME_PX[0] - height)
    picture[y : y + height, x : x + width] = 200
    whole = np.full((1, 1, 224, 320), 114, np.uint8)
    found, looks = [], 0
    for tensor, scale, window in CloseUps(columns, rows).of(picture, whole):
        looks += 1
        assert tensor.shape == whole.shape
        inside = np.argwhere(tensor[0, 0] > 150)
        if len(inside):
            (top, left), (bottom, right) = inside.min(0) / scale, (inside.max(0) + 1) / scale
            found += shift_into_frame([seen(left, top, right, bottom)], window, FRAME_PX)
    assert looks == (columns * rows if columns * rows > 1 else 0)
    # a seam that passes within two pixels drops the box, so a body is surely seen where the overlap is wider than that
    narrowest = min(0.2 * FRAME_PX[1] / max(columns, 1), 0.2 * FRAME_PX[0] / max(rows, 1))
    if looks and max(width, height) + 5 < narrowest:
        assert found
    for body in boxes_of(found):
        assert np.abs(np.array(body) - (x, y, x + width, y + height)).max() < 2.0
