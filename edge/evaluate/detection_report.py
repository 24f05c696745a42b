"""The detection report: its records, its JSON and its tables. ``detection`` fills it in."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from edge.evaluate.overlap import Floats
from edge.evaluate.tables import narrow_table, number, share
from edge.records import Box


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: a subset of the pictures, or of the persons.

    Attributes:
        label: what the subset is.
        pictures: pictures in it.
        persons: persons to be found in it.
        ap50: average precision at IoU 0.5.
        ap50_95: mean average precision over IoU 0.5 to 0.95.
        ar: mean recall over IoU 0.5 to 0.95.
        precision: at the threshold.
        recall: at the threshold.
        count_mae: mean absolute error of persons per picture, at the threshold.
        count_exact: share of pictures with the right number.
        count_within_1: share of pictures at most one off.
        empty_pictures: pictures without anybody.
        false_per_empty: boxes per such picture.
    """

    label: str
    pictures: int
    persons: int
    ap50: float | None
    ap50_95: float | None
    ar: float | None
    precision: float | None
    recall: float | None
    count_mae: float | None = None
    count_exact: float | None = None
    count_within_1: float | None = None
    empty_pictures: int | None = None
    false_per_empty: float | None = None


@dataclass(frozen=True, slots=True)
class BestF1:
    """The score threshold at which precision and recall are best together."""

    score: float
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Detections whose score lies in one tenth of 0..1, and how many of them were right."""

    low: float
    high: float
    detections: int
    mean_score: float | None
    precision: float | None


@dataclass(frozen=True, slots=True)
class PictureVerdict:
    """What happened in one picture at the threshold: boxes by fate, with their scores where they have one."""

    file_name: str
    persons: int
    found: tuple[tuple[Box, float], ...]
    false: tuple[tuple[Box, float], ...]
    missed: tuple[Box, ...]
    ignored: tuple[Box, ...]

    @property
    def reported(self) -> int:
        """How many persons the detector claims outside the areas to ignore."""
        return len(self.found) + len(self.false)

    @property
    def errors(self) -> int:
        """How many boxes are wrong or missing."""
        return len(self.false) + len(self.missed)


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision and recall as the threshold falls, each (M,)."""

    scores: Floats
    precision: Floats
    recall: Floats


@dataclass(frozen=True, slots=True)
class DetectionReport:
    """Everything that was measured; ``None`` where there was nothing to measure."""

    truth: str
    score_threshold: float
    iou: float
    overall: Row
    best_f1: BestF1 | None
    calibration_error: float | None
    reliability: tuple[ScoreBin, ...]
    by_size: tuple[Row, ...]
    by_attribute: Mapping[str, tuple[Row, ...]]
    pictures: tuple[PictureVerdict, ...]
    curve: Curve

    def as_dict(self) -> dict[str, Any]:
        """Everything but the curve and the boxes, as plain values."""
        return {
            "format": "edge-detection-report/1",
            "truth": self.truth,
            "score_threshold": self.score_threshold,
            "iou": self.iou,
            "overall": asdict(self.overall),
            "best_f1": None if self.best_f1 is None else asdict(self.best_f1),
            "calibration_error": self.calibration_error,
            "reliability": [asdict(score_bin) for score_bin in self.reliability],
            "by_size": [asdict(row) for row in self.by_size],
            "by_attribute": {key: [asdict(row) for row in rows] for key, rows in self.by_attribute.items()},
            "pictures": [
                {
                    "file_name": picture.file_name,
                    "persons": picture.persons,
                    "reported": picture.reported,
                    "missed": len(picture.missed),
                    "false": len(picture.false),
                }
                for picture in self.pictures
            ],
        }

    def to_json(self) -> str:
        """``as_dict`` as text."""
        return json.dumps(self.as_dict(), indent=1, allow_nan=False)

    def tables(self) -> Iterator[Table]:
        """Lay the report out for a terminal."""
        yield _rank_table(f"{self.truth}: persons, score >= {self.score_threshold:g}, IoU {self.iou:g}", [self.overall])
        yield self._summary_table()
        if self.by_size:
            yield _rank_table("by height of the person", self.by_size)
        for attribute, rows in self.by_attribute.items():
            yield _count_table(f"by {attribute}", rows)
        yield self._reliability_table()

    def worst(self, most: int = 40) -> tuple[PictureVerdict, ...]:
        """Pictures with errors, those with the most first; among equals the most confident error."""
        wrong = [picture for picture in self.pictures if picture.errors]
        loudest = {picture.file_name: max((score for _, score in picture.false), default=0.0) for picture in wrong}
        wrong.sort(key=lambda picture: (-picture.errors, -loudest[picture.file_name], picture.file_name))
        return tuple(wrong[:most])

    def _summary_table(self) -> Table:
        best, row = self.best_f1, self.overall
        table = narrow_table("at the threshold", "", ("",))
        table.show_header = False
        table.add_row("best F1", "-" if best is None else f"{best.f1:.3f} at score {best.score:.3f}")
        table.add_row("persons per picture, mean error", number(row.count_mae, 2))
        table.add_row("... exact / within 1", f"{share(row.count_exact)} / {share(row.count_within_1)}")
        table.add_row(f"false boxes per empty picture ({row.empty_pictures} pictures)", number(row.false_per_empty, 3))
        table.add_row("expected calibration error", number(self.calibration_error, 3))
        return table

    def _reliability_table(self) -> Table:
        table = narrow_table("can the score be believed?", "score", ("detections", "mean score", "right"))
        for score_bin in self.reliability:
            table.add_row(
                f"{score_bin.low:.1f}-{score_bin.high:.1f}",
                str(score_bin.detections),
                number(score_bin.mean_score, 3),
                number(score_bin.precision, 3),
            )
        return table


def _rank_table(title: str, rows: Sequence[Row]) -> Table:
    table = narrow_table(title, "", ("pictures", "persons", "AP50", "AP50-95", "AR", "precision", "recall"))
    for row in rows:
        ranks = [number(value, 3) for value in (row.ap50, row.ap50_95, row.ar, row.precision, row.recall)]
        table.add_row(row.label, str(row.pictures), str(row.persons), *ranks)
    return table


def _count_table(title: str, rows: Sequence[Row]) -> Table:
    headings = ("persons", "AP50", "precision", "recall", "MAE", "exact", "within 1", "false")
    table = narrow_table(title, "", headings)
    table.caption = "MAE, exact, within 1: persons per picture; false: boxes per picture without anybody"
    for row in rows:
        ranks = [number(value, 3) for value in (row.ap50, row.precision, row.recall)]
        counts = [number(row.count_mae, 2), share(row.count_exact), share(row.count_within_1)]
        table.add_row(row.label, str(row.persons), *ranks, *counts, number(row.false_per_empty, 3))
    return table
