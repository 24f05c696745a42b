"""The measurements behind the model card, as one JSON: ``python -m models.training measure FILE``."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

from models.training.measure import (
    Detector,
    Found,
    altered,
    average_precision,
    black_hot,
    count_scores,
    counts,
    find_all,
    match,
    recall_by_height,
    reliability,
)
from models.training.pictures import SETS, Labelled, read_set

PEOPLE = ((0, 0), (1, 3), (4, 8), (9, 99))
HEIGHTS_PX = (6, 10, 14, 18, 22, 26, 32, 40, 60, 90)
SETTINGS = {
    "gain 0.5": altered(gain=0.5),
    "gain 2": altered(gain=2.0),
    "offset -40": altered(offset=-40),
    "offset +40": altered(offset=40),
    "black-hot": black_hot,
}
THRESHOLDS = tuple(round(0.2 + 0.02 * n, 2) for n in range(31))


def report(model: Path, data: Path, score: float, enlarge: float = 1.0) -> dict[str, object]:
    """Everything the card says about ``val``, at the shipped threshold ``score`` where one is needed."""
    detector = Detector(model, enlarge=enlarge)
    told: dict[str, object] = {"model": model.name, "score": score, "enlarge": enlarge}
    all_found: list[Found] = []
    for name in SETS:
        pictures = read_set(data / name, "val")
        found = find_all(detector, pictures)
        all_found.append(found)
        told[name] = {
            "pictures": len(pictures),
            "persons": int(sum(len(p.persons) for p in pictures)),
            **average_precision(found),
            **count_scores(found, score),
            "by_height": recall_by_height(found, score, HEIGHTS_PX),
            "by_condition": by_condition(found, score),
            "by_people": by_people(found, score),
            "settings_ap50": {
                setting: average_precision(find_all(detector, pictures, alter))["ap50"]
                for setting, alter in SETTINGS.items()
            },
        }
    both = Found([p for f in all_found for p in f.pictures], [r for f in all_found for r in f.rows])
    told["both"] = {
        **count_scores(both, score),
        "by_height": recall_by_height(both, score, HEIGHTS_PX),
        "reliability": reliability(both),
        "thresholds": {str(t): {**count_scores(both, t), **precision_recall(both, t)} for t in THRESHOLDS},
    }
    return told


def by_condition(found: Found, score: float) -> dict[str, dict[str, float]]:
    """AP50 and counts per light, altitude, date, where the set tells them."""
    groups: dict[str, list[int]] = {}
    for n, picture in enumerate(found.pictures):
        for condition in conditions(picture):
            groups.setdefault(condition, []).append(n)
    table = {}
    for condition, members in sorted(groups.items()):
        part = Found([found.pictures[n] for n in members], [found.rows[n] for n in members])
        persons = sum(len(p.persons) for p in part.pictures)
        scores = {"pictures": len(members), "persons": persons, "ap50": average_precision(part)["ap50"]}
        table[condition] = {**scores, **count_scores(part, score)}
    return table


def by_people(found: Found, score: float) -> dict[str, dict[str, float]]:
    """How far counts lie off, and to which side, by the number of people in the picture."""
    seen, true = counts(found, score)
    table = {}
    for low, high in PEOPLE:
        members = (true >= low) & (true <= high)
        if members.any():
            off = (seen - true)[members]
            table[f"{low}-{high}"] = {
                "pictures": int(members.sum()),
                "too_few": float((off < 0).mean()),
                "too_many": float((off > 0).mean()),
                "mean_error": float(off.mean()),
            }
    return table


def conditions(picture: Labelled) -> list[str]:
    """Names of the groups a picture belongs to."""
    facts = picture.facts
    if picture.dataset == "ltd":
        return ["file vae" if picture.file_name.startswith("vae") else "file dated"]
    light = "night" if facts["night"] else "day"
    return [light, f"{light} {facts['date']}", f"altitude {facts['altitude_m']} m"]


def precision_recall(found: Found, score: float) -> dict[str, float]:
    """Precision and recall over all pictures at one threshold, IoU 0.5, ignored areas counted as empty ground."""
    right, boxes, persons = 0, 0, 0
    for picture, rows in zip(found.pictures, found.rows, strict=True):
        kept = rows[rows[:, 4] >= score]
        right += int((match(kept, picture.persons) >= 0).sum())
        boxes += len(kept)
        persons += len(picture.persons)
    return {"precision": right / max(1, boxes), "recall": right / max(1, persons)}


def time_ratio(
    model: Path, reference: Path, size_px: tuple[int, int] = (512, 640), rounds: int = 60
) -> dict[str, float]:
    """Time of ``model`` against ``reference``, one thread, in turns in one run: medians in ms and their ratio.

    The reference is a float32 three-channel graph, such as YOLOX-nano exported from its published weights.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    rng = np.random.default_rng(0)
    times_ms: list[list[float]] = [[], []]
    runs = []
    for path in (model, reference):
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        wanted = session.get_inputs()[0]
        channels, kind = (1, np.uint8) if "uint8" in wanted.type else (3, np.float32)
        picture = rng.integers(0, 256, (1, channels, *size_px)).astype(kind)
        runs.append((session, {wanted.name: picture}))
    for n in range(rounds + 5):
        for (session, feed), spent_ms in zip(runs, times_ms, strict=True):
            started_s = time.perf_counter()
            session.run(None, feed)
            if n >= 5:
                spent_ms.append(1e3 * (time.perf_counter() - started_s))
    ours_ms, theirs_ms = (float(np.median(t)) for t in times_ms)
    pairs = float(np.median(np.array(times_ms[0]) / np.array(times_ms[1])))
    return {"ours_ms": ours_ms, "reference_ms": theirs_ms, "ratio": ours_ms / theirs_ms, "ratio_of_pairs": pairs}
