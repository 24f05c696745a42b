"""The human figure: proportions, clothes, gait, and the poses of those who do not walk.

Angles of the gait are textbook shapes (hip a sine, knee flexing in the swing), not motion capture: at 14 to 60 pixels
the rhythm of legs and arms is what the eye and a detector see. Proportions are fractions of body height; children have
larger heads and shorter legs.
"""

import math
from dataclasses import dataclass

import numpy as np

from edge.simulate.figures import Body, Figure, between
from edge.simulate.scenario import Gait
from edge.simulate.walks import Stance

_CORE_C = 33.0  # skin under clothes
_CHILD_BELOW_M = 1.45
_STANDING_M_S = 0.05  # below this nobody lifts a foot
_WALKING_M_S = 0.9  # from this speed on the steps have their full length

Joint = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Clothes:
    """Surface temperatures of one person, C."""

    jacket: float
    sleeve_cooler: float
    trousers: float
    hat: float
    face: float
    hands: float
    shoes: float


@dataclass(frozen=True, slots=True)
class Person:
    """What does not change about one person."""

    object_id: int
    height_m: float
    stout: float
    insulation: float
    gait: Gait
    backpack: bool
    suitcase: bool
    bowed: float
    phase_rad: float
    dark: tuple[float, float]
    coat: float

    def clothes(self, air_c: float, sun_c: float) -> Clothes:
        """Give the surface temperatures: between skin and air by how the cloth insulates, and what the sun adds."""
        excess_c = _CORE_C - air_c
        leak = 1 - self.insulation
        # trousers are thinner than jackets: on winter pictures the legs are brighter than the chest
        return Clothes(
            jacket=air_c + excess_c * leak + sun_c * self.dark[0],
            sleeve_cooler=0.22 * excess_c * leak,
            trousers=air_c + excess_c * min(1.0, leak * 1.8) + sun_c * self.dark[1],
            hat=air_c + excess_c * min(1.0, leak * 1.15 + 0.03) + sun_c * 0.8,
            face=air_c + excess_c * 0.78 + sun_c * 0.15,
            hands=air_c + excess_c * min(0.8, leak + 0.35),
            shoes=air_c + excess_c * leak * 0.7,
        )


def person_figure(person: Person, stance: Stance, air_c: float, sun_c: float = 0.0) -> Figure:
    """Build the body of ``person`` as it stands, walks, runs, crawls, sits or lies in ``stance``."""
    body, wear = Body(), person.clothes(air_c, sun_c)
    moving = stance.speed_m_s > _STANDING_M_S
    if moving and person.gait == "crawl":
        _crawl(body, person, wear, stance)
    elif moving or stance.pose == "stand":
        _upright(body, person, wear, stance)
    else:
        _rest(body, person, wear, stance)
    return body.put(
        stance.right_m,
        stance.ahead_m,
        stance.heading_rad,
        texture=(0.16 * (wear.jacket - air_c) + 0.25, person.object_id),
        object_id=person.object_id,
        kind="person",
    )


