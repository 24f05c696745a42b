"""Pictures of a report, for people: curves, and the pictures in which most went wrong.

matplotlib is imported here and nowhere else, and only when something is drawn: a node has no use for it. The contact
sheet is OpenCV's work, because it shows pixels as they are and enlarges without smoothing.
"""

import math
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError
from edge.evaluate.counting_report import ClipReport, CountingReport
from edge.evaluate.detection_report import DetectionReport, PictureVerdict
from edge.evaluate.tables import number
from edge.records import Box, Pixels

PictureOf = Callable[[str], Pixels]
"""Gives the 8- or 16-bit grey picture of a file name."""

Colour = tuple[int, int, int]

_FOUND: Colour = (90, 200, 90)
_FALSE: Colour = (60, 60, 235)
_MISSED: Colour = (0, 190, 255)
_IGNORED: Colour = (150, 150, 150)
_TILE_PX = (480, 384)
_COLUMNS = 5
_CAPTION_PX = 22


def plot_detection(report: DetectionReport, directory: Path, picture_of: PictureOf, *, worst: int = 40) -> list[Path]:
    """Write ``precision-recall.png``, ``reliability.png`` and, where there were errors, ``worst.png``.

    Args:
        report: what was measured.
        directory: where to write; made when missing.
        picture_of: gives the picture of a file name.
        worst: how many pictures the contact sheet shows at most.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    pyplot = load_pyplot()
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / "precision-recall.png", directory / "reliability.png"]
    _precision_recall(pyplot, report, paths[0])
    _reliability(pyplot, report, paths[1])
    verdicts = report.worst(worst)
    if verdicts:
        paths.append(directory / "worst.png")
        cv2.imwrite(str(paths[-1]), contact_sheet(verdicts, picture_of))
    return paths


def plot_counting(report: CountingReport, directory: Path) -> list[Path]:
    """Write ``NAME.png`` for each clip: true and told number of people over time, and when alerts were raised.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    pyplot = load_pyplot()
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"{_file_name(clip.name)}.png" for clip in report.clips]
    for clip, path in zip(report.clips, paths, strict=True):
        _people(pyplot, clip, path)
    return paths


def load_pyplot() -> Any:
    """Import matplotlib for files only.

    Raises:
        ConfigError: it is not installed; the message names the extra.
    """
    try:
        import_module("matplotlib").use("Agg")
        return import_module("matplotlib.pyplot")
    except ImportError:
        raise ConfigError("plots need matplotlib: pip install 'edge-thermal[plots]'") from None


def contact_sheet(verdicts: Sequence[PictureVerdict], picture_of: PictureOf) -> npt.NDArray[np.uint8]:
    """Lay pictures side by side with their boxes: found green, false red, missed amber, ignored grey.

    Returns:
        (H, W, 3) uint8, blue first as OpenCV writes it.
    """
    tiles = [_tile(verdict, picture_of(verdict.file_name)) for verdict in verdicts]
    columns = min(_COLUMNS, len(tiles))
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (math.ceil(len(tiles) / columns) * columns - len(tiles))
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    sheet: npt.NDArray[np.uint8] = np.vstack(rows)
    return sheet


def _tile(verdict: PictureVerdict, pixels: Pixels) -> npt.NDArray[np.uint8]:
    height_px, width_px = pixels.shape[:2]
    scale = min(_TILE_PX[0] / width_px, _TILE_PX[1] / height_px)
    size = (max(1, round(width_px * scale)), max(1, round(height_px * scale)))
    grey = cv2.resize(_visible(pixels), size, interpolation=cv2.INTER_NEAREST)
    tile = np.zeros((_TILE_PX[1] + _CAPTION_PX, _TILE_PX[0], 3), dtype=np.uint8)
    tile[_CAPTION_PX : _CAPTION_PX + size[1], : size[0]] = grey[..., None]
    marks = [(box, _IGNORED, "") for box in verdict.ignored]
    marks += [(box, _FOUND, f"{score:.2f}") for box, score in verdict.found]
    marks += [(box, _MISSED, "") for box in verdict.missed]
    marks += [(box, _FALSE, f"{score:.2f}") for box, score in verdict.false]
    for box, colour, label in marks:
        _mark(tile, box, scale, colour, label)
    told = f"{verdict.file_name}: {verdict.persons} true, {verdict.reported} said"
    _write(tile, told, (4, _CAPTION_PX - 7), (255, 255, 255))
    return tile


