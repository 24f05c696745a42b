"""Makes a score mean what it says: of the boxes scored 0.7, about 70 in 100 are people.

Training weighs empty cells by their score, which pushes all scores up. A scale and a shift of the logit, fitted by
logistic regression to the boxes that survive suppression on ``val``, undo that. They go into the weights of the last
layers, so the graph stays the same; the order of the boxes, and with it the average precision, does not change.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch

from models.training.export import export
from models.training.measure import Detector, Found, find_all, in_ignored, match
from models.training.network import Head, PersonNet
from models.training.pictures import SETS, read_set

NEWTON_STEPS = 25
KEPT_SCORE = 0.02


def calibrate(checkpoint: Path, data: Path, output: Path) -> dict[str, float]:
    """Exports the averaged weights of a checkpoint with honest scores; the scale and shift that were fitted."""
    kept = torch.load(checkpoint, map_location="cpu", weights_only=True)
    net = PersonNet(kept.get("size", "thermal-person"))
    net.load_state_dict(kept["average"])
    export(net, output)
    detector = Detector(output)
    found = [find_all(detector, read_set(data / name, "val")) for name in SETS]
    scale, shift = fit(*answers(found))
    with torch.no_grad():
        for head in net.heads:
            last = cast("Head", head).out
            last.weight[4] *= scale
            bias = cast("torch.Tensor", last.bias)
            bias[4] = bias[4] * scale + shift
    export(net, output)
    return {"scale": scale, "shift": shift}


def answers(found: list[Found]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Logits of all surviving boxes outside ignored areas, and whether each is right."""
    logits, right = [], []
    for of_set in found:
        for picture, all_rows in zip(of_set.pictures, of_set.rows, strict=True):
            rows = all_rows[(all_rows[:, 4] >= KEPT_SCORE) & ~in_ignored(all_rows, picture.ignored)]
            score = rows[:, 4].astype(np.float64).clip(1e-6, 1 - 1e-6)
            logits.append(np.log(score / (1 - score)))
            right.append(match(rows, picture.persons) >= 0)
    return np.concatenate(logits), np.concatenate(right)


def fit(logits: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Scale and shift of the logit with the highest likelihood, by Newton's method."""
    x = np.stack((logits, np.ones_like(logits)), 1)
    theta = np.array([1.0, 0.0])
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-x @ theta))
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(2)
        theta = theta + np.linalg.solve(hessian, x.T @ (right - p))
    return float(theta[0]), float(theta[1])
