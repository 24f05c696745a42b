"""ULIDs: sortable by time, unique by seed, the same everywhere."""

from hypothesis import given
from hypothesis import strategies as st

from edge.ulid import ulid

SECONDS = st.floats(0, 2**47 / 1000, allow_nan=False)


def test_a_known_moment_gives_the_known_prefix():
    """The first ten letters are the milliseconds, as the specification's own example has them (01ARYZ6S41)."""
    assert ulid(1469918176.385, "x")[:10] == "01ARYZ6S41"


@given(SECONDS, SECONDS, st.text(), st.text())
def test_later_sorts_later(first_s, second_s, one, other):
    """Text order is time order, to the millisecond."""
    if round(first_s * 1000) < round(second_s * 1000):
        assert ulid(first_s, one) < ulid(second_s, other)


@given(SECONDS, st.text(), st.text())
def test_the_seed_decides_the_rest(utc_s, one, other):
    """The same arguments give the same text, other seeds another."""
    assert ulid(utc_s, one) == ulid(utc_s, one)
    assert (ulid(utc_s, one) == ulid(utc_s, other)) == (one == other)
    assert len(ulid(utc_s, one)) == 26