def _upright(body: Body, person: Person, wear: Clothes, stance: Stance) -> None:
    h, run = person.height_m, person.gait == "run" and stance.speed_m_s > _WALKING_M_S
    vigour = min(1.0, stance.speed_m_s / _WALKING_M_S)
    stride_m = (1.35 if run else 0.82) * h
    phase = person.phase_rad + 2 * math.pi * stance.walked_m / stride_m
    lean = 0.17 if run else 0.05 + 0.10 * person.bowed
    leg = 0.47 * h if h < _CHILD_BELOW_M else 0.505 * h
    bob_m = 0.012 * h * vigour * math.cos(2 * phase)
    hip_z = leg + bob_m - (0.02 * h if run else 0.0)
    neck = (0.33 * h * math.sin(lean), 0.0, hip_z + 0.33 * h * math.cos(lean))
    for side in (1.0, -1.0):
        swing = phase if side > 0 else phase + math.pi
        _leg(body, person, wear, side, hip_z, swing, vigour, run)
        _arm(body, person, wear, side, neck, swing + math.pi, vigour, run)
    # the coat's skirt moves with the legs' middle and is as cold as the rest of the coat
    skirt_z = hip_z - person.coat * h
    body.limb((0.0, 0.04 * h, hip_z), (0.0, 0.04 * h, skirt_z), (0.07 * h * person.stout,) * 2, wear.jacket)
    body.limb((0.0, -0.04 * h, hip_z), (0.0, -0.04 * h, skirt_z), (0.07 * h * person.stout,) * 2, wear.jacket)
    _trunk(body, person, wear, (0.0, 0.0, hip_z), neck)
    if person.backpack:
        back = (neck[0] * 0.62 - 0.13 * h, 0.0, hip_z + 0.19 * h)
        body.limb(
            back, (back[0], 0.0, back[2] + 0.11 * h), (0.085 * h, 0.08 * h), between(wear.jacket, wear.shoes, 0.8)
        )


def _trunk(body: Body, person: Person, wear: Clothes, hips: Joint, neck: Joint) -> None:
    h, wide = person.height_m, person.stout
    shoulder = 0.098 * h * wide
    for side in (1.0, -1.0):
        # two side strands make the trunk wider than deep, which a single capsule cannot be
        body.limb(
            (hips[0], side * 0.042 * h * wide, hips[2] - 0.02 * h),
            (neck[0], side * shoulder * 0.62, neck[2] - 0.045 * h),
            (0.068 * h * wide, 0.073 * h * wide),
            wear.jacket,
        )
    body.limb(
        (neck[0], shoulder, neck[2] - 0.035 * h),
        (neck[0], -shoulder, neck[2] - 0.035 * h),
        (0.045 * h,) * 2,
        wear.jacket,
    )
    _head(body, person, wear, neck, (neck[0] * 0.25, 0.0, 1.0))


def _head(body: Body, person: Person, wear: Clothes, neck: Joint, up: Joint) -> None:
    h = person.height_m
    radius = 0.058 * h if h < _CHILD_BELOW_M else 0.047 * h
    size = math.sqrt(up[0] ** 2 + up[1] ** 2 + up[2] ** 2)
    up = (up[0] / size, up[1] / size, up[2] / size)
    forward = (up[2], 0.0, -up[0])

    def at(rise: float, ahead: float) -> Joint:
        x, y, z = (neck[i] + up[i] * rise * radius + forward[i] * ahead * radius for i in range(3))
        return x, y, z

    # a head is half again as tall as wide: cap above and behind, face below and before, neck between collar and chin
    body.limb(neck, at(1.6, 0.0), (0.036 * h, 0.034 * h), between(wear.face, wear.jacket, 0.6))
    body.limb(at(1.9, -0.15), at(2.75, -0.1), (radius, radius), wear.hat)
    body.limb(at(1.7, 0.35), at(2.2, 0.45), (radius * 0.72, radius * 0.72), wear.face)


def _leg(
    body: Body, person: Person, wear: Clothes, side: float, hip_z: float, swing: float, vigour: float, run: bool
) -> None:
    h, wide = person.height_m, person.stout
    reach = (0.62 if run else 0.32) * vigour
    thigh_angle = reach * math.sin(swing) + (0.12 * vigour if run else 0.0)
    bend = vigour * (0.12 + (1.15 if run else 0.62) * max(0.0, math.cos(swing + 0.35)) ** 2) + 0.03
    thigh, shin = 0.5 * hip_z, 0.44 * hip_z
    hip = (0.0, side * 0.052 * h * wide, hip_z)
    knee = (thigh * math.sin(thigh_angle), hip[1], hip_z - thigh * math.cos(thigh_angle))
    shin_angle = thigh_angle - bend
    ankle_z = max(knee[2] - shin * math.cos(shin_angle), 0.035 * h)
    ankle = (knee[0] + shin * math.sin(shin_angle), hip[1] * 0.92, ankle_z)
    body.limb(hip, knee, (0.058 * h * wide, 0.040 * h * wide), wear.trousers)
    body.limb(knee, ankle, (0.040 * h * wide, 0.027 * h), wear.trousers)
    body.limb(
        ankle, (ankle[0] + 0.085 * h, ankle[1], max(ankle_z - 0.015 * h, 0.02 * h)), (0.026 * h, 0.02 * h), wear.shoes
    )


