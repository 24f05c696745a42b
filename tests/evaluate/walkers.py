"""Synthetic track sequences: people who walk, and a tracker that loses, swaps and invents. Deterministic by seed."""

import random

from edge.evaluate.overlap import as_boxes
from edge.evaluate.tracks import track_frames


def walkers(seed, *, bodies=6, frames=40):
    """Make the frames of one clip for ``track_frames``: true ids and boxes, said ids and boxes."""
    rng = random.Random(seed)
    people = [_person(rng, frames) for _ in range(bodies)]
    numbers = {index: index for index in range(bodies)}
    next_number, clip = bodies, []
    for time in range(frames):
        if time and rng.random() < 0.08 and bodies > 1:
            one, other = rng.sample(range(bodies), 2)
            numbers[one], numbers[other] = numbers[other], numbers[one]
        if rng.random() < 0.08 and bodies:
            numbers[rng.randrange(bodies)] = next_number
            next_number += 1
        true, said = [], []
        for index, person in enumerate(people):
            if person["from"] <= time < person["to"]:
                box = _box_at(person, time)
                true.append((f"body-{index}", box))
                if rng.random() > 0.15:
                    said.append((numbers[index], [side + rng.gauss(0, 1.5) for side in box]))
        if rng.random() < 0.3:
            x, y = rng.uniform(0, 300), rng.uniform(0, 150)
            said.append((next_number, [x, y, x + 9, y + 21]))
            next_number += 1
        rng.shuffle(said)
        clip.append((_split(true), _split(said)))
    return clip


def tracked(seed, **shape):
    """Give the same clip, numbered and with its overlaps."""
    return track_frames(walkers(seed, **shape))


def _person(rng, frames):
    """Make somebody with a time, a place, a motion and a size."""
    start = rng.randrange(0, max(1, frames // 2))
    return {
        "from": start,
        "to": rng.randrange(start + 1, frames + 1),
        "at": (rng.uniform(20, 120), rng.uniform(20, 60)),
        "moves": (rng.uniform(-2, 2), rng.uniform(-0.5, 0.5)),
        "size": (rng.uniform(8, 16), rng.uniform(18, 40)),
    }


def _box_at(person, time):
    """Give the box of a person in one frame."""
    x, y = (at + move * time for at, move in zip(person["at"], person["moves"], strict=True))
    return [x, y, x + person["size"][0], y + person["size"][1]]


def _split(named):
    """Part ids from boxes."""
    return [name for name, _ in named], as_boxes([box for _, box in named])
