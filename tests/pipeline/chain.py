"""The stages joined as the pipeline joins them, for tests that need more than one of them."""

from collections.abc import Iterable, Sequence

from scenes import HEIGHT_PX, WIDTH_PX, Shot

from edge.config import AlertsConfig, GroupsConfig, LineConfig, TrackerConfig, ZoneConfig
from edge.pipeline.alerts import AlertRaiser
from edge.pipeline.compiled_tracker import make_tracker
from edge.pipeline.groups import GroupCounter
from edge.pipeline.rules import Rules
from edge.records import Alert, Group, Track


class Chain:
    """Tracker, rules, groups and alerts of one camera; feed it shots."""

    def __init__(
        self,
        lines: Sequence[LineConfig] = (),
        zones: Sequence[ZoneConfig] = (),
        alerts: AlertsConfig | None = None,
    ) -> None:
        """Start with nobody."""
        self.tracker, self.rules = make_tracker(TrackerConfig()), Rules(lines, zones)
        self.counter = GroupCounter(GroupsConfig())
        self.raiser = AlertRaiser(alerts or AlertsConfig(), camera="north", boot_id="boot", lines=lines, zones=zones)
        self.tracks: tuple[Track, ...] = ()
        self.groups: tuple[Group, ...] = ()
        self.alerts: list[Alert] = []
        self.crossings: list[tuple[int, str, str]] = []

    def see(self, shot: Shot, *, ffc: bool = False) -> None:
        """Take one shot."""
        size = {"width_px": WIDTH_PX, "height_px": HEIGHT_PX}
        self.tracks = self.tracker.update(shot.detections, shot.t_s, ffc=ffc, **size)
        events = self.rules.update(self.tracks, shot.t_s, **size, ffc=ffc)
        self.crossings += [(one.track_id, one.line, one.direction) for one in events.crossings]
        self.groups = self.counter.update(self.tracks, events, shot.t_s, ffc=ffc)
        self.alerts += self.raiser.update(self.groups, t_s=shot.t_s, captured_utc_s=1e9 + shot.t_s, **size)

    def watch(self, shots: Iterable[Shot]) -> "Chain":
        """Take all shots."""
        for shot in shots:
            self.see(shot)
        return self

    def phases(self, phase: str) -> list[Alert]:
        """List the alerts of one phase."""
        return [one for one in self.alerts if one.phase == phase]
