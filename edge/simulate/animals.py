"""Four-legged animals: one body plan with the measures of each kind, and a walk in which the legs move in turn."""

import math
from dataclasses import dataclass

from edge.simulate.figures import Body, Figure, Kind
from edge.simulate.walks import Stance

_CORE_C = 36.0
_STANDING_M_S = 0.2


@dataclass(frozen=True, slots=True)
class _Build:
    """Measures of a kind, metres; ``leak`` is how much of the body's warmth the fur lets through."""

    back_m: float
    length_m: float
    girth_m: float
    leg_m: float
    neck_m: float
    neck_rise: float
    head_m: float
    tail_m: float
    leak: float
    head_radius_m: float


_BUILDS: dict[Kind, _Build] = {
    "deer": _Build(1.05, 1.05, 0.19, 0.028, 0.5, 0.95, 0.24, 0.12, 0.20, 0.075),
    "cattle": _Build(1.35, 1.45, 0.36, 0.065, 0.45, 0.35, 0.36, 0.6, 0.26, 0.13),
    "horse": _Build(1.5, 1.35, 0.3, 0.055, 0.7, 0.8, 0.42, 0.6, 0.24, 0.11),
    "dog": _Build(0.55, 0.55, 0.12, 0.024, 0.16, 0.7, 0.15, 0.28, 0.28, 0.06),
    "coyote": _Build(0.58, 0.68, 0.12, 0.022, 0.18, 0.55, 0.17, 0.36, 0.18, 0.06),
}


def animal_figure(kind: Kind, stance: Stance, air_c: float, object_id: int, size: float, *, grazes: bool) -> Figure:
    """Build an animal; one that ``grazes`` and stands has its head at the ground."""
    build, body = _BUILDS[kind], Body()
    excess_c = _CORE_C - air_c
    fur_c, face_c, leg_c = (air_c + excess_c * build.leak * part for part in (1.0, 1.9, 1.25))
    back, girth, half = build.back_m * size, build.girth_m * size, build.length_m * size / 2
    middle_z = back - girth
    # deep chest, tucked waist, round rump
    waist = (-0.12 * half, 0.0, middle_z + girth * 0.1)
    body.limb(waist, (half - girth, 0.0, middle_z), (girth * 0.82, girth * 1.05), fur_c)
    body.limb((-half + girth * 0.9, 0.0, middle_z + girth * 0.12), waist, (girth * 0.95, girth * 0.82), fur_c)
    # the belly has less fur: a warm strip that thermal pictures of game always show
    body.limb(
        (-half + girth, 0.0, middle_z - girth * 0.5),
        (half - girth, 0.0, middle_z - girth * 0.4),
        (girth * 0.6,) * 2,
        leg_c,
    )
    _head(
        body,
        build,
        size,
        (half - girth * 0.4, middle_z + girth * 0.45),
        (fur_c, face_c),
        grazes=grazes and stance.speed_m_s < _STANDING_M_S,
    )
    body.limb(
        (-half, 0.0, middle_z + girth * 0.5),
        (-half - build.tail_m * size * 0.5, 0.0, middle_z - build.tail_m * size * 0.55),
        (0.035 * size, 0.02 * size),
        fur_c,
    )
    phase = 2 * math.pi * stance.walked_m / (build.back_m * size * 1.15) + object_id
    vigour = min(1.0, stance.speed_m_s / 0.8)
    for index, (forward, side) in enumerate(((1, 1), (-1, 1), (1, -1), (-1, -1))):
        # lateral sequence: hind, fore of one side, then the other, a quarter of a stride apart
        swing = 0.38 * vigour * math.sin(phase + (index * math.pi / 2))
        hip = (forward * (half - girth * 0.75), side * girth * 0.55, middle_z - girth * 0.3)
        # hind legs bend backwards at the hock, fore legs hardly
        hock = -0.16 if forward < 0 else 0.03
        knee = (hip[0] + hip[2] * (0.5 * math.sin(swing) + hock), hip[1], hip[2] * 0.5)
        foot = (
            hip[0] + hip[2] * math.sin(swing) * 0.95,
            hip[1],
            0.03 + 0.05 * hip[2] * max(0.0, math.cos(phase + index * math.pi / 2)),
        )
        body.limb(hip, knee, (build.leg_m * size * 2.1, build.leg_m * size * 1.0), leg_c)
        body.limb(knee, foot, (build.leg_m * size * 0.95, build.leg_m * size * 0.7), leg_c)
    return body.put(
        stance.right_m,
        stance.ahead_m,
        stance.heading_rad,
        texture=(0.12 * (fur_c - air_c) + 0.2, object_id),
        object_id=object_id,
        kind=kind,
    )


def _head(
    body: Body, build: _Build, size: float, root: tuple[float, float], warmth_c: tuple[float, float], *, grazes: bool
) -> None:
    fur_c, face_c = warmth_c
    rise = -0.9 if grazes else build.neck_rise
    neck = build.neck_m * size
    poll = (root[0] + neck * math.cos(rise), 0.0, max(root[1] + neck * math.sin(rise), build.head_m * size * 0.7))
    droop = 0.75 if grazes else 0.45
    head = build.head_m * size
    muzzle = (poll[0] + head * math.cos(droop), 0.0, poll[2] - head * math.sin(droop))
    radius = build.head_radius_m * size
    body.limb((root[0], 0.0, root[1]), poll, (build.girth_m * size * 0.6, radius * 0.95), fur_c)
    body.limb(poll, muzzle, (radius, radius * 0.55), face_c)
    for side in (1.0, -1.0):
        body.limb(
            poll, (poll[0] - 0.03, side * radius * 1.9, poll[2] + radius * 1.3), (radius * 0.3, radius * 0.15), face_c
        )
