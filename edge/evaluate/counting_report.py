"""The counting report: its records, its JSON and its tables. ``counting`` fills it in."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from edge.evaluate.counting_score import CountingScore, CountTally
from edge.evaluate.tables import number, share
from edge.evaluate.truth import MIN_VISIBLE


@dataclass(frozen=True, slots=True)
class Moment:
    """All people in the picture at one time: the true number's two ends, and the told number with its range."""

    t_s: float
    true_low: int
    true_high: int
    told: int
    told_low: int
    told_high: int


@dataclass(frozen=True, slots=True)
class GroupStory:
    """One true group and what became of it.

    Attributes:
        group: its id in the truth.
        due: whether it had to be told.
        visible_s: how long it was visible.
        people: how many were surely there when it was last complete.
        told: count and range that were told then.
        new_at_s: when it was told as new; once is right.
    """

    group: int | str
    due: bool
    visible_s: float
    people: int | None
    told: tuple[int, int, int] | None
    new_at_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ClipReport:
    """One clip; only its ``people`` score means something where the truth has no identities."""

    name: str
    score: CountingScore
    identified: bool
    moments: tuple[Moment, ...]
    groups: tuple[GroupStory, ...]


@dataclass(frozen=True, slots=True)
class CountingReport:
    """All clips, and their sum."""

    clips: tuple[ClipReport, ...]
    overall: CountingScore
    proven_height_px: float
    allowed_s: float

    def as_dict(self) -> dict[str, Any]:
        """Everything but the moments, as plain values."""
        return {
            "format": "edge-counting-report/1",
            "proven_height_px": self.proven_height_px,
            "allowed_s": self.allowed_s,
            "overall": score_dict(self.overall),
            "clips": [
                {
                    "name": clip.name,
                    "identified": clip.identified,
                    **score_dict(clip.score),
                    "groups": [asdict(story) for story in clip.groups],
                }
                for clip in self.clips
            ],
        }

    def to_json(self) -> str:
        """``as_dict`` as text."""
        return json.dumps(self.as_dict(), indent=1, allow_nan=False)

    def _what_counts(self) -> str:
        return (
            f"judged: persons from {self.proven_height_px:g} px high with at least {share(MIN_VISIBLE)} in sight; "
            f"final: when the group was last complete; over time: from {self.allowed_s:g} s of being visible; "
            "width: of the range, for groups up to ten"
        )

    def tables(self) -> Iterator[Table]:
        """Lay the report out for a terminal; a table without any clip in it is left out."""
        identified = [(clip.name, clip.score) for clip in self.clips if clip.identified]
        several = len(self.clips) > 1
        if identified:
            rows = [*identified, *([("all", self.overall)] if several else [])]
            table = _count_table(rows)
            table.caption = self._what_counts()
            yield table
            yield _alert_table(rows, self.allowed_s)
            yield _track_table(rows)
        yield _people_table([*((c.name, c.score) for c in self.clips), *([("all", self.overall)] if several else [])])


def score_dict(score: CountingScore) -> dict[str, Any]:
    """Write a score as plain values, ``None`` where nothing was measured."""
    alerts, lines, membership = score.alerts, score.lines, score.membership
    return {
        "duration_s": score.duration_s,
        "person_minutes": score.person_minutes,
        "hota": score.hota.hota,
        "deta": score.hota.deta,
        "assa": score.hota.assa,
        "idf1": score.identity.idf1,
        "mota": score.clear.mota,
        "id_switches": score.clear.switches,
        "fragments": score.clear.fragments,
        "id_switches_per_10_person_min": score.switches_per_10_person_min,
        "group_precision": membership.precision,
        "group_recall": membership.recall,
        "groups_due": alerts.due,
        "groups_missed": alerts.missed,
        "exactly_one_new": alerts.one_new_share,
        "alerted_in_time": alerts.in_time_share,
        "time_to_alert_s": list(alerts.delays_s),
        "slowest_alert_s": alerts.slowest_s,
        "false_alerts": alerts.false,
        "false_alerts_per_h": score.false_alerts_per_h,
        "final_count": _tally_dict(score.final),
        "count_over_time": _tally_dict(score.count),
        "people_over_time": _tally_dict(score.people),
        "lines": asdict(lines),
    }


def _tally_dict(tally: CountTally) -> dict[str, float | None]:
    return {
        "mae": tally.mae,
        "exact": tally.exact_share,
        "within_1": tally.within_1_share,
        "in_range": tally.coverage,
        "mean_range_width": tally.mean_width,
    }


Rows = list[tuple[str, CountingScore]]


def _table(title: str, headings: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("clip")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _count_table(rows: Rows) -> Table:
    headings = ("final MAE", "exact", "within 1", "over time MAE", "exact", "within 1", "in range", "width")
    table = _table("people per group", headings)
    for name, score in rows:
        final, count = score.final, score.count
        table.add_row(
            name,
            *(number(final.mae, 2), share(final.exact_share), share(final.within_1_share)),
            *(number(count.mae, 2), share(count.exact_share), share(count.within_1_share)),
            *(share(count.coverage), number(count.mean_width, 2)),
        )
    return table


def _alert_table(rows: Rows, allowed_s: float) -> Table:
    headings = ("groups", "one new", "missed", f"in {allowed_s:g} s", "slowest", "false", "false/h", "lines off")
    table = _table("groups and alerts", headings)
    for name, score in rows:
        alerts, lines = score.alerts, score.lines
        slowest = "-" if alerts.slowest_s is None else f"{alerts.slowest_s:.1f} s"
        table.add_row(
            name,
            *(str(alerts.due), share(alerts.one_new_share), str(alerts.missed), share(alerts.in_time_share), slowest),
            *(str(alerts.false), number(score.false_alerts_per_h, 1)),
            f"{lines.off} of {lines.true}" if lines.clips else "-",
        )
    return table


def _track_table(rows: Rows) -> Table:
    headings = ("HOTA", "IDF1", "MOTA", "switches", "per 10 min", "fragments", "group precision", "group recall")
    table = _table("tracks", headings)
    for name, score in rows:
        table.add_row(
            name,
            *(number(score.hota.hota, 3), number(score.identity.idf1, 3), number(score.clear.mota, 3)),
            *(str(score.clear.switches), number(score.switches_per_10_person_min, 2), str(score.clear.fragments)),
            *(number(score.membership.precision, 3), number(score.membership.recall, 3)),
        )
    return table


def _people_table(rows: Rows) -> Table:
    table = _table("all people in the picture, over time", ("length", "MAE", "exact", "within 1", "in range", "width"))
    for name, score in rows:
        people = score.people
        shares = (share(people.exact_share), share(people.within_1_share), share(people.coverage))
        table.add_row(name, f"{score.duration_s:.0f} s", number(people.mae, 2), *shares, number(people.mean_width, 2))
    return table