def _arm(
    body: Body, person: Person, wear: Clothes, side: float, neck: Joint, swing: float, vigour: float, run: bool
) -> None:
    h, wide = person.height_m, person.stout
    carries = person.suitcase and side > 0
    upper_angle = 0.05 if carries else (0.55 if run else 0.27) * vigour * math.sin(swing)
    bend = 1.45 if run else 0.05 if carries else 0.1 + 0.14 * vigour + 0.25 * person.bowed
    shoulder = (neck[0], side * 0.112 * h * wide, neck[2] - 0.04 * h)
    elbow = (
        shoulder[0] + 0.165 * h * math.sin(upper_angle),
        side * 0.135 * h * wide,
        shoulder[2] - 0.165 * h * math.cos(upper_angle),
    )
    lower = upper_angle + bend
    hand = (elbow[0] + 0.15 * h * math.sin(lower), side * 0.128 * h * wide, elbow[2] - 0.15 * h * math.cos(lower))
    # sleeves hang free and are cooler than the chest, which is what sets the arms apart from it
    body.limb(shoulder, elbow, (0.037 * h, 0.031 * h), wear.jacket - wear.sleeve_cooler)
    body.limb(elbow, hand, (0.031 * h, 0.022 * h), wear.jacket - wear.sleeve_cooler)
    body.ball(hand, 0.026 * h, wear.hands)


def _crawl(body: Body, person: Person, wear: Clothes, stance: Stance) -> None:
    h = person.height_m
    phase = person.phase_rad + 2 * math.pi * stance.walked_m / (0.45 * h)
    hips, neck = (-0.05 * h, 0.0, 0.27 * h), (0.27 * h, 0.0, 0.32 * h)
    for side in (1.0, -1.0):
        step = 0.09 * h * math.sin(phase if side > 0 else phase + math.pi)
        knee = (hips[0] + 0.03 * h + step, side * 0.07 * h, 0.05 * h)
        body.limb((hips[0], side * 0.055 * h, hips[2]), knee, (0.058 * h, 0.045 * h), wear.trousers)
        body.limb(knee, (knee[0] - 0.24 * h, knee[1], 0.035 * h), (0.04 * h, 0.028 * h), wear.trousers)
        hand = (neck[0] + 0.05 * h - step, side * 0.11 * h, 0.03 * h)
        body.limb((neck[0], side * 0.09 * h, neck[2]), hand, (0.037 * h, 0.025 * h), wear.jacket)
        body.ball(hand, 0.026 * h, wear.hands)
    body.limb(hips, neck, (0.085 * h, 0.09 * h), wear.jacket)
    _head(body, person, wear, neck, (1.0, 0.0, 0.75))


