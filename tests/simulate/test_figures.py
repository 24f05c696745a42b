"""Figures: every kind can be built in every pose, has the right size and the right warmth."""

import math

import numpy as np
import pytest

from edge.simulate.animals import animal_figure
from edge.simulate.people import make_person, person_figure
from edge.simulate.scenario import Thing
from edge.simulate.things import standing_figures, vehicle_figure
from edge.simulate.walks import Stance


def _stance(pose: str = "stand", speed_m_s: float = 0.0) -> Stance:
    return Stance(0.0, 0.0, 0.3, speed_m_s, 4.2, pose)


def _top_m(capsules: np.ndarray) -> float:
    return float(max((capsules[:, 2] + capsules[:, 3]).max(), (capsules[:, 6] + capsules[:, 7]).max()))


def _person(gait: str = "walk", height_m: float = 1.75) -> object:
    return make_person(3, height_m, 0.85, gait, backpack=True, suitcase=False, seed=1)


@pytest.mark.parametrize("height_m", [1.05, 1.4, 1.6, 1.9])
def test_people_are_as_tall_as_they_say(height_m: float) -> None:
    """A standing body ends within 4 % of its height above the ground, child or adult."""
    figure = person_figure(_person(height_m=height_m), _stance(), -8.0)
    assert _top_m(figure.capsules) == pytest.approx(height_m, rel=0.04)


@pytest.mark.parametrize(
    ("gait", "pose", "speed_m_s", "lowest", "highest"),
    [
        ("walk", "stand", 1.2, 0.93, 1.03),
        ("run", "stand", 3.5, 0.88, 1.02),
        ("crawl", "stand", 0.3, 0.3, 0.6),
        ("walk", "sit", 0.0, 0.45, 0.68),
        ("walk", "crouch", 0.0, 0.5, 0.75),
        ("walk", "lie", 0.0, 0.08, 0.25),
    ],
)
def test_each_pose_has_its_height(gait: str, pose: str, speed_m_s: float, lowest: float, highest: float) -> None:
    """Walking, running, crawling, sitting, crouching and lying bodies are as high as such bodies are."""
    figure = person_figure(_person(gait), _stance(pose, speed_m_s), -8.0)
    assert lowest < _top_m(figure.capsules) / 1.75 < highest
    assert figure.capsules[:, [2, 6]].min() >= 0.0


def test_skin_is_warmer_than_trousers_and_those_than_jackets() -> None:
    """In the cold the face is the warmest part, the jacket cooler than the trousers, and all above the air."""
    wear = make_person(3, 1.75, 0.85, "walk", backpack=False, suitcase=False, seed=1).clothes(-8.0, 0.0)
    assert wear.face > wear.trousers > wear.jacket > -8.0


def test_the_sun_warms_dark_clothes_more() -> None:
    """Two people in the same sun differ by what they wear, as on every picture taken by day."""
    dressed = [make_person(i, 1.75, 0.5, "walk", backpack=False, suitcase=False, seed=1) for i in range(8)]
    jackets_c = [person.clothes(30.0, 10.0).jacket for person in dressed]
    assert max(jackets_c) - min(jackets_c) > 3


@pytest.mark.parametrize(
    ("kind", "back_m"), [("deer", 1.05), ("cattle", 1.35), ("dog", 0.55), ("coyote", 0.58), ("horse", 1.5)]
)
def test_animals_stand_on_four_legs(kind: str, back_m: float) -> None:
    """An animal's body is at its back's height, its feet on the ground, its length larger than its width."""
    figure = animal_figure(kind, Stance(0.0, 0.0, 0.0, 0.8, 3.0, "stand"), 5.0, 4, 1.0, grazes=False)
    points = np.concatenate([figure.capsules[:, 0:3], figure.capsules[:, 4:7]])
    assert points[:, 2].min() < 0.1 * back_m
    assert np.ptp(points[:, 1]) > 1.8 * np.ptp(points[:, 0])
    assert back_m * 0.9 < _top_m(figure.capsules) < back_m * 1.8


def test_a_running_engine_shows_and_a_cold_one_does_not() -> None:
    """The bonnet of a car that drives is the warmest face; a parked car is near the air."""
    driving = vehicle_figure("car", _stance(speed_m_s=9.0), 0.0, 25.0, 1)
    parked = vehicle_figure("car", _stance(), 0.0, 0.0, None)
    assert driving.quad_c.max() > 15
    assert np.abs(parked.quad_c).max() < 6
    assert (driving.kind, parked.kind) == ("vehicle", None)


@pytest.mark.parametrize(
    "kind", ["bush", "tree", "conifer", "post", "fence", "ridge", "house", "stone", "lamp", "car", "van", "truck"]
)
def test_standing_things_stand_where_they_should(kind: str) -> None:
    """Every kind of thing is built around its place, above the ground, and the same for the same seed."""
    thing = Thing(kind=kind, at_m=(10, 50), count=2, spread_m=(1, 1))
    first, again = (standing_figures((thing,), -5.0, 9) for _ in range(2))
    assert len(first) >= 2
    for figure, twin in zip(first, again, strict=True):
        points = np.concatenate([figure.capsules[:, 0:3], figure.capsules[:, 4:7], figure.quads.reshape(-1, 3)])
        assert points[:, 2].min() >= -0.01
        assert math.hypot(*(points[:, :2].mean(axis=0) - (10, 50))) < 9
        assert np.array_equal(figure.capsules, twin.capsules)
