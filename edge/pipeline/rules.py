"""Lines and zones: who crossed what, just now, and who stands where.

A line has a dead band on both sides: feet must have been beyond it on one side and then beyond it on the other, so a
person who stands on the line and sways never crosses it. The band is measured in body heights, because the sway of a
box grows with the body. Each track counts once per direction, so somebody pacing to and fro does not add up to a
crowd. Feet are used and not middles of boxes: the line lies on the ground.

A line or a zone may hold at some hours only (``hours``), judged by when the frame was captured. A line goes on watching
on which side everybody is while it does not hold, so that nobody who crossed before is counted when it begins to.

Bodies that are out of sight cross nothing until they are seen again; then the whole hidden way counts. The memory of
a track is dropped with the track.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from edge.config import LineConfig, ZoneConfig
from edge.config.hours import parse_span, read_time_zone, within_spans
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

    def __init__(self, lines: Sequence[LineConfig], zones: Sequence[ZoneConfig], *, time_zone: str = "UTC") -> None:
        """Take the geometry in fractions of the frame; where zones overlap the first one named wins.

        Args:
            lines: of the camera.
            zones: of the camera.
            time_zone: IANA name, whose clock their hours are of.
        """
        self._lines = tuple(lines)
        self._zones = tuple(zones)
        self._time_zone = read_time_zone(time_zone)
        self._timed = any(line.hours for line in lines) or any(zone.hours for zone in zones)
        self._minute: int | None = None
        self._zones_now = self._zones
        self._lines_now = frozenset(line.id for line in lines)
        self._memories: dict[int, _Memory] = {}

    def update(
        self,
        tracks: Sequence[Track],
        t_s: float,
        width_px: int,
        height_px: int,
        *,
        captured_utc_s: float = 0.0,
        ffc: bool = False,
    ) -> RuleEvents:
        """Tell what the tracks of one frame did.

        Args:
            tracks: all of them.
            t_s: when the frame was captured.
            width_px: of the frame.
            height_px: of the frame.
            captured_utc_s: the same moment on the wall; only rules with hours look at it.
            ffc: the shutter is closed: nothing fires.
        """
        if not (self._lines or self._zones):
            return RuleEvents()
        if self._timed:
            self._read_hours(captured_utc_s)
        size_px = (float(width_px), float(height_px))
        self._memories = {one.track_id: self._memories.get(one.track_id) or _Memory() for one in tracks}
        seen = [one for one in tracks if one.last_seen_s == t_s]
        if seen and not ffc:
            if self._zones:
                self._enter_zones(seen, np.array(size_px))
            crossings = self._cross_lines(seen, size_px)
        else:
            crossings = ()
        if not self._zones:
            return RuleEvents(crossings=crossings)
        return RuleEvents(
            zones={one: memory.zone for one, memory in self._memories.items() if memory.zone is not None},
            ignored=frozenset(one for one, memory in self._memories.items() if memory.ignored),
            crossings=crossings,
        )

    def _read_hours(self, utc_s: float) -> None:
        """Find out which lines and zones hold now, once a minute: no shorter time is ever asked for."""
        minute = int(utc_s // 60.0)
        if minute == self._minute:
            return
        self._minute = minute
        local = datetime.fromtimestamp(utc_s, self._time_zone)

        def hold(rule: LineConfig | ZoneConfig) -> bool:
            return not rule.hours or within_spans(map(parse_span, rule.hours), local)

        self._zones_now = tuple(filter(hold, self._zones))
        self._lines_now = frozenset(line.id for line in filter(hold, self._lines))

    def _enter_zones(self, seen: Sequence[Track], size_px: Floats) -> None:
        feet = np.array([one.foot_px for one in seen])
        heights_px = np.array([max(one.height_px, 1.0) for one in seen])
        inside = [
            (zone, signed_distance(feet, np.array(zone.points) * size_px) / heights_px) for zone in self._zones_now
        ]
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

    def _cross_lines(self, seen: Sequence[Track], size_px: Point) -> tuple[TrackCrossing, ...]:
        # plain numbers: most frames hold a handful of people, and numpy costs more to call than they do
        found = []
        for line in self._lines:
            ends = [(x * size_px[0], y * size_px[1]) for x, y in line.points]
            start, along = ends[0], (ends[1][0] - ends[0][0], ends[1][1] - ends[0][1])
            length_px = max(math.hypot(*along), 1e-9)
            for track in seen:
                left, top, right, bottom = track.box  # its properties would cost as much as all that follows
                foot, height_px = ((left + right) / 2, bottom), max(bottom - top, 1.0)
                # the picture's y axis points down, so walking from start to end the left hand side is negative
                side_px = (along[0] * (foot[1] - start[1]) - along[1] * (foot[0] - start[0])) / length_px
                memory = self._memories[track.track_id]
                before = memory.beyond.get(line.id)
                if before is not None and abs(side_px) <= line.dead_band_heights * height_px:
                    continue
                on_left = side_px < 0.0
                if before is None or before[0] == on_left or line.id not in self._lines_now:
                    memory.beyond[line.id] = (on_left, foot)  # whoever is first seen in the band starts on their side
                    continue
                if not track.confirmed:
                    continue
                memory.beyond[line.id] = (on_left, foot)
                slack = _END_SLACK_HEIGHTS * height_px / length_px
                direction = line.to_left if on_left else line.to_right
                if (line.id, direction) not in memory.crossed and _passes(before[1], foot, start, along, slack):
                    memory.crossed.add((line.id, direction))
                    found.append(TrackCrossing(track.track_id, line.id, direction))
        return tuple(sorted(found, key=lambda one: (one.track_id, one.line)))


def _passes(before: Point, now: Point, start: Point, along: Point, slack: float) -> bool:
    """Tell whether the way between two places on either side meets the line between its ends, give or take a share."""
    way = (now[0] - before[0], now[1] - before[1])
    cross = along[0] * way[1] - along[1] * way[0]
    if cross == 0.0:
        return False
    at = ((before[0] - start[0]) * way[1] - (before[1] - start[1]) * way[0]) / cross
    return -slack <= at <= 1.0 + slack


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