def _rest(body: Body, person: Person, wear: Clothes, stance: Stance) -> None:
    h = person.height_m
    if stance.pose == "lie":
        body.limb((-0.1 * h, 0.0, 0.08 * h), (0.22 * h, 0.0, 0.09 * h), (0.085 * h, 0.1 * h), wear.jacket)
        for side in (1.0, -1.0):
            knee = (-0.33 * h, side * 0.07 * h, 0.06 * h)
            body.limb((-0.1 * h, side * 0.05 * h, 0.07 * h), knee, (0.058 * h, 0.042 * h), wear.trousers)
            body.limb(knee, (-0.56 * h, side * 0.08 * h, 0.04 * h), (0.042 * h, 0.028 * h), wear.trousers)
            body.limb(
                (0.22 * h, side * 0.11 * h, 0.07 * h),
                (0.0, side * 0.16 * h, 0.04 * h),
                (0.036 * h, 0.024 * h),
                wear.jacket,
            )
        _head(body, person, wear, (0.27 * h, 0.0, 0.09 * h), (1.0, 0.0, 0.1))
        return
    crouching = stance.pose == "crouch"
    seat_z = 0.17 * h if crouching else 0.10 * h
    neck = (0.10 * h if crouching else 0.05 * h, 0.0, seat_z + 0.32 * h)
    for side in (1.0, -1.0):
        knee = (0.22 * h, side * 0.09 * h, 0.26 * h)
        foot = (0.14 * h if crouching else 0.3 * h, side * 0.09 * h, 0.03 * h)
        body.limb((0.0, side * 0.055 * h, seat_z), knee, (0.06 * h, 0.045 * h), wear.trousers)
        body.limb(knee, foot, (0.042 * h, 0.028 * h), wear.trousers)
        body.limb(
            (neck[0], side * 0.11 * h, neck[2] - 0.04 * h),
            (0.17 * h, side * 0.13 * h, 0.3 * h),
            (0.037 * h, 0.03 * h),
            wear.jacket,
        )
        body.limb(
            (0.17 * h, side * 0.13 * h, 0.3 * h),
            (0.25 * h, side * 0.05 * h, 0.29 * h),
            (0.03 * h, 0.024 * h),
            wear.jacket,
        )
        body.ball((0.25 * h, side * 0.04 * h, 0.29 * h), 0.026 * h, wear.hands)
    _trunk(body, person, wear, (0.0, 0.0, seat_z), neck)


def suitcase_figure(person: Person, stance: Stance, air_c: float) -> Figure:
    """Build the suitcase beside a walker: a thing of its own, outside the person's box."""
    body = Body()
    body.box((-0.3, 0.32, 0.04), (0.3, 0.5, 0.62), air_c + 0.7, air_c - 0.5, air_c + 0.7)
    return body.put(stance.right_m, stance.ahead_m, stance.heading_rad, texture=(0.3, 900 + person.object_id))


def sledge_figure(stance: Stance, air_c: float) -> Figure:
    """Build a loaded sledge that trails behind a walker on a rope."""
    body = Body()
    body.box((-2.1, -0.25, 0.08), (-1.1, 0.25, 0.22), air_c - 2.0, air_c - 3.0, air_c - 2.0)
    body.limb((-1.85, 0.0, 0.38), (-1.4, 0.0, 0.36), (0.2, 0.17), air_c - 1.0)
    body.limb((-1.1, 0.0, 0.15), (0.0, 0.1, 0.8), (0.012, 0.012), air_c)
    return body.put(stance.right_m, stance.ahead_m, stance.heading_rad, texture=(0.4, 950))


def make_person(
    object_id: int, height_m: float, insulation: float, gait: Gait, *, backpack: bool, suitcase: bool, seed: int
) -> Person:
    """Draw the small differences between people: build, posture, how thick the coat is, the step they are in."""
    generator = np.random.default_rng([seed, 23, object_id])
    stout, thickness, bowed, phase, jacket, trousers, coat = generator.uniform(0, 1, 7)
    return Person(
        object_id=object_id,
        height_m=height_m,
        stout=1.13 + 0.24 * float(stout),
        insulation=min(0.99, insulation + (float(thickness) - 0.5) * 0.7 * (1 - insulation)),
        gait=gait,
        backpack=backpack,
        suitcase=suitcase,
        bowed=float(bowed),
        phase_rad=2 * math.pi * float(phase),
        coat=0.01 + 0.06 * float(coat) ** 2,
        dark=(0.2 + 0.8 * float(jacket), 0.2 + 0.8 * float(trousers)),
    )
