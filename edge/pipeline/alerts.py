"""Groups in, alerts out: when the control room hears of a group, how loud, and when it hears of it again.

One group is one alert for as long as it lives: ``new`` once it was followed for ``raise_after_s``, ``update`` when
what is told has changed and at most every ``update_every_s``, ``end`` once. A group that was never told ends in
silence.

The alert's id is made of nothing but the group's first sight and the boot, camera and group it belongs to: no clock
is read and no dice are thrown, so a replay gives the same ids byte for byte, and still two boots never share one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edge.config import AlertsConfig, LineConfig, ZoneConfig
from edge.records import Alert, Box, Group, Track
from edge.ulid import ulid
from edge.words import EndReason, Phase, Priority

_TIGHT_S = 1e-4  # slack of comparisons: the same scene an hour later must give the same answer
_SETTLE_S = 0.9  # a group that has just come up may still be a part of another ...
_SETTLED_S = 2.0  # ... but not when its people were followed for this long
_ALONE_S = 7.0  # no group is told before this age that walks beside a group already told: it is about to join
_BESIDE_HEIGHTS = 4.0  # as far as one of a group may be: half hidden people are short, and gaps seem wide
_AS_FAST_HEIGHTS_S = 0.6
_SECTORS = 8
_SECTOR_SLACK = 0.15  # of a sector: a heading between two must not toggle
_WALKING_HEIGHTS_S = 0.15  # slower than this a group has no heading
_LOUDNESS: dict[Priority, int] = {"routine": 0, "important": 1, "urgent": 2}


class _Stand(NamedTuple):
    """Where a group's people are in this frame: their hull, the tallest, and the feet of each."""

    hull: Box
    tallest_px: float
    feet: list[tuple[float, float, Track]]

    @classmethod
    def of(cls, group: Group) -> "_Stand":
        """Look at a group once; every young group asks for those of all that were told."""
        boxes = [one.box for one in group.members]
        feet = [
            ((left + right) / 2, bottom, one)
            for (left, _, right, bottom), one in zip(boxes, group.members, strict=True)
        ]
        return cls(group.box, max([bottom - top for _, top, _, bottom in boxes]), feet)

    def near(self, box: Box, reach_px: float) -> list[Track]:
        """List those whose feet may be within reach of somebody in a box."""
        left, top, right, bottom = box[0] - reach_px, box[1] - reach_px, box[2] + reach_px, box[3] + reach_px
        return [one for x, y, one in self.feet if left <= x <= right and top <= y <= bottom]


class _Met(NamedTuple):
    """When a group came up, and the alert of the group it split from."""

    since_s: float
    parent: str | None


@dataclass(slots=True)
class _Story:
    """What the control room has been told of one group."""

    alert_id: str
    first_seen_utc_s: float
    told: Alert
    told_s: float
    sector: int | None


