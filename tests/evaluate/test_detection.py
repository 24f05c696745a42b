"""The detection report, by drawn pictures with known answers, by pycocotools, and by laws."""

import io
import json
import random
from contextlib import redirect_stdout
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from edge.errors import ConfigError
from edge.evaluate.coco import CocoTruth, TruthPicture, load_coco
from edge.evaluate.detection import evaluate_detection
from edge.evaluate.matching import SizeBand, average_precision, gather, match_picture
from edge.records import Detection

WIDTH_PX, HEIGHT_PX = 333, 201


def person(x, y, width=10.0, height=20.0):
    """Draw one person's box by its upper left corner."""
    return (float(x), float(y), float(x + width), float(y + height))


def picture(name, *boxes, ignore=(), **attributes):
    """Draw one odd-sized picture with persons and areas to ignore."""
    corners = np.array([*boxes, *ignore], dtype=np.float64).reshape(-1, 4)
    mask = np.array([False] * len(boxes) + [True] * len(ignore), dtype=np.bool_)
    return TruthPicture(name, WIDTH_PX, HEIGHT_PX, corners, mask, attributes)


def truth(*pictures):
    """Put pictures together."""
    return CocoTruth("drawn", tuple(pictures))


def scattered(rng, widest, tallest):
    """Put a box of a random size somewhere."""
    return person(rng.uniform(0, 300), rng.uniform(0, 150), rng.uniform(4, widest), rng.uniform(5, tallest))


def jittered(rng, box):
    """Move every side of a box a little, and keep it a box."""
    x0, y0, x1, y1 = (side + rng.gauss(0, 2) for side in box)
    return (x0, y0, max(x1, x0 + 1), max(y1, y0 + 1))


def random_set(seed, pictures=25, *, coarse):
    """Scatter persons, areas to ignore and claims; coarse scores make many ties."""
    rng = random.Random(seed)
    drawn, claimed = [], {}
    for index in range(pictures):
        boxes = [scattered(rng, 30, 50) for _ in range(rng.choice([0, 0, 1, 2, 5, 12]))]
        ignore = [scattered(rng, 90, 90) for _ in range(rng.choice([0, 0, 1, 2]))]
        found = [jittered(rng, box) for box in boxes for _ in range(rng.choice([0, 1, 1, 2]))]
        found += [scattered(rng, 40, 60) for _ in range(rng.choice([0, 1, 4]))]
        rng.shuffle(found)
        drawn.append(picture(f"{index}.png", *boxes, ignore=ignore, night=index % 2))
        claimed[f"{index}.png"] = [Detection(box, round(rng.random(), 1) if coarse else rng.random()) for box in found]
    return truth(*drawn), claimed


