"""Ways: pauses, ends, formations."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.simulate.scenario import Party
from edge.simulate.walks import Progress, Route, Walk, formation_offsets


def test_a_party_pauses_and_goes_on() -> None:
    """A pause stops the party for its time, in its pose, and moves everything after it later."""
    party = Party(path_m=((0, 0), (0, 100)), speed_m_s=2, start_s=1, pauses=[{"at_m": 10, "for_s": 5, "pose": "sit"}])
    progress = Progress(party, 100)
    assert progress.at(1.0) == (0.0, None)
    assert progress.at(8.0) == (10.0, "sit")
    assert progress.at(12.0) == (12.0, None)


def test_the_path_goes_on_beyond_its_ends_or_stops() -> None:
    """By default people come from before the first point and leave beyond the last; ``at_end`` can stop them."""
    route = Route(((0.0, 0.0), (0.0, 10.0)), 0.0)
    assert route.place(-5.0) == pytest.approx((0.0, -5.0))
    assert route.place(25.0) == pytest.approx((0.0, 25.0))
    stopping = Party(path_m=((0, 0), (0, 10)), speed_m_s=1, at_end="stop")
    assert Progress(stopping, 10).at(99.0) == (10.0, None)


def test_one_point_is_a_place_to_stay() -> None:
    """Who has a path of one point stands there, facing as told, for ever."""
    party = Party(path_m=((3, 7),), facing_deg=90, speed_m_s=2)
    stance = Walk(party, (0.0, 0.0), "sit", 0.0, (1,)).at(50.0)
    assert (stance.right_m, stance.ahead_m) == pytest.approx((3, 7), abs=0.01)
    assert stance.heading_rad == pytest.approx(math.pi / 2)
    assert (stance.speed_m_s, stance.pose) == (0.0, "sit")


@given(count=st.integers(1, 40), spacing_m=st.floats(0.5, 10), kind=st.sampled_from(["line", "abreast", "cluster"]))
def test_nobody_stands_in_anybody(count: int, spacing_m: float, kind: str) -> None:
    """In every formation the members keep at least half of the spacing, and nobody is far before the first."""
    places = formation_offsets(kind, count, spacing_m, (7,))
    assert len(places) == count
    for index, (x0, y0) in enumerate(places):
        assert y0 >= -0.5 * spacing_m
        for x1, y1 in places[index + 1 :]:
            assert math.hypot(x1 - x0, y1 - y0) >= 0.3 * spacing_m


def test_a_walker_moves_smoothly() -> None:
    """From frame to frame nobody moves farther than a walker can, corners and wandering included."""
    party = Party(path_m=((0, 20), (5, 30), (15, 31)), speed_m_s=1.2)
    walk = Walk(party, (0.8, 1.5), "stand", 0.22, (3,))
    places = [walk.at(index / 10) for index in range(300)]
    for before, after in pairwise(places):
        step_m = math.hypot(after.right_m - before.right_m, after.ahead_m - before.ahead_m)
        assert step_m < 0.35
