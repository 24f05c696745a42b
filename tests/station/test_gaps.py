"""The ledger of numbers heard and missing."""

from hypothesis import given
from hypothesis import strategies as st

from edge.station.gaps import MAX_HOLES, Stream


@given(st.lists(st.integers(1, 60), min_size=1, max_size=80))
def test_what_is_missing_is_what_was_not_heard_between_first_and_last(seqs: list[int]):
    """In whatever order and however often numbers come, the holes are exactly those between that did not."""
    stream = Stream(seqs[0], seqs[0])
    for seq in seqs[1:]:
        stream.take(seq)
    holes = {number for first, last in stream.holes for number in range(first, last + 1)}
    assert holes == set(range(min(seqs), max(seqs) + 1)) - set(seqs)
    assert stream.missing == len(holes)
    assert stream.holes == sorted(stream.holes)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_a_number_is_news_once(seqs: list[int]):
    """Only the first arrival of a number counts as news."""
    stream, known = Stream(seqs[0], seqs[0]), {seqs[0]}
    for seq in seqs[1:]:
        assert stream.take(seq) == (seq not in known)
        known.add(seq)


def test_a_node_that_numbers_at_random_costs_bounded_memory():
    """The oldest holes are forgotten beyond the bound."""
    stream = Stream(0, 0)
    for seq in range(2, 4 * MAX_HOLES, 2):
        stream.take(seq)
    assert len(stream.holes) == MAX_HOLES
