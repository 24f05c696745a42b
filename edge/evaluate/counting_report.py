"""The counting report: its records, its JSON and its tables. ``counting`` fills it in."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from edge.evaluate.counting_score import CountingScore, CountTally
from edge.evaluate.tables import narrow_table, number, share
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
        people: how many were there when it was last complete: surely, and at most.
        told: count and range that were told then.
        new_at_s: when it was told as new; once is right.
    """

    group: int | str
    due: bool
    visible_s: float
    people: tuple[int, int] | None
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

    def _what_is_judged(self) -> str:
        return f"judged: persons from {self.proven_height_px:g} px high with at least {share(MIN_VISIBLE)} in sight"

    def tables(self) -> Iterator[Table]:
        """Lay the report out for a terminal; tables that no clip has a say in are left out."""
        identified = [(clip.name, clip.score) for clip in self.clips if clip.identified]
        everything = [(clip.name, clip.score) for clip in self.clips]
        total = [("all", self.overall)] if len(self.clips) > 1 else []
        if identified:
            yield _final_table([*identified, *total], self._what_is_judged())
            yield _over_time_table([*identified, *total], self.allowed_s)
            yield _alert_table([*identified, *total], self.allowed_s)
            yield _track_table([*identified, *total])
        if self.overall.lines.clips:
            yield _line_table([*((name, score) for name, score in identified if score.lines.clips), *total])
        yield _people_table([*everything, *total])


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
        "mean_unjudged": tally.mean_unjudged,
    }


Rows = list[tuple[str, CountingScore]]


def _numbers(tally: CountTally) -> tuple[str, ...]:
    shares = (share(tally.exact_share), share(tally.within_1_share), share(tally.coverage))
    return (number(tally.mae, 2), *shares, number(tally.mean_width, 2))


_NUMBERS = ("MAE", "exact", "within 1", "in range", "width")


def _final_table(rows: Rows, what_is_judged: str) -> Table:
    table = narrow_table("people per group, when it was last complete", "clip", ("groups", *_NUMBERS))
    table.caption = what_is_judged
    for name, score in rows:
        table.add_row(name, str(score.alerts.due), *_numbers(score.final))
    return table


def _over_time_table(rows: Rows, allowed_s: float) -> Table:
    table = narrow_table("people per group over time, and who is in it", "clip", (*_NUMBERS, "prec.", "recall"))
    table.caption = f"from {allowed_s:g} s of being visible; width: of the range, for groups up to ten"
    for name, score in rows:
        membership = score.membership
        table.add_row(name, *_numbers(score.count), number(membership.precision, 3), number(membership.recall, 3))
    return table


def _alert_table(rows: Rows, allowed_s: float) -> Table:
    headings = ("groups", "one new", "missed", f"in {allowed_s:g} s", "slowest", "false", "false/h")
    table = narrow_table("alerts", "clip", headings)
    for name, score in rows:
        alerts = score.alerts
        slowest = "-" if alerts.slowest_s is None else f"{alerts.slowest_s:.1f} s"
        told = (str(alerts.due), share(alerts.one_new_share), str(alerts.missed), share(alerts.in_time_share), slowest)
        table.add_row(name, *told, str(alerts.false), number(score.false_alerts_per_h, 1))
    return table


def _track_table(rows: Rows) -> Table:
    table = narrow_table("tracks", "clip", ("HOTA", "IDF1", "MOTA", "switches", "/10 min", "fragments"))
    table.caption = "/10 min: switches per ten minutes of following one person"
    for name, score in rows:
        ratios = (number(score.hota.hota, 3), number(score.identity.idf1, 3), number(score.clear.mota, 3))
        often = number(score.switches_per_10_person_min, 2)
        table.add_row(name, *ratios, str(score.clear.switches), often, str(score.clear.fragments))
    return table


def _line_table(rows: Rows) -> Table:
    table = narrow_table("line crossings", "clip", ("true", "told", "off"))
    for name, score in rows:
        table.add_row(name, str(score.lines.true), str(score.lines.told), str(score.lines.off))
    return table


def _people_table(rows: Rows) -> Table:
    table = narrow_table("all people in the picture, over time", "clip", (*_NUMBERS, "unjudged"))
    table.caption = "unjudged: mean number of people who may be counted or not (too small, too hidden)"
    for name, score in rows:
        table.add_row(name, *_numbers(score.people), number(score.people.mean_unjudged, 2))
    return table
