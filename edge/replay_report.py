"""What ``edge replay`` tells at its end: groups, times without sight, telemetry, faults; as tables or as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from edge.errors import EdgeError
from edge.places import TelemetryCount
from edge.records import Alert, SightAlert


@dataclass(slots=True)
class GroupStory:
    """One group as the control room heard of it."""

    alert_id: str
    raised_s: float
    ended_s: float
    count: int
    count_low: int
    count_high: int
    count_max: int
    revisions: int
    reasons: list[str]


@dataclass(slots=True)
class SightStory:
    """One time in which the camera could not see, as the control room heard of it."""

    alert_id: str
    cause: str | None
    raised_s: float
    ended_s: float
    revisions: int


@dataclass(slots=True)
class ClipReport:
    """What came of one piece of footage."""

    footage: str
    frames: int = 0
    duration_s: float = 0.0
    frames_per_s: float = 0.0
    groups: list[GroupStory] = field(default_factory=list)
    sights: list[SightStory] = field(default_factory=list)
    telemetry: TelemetryCount | None = None
    fault: str | None = None

    def follow(self, alerts: Sequence[Alert], sights: Sequence[SightAlert], t_s: float) -> None:
        """Note what was told at ``t_s``."""
        for alert in alerts:
            group = alert.group
            story = self._group(alert.alert_id, t_s)
            story.ended_s, story.revisions = t_s, alert.rev
            if alert.phase != "end":  # the end says how it ended, not how many there were
                story.count, story.count_low, story.count_high = group.count, group.count_low, group.count_high
            story.count_max = group.count_max
            story.reasons = [*dict.fromkeys([*story.reasons, *alert.reasons])]
        for sight in sights:
            if sight.phase == "new":
                self.sights.append(SightStory(sight.alert_id, sight.cause, t_s, t_s, 0))
            told = self.sights[-1]  # a camera has one trouble at a time
            told.ended_s, told.revisions = t_s, sight.rev

    def _group(self, alert_id: str, t_s: float) -> GroupStory:
        known = next((story for story in self.groups if story.alert_id == alert_id), None)
        if known is None:
            known = GroupStory(alert_id, t_s, t_s, 0, 0, 0, 0, 0, [])
            self.groups.append(known)
        return known


@dataclass(slots=True)
class Report:
    """What came of a replay."""

    clips: list[ClipReport] = field(default_factory=list)
    fault: EdgeError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {"clips": [asdict(clip) for clip in self.clips]}

    def print(self) -> None:
        """Show it as tables."""
        from rich.console import Console  # noqa: PLC0415  (only who prints pays for it)
        from rich.table import Table  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        console = Console(markup=False, highlight=False)  # a file may be called [/red]
        for clip in self.clips:
            title = f"{clip.footage}: {clip.frames} frames, {clip.duration_s:.1f} s, {clip.frames_per_s:.1f} frames/s"
            table = Table("raised", "ended", "people", "range", "most", "revisions", "why", title=Text(title))
            for group in clip.groups:
                table.add_row(
                    f"{group.raised_s:.1f} s",
                    f"{group.ended_s:.1f} s",
                    str(group.count),
                    f"{group.count_low}-{group.count_high}",
                    str(group.count_max),
                    str(group.revisions),
                    Text(", ".join(group.reasons)),
                )
            console.print(table)
            for sight in clip.sights:
                words = f"{clip.footage}: could not see from {sight.raised_s:.1f} s to {sight.ended_s:.1f} s ({sight.cause})"
                console.print(Text(words, style="red"))
            if clip.telemetry:
                told = clip.telemetry
                bad = f", {told.refused} refused ({told.why})" if told.refused else ""
                console.print(Text(f"{clip.footage}: telemetry: {told.read} packets read{bad}"))
            if clip.fault:
                console.print(Text(f"{clip.footage}: {clip.fault}", style="red"))
