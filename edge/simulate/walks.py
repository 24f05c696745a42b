"""Where everybody is at each moment: paths, pauses, formations, and the small wandering that makes walkers alive.

A party has one distance along its path, driven by its speed and pauses; each member has an offset in the formation. The
first and last stretch of a path go on for ever, so people come from outside the picture and leave it.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from edge.simulate.scenario import Mover, Point, Pose

_HEADING_STEP_M = 0.4
_SPEED_STEP_S = 0.25
_TURN_WIDTH_M = 0.8


@dataclass(frozen=True, slots=True)
class Stance:
    """One walker at one moment: place, heading (0 looks ahead, clockwise), speed, distance walked, and pose."""

    right_m: float
    ahead_m: float
    heading_rad: float
    speed_m_s: float
    walked_m: float
    pose: Pose


class Route:
    """The polyline of a path, measured by the distance along it."""

    def __init__(self, points_m: tuple[Point, ...], facing_deg: float) -> None:
        facing = math.radians(facing_deg)
        if len(points_m) == 1:
            (x, y), step = points_m[0], 1e-3
            points_m = ((x, y), (x + step * math.sin(facing), y + step * math.cos(facing)))
        self._points = points_m
        self._starts_m = [0.0]
        for (x0, y0), (x1, y1) in pairwise(points_m):
            self._starts_m.append(self._starts_m[-1] + max(math.hypot(x1 - x0, y1 - y0), 1e-9))

    @property
    def length_m(self) -> float:
        """Length from the first point to the last."""
        return self._starts_m[-1]

    def place(self, distance_m: float) -> Point:
        """Give the point so many metres along; before the start and after the end the route goes straight on."""
        leg = min(max(bisect_right(self._starts_m, distance_m) - 1, 0), len(self._points) - 2)
        (x0, y0), (x1, y1) = self._points[leg], self._points[leg + 1]
        share = (distance_m - self._starts_m[leg]) / (self._starts_m[leg + 1] - self._starts_m[leg])
        return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share

    def heading_rad(self, distance_m: float) -> float:
        """Give the direction there, rounded off at the corners."""
        reach_m = min(_TURN_WIDTH_M, self.length_m / 2)
        (x0, y0), (x1, y1) = self.place(distance_m - reach_m), self.place(distance_m + reach_m)
        return math.atan2(x1 - x0, y1 - y0)


class Progress:
    """How far the first of a party has come along its path at any time, with pauses."""

    def __init__(self, mover: Mover, length_m: float) -> None:
        self._speed_m_s = 0.0 if len(mover.path_m) == 1 else mover.speed_m_s
        self._start_s = mover.start_s
        self._stop_m = length_m if mover.at_end == "stop" else math.inf
        self._pauses = tuple(sorted(mover.pauses, key=lambda pause: pause.at_m))

    def at(self, t_s: float) -> tuple[float, Pose | None]:
        """Give the distance at ``t_s`` and the pose of the pause, if one is on."""
        if self._speed_m_s == 0:
            return 0.0, None
        spare_s = t_s - self._start_s
        for pause in self._pauses:
            arrive_s = pause.at_m / self._speed_m_s
            if spare_s < arrive_s:
                break
            if spare_s < arrive_s + pause.for_s:
                return min(pause.at_m, self._stop_m), pause.pose
            spare_s -= pause.for_s
        return min(spare_s * self._speed_m_s, self._stop_m), None


class Walk:
    """One member's own way: the party's progress, a place in the formation, and a private slow wandering."""

    def __init__(self, mover: Mover, offset: Point, resting_pose: Pose, wander_m: float, seed: tuple[int, ...]) -> None:
        self._route = Route(mover.path_m, mover.facing_deg)
        self._progress = Progress(mover, self._route.length_m)
        self._beside_m, self._behind_m = offset
        self._resting_pose: Pose = resting_pose
        generator = np.random.default_rng(list(seed))
        # slow wandering, tens of seconds: a faster one would show as changes of speed, which people do not have
        self._rates = [float(rate) for rate in 2 * math.pi / generator.uniform(17, 41, 4)]
        self._phases = [float(phase) for phase in generator.uniform(0, 2 * math.pi, 4)]
        self._wander_m = wander_m

    def at(self, t_s: float) -> Stance:
        """Give the member at ``t_s``."""
        right_m, ahead_m, heading, distance_m = self._place(t_s)
        before_m, after_m = self._distance(t_s - _SPEED_STEP_S), self._distance(t_s + _SPEED_STEP_S)
        _, pause = self._progress.at(t_s)
        return Stance(
            right_m=right_m,
            ahead_m=ahead_m,
            heading_rad=heading,
            speed_m_s=abs(after_m - before_m) / (2 * _SPEED_STEP_S),
            walked_m=distance_m,
            pose=pause or self._resting_pose,
        )

    def _distance(self, t_s: float) -> float:
        return self._progress.at(t_s)[0] - self._behind_m

    def _place(self, t_s: float) -> tuple[float, float, float, float]:
        distance_m = self._distance(t_s)
        sway = [math.sin(rate * t_s + phase) for rate, phase in zip(self._rates, self._phases, strict=True)]
        along_m = distance_m + self._wander_m * (sway[0] + sway[1]) / 2
        beside_m = self._beside_m + self._wander_m * (sway[2] + sway[3]) / 2
        heading = self._route.heading_rad(along_m)
        x, y = self._route.place(along_m)
        return x + beside_m * math.cos(heading), y - beside_m * math.sin(heading), heading, along_m


Formation = Literal["line", "abreast", "cluster"]


def formation_offsets(formation: Formation, count: int, spacing_m: float, seed: tuple[int, ...]) -> list[Point]:
    """Give each member's place as ``(metres to the right, metres behind the first)``, slightly irregular."""
    generator = np.random.default_rng(list(seed))
    jitter = generator.uniform(-0.18, 0.18, (count, 2)) * spacing_m
    if formation == "line":
        places = [(float(jitter[i, 0]), i * spacing_m + float(jitter[i, 1])) for i in range(count)]
    elif formation == "abreast":
        middle = (count - 1) / 2
        places = [((i - middle) * spacing_m + float(jitter[i, 0]), float(jitter[i, 1])) for i in range(count)]
    else:
        # a sunflower spiral: even density for any count, nobody on top of anybody, and no rows that look drilled
        golden = math.pi * (3 - math.sqrt(5))
        radii = [spacing_m * 0.62 * math.sqrt(i) for i in range(count)]
        depth_m = max(radii)
        places = [
            (
                radii[i] * math.cos(golden * i) + float(jitter[i, 0]),
                depth_m + radii[i] * math.sin(golden * i) + float(jitter[i, 1]),
            )
            for i in range(count)
        ]
    return places