def reference_scores(known, claimed, *, band=None, max_detections=100, pictures=None):
    """Ask pycocotools for AP50-95, AP50 and AR, with height in place of area for a size band."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    annotations, results = [], []
    for index, one in enumerate(known.pictures):
        for corners, ignore in zip(one.boxes, one.ignore, strict=True):
            x0, y0, x1, y1 = corners.tolist()
            shape = {"image_id": index + 1, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": y1 - y0}
            annotations.append({**shape, "id": len(annotations) + 1, "iscrowd": int(ignore)})
        for found in claimed.get(one.file_name, []):
            x0, y0, x1, y1 = found.box
            box = [x0, y0, x1 - x0, y1 - y0]
            results.append({"image_id": index + 1, "category_id": 1, "bbox": box, "score": found.score})
    with redirect_stdout(io.StringIO()):
        ground = coco.COCO()
        ground.dataset = {
            "images": [{"id": index + 1} for index in range(len(known.pictures))],
            "annotations": annotations,
            "categories": [{"id": 1, "name": "person"}],
            "info": {},
        }
        ground.createIndex()
        found = ground.loadRes(results) if results else coco.COCO()
        if not results:
            found.dataset = {**ground.dataset, "annotations": []}
            found.createIndex()
        for one in found.dataset["annotations"]:
            one["area"] = one["bbox"][3]
        judge = cocoeval.COCOeval(ground, found, "bbox")
        judge.params.areaRng = [[0, 1e10] if band is None else [band.low_px, band.high_px - 1e-9]]
        judge.params.areaRngLbl = ["all"]
        judge.params.maxDets = [max_detections]
        if pictures is not None:
            judge.params.imgIds = [index + 1 for index in pictures]
        judge.evaluate()
        judge.accumulate()
    precision, recall = judge.eval["precision"], judge.eval["recall"]
    return [None if (part < 0).all() else float(part.mean()) for part in (precision, precision[0], recall)]


def same(row, reference):
    """Hold one row against the reference's three numbers."""
    for ours, theirs in zip((row.ap50_95, row.ap50, row.ar), reference, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert ours == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_ap_and_ar_are_those_of_pycocotools(seed, coarse):
    """Random pictures with areas to ignore, ties and empty pictures score as in the reference, also by attribute."""
    known, claimed = random_set(seed, coarse=coarse)
    report = evaluate_detection(known, claimed, score_threshold=0.5)
    same(report.overall, reference_scores(known, claimed))
    for night, row in enumerate(report.by_attribute["night"]):
        same(row, reference_scores(known, claimed, pictures=range(night, len(known.pictures), 2)))


@pytest.mark.parametrize("seed", range(6))
def test_size_bands_are_the_references_with_height_for_area(seed):
    """Persons and claims outside a height band are excused exactly as the reference excuses other areas."""
    known, claimed = random_set(seed, coarse=seed % 2 == 0)
    report = evaluate_detection(known, claimed, score_threshold=0.5, size_edges_px=[12, 30])
    bands = (SizeBand(0, 12), SizeBand(12, 30), SizeBand(30, 1e9))
    assert [row.persons > 0 for row in report.by_size] == [True] * 3
    for row, band in zip(report.by_size, bands, strict=True):
        same(row, reference_scores(known, claimed, band=band))


def test_only_the_best_detections_of_a_picture_count():
    """The limit of detections per picture cuts where the reference cuts."""
    known, claimed = random_set(3, coarse=True)
    report = evaluate_detection(known, claimed, score_threshold=0.5, max_detections=3)
    same(report.overall, reference_scores(known, claimed, max_detections=3))


@pytest.mark.data
@pytest.mark.parametrize("name", ["hit-uav", "ltd"])
def test_real_truth_with_degraded_boxes_scores_as_in_pycocotools(name, shared_data):
    """On the validation pictures, with jittered, missed and invented boxes, both tools agree."""
    known = load_coco(shared_data / name / "val.json")
    rng = random.Random(7)
    claimed = {}
    for one in known.pictures:
        persons = one.boxes[~one.ignore].tolist()
        boxes = [jittered(rng, box) for box in persons if rng.random() > 0.15]
        boxes += [scattered(rng, 15, 30) for _ in range(rng.randrange(4))]
        claimed[one.file_name] = [Detection(box, round(rng.random(), 2)) for box in boxes]
    report = evaluate_detection(known, claimed, score_threshold=0.5)
    same(report.overall, reference_scores(known, claimed))
    assert 0.1 < report.overall.ap50 < 0.9


def test_a_perfect_detector_is_perfect():
    """Every person found with full score and nothing else: all shares are 1 and all errors 0."""
    known = truth(picture("a.png", person(5, 5), person(50, 7)), picture("b.png"))
    claimed = {"a.png": [Detection(person(5, 5), 1.0), Detection(person(50, 7), 1.0)]}
    report = evaluate_detection(known, claimed, score_threshold=0.5)
    row = report.overall
    assert (row.ap50, row.ap50_95, row.ar) == pytest.approx((1.0, 1.0, 1.0))
    assert (row.precision, row.recall, row.count_mae, row.count_exact) == (1.0, 1.0, 0.0, 1.0)
    assert (row.empty_pictures, row.false_per_empty, report.calibration_error) == (1, 0.0, 0.0)
    assert report.worst() == ()


def test_counts_are_judged_at_the_threshold():
    """One person missed, one invented on an empty picture, one claim below the threshold: the errors are 1, 1 and 0."""
    known = truth(picture("a.png", person(5, 5), person(50, 7)), picture("b.png"), picture("c.png", person(9, 9)))
    claimed = {
        "a.png": [Detection(person(5, 5), 0.9)],
        "b.png": [Detection(person(99, 9), 0.6)],
        "c.png": [Detection(person(9, 9), 0.8), Detection(person(200, 9), 0.3)],
    }
    row = evaluate_detection(known, claimed, score_threshold=0.5).overall
    assert row.count_mae == pytest.approx(2 / 3)
    assert row.count_exact == pytest.approx(1 / 3)
    assert row.count_within_1 == 1.0
    assert row.false_per_empty == 1.0
    assert (row.precision, row.recall) == pytest.approx((2 / 3, 2 / 3))


def test_a_claim_in_an_area_to_ignore_is_neither_right_nor_wrong():
    """A box inside an ignored area changes no count, no precision, and does not make an empty picture full."""
    known = truth(picture("a.png", person(5, 5), ignore=[(100, 0, 200, 90)]), picture("b.png", ignore=[(0, 0, 90, 90)]))
    claimed = {
        "a.png": [Detection(person(5, 5), 0.9), Detection(person(120, 30), 0.95)],
        "b.png": [Detection(person(30, 30), 0.9)],
    }
    row = evaluate_detection(known, claimed, score_threshold=0.5).overall
    assert (row.persons, row.precision, row.count_exact, row.empty_pictures, row.false_per_empty) == (
        1,
        1.0,
        1.0,
        1,
        0.0,
    )


def test_the_best_f1_threshold_takes_equal_scores_together():
    """Two right and one wrong claim share a score, so the cut cannot fall between them."""
    known = truth(picture("a.png", person(5, 5), person(50, 5), person(100, 5)))
    claimed = {
        "a.png": [
            Detection(person(5, 5), 0.8),
            Detection(person(50, 5), 0.8),
            Detection(person(200, 5), 0.8),
            Detection(person(300, 5), 0.2),
        ]
    }
    best = evaluate_detection(known, claimed, score_threshold=0.5).best_f1
    assert best.score == 0.8
    assert (best.precision, best.recall, best.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


def test_reliability_compares_the_score_with_what_came_true():
    """Four claims at 0.75 of which two are right lie a quarter above the truth."""
    known = truth(picture("a.png", person(5, 5), person(50, 5)))
    claimed = {"a.png": [Detection(person(x, 5), 0.75) for x in (5, 50, 100, 200)]}
    report = evaluate_detection(known, claimed, score_threshold=0.5)
    full = [one for one in report.reliability if one.detections]
    assert [(one.low, one.detections, one.mean_score, one.precision) for one in full] == [(0.7, 4, 0.75, 0.5)]
    assert report.calibration_error == pytest.approx(0.25)
    assert sum(one.detections for one in report.reliability) == 4


def test_attributes_that_differ_make_tables():
    """Night and day get a row each; an attribute with one value only says nothing and gets no table."""
    known = truth(
        picture("a.png", person(5, 5), night=1, altitude_m=60),
        picture("b.png", person(5, 5), night=0, altitude_m=60),
    )
    report = evaluate_detection(known, {"a.png": [Detection(person(5, 5), 0.9)]}, score_threshold=0.5)
    assert set(report.by_attribute) == {"night"}
    assert [(row.label, row.recall) for row in report.by_attribute["night"]] == [("0", 0.0), ("1", 1.0)]


def test_nothing_to_measure_is_none_and_not_zero():
    """Without pictures there are no scores, and the report can still be written and shown."""
    report = evaluate_detection(truth(), {}, score_threshold=0.5)
    assert report.overall.ap50 is None
    assert report.overall.count_mae is None
    assert report.best_f1 is None
    assert report.calibration_error is None
    assert json.loads(report.to_json())["overall"]["ap50"] is None
    shown(report)


def shown(report):
    """Print all tables to a string."""
    console = Console(file=io.StringIO(), width=200)
    for table in report.tables():
        console.print(table)
    return console.file.getvalue()


def test_the_report_can_be_printed_and_read_back():
    """JSON holds every picture's counts, and the tables show the same AP."""
    known, claimed = random_set(1, coarse=False)
    report = evaluate_detection(known, claimed, score_threshold=0.5)
    back = json.loads(report.to_json())
    assert back["overall"]["persons"] == sum(one["persons"] for one in back["pictures"])
    assert f"{report.overall.ap50:.3f}" in shown(report)
    assert "by height of the person" in shown(report)


def test_detections_of_an_unknown_picture_are_refused():
    """Truth and detections that do not belong together must not give a low score silently."""
    with pytest.raises(ConfigError, match=r"'z\.png'.*'drawn' has no such picture"):
        evaluate_detection(truth(picture("a.png")), {"z.png": []}, score_threshold=0.5)


def test_other_kinds_are_not_persons():
    """A deer claimed where a person stands finds nobody and invents nobody."""
    known = truth(picture("a.png", person(5, 5)))
    claimed = {"a.png": [Detection(person(5, 5), 0.9, kind="deer")]}
    row = evaluate_detection(known, claimed, score_threshold=0.5).overall
    assert (row.recall, row.precision) == (0.0, None)


def test_the_worst_pictures_come_first():
    """Pictures are ordered by missed and false boxes, the surest error first among equals."""
    known = truth(picture("a.png", person(5, 5)), picture("b.png"), picture("c.png", person(5, 5), person(50, 5)))
    claimed = {"b.png": [Detection(person(5, 5), 0.9)]}
    worst = evaluate_detection(known, claimed, score_threshold=0.5).worst()
    assert [one.file_name for one in worst] == ["c.png", "b.png", "a.png"]
    assert len(worst[0].missed) == 2


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_detections_and_pictures_does_not_matter(seed, shuffle):
    """With scores that all differ, shuffling everything changes no number."""
    known, claimed = random_set(seed, pictures=6, coarse=False)
    before = evaluate_detection(known, claimed, score_threshold=0.5)
    pictures = list(known.pictures)
    shuffle.shuffle(pictures)
    mixed = {name: shuffle.sample(found, len(found)) for name, found in claimed.items()}
    after = evaluate_detection(replace(known, pictures=tuple(pictures)), mixed, score_threshold=0.5)
    assert after.overall == before.overall
    assert after.by_size == before.by_size


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_detection_has_one_fate(seed):
    """No claim is both right and excused, and no more persons are found than there are."""
    known, claimed = random_set(seed, pictures=4, coarse=True)
    bands = (SizeBand(), SizeBand(0, 20))
    overlaps = np.array([0.5, 0.75])
    for one in known.pictures:
        fate = match_picture(one, claimed[one.file_name], bands=bands, overlaps=overlaps, max_detections=100)
        assert not (fate.hit & fate.excused).any()
        assert (fate.hit.sum(axis=-1) <= fate.persons[:, None]).all()


def test_average_precision_of_a_hand_made_ranking():
    """Right, wrong, right of two persons: recall up to one half at precision 1, then 2/3."""
    ranking = np.array([True, False, True])
    expected = (51 * 1.0 + 50 * 2 / 3) / 101
    assert average_precision(ranking, np.zeros(3, dtype=bool), 2) == pytest.approx(expected)
    assert average_precision(ranking[:0], ranking[:0], 2) == 0.0
    assert average_precision(ranking, ranking, 0) is None


def test_no_pictures_gather_to_nothing():
    """An empty evaluation has empty columns of the right shape."""
    assert gather([], 2, 3).hit.shape == (2, 3, 0)