class AlertRaiser:
    """Tells the control room about the groups of one camera."""

    def __init__(
        self,
        config: AlertsConfig,
        *,
        camera: str,
        boot_id: str,
        lines: Sequence[LineConfig] = (),
        zones: Sequence[ZoneConfig] = (),
    ) -> None:
        """Start with nothing told; ``lines`` and ``zones`` are the camera's, for their priorities and least counts."""
        self._config = config
        self._camera = camera
        self._boot_id = boot_id
        self._lines = {line.id: line for line in lines}
        self._zones = {zone.id: zone for zone in zones}
        self._stories: dict[int, _Story] = {}
        self._met: dict[int, _Met] = {}
        self._stands: dict[int, _Stand] = {}  # of this frame's groups, those that were asked for

    def update(
        self, groups: Sequence[Group], *, t_s: float, captured_utc_s: float, width_px: int, height_px: int
    ) -> tuple[Alert, ...]:
        """Decide what to tell after one frame; at most one alert for each group."""
        size_px = (width_px, height_px)
        alerts = []
        self._meet(groups, t_s)
        self._stands = {}
        for group in sorted(groups, key=lambda one: (one.ended is not None, one.group_id)):
            story = self._stories.get(group.group_id)
            if group.ended is not None:
                alert = self._end(group, group.ended, t_s, captured_utc_s, size_px) if story else None
            elif story is None:
                alert = self._raise(group, t_s, captured_utc_s, size_px) if self._is_due(group, groups, t_s) else None
            else:
                alert = self._revise(group, story, t_s, captured_utc_s, size_px)
            if alert is not None:
                alerts.append(alert)
        return tuple(alerts)

    def close(
        self, reason: EndReason, *, t_s: float, captured_utc_s: float, width_px: int, height_px: int
    ) -> tuple[Alert, ...]:
        """End everything that is open: the node stops, or the footage is over."""
        size_px = (width_px, height_px)
        return tuple(
            self._end(self._stories[one].told.group._replace(ended=reason), reason, t_s, captured_utc_s, size_px)
            for one in sorted(self._stories)
        )

    def _meet(self, groups: Sequence[Group], t_s: float) -> None:
        """Note when each group came up and whose child it is, while the parent's story is still known."""
        met = {}
        for group in groups:
            parent = self._stories.get(group.parent) if group.parent is not None else None
            known = self._met.get(group.group_id)
            met[group.group_id] = known or _Met(t_s, parent.alert_id if parent else None)
        self._met = met

    def _is_due(self, group: Group, groups: Sequence[Group], t_s: float) -> bool:
        """Say whether a group is to be told: long enough followed, large enough, settled, and somebody believed in sight.

        At 2 frames/s a person is believed so late that without the settling each of several who appear together would
        be told alone before it is clear that they belong together.
        """
        zone = self._zones.get(group.zone) if group.zone is not None else None
        least = max(self._config.min_count, zone.min_count if zone else 1)
        followed_s = t_s - group.first_seen_s
        settled = t_s - self._met[group.group_id].since_s >= _SETTLE_S or followed_s >= _SETTLED_S - _TIGHT_S
        long = followed_s >= self._config.raise_after_s - _TIGHT_S
        # who is hidden has been told already, and whoever lends their sight to them must be somebody too
        seen = any(one.last_seen_s == t_s and one.belief >= self._config.min_confidence for one in group.members)
        if not (long and settled and seen and group.count >= least):
            return False
        young = group.parent is None and followed_s < _ALONE_S - _TIGHT_S
        told = [one for one in groups if one.group_id in self._stories and one.ended is None] if young else []
        return not any(_walks_with(self._stand(group), self._stand(one)) for one in told)

    def _stand(self, group: Group) -> _Stand:
        found = self._stands.get(group.group_id)
        if found is None:
            found = self._stands[group.group_id] = _Stand.of(group)
        return found

    def _raise(self, group: Group, t_s: float, captured_utc_s: float, size_px: tuple[int, int]) -> Alert:
        first_seen_utc_s = captured_utc_s - (t_s - group.first_seen_s)
        alert_id = ulid(first_seen_utc_s, self._boot_id, self._camera, group.group_id)
        alert = self._alert(group, "new", 1, alert_id, first_seen_utc_s, t_s, captured_utc_s, size_px)
        self._stories[group.group_id] = _Story(alert_id, first_seen_utc_s, alert, t_s, _sector(group, None))
        return alert

    def _revise(
        self, group: Group, story: _Story, t_s: float, captured_utc_s: float, size_px: tuple[int, int]
    ) -> Alert | None:
        if t_s - story.told_s < self._config.update_every_s - _TIGHT_S:
            return None
        sector = _sector(group, story.sector)
        told = story.told.group
        same = (
            sector == story.sector
            and (group.count, group.count_low, group.count_high, group.zone, group.crossing)
            == (told.count, told.count_low, told.count_high, told.zone, told.crossing)
            # what makes a group loud is all of the above, and how long it has been in its zone
            and (group.zone is None or self._loudness(group, t_s)[0] == story.told.priority)
        )
        if same:
            return None
        alert = self._alert(
            group, "update", story.told.rev + 1, story.alert_id, story.first_seen_utc_s, t_s, captured_utc_s, size_px
        )
        story.told, story.told_s, story.sector = alert, t_s, sector
        return alert

    def _end(
        self, group: Group, reason: EndReason, t_s: float, captured_utc_s: float, size_px: tuple[int, int]
    ) -> Alert:
        story = self._stories.pop(group.group_id)
        alert = self._alert(
            group, "end", story.told.rev + 1, story.alert_id, story.first_seen_utc_s, t_s, captured_utc_s, size_px
        )
        into = self._stories.get(group.merged_into) if group.merged_into is not None else None
        return alert._replace(
            priority=story.told.priority,
            reasons=(_ENDINGS[reason],),
            merged_into=into.alert_id if into else None,
        )

    def _alert(
        self,
        group: Group,
        phase: Phase,
        rev: int,
        alert_id: str,
        first_seen_utc_s: float,
        t_s: float,
        captured_utc_s: float,
        size_px: tuple[int, int],
    ) -> Alert:
        priority, reasons = self._loudness(group, t_s)
        met = self._met.get(group.group_id)
        return Alert(
            alert_id=alert_id,
            rev=rev,
            phase=phase,
            camera=self._camera,
            group=group,
            width_px=size_px[0],
            height_px=size_px[1],
            priority=priority,
            reasons=reasons,
            captured_utc_s=captured_utc_s,
            first_seen_utc_s=first_seen_utc_s,
            last_seen_utc_s=captured_utc_s - (t_s - group.last_seen_s),
            parent=met.parent if met else None,
        )

    def _loudness(self, group: Group, t_s: float) -> tuple[Priority, tuple[str, ...]]:
        """Weigh a group: the loudest of what its count, its zone and its line ask for, and why in words."""
        found: list[tuple[Priority, str]] = []
        if group.crossing is not None:
            line = self._lines.get(group.crossing.line)
            words = f"line {group.crossing.line} crossed {group.crossing.direction} by {group.crossing.crossed}"
            found.append((line.priority if line else "urgent", words))
        if group.zone is not None:
            zone = self._zones.get(group.zone)
            stay_s = t_s - (t_s if group.zone_since_s is None else group.zone_since_s)
            if zone is None or stay_s >= zone.min_dwell_s - _TIGHT_S:
                long = f" for {_spoken(stay_s)}" if zone is not None and zone.min_dwell_s > 0.0 else ""
                found.append((zone.priority if zone else "important", f"in zone {group.zone}{long}"))
        if group.count >= self._config.urgent_count:
            found.append(("urgent", f"{self._config.urgent_count} or more people"))
        elif group.count >= self._config.important_count:
            found.append(("important", f"{self._config.important_count} or more people"))
        if group.parent is not None:
            found.append(("routine", "split from another group"))
        if not found:
            found.append(("routine", "one person" if group.count == 1 else "a group of people"))
        return max((priority for priority, _ in found), key=_LOUDNESS.__getitem__), tuple(words for _, words in found)


