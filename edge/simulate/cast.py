"""The cast of a scene: who they are, which groups they form, and the figures they make at any moment."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge.simulate.animals import animal_figure
from edge.simulate.figures import Figure, Kind
from edge.simulate.people import Person, make_person, person_figure, sledge_figure, suitcase_figure
from edge.simulate.scenario import Herd, Party, Scenario
from edge.simulate.things import standing_figures, vehicle_figure
from edge.simulate.walks import Stance, Walk, formation_offsets

_WANDER_M = 0.22


@dataclass(frozen=True, slots=True)
class Actor:
    """One body of the truth: its id and kind, its way, and for people what they are like."""

    object_id: int
    kind: Kind
    walk: Walk
    party: int | None = None
    person: Person | None = None
    sledge: bool = False
    size: float = 1.0
    grazes: bool = False
    vehicle: str = ""
    engine_warmer_c: float = 0.0

    def figures(self, stance: Stance, air_c: float, sun_c: float) -> Iterator[Figure]:
        """Build the body and what it carries."""
        if self.person is not None:
            yield person_figure(self.person, stance, air_c, sun_c)
            if self.person.suitcase:
                yield suitcase_figure(self.person, stance, air_c)
            if self.sledge:
                yield sledge_figure(stance, air_c)
        elif self.kind == "vehicle":
            yield vehicle_figure(self.vehicle, stance, air_c, self.engine_warmer_c, self.object_id)
        else:
            yield animal_figure(self.kind, stance, air_c, self.object_id, self.size, grazes=self.grazes)


class Cast:
    """Everybody in a scenario, with ids that start at 1 in the order of the file: people, animals, vehicles."""

    def __init__(self, scenario: Scenario) -> None:
        self._air_c, self._sun_c = scenario.weather.air_c, scenario.weather.sun_c
        self.standing = standing_figures(scenario.things, self._air_c, scenario.seed)
        self.actors: list[Actor] = []
        for number, party in enumerate(scenario.parties):
            self.actors.extend(self._people(party, number, scenario.seed))
        for number, party in enumerate(scenario.parties):
            if party.dogs:
                companions = Herd(**_path_of(party), kind="dog", count=party.dogs, formation="line", spacing_m=1.5)
                self.actors.extend(self._herd(companions, (scenario.seed, 54, number), beside_m=1.1, grazes=False))
        for number, herd in enumerate(scenario.herds):
            self.actors.extend(self._herd(herd, (scenario.seed, 55, number), beside_m=0.0, grazes=True))
        for number, vehicle in enumerate(scenario.vehicles):
            seed = (scenario.seed, 56, number)
            walk = Walk(vehicle, (0.0, 0.0), "stand", 0.0, seed)
            self.actors.append(
                Actor(
                    len(self.actors) + 1, "vehicle", walk, vehicle=vehicle.kind, engine_warmer_c=vehicle.engine_warmer_c
                )
            )

    def at(self, t_s: float) -> dict[int, Stance]:
        """Give where everybody is, by object id."""
        return {actor.object_id: actor.walk.at(t_s) for actor in self.actors}

    def figures(self, stances: dict[int, Stance]) -> list[Figure]:
        """Build everything that moves."""
        return [
            figure
            for actor in self.actors
            for figure in actor.figures(stances[actor.object_id], self._air_c, self._sun_c)
        ]

    def _people(self, party: Party, number: int, seed: int) -> Iterator[Actor]:
        count = party.adults + party.children
        first = len(self.actors) + 1
        generator = np.random.default_rng([seed, 51, number])
        offsets = formation_offsets(party.formation, count, party.spacing_m, (seed, 52, number))
        # children walk between adults: never first or last of a line
        order = _children_inside(party.adults, party.children)
        adults_before = 0
        for place, is_child in enumerate(order):
            low, high = party.child_height_m if is_child else party.adult_height_m
            object_id = first + place
            person = make_person(
                object_id,
                float(generator.uniform(low, high)),
                party.insulation,
                party.gait,
                backpack=not is_child and adults_before < party.backpacks,
                suitcase=not is_child and party.backpacks <= adults_before < party.backpacks + party.suitcases,
                seed=seed,
            )
            adults_before += not is_child
            walk = Walk(party, offsets[place], party.pose, _WANDER_M, (seed, 53, object_id))
            pulls = party.sledge and not is_child and adults_before == party.adults
            yield Actor(object_id, "person", walk, party=number, person=person, sledge=pulls)

    def _herd(self, herd: Herd, seed: tuple[int, ...], *, beside_m: float, grazes: bool) -> Iterator[Actor]:
        first = len(self.actors) + 1
        sizes = np.random.default_rng([*seed, 1]).uniform(0.72, 1.08, herd.count)
        offsets = formation_offsets(herd.formation, herd.count, herd.spacing_m, (*seed, 2))
        for place in range(herd.count):
            offset = (offsets[place][0] + beside_m, offsets[place][1])
            walk = Walk(herd, offset, "stand", _WANDER_M * 1.5, (*seed, 3, place))
            yield Actor(first + place, herd.kind, walk, size=float(sizes[place]), grazes=grazes and place % 3 != 0)


def _path_of(party: Party) -> dict[str, object]:
    return {name: getattr(party, name) for name in ("path_m", "speed_m_s", "start_s", "pauses", "at_end", "facing_deg")}


def _children_inside(adults: int, children: int) -> list[bool]:
    if adults == 0:
        return [True] * children
    order = [False]
    spread = [round((child + 1) * (adults - 1) / (children + 1)) for child in range(children)]
    for adult in range(1, adults):
        order += [True] * spread.count(adult - 1)
        order.append(False)
    return order + [True] * (children + adults - len(order))
