"""The card's tables from the JSON of ``measure``: ``python -m models.training tables FILE``."""

from __future__ import annotations

from typing import Any

from models.training.pictures import SETS

SHOWN_THRESHOLDS = ("0.3", "0.4", "0.5", "0.6", "0.7", "0.8")


def tables(told: dict[str, Any]) -> str:
    """Markdown tables: scores, conditions, heights, camera settings, thresholds, reliability."""
    parts = [
        _table(
            ("val", "pictures", "persons", "AP50", "AP50-95", "AR100", *COUNT_TITLES),
            [(name, *_counted(told[name], ("ap50", "ap", "ar100"))) for name in SETS],
        ),
        _table(
            ("condition", "pictures", "persons", "AP50", *COUNT_TITLES),
            [
                (f"{name}, {condition}", *_counted(row, ("ap50",)))
                for name in SETS
                for condition, row in told[name]["by_condition"].items()
            ],
        ),
        _table(
            (
                "height, px",
                *(f"{name}: {what}" for name in SETS for what in ("persons", "recall", "recall at IoU 0.3")),
            ),
            [
                (band, *(cell for name in SETS for cell in told[name]["by_height"].get(band, ("", "", ""))))
                for band in told["both"]["by_height"]
            ],
        ),
        _table(
            ("AP50 with", "as it is", *told[SETS[0]]["settings_ap50"]),
            [(name, told[name]["ap50"], *told[name]["settings_ap50"].values()) for name in SETS],
        ),
        _table(
            ("threshold", "precision", "recall", *COUNT_TITLES),
            [
                (t, row["precision"], row["recall"], *(row[key] for key in COUNT_KEYS))
                for t, row in told["both"]["thresholds"].items()
                if t in {*SHOWN_THRESHOLDS, str(told["score"])}
            ],
        ),
        _table(("mean score", "share right", "boxes"), told["both"]["reliability"]),
    ]
    return "\n\n".join(parts) + "\n"


COUNT_KEYS = ("count_mae", "count_exact", "count_within1", "false_per_empty")
COUNT_TITLES = ("count error", "count exact", "within 1", "false per empty picture")


def _counted(row: dict[str, Any], scores: tuple[str, ...]) -> tuple[Any, ...]:
    return (row["pictures"], row["persons"], *(row[key] for key in (*scores, *COUNT_KEYS)))


def _table(titles: tuple[str, ...], rows: list[Any]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "none" if value != value else f"{value:.3f}"  # noqa: PLR0124, only nan differs from itself
    return str(value)
