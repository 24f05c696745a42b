"""Pictures of a report: files that exist and show what they claim."""

import sys

import cv2
import numpy as np
import pytest
from drawing import true_clip, walk_together

from edge.errors import ConfigError
from edge.evaluate.coco import CocoTruth, TruthPicture
from edge.evaluate.counting import Clip, evaluate_counting
from edge.evaluate.detection import evaluate_detection
from edge.evaluate.plots import contact_sheet, load_pyplot, plot_counting, plot_detection
from edge.records import Detection

WIDTH_PX, HEIGHT_PX = 333, 201


def report_with_errors():
    """One picture with a person found, one missed and one invented, and one picture without errors."""
    boxes = np.array([(10.0, 10.0, 30.0, 60.0), (100.0, 50.0, 120.0, 110.0)])
    wrong = TruthPicture("wrong.png", WIDTH_PX, HEIGHT_PX, boxes, np.array([False, False]))
    right = TruthPicture("right.png", WIDTH_PX, HEIGHT_PX, boxes[:0], np.zeros(0, dtype=bool))
    claimed = {"wrong.png": [Detection((10, 10, 30, 60), 0.9), Detection((200, 50, 230, 120), 0.8)]}
    return evaluate_detection(CocoTruth("drawn", (wrong, right)), claimed, score_threshold=0.5)


def grey_picture(_name):
    """Give a 16-bit picture of another size than the tile."""
    return np.linspace(29000, 30000, WIDTH_PX * HEIGHT_PX).reshape(HEIGHT_PX, WIDTH_PX).astype(np.uint16)


def test_curves_and_the_worst_pictures_are_written(tmp_path):
    """Three files come out, and only the picture with errors is on the sheet."""
    pytest.importorskip("matplotlib", reason="needs the extra edge-thermal[plots]")
    paths = plot_detection(report_with_errors(), tmp_path / "plots", grey_picture)
    assert [path.name for path in paths] == ["precision-recall.png", "reliability.png", "worst.png"]
    assert all(cv2.imread(str(path)) is not None for path in paths)


def test_a_report_without_errors_or_pictures_is_drawn_too(tmp_path):
    """An empty evaluation gives two plots and no contact sheet."""
    pytest.importorskip("matplotlib", reason="needs the extra edge-thermal[plots]")
    empty = evaluate_detection(CocoTruth("empty", ()), {}, score_threshold=0.5)
    assert len(plot_detection(empty, tmp_path, grey_picture)) == 2


def test_boxes_are_drawn_where_they_are():
    """The found box is green and the false one red at its own place, scaled with the picture."""
    sheet = contact_sheet(report_with_errors().worst(), grey_picture)
    scale = 480 / WIDTH_PX
    for x, y, strongest in ((10, 40, 1), (200, 90, 2)):
        pixel = sheet[round(y * scale) + 22, round(x * scale)]
        assert int(np.argmax(pixel)) == strongest
    assert sheet.shape == (384 + 22, 480, 3)


def test_without_matplotlib_the_message_names_the_extra(monkeypatch):
    """The user learns what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"edge-thermal\[plots\]"):
        load_pyplot()


def test_a_clip_is_drawn_over_time(tmp_path):
    """Each clip has a picture in the folder, whatever it is called; an empty clip is drawn too."""
    pytest.importorskip("matplotlib", reason="needs the extra edge-thermal[plots]")
    empty = true_clip().model_copy(update={"name": "../empty"})
    report = evaluate_counting([walk_together(), Clip(empty, [])], proven_height_px=14.0)
    paths = plot_counting(report, tmp_path)
    assert [path.name for path in paths] == ["drawn.png", "-empty.png"]
    assert all(cv2.imread(str(path)) is not None for path in paths)