def _visible(pixels: Pixels) -> npt.NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, dtype=np.uint8)
    low, high = np.percentile(pixels, (1.0, 99.8))
    return np.asarray(np.clip((pixels - low) * (255.0 / max(high - low, 1.0)), 0, 255), dtype=np.uint8)


def _mark(tile: npt.NDArray[np.uint8], box: Box, scale: float, colour: Colour, label: str) -> None:
    x0, y0, x1, y1 = (round(side * scale) for side in box)
    cv2.rectangle(tile, (x0, y0 + _CAPTION_PX), (x1, y1 + _CAPTION_PX), colour, 1)
    if label:
        _write(tile, label, (x0, max(y0 + _CAPTION_PX - 3, _CAPTION_PX + 9)), colour)


def _write(tile: npt.NDArray[np.uint8], text: str, place: tuple[int, int], colour: Colour) -> None:
    cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)


def _precision_recall(pyplot: Any, report: DetectionReport, path: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(6, 5), layout="constrained")
    curve = report.curve
    axes.plot(curve.recall, curve.precision, color="tab:blue", label=f"AP50 {number(report.overall.ap50, 3)}")
    believed = int((curve.scores >= report.score_threshold).sum())
    if believed:
        place = (curve.recall[believed - 1], curve.precision[believed - 1])
        axes.plot(*place, "o", color="tab:red", label=f"score {report.score_threshold:g}")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="recall", ylabel="precision", title=f"{report.truth}: persons")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _reliability(pyplot: Any, report: DetectionReport, path: Path) -> None:
    figure, (axes, counts) = pyplot.subplots(
        2, 1, figsize=(6, 6), sharex=True, layout="constrained", height_ratios=(3, 1)
    )
    full = [one for one in report.reliability if one.detections]
    axes.plot((0, 1), (0, 1), "--", color="grey", label="a score one can believe")
    axes.plot([one.mean_score for one in full], [one.precision for one in full], "o-", label="measured")
    error = number(report.calibration_error, 3)
    axes.set(ylim=(0, 1.02), ylabel="share that was right", title=f"{report.truth}: calibration error {error}")
    axes.legend(loc="upper left")
    middles = [(one.low + one.high) / 2 for one in report.reliability]
    counts.bar(middles, [one.detections for one in report.reliability], width=0.09, color="tab:grey")
    counts.set(xlim=(0, 1), xlabel="score", ylabel="detections")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _file_name(name: str) -> str:
    """Keep a clip's name, which is a free text, from leading out of the folder."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".") or "clip"


def _people(pyplot: Any, clip: ClipReport, path: Path) -> None:
    """Draw the true number as a grey band, because it has two ends, and the told one as a line in its range."""
    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    times_s = [one.t_s for one in clip.moments]
    true_low, true_high = [one.true_low for one in clip.moments], [one.true_high for one in clip.moments]
    axes.fill_between(times_s, true_low, true_high, step="post", color="black", alpha=0.25, linewidth=0)
    axes.step(times_s, true_low, where="post", color="black", label="true")
    low, high = [one.told_low for one in clip.moments], [one.told_high for one in clip.moments]
    axes.fill_between(times_s, low, high, step="post", color="tab:orange", alpha=0.3, linewidth=0)
    axes.step(times_s, [one.told for one in clip.moments], where="post", color="tab:orange", label="told, with range")
    for label, new_s in enumerate(sorted(t_s for story in clip.groups for t_s in story.new_at_s)):
        axes.axvline(new_s, color="tab:red", linestyle=":", label=None if label else "new alert")
    axes.set(xlabel="time, s", ylabel="people", title=clip.name, ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(loc="best")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
