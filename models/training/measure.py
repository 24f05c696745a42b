"""What a detector can do on ``val``: the numbers of the model card, each from the exported file in ONNX Runtime.

Pictures are shown at native size, one at a time, one thread, as on the node. Ignored areas follow COCO: a box that lies
mostly in one is neither right nor wrong, neither for the average precision nor for the count.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from pycocotools.coco import COCO  # type: ignore[import-untyped]
from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]

from models.training.boxes import Float, iou, suppress
from models.training.pictures import PERSON, Grey, Labelled

KEEP_SCORE = 0.01
NMS_IOU = 0.55
"""Best of 0.35-0.65 on val, by little; higher than usual because people in a group stand in front of each other."""

Alter = Callable[[Grey], Grey]


@dataclass(slots=True)
class Found:
    """The pictures of one set and what was found in each: (N, 5) rows, best first."""

    pictures: list[Labelled]
    rows: list[Float] = field(repr=False)


class Detector:
    """An exported file, one thread. Pictures are padded with their mean level to the multiple that the file wants.

    ``enlarge`` is how much a picture is scaled up first; the boxes come back in its own pixels.
    """

    def __init__(self, path: Path, nms_iou: float = NMS_IOU, enlarge: float = 1.0) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.multiple_px = int(self.session.get_modelmeta().custom_metadata_map.get("multiple_px", "32"))
        self.nms_iou = nms_iou
        self.enlarge = enlarge

    def __call__(self, grey: Grey, score: float = KEEP_SCORE) -> Float:
        """Boxes of one picture (H, W): (N, 5) rows within it, best first."""
        if self.enlarge != 1:
            how = cv2.INTER_LINEAR
            grey = np.asarray(cv2.resize(grey, None, fx=self.enlarge, fy=self.enlarge, interpolation=how), np.uint8)
        h, w = grey.shape
        picture = padded(grey, self.multiple_px)[None, None]
        rows = np.asarray(self.session.run(None, {"image": picture})[0], np.float32)[0]
        rows = suppress(rows, score, self.nms_iou)
        rows[:, :4] = np.clip(rows[:, :4], 0, [w, h, w, h]) / self.enlarge
        return rows


def padded(grey: Grey, multiple_px: int) -> Grey:
    """The picture in the upper left corner of one whose sides are multiples, the rest at its mean level."""
    h, w = grey.shape
    if h % multiple_px == 0 and w % multiple_px == 0:
        return grey
    out: Grey = np.pad(grey, ((0, -h % multiple_px), (0, -w % multiple_px)), constant_values=int(grey.mean()))
    return out


def find_all(detector: Detector, pictures: list[Labelled], alter: Alter | None = None) -> Found:
    """Runs the detector over the pictures, each changed by ``alter`` first."""
    return Found(pictures, [detector(alter(p.grey) if alter else p.grey) for p in pictures])


def average_precision(found: Found) -> dict[str, float]:
    """``ap50``, ``ap`` (0.50-0.95) and ``ar100`` of persons, by pycocotools."""
    images = [{"id": n} for n in range(len(found.pictures))]
    truth: list[dict[str, object]] = []
    answers: list[dict[str, object]] = []
    for n, (p, rows) in enumerate(zip(found.pictures, found.rows, strict=True)):
        for boxes, crowd in ((p.persons, 0), (p.ignored, 1)):
            for box in boxes.astype(float).tolist():
                truth.append({"id": len(truth) + 1, "image_id": n, "iscrowd": crowd, **_as_person(box)})
        answers += [{"image_id": n, "score": row[4], **_as_person(row)} for row in rows.astype(float).tolist()]
    if not answers or not any(not a["iscrowd"] for a in truth):
        return {"ap50": 0.0, "ap": 0.0, "ar100": 0.0}
    coco = COCO()
    coco.dataset = {"images": images, "annotations": truth, "categories": [{"id": PERSON, "name": "person"}]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(answers), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return {"ap50": float(run.stats[1]), "ap": float(run.stats[0]), "ar100": float(run.stats[8])}


def counts(found: Found, score: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """People per picture: found and true, outside ignored areas."""
    seen = [
        int((~in_ignored(rows[rows[:, 4] >= score], p.ignored)).sum())
        for p, rows in zip(found.pictures, found.rows, strict=True)
    ]
    return np.array(seen), np.array([len(p.persons) for p in found.pictures])


def count_scores(found: Found, score: float) -> dict[str, float]:
    """Count errors per picture, and false boxes per picture that holds nobody."""
    seen, true = counts(found, score)
    error = np.abs(seen - true)
    empty = true == 0
    return {
        "count_mae": float(error.mean()),
        "count_exact": float((error == 0).mean()),
        "count_within1": float((error <= 1).mean()),
        "false_per_empty": float(seen[empty].mean()) if empty.any() else float("nan"),
    }


def match(rows: Float, truth: Float, overlap: float = 0.5) -> npt.NDArray[np.int64]:
    """For each row, best first, the true box it takes (each is taken once), or -1."""
    taken = np.full(len(rows), -1)
    if len(truth):
        pairs = iou(rows[:, :4], truth)
        for i in range(len(rows)):
            best = int(pairs[i].argmax())
            if pairs[i, best] >= overlap:
                taken[i] = best
                pairs[:, best] = 0
    return taken


def recall_by_height(found: Found, score: float, edges_px: tuple[int, ...]) -> dict[str, tuple[int, float, float]]:
    """Per height band: persons, recall at IoU 0.5, and recall when an IoU of 0.3 is enough (labels are loose)."""
    heights, hits, loose = [], [], []
    for p, all_rows in zip(found.pictures, found.rows, strict=True):
        rows = all_rows[all_rows[:, 4] >= score]
        heights.append(p.persons[:, 3] - p.persons[:, 1])
        hits.append(np.isin(np.arange(len(p.persons)), match(rows, p.persons)))
        loose.append(np.isin(np.arange(len(p.persons)), match(rows, p.persons, 0.3)))
    height, hit, near = np.concatenate(heights), np.concatenate(hits), np.concatenate(loose)
    table = {}
    for low, high in pairwise(edges_px):
        band = (height >= low) & (height < high)
        if band.any():
            table[f"{low}-{high}"] = (int(band.sum()), float(hit[band].mean()), float(near[band].mean()))
    return table


def reliability(found: Found, bins: int = 10) -> list[tuple[float, float, int]]:
    """Per score bin: mean score, share of boxes that are right, boxes."""
    scores, right = [], []
    for p, all_rows in zip(found.pictures, found.rows, strict=True):
        rows = all_rows[~in_ignored(all_rows, p.ignored)]
        scores.append(rows[:, 4])
        right.append(match(rows, p.persons) >= 0)
    score, good = np.concatenate(scores), np.concatenate(right)
    place = np.minimum((score * bins).astype(int), bins - 1)
    return [
        (float(score[place == b].mean()), float(good[place == b].mean()), int((place == b).sum()))
        for b in range(bins)
        if (place == b).any()
    ]


def in_ignored(rows: Float, ignored: Float, share: float = 0.5) -> npt.NDArray[np.bool_]:
    """Whether at least ``share`` of each row's area lies in one ignored area."""
    out = np.zeros(len(rows), bool)
    area = np.maximum((rows[:, 2:4] - rows[:, :2]).prod(1), 1e-6)
    for box in ignored:
        size = np.minimum(rows[:, 2:4], box[2:]) - np.maximum(rows[:, :2], box[:2])
        out |= np.clip(size, 0, None).prod(1) / area >= share
    return out


def altered(gain: float = 1.0, offset: float = 0.0) -> Alter:
    """Another setting of the camera: gain about mid grey, offset in levels, clipped to 8 bits."""

    def alter(grey: Grey) -> Grey:
        out: Grey = np.clip(np.rint((grey.astype(np.float32) - 128) * gain + 128 + offset), 0, 255).astype(np.uint8)
        return out

    return alter


def black_hot(grey: Grey) -> Grey:
    """The same picture from a camera set to black-hot."""
    out: Grey = 255 - grey
    return out


def _as_person(box: list[float]) -> dict[str, object]:
    x0, y0, x1, y1 = box[:4]
    return {"category_id": PERSON, "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)}
