"""The truth of a scene: boxes, visible shares, groups and line crossings, in the format ``edge-truth/1``.

Objects are where they really are also while the shutter is closed and the picture stands still; ``ffc`` says so. The
visible share counts what is hidden by nearer things or outside the frame; fog and lack of contrast do not count.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.simulate.camera import Globe, Mount, Pose
from edge.simulate.cast import Cast
from edge.simulate.scenario import Line, Party, Scenario
from edge.simulate.sensor import Shutter, scale_of
from edge.simulate.silhouettes import Silhouette, clipped, see, visible_shares
from edge.simulate.walks import Stance

FORMAT = "edge-truth/1"

_COMPASS = ("northward", "eastward", "southward", "westward")
_TIME_DIGITS = 6
_BOX_DIGITS = 2
_SMALLEST_PX = 0.5


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame's worth of scene: when, from where, who stands where, and what of it the camera sees (far to near)."""

    number: int
    t_s: float
    pose: Pose
    stances: dict[int, Stance]
    seen: Sequence[Silhouette]


class Stage:
    """A scene that can be asked for any moment; the one place where cast and camera meet."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.mount = Mount(scenario.camera, scenario.seed)
        self.cast = Cast(scenario)
        self._standing: list[Silhouette] | None = None

    def frame_times(self) -> list[tuple[int, float]]:
        """List number and time of every frame that arrives; dropped ones leave a gap in the numbers."""
        camera = self.scenario.camera
        count = max(1, round(self.scenario.duration_s * camera.fps))
        luck = np.random.default_rng([self.scenario.seed, 61]).uniform(0, 1, count)
        return [(i, i / camera.fps) for i in range(count) if i == 0 or luck[i] >= camera.drop_share]

    def at(self, number: int, t_s: float) -> Moment:
        """Give the scene at ``t_s``."""
        pose = self.mount.at(t_s)
        stances = self.cast.at(t_s)
        moving = see(pose, self.cast.figures(stances))
        seen = sorted([*self._standing_seen(pose), *moving], key=lambda silhouette: -silhouette.range_m)
        return Moment(number, t_s, pose, stances, seen)

    def _standing_seen(self, pose: Pose) -> list[Silhouette]:
        if self.mount.moves:
            return see(pose, self.cast.standing)
        if self._standing is None:
            self._standing = see(pose, self.cast.standing)
        return self._standing


class Chronicle:
    """Collects the truth moment by moment."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        scenario = stage.scenario
        self._globe = Globe(scenario.camera)
        self._shutter = Shutter(scenario.sensor, scenario.duration_s)
        self._groups = _Memberships(scenario.parties)
        self._party = {actor.object_id: actor.party for actor in stage.cast.actors}
        self._frames: list[dict[str, Any]] = []
        self._feet: dict[int, list[tuple[float, float, float]]] = {}

    def note(self, moment: Moment) -> None:
        """Write down one frame."""
        shares = visible_shares(moment.seen, moment.pose)
        objects = [
            self._object(silhouette, moment, shares)
            for silhouette in moment.seen
            if silhouette.figure.object_id is not None and _is_large_enough(clipped(silhouette.box, moment.pose))
        ]
        objects.sort(key=lambda entry: int(entry["id"]))
        frame: dict[str, Any] = {
            "t_s": round(moment.t_s, _TIME_DIGITS),
            "ffc": bool(self._frames) and self._shutter.closed(moment.t_s),
            "objects": objects,
        }
        if self._stage.mount.moves:
            frame["camera"] = self._camera(moment.pose)
        self._frames.append(frame)
        for object_id, stance in moment.stances.items():
            self._feet.setdefault(object_id, []).append((moment.t_s, stance.right_m, stance.ahead_m))

    def finish(self) -> dict[str, Any]:
        """Give the whole truth file."""
        scenario, camera = self._stage.scenario, self._stage.scenario.camera
        scale = scale_of(scenario.sensor)
        pose = self._stage.mount.at(0.0)
        return {
            "format": FORMAT,
            "name": scenario.name,
            "start_utc": scenario.start_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "width_px": camera.width_px,
            "height_px": camera.height_px,
            "fps": camera.fps,
            "camera": {**self._camera(pose), "moving": self._stage.mount.moves},
            "radiometry": {"kind": scale.kind, "scale": scale.scale, "offset": scale.offset},
            "frames": self._frames,
            "groups": self._groups.listed(self._frames),
            "lines": [self._line(line, pose) for line in scenario.lines],
        }

    def _object(self, silhouette: Silhouette, moment: Moment, shares: dict[int, float]) -> dict[str, Any]:
        object_id = silhouette.figure.object_id or 0
        stance = moment.stances[object_id]
        return {
            "id": object_id,
            "kind": silhouette.figure.kind,
            "box": [round(edge, _BOX_DIGITS) for edge in clipped(silhouette.box, moment.pose)],
            "visible": round(shares[object_id], 3),
            "group": self._groups.group_of(self._party[object_id], moment.t_s),
            "position": self._globe.position(stance.right_m, stance.ahead_m),
        }

    def _camera(self, pose: Pose) -> dict[str, Any]:
        return {
            **self._globe.position(float(pose.place_m[0]), float(pose.place_m[1])),
            "height_m": round(float(pose.place_m[2]), 3),
            "heading_deg": round(pose.heading_deg, 4),
            "tilt_deg": round(pose.tilt_deg, 4),
            "roll_deg": round(pose.roll_deg, 4),
            "hfov_deg": self._stage.scenario.camera.hfov_deg,
        }

    def _line(self, line: Line, pose: Pose) -> dict[str, Any]:
        ends, _ = pose.project(np.array([[*line.points_m[0], 0.0], [*line.points_m[1], 0.0]]))
        step = (line.points_m[1][0] - line.points_m[0][0], line.points_m[1][1] - line.points_m[0][1])
        to_left = self._direction(-step[1], step[0])
        to_right = self._direction(step[1], -step[0])
        crossings = [
            {"t_s": round(t_s, 3), "object": object_id, "direction": to_left if leftward else to_right}
            for object_id, feet in self._feet.items()
            if object_id in self._people()
            for t_s, leftward in crossings_of(feet, line)
        ]
        return {
            "id": line.id,
            "points": [[round(float(x) / pose.width_px, 5), round(float(y) / pose.height_px, 5)] for x, y in ends],
            "to_left": to_left,
            "to_right": to_right,
            "crossings": sorted(crossings, key=lambda crossing: (crossing["t_s"], crossing["object"])),
        }

    def _people(self) -> set[int]:
        return {object_id for object_id, party in self._party.items() if party is not None}

    def _direction(self, right_m: float, ahead_m: float) -> str:
        return _COMPASS[round(self._globe.compass_deg(right_m, ahead_m) / 90) % 4]


