"""Writes the manifest beside an exported file: ``python -m models.training release``."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import onnx

DATA = (
    (
        "HIT-UAV (CC BY 4.0): Suo et al., HIT-UAV: A high-altitude infrared thermal dataset for Unmanned Aerial "
        "Vehicle-based object detection, Scientific Data 10, 227 (2023). "
        "Changed: grey, JPEG quality 80, split by date, DontCare ignored."
    ),
    (
        "LTD (CC BY 4.0 by second-hand word; the author's repository of these pictures says GPL-3.0, of the labels "
        "MIT): Nikolov et al., Seasons in Drift: A Long-Term Thermal Imaging Dataset for Studying Concept Drift, "
        "NeurIPS Datasets and Benchmarks 2021. "
        "Changed: grey, JPEG quality 80, split by date, far corner ignored."
    ),
    "Starting weights: YOLOX-Nano, COCO (Megvii, Apache-2.0 as far as known; COCO annotations CC BY 4.0).",
)
LICENCE = "Apache-2.0, with the open questions about its ancestry told in models/README.md"


def release(file: Path, into: Path, name: str, version: str, told: dict[str, Any]) -> None:
    """Copies ``file`` to ``into/name.onnx`` and writes ``name.toml``.

    ``told`` holds the sections ``thresholds``, ``training`` and ``scores`` and ``smallest_height_px``.
    """
    target = into / f"{name}.onnx"
    if file.resolve() != target.resolve():
        shutil.copyfile(file, target)
    multiple_px = next((int(p.value) for p in onnx.load(target).metadata_props if p.key == "multiple_px"), 32)
    top = {
        "id": name,
        "version": version,
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "licence": LICENCE,
        "smallest_height_px": told["smallest_height_px"],
    }
    sections: dict[str, dict[str, Any]] = {
        "input": {
            "name": "image",
            "dtype": "uint8",
            "layout": "NCHW",
            "channels": 1,
            "height_px": 512,
            "width_px": 640,
            "multiple_px": multiple_px,
            "dynamic": True,
            "polarity": "any",
        },
        "output": {"kind": "boxes", "names": ["boxes"]},
        "classes": {"names": ["person"]},
        "thresholds": told["thresholds"],
        "training": {"data": list(DATA), **told["training"]},
        "scores": told["scores"],
    }
    lines = _lines(top)
    for section, values in sections.items():
        lines += ["", f"[{section}]", *_lines(values)]
    target.with_suffix(".toml").write_text("\n".join(lines) + "\n")


def _lines(values: dict[str, Any]) -> list[str]:
    # JSON's strings, numbers, booleans and flat lists are all valid TOML.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
