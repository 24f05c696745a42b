"""Labelled pictures: COCO json in, grey arrays with persons, ignored areas and other things out.

A *scene* is one recording: pictures of one date and one light. Training draws scenes before pictures, because a film of
six hundred neighbouring pictures teaches little more than sixty of them and would otherwise drown the rest.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

SETS = ("hit-uav", "ltd")
PERSON = 1

Boxes = npt.NDArray[np.float32]
Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One picture. Boxes are (N, 4) float32: x0, y0, x1, y1 in pixels."""

    dataset: str
    scene: str
    file_name: str
    grey: Grey = field(repr=False)
    persons: Boxes
    ignored: Boxes
    others: Boxes
    facts: dict[str, Any]


def read_set(folder: Path, split: str) -> list[Labelled]:
    """Reads ``folder/split.json`` and its pictures into memory (about 0.7 GB for the larger set).

    Raises:
        FileNotFoundError: a picture named by the json is missing or cannot be decoded.
    """
    told = json.loads((folder / f"{split}.json").read_text())
    boxes: dict[int, dict[str, list[list[float]]]] = {}
    for a in told["annotations"]:
        x, y, w, h = a["bbox"]
        kind = "ignored" if a.get("iscrowd") else "persons" if a["category_id"] == PERSON else "others"
        boxes.setdefault(a["image_id"], {}).setdefault(kind, []).append([x, y, x + w, y + h])
    pictures = []
    for facts in told["images"]:
        path = folder / "images" / facts["file_name"]
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise FileNotFoundError(path)
        of_picture = boxes.get(facts["id"], {})
        pictures.append(
            Labelled(
                dataset=folder.name,
                scene=f"{folder.name} {facts['date']} {'night' if facts.get('night') else ''}".strip(),
                file_name=facts["file_name"],
                grey=np.asarray(grey, np.uint8),
                persons=_array(of_picture.get("persons", [])),
                ignored=_array(of_picture.get("ignored", [])),
                others=_array(of_picture.get("others", [])),
                facts=facts,
            )
        )
    return pictures


def draw_weights(
    pictures: list[Labelled], shares: dict[str, float], day_weight: float = 1.0
) -> npt.NDArray[np.float64]:
    """Chance of each picture to be drawn, summing to one.

    A scene's chance grows with the square root of its pictures, within the share of its data set; one by day, where a
    set says which those are, is drawn ``day_weight`` times as often as one by night.
    """
    counts = Counter(p.scene for p in pictures)
    by_day = [p.facts.get("night") in (0, False) for p in pictures]
    weight = np.array([counts[p.scene] ** -0.5 for p in pictures]) * np.where(by_day, day_weight, 1.0)
    for dataset, share in shares.items():
        inside = np.array([p.dataset == dataset for p in pictures])
        if inside.any():
            weight[inside] *= share / weight[inside].sum()
    chance: npt.NDArray[np.float64] = weight / weight.sum()
    return chance


def _array(boxes: list[list[float]]) -> Boxes:
    return np.array(boxes, np.float32).reshape(-1, 4)