def truth_of(scenario: Scenario) -> dict[str, Any]:
    """Give the truth of a scenario without rendering a picture; the same as the one beside the rendered clip."""
    stage = Stage(scenario)
    chronicle = Chronicle(stage)
    for number, t_s in stage.frame_times():
        chronicle.note(stage.at(number, t_s))
    return chronicle.finish()


def crossings_of(feet: Iterable[tuple[float, float, float]], line: Line) -> list[tuple[float, bool]]:
    """Find when a way crosses a line's segment.

    Args:
        feet: (t_s, right_m, ahead_m) in order of time.
        line: the line; whoever walks from its first point to the second has its left side on the left.

    Returns:
        Moments, interpolated, and whether the way went from the right side to the left.
    """
    (ax, ay), (bx, by) = line.points_m
    found: list[tuple[float, bool]] = []
    before: tuple[float, float, float, float] | None = None
    for t_s, x, y in feet:
        side = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
        if side == 0:
            continue  # on the line itself: neither side yet, so a halt on it counts once at most
        if before is not None and (side > 0) != (before[3] > 0):
            share = before[3] / (before[3] - side)
            cross_x, cross_y = before[1] + (x - before[1]) * share, before[2] + (y - before[2]) * share
            along = ((cross_x - ax) * (bx - ax) + (cross_y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)
            if 0 <= along <= 1:
                found.append((before[0] + (t_s - before[0]) * share, side > 0))
        before = (t_s, x, y, side)
    return found


class _Memberships:
    """Which group each party belongs to at each time, as the scenario declares it."""

    def __init__(self, parties: tuple[Party, ...]) -> None:
        self._parties = parties
        self._by_name = {party.name: number for number, party in enumerate(parties) if party.name is not None}

    def group_of(self, party: int | None, t_s: float) -> int | None:
        """Give the group id of a party; groups are numbered from 1 in the order of the parties they start with."""
        if party is None:
            return None
        own = self._parties[party]
        joined = own.with_from_s is not None and t_s >= own.with_from_s
        not_yet_left = own.with_until_s is not None and t_s < own.with_until_s
        if own.with_party is not None and (joined or not_yet_left):
            return self.group_of(self._by_name[own.with_party], t_s)
        return party + 1

    def listed(self, frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """List the groups that were ever in the picture, with their lifetime in it."""
        lives: dict[int, tuple[float, float]] = {}
        members: dict[int, set[int]] = {}
        for frame in frames:
            for entry in frame["objects"]:
                group = entry["group"]
                if group is not None:
                    start_s, _ = lives.get(group, (frame["t_s"], 0.0))
                    lives[group] = (start_s, frame["t_s"])
                    members.setdefault(group, set()).add(entry["id"])
        return [
            {
                "id": group,
                "members": sorted(members[group]),
                "start_s": lives[group][0],
                "end_s": lives[group][1],
                "parent": self._other(group, split=True),
                "merged_into": self._other(group, split=False),
            }
            for group in sorted(lives)
        ]

    def _other(self, group: int, *, split: bool) -> int | None:
        party = self._parties[group - 1]
        moment = party.with_until_s if split else party.with_from_s
        if party.with_party is None or moment is None:
            return None
        return self.group_of(self._by_name[party.with_party], moment)


def _is_large_enough(box: tuple[float, float, float, float]) -> bool:
    return box[2] - box[0] >= _SMALLEST_PX and box[3] - box[1] >= _SMALLEST_PX
