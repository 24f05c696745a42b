"""Lines and zones: who crossed what, just now, and who stands where.

A line has a dead band on both sides: feet must have been beyond it on one side and then beyond it on the other, so a
person who stands on the line and sways never crosses it. The band is measured in body heights, because the sway of a
box grows with the body. Each track counts once per direction, so somebody pacing to and fro does not add up to a
crowd. Feet are used and not middles of boxes: the line lies on the ground.

Bodies that are out of sight cross nothing until they are seen again; then the whole hidden way counts. The memory of
a track is dropped with the track.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge.config import LineConfig, ZoneConfig
from edge.records import Point, RuleEvents, Track, TrackCrossing

Floats = npt.NDArray[np.float64]

_ZONE_BAND_HEIGHTS = 0.2  # feet in a zone stay in it until this far outside
_END_SLACK_HEIGHTS = 0.5  # a line ends here beyond its end points: feet are not points


@dataclass(slots=True)
class _Memory:
    """What is remembered of one track: by line, where it last stood beyond the band, and what it has crossed."""

    beyond: dict[str, tuple[bool, Point]] = field(default_factory=dict)
    crossed: set[tuple[str, str]] = field(default_factory=set)
    zone: str | None = None
    ignored: bool = False


class Rules:
    """The lines and zones of one camera."""

    def __init__(self, lines: Sequence[LineConfig], zones: Sequence[ZoneConfig]) -> None:
        """Take the geometry in fractions of the frame; where zones overlap the first one named wins."""
        self._lines = tuple(lines)
        self._zones = tuple(zones)
        self._memories: dict[int, _Memory] = {}

    def update(
        self, tracks: Sequence[Track], t_s: float, width_px: int, height_px: int, *, ffc: bool = False
    ) -> RuleEvents:
        """Tell what the tracks of one frame did; while the shutter is closed (``ffc``) nothing fires."""
        if not (self._lines or self._zones):
            return RuleEvents()
        size_px = np.array((width_px, height_px), np.float64)
        self._memories = {one.track_id: self._memories.get(one.track_id) or _Memory() for one in tracks}
        seen = [one for one in tracks if one.last_seen_s == t_s]
        if seen and not ffc:
            feet = np.array([one.foot_px for one in seen])
            heights_px = np.array([max(one.height_px, 1.0) for one in seen])
            self._enter_zones(seen, feet, heights_px, size_px)
            crossings = self._cross_lines(seen, feet, heights_px, size_px)
        else:
            crossings = ()
        return RuleEvents(
            zones={one: memory.zone for one, memory in self._memories.items() if memory.zone is not None},
            ignored=frozenset(one for one, memory in self._memories.items() if memory.ignored),
            crossings=crossings,
        )

    def _enter_zones(self, seen: Sequence[Track], feet: Floats, heights_px: Floats, size_px: Floats) -> None:
        inside = [(zone, signed_distance(feet, np.array(zone.points) * size_px) / heights_px) for zone in self._zones]
        for row, track in enumerate(seen):
            memory = self._memories[track.track_id]
            place: ZoneConfig | None = None
            for zone, depth in inside:
                here = memory.zone == zone.id or (memory.ignored and zone.ignore)
                if depth[row] >= (-_ZONE_BAND_HEIGHTS if here else 0.0):
                    place = zone
                    break
            memory.ignored = place is not None and place.ignore
            memory.zone = place.id if place is not None and not place.ignore else None

    def _cross_lines(
        self, seen: Sequence[Track], feet: Floats, heights_px: Floats, size_px: Floats
    ) -> tuple[TrackCrossing, ...]:
        found = []
        for line in self._lines:
            start, end = np.array(line.points) * size_px
            along = end - start
            length_px = max(float(np.hypot(*along)), 1e-9)
            # the picture's y axis points down, so walking from start to end the left hand side is negative
            side_px = (along[0] * (feet[:, 1] - start[1]) - along[1] * (feet[:, 0] - start[0])) / length_px
            beyond = np.abs(side_px) > line.dead_band_heights * heights_px
            for row, (track, side, is_beyond) in enumerate(zip(seen, side_px.tolist(), beyond.tolist(), strict=True)):
                memory = self._memories[track.track_id]
                before = memory.beyond.get(line.id)
                if before is not None and not is_beyond:
                    continue
                on_left, foot = side < 0.0, (float(feet[row, 0]), float(feet[row, 1]))
                if before is not None and before[0] != on_left and not track.confirmed:
                    continue
                memory.beyond[line.id] = (on_left, foot)  # whoever is first seen in the band starts on their side of it
                if before is None or before[0] == on_left:
                    continue
                slack_px = _END_SLACK_HEIGHTS * float(heights_px[row])
                direction = line.to_left if on_left else line.to_right
                if (line.id, direction) in memory.crossed or not _passes(before[1], foot, start, along, slack_px):
                    continue
                memory.crossed.add((line.id, direction))
                found.append(TrackCrossing(track.track_id, line.id, direction))
        return tuple(sorted(found, key=lambda one: (one.track_id, one.line)))


def _passes(before: Point, now: Point, start: Floats, along: Floats, slack_px: float) -> bool:
    """Tell whether the way between two places on either side meets the line between its ends."""
    way = (now[0] - before[0], now[1] - before[1])
    cross = along[0] * way[1] - along[1] * way[0]
    if cross == 0.0:
        return False
    at = ((before[0] - start[0]) * way[1] - (before[1] - start[1]) * way[0]) / cross
    slack = slack_px / max(float(np.hypot(*along)), 1e-9)
    return bool(-slack <= at <= 1.0 + slack)


def signed_distance(points: Floats, corners: Floats) -> Floats:
    """Distance of points (N, 2) to the border of a polygon (C, 2), positive inside; (N,)."""
    ends = np.roll(corners, -1, axis=0)
    way = ends - corners
    offset = points[:, None, :] - corners[None]
    length2 = np.maximum((way**2).sum(axis=1), 1e-12)
    along = np.clip((offset * way[None]).sum(axis=2) / length2, 0.0, 1.0)
    gap = offset - along[..., None] * way[None]
    distance = np.sqrt((gap**2).sum(axis=2).min(axis=1))
    straddles = (corners[None, :, 1] > points[:, None, 1]) != (ends[None, :, 1] > points[:, None, 1])
    rise = np.where(way[:, 1] == 0.0, 1.0, way[:, 1])
    meets_x = corners[None, :, 0] + offset[..., 1] * (way[:, 0] / rise)[None]
    inside = (straddles & (points[:, None, 0] < meets_x)).sum(axis=1) % 2 == 1
    return np.asarray(np.where(inside, distance, -distance))