_ENDINGS: dict[EndReason, str] = {
    "left": "out of sight",
    "merged": "joined another group",
    "restarted": "the node restarted",
    "stopped": "the node stopped",
}


def _walks_with(group: _Stand, other: _Stand) -> bool:
    """Tell whether somebody of one group is beside somebody of another, and about as fast."""
    mine, their = group.hull, other.hull
    reach_px = _BESIDE_HEIGHTS * max(group.tallest_px, other.tallest_px)
    if max(mine[0] - their[2], their[0] - mine[2], mine[1] - their[3], their[1] - mine[3]) > reach_px:
        return False  # most groups are ruled out by this alone
    theirs = other.near(mine, reach_px)
    return bool(theirs) and any(
        math.dist(one.foot_px, near.foot_px) <= _BESIDE_HEIGHTS * max(one.height_px, near.height_px)
        and math.dist(one.velocity_px_s, near.velocity_px_s)
        <= _AS_FAST_HEIGHTS_S * max(one.height_px, near.height_px, 1.0)
        for one in group.near(their, reach_px)
        for near in theirs
    )


def _sector(group: Group, before: int | None) -> int | None:
    """Eighth of the circle in which a group moves in the picture; None while it stands; sticks to the one before."""
    height_px = max((one.height_px for one in group.members), default=1.0)
    x_px_s, y_px_s = group.velocity_px_s
    if math.hypot(x_px_s, y_px_s) < _WALKING_HEIGHTS_S * height_px:
        return None
    turn = math.atan2(y_px_s, x_px_s) / math.tau * _SECTORS
    if before is not None:
        off = (turn - before + _SECTORS / 2) % _SECTORS - _SECTORS / 2
        if abs(off) <= 1 / 2 + _SECTOR_SLACK:
            return before
    return round(turn) % _SECTORS


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120.0 else f"{seconds / 60.0:.0f} min"  # noqa: PLR2004 - two minutes
