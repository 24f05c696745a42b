"""Detections without a detector: from the truth, perfect or spoilt by known amounts, and from a file.

With them the tracker, the groups and the alerts are judged alone: what goes wrong with perfect detections is never the
model's fault. A file holds JSON lines, one frame each: ``{"t_s": 0.0, "boxes": [[x0, y0, x1, y1], ...], "scores":
[...]}``.
"""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.errors import ConfigError
from edge.evaluate.coco import explained
from edge.evaluate.poses import shift_between
from edge.evaluate.truth import MIN_VISIBLE, PERSON, Truth, TruthFrame, TruthObject
from edge.pipeline import Moment, Pipeline
from edge.records import Box, CameraShift, Detection, Result, Sight

FrameDetections = tuple[Detection, ...]

_SURE = 0.9
_USUAL_HEIGHT_PX = (14.0, 60.0)
_ASPECT = 0.4  # width of a standing person per height


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")
    t_s: Annotated[float, Field(allow_inf_nan=False)]
    boxes: list[Box]
    scores: list[Annotated[float, Field(ge=0.0, le=1.0)]]


def perfect(truth: Truth) -> list[FrameDetections]:
    """Detect everybody of whom enough is in sight, exactly; nothing while the shutter is closed."""
    return [tuple(Detection(one.box, _SURE) for one in _in_sight(frame)) for frame in truth.frames]


def degrade(
    truth: Truth, *, missed: float = 0.1, false: float = 0.05, jitter_px: float = 2.0, seed: int
) -> list[FrameDetections]:
    """Spoil perfect detections; each frame independently, in an order that says nothing.

    Args:
        truth: the clip.
        missed: share of persons that are not detected.
        false: boxes on nothing per person in sight, and per frame where nobody is.
        jitter_px: standard deviation of the place of a box, in x and in y; its size stays.
        seed: the same seed gives the same detections.
    """
    rng = np.random.default_rng(seed)
    heights_px = [one.height_px for frame in truth.frames for one in _in_sight(frame)] or list(_USUAL_HEIGHT_PX)
    spoilt = []
    for frame in truth.frames:
        persons = _in_sight(frame)
        found = [_moved(one.box, rng.normal(0.0, jitter_px, 2)) for one in persons if rng.random() >= missed]
        invented = 0 if frame.ffc else rng.poisson(false * max(len(persons), 1))
        strays = [_stray(truth, float(rng.choice(heights_px)), rng.random(2).tolist()) for _ in range(invented)]
        scores = np.clip(rng.normal([0.75] * len(found) + [0.5] * len(strays), 0.1), 0.05, 0.99)
        boxes = [*found, *strays]
        spoilt.append(tuple(Detection(boxes[index], float(scores[index])) for index in rng.permutation(len(boxes))))
    return spoilt


def run_from_detections(truth: Truth, detections: Sequence[Sequence[Detection]], pipeline: Pipeline) -> list[Result]:
    """Run tracker, groups and alerts on the detections of each frame of ``truth``.

    Shutter events come from the truth, and so does the motion of the camera; where it moves and the truth does not know
    how, the motion is unknown.

    Raises:
        ConfigError: there are not as many frames of detections as frames of truth.
    """
    if len(detections) != len(truth.frames):
        raise ConfigError(f"{len(detections)} frames of detections for '{truth.name}', which has {len(truth.frames)}")
    shifts = (CameraShift(), *(_shift(truth, before, after) for before, after in pairwise(truth.frames)))
    results = []
    for seq, (frame, found, shift) in enumerate(zip(truth.frames, detections, shifts, strict=False)):
        moment = Moment(seq, frame.t_s, truth.start_utc.timestamp() + frame.t_s, truth.width_px, truth.height_px)
        results.append(pipeline.follow(moment, found, sight=Sight(ffc=frame.ffc), shift=shift))
    return results


def _shift(truth: Truth, before: TruthFrame, after: TruthFrame) -> CameraShift:
    if truth.camera.moving and (before.camera is None or after.camera is None):
        return CameraShift(known=False)
    return shift_between(before, after, truth.width_px, truth.height_px)


def write_detections(path: Path, frames: Iterable[tuple[float, Sequence[Detection]]]) -> None:
    """Write ``(t_s, detections)`` of persons, one line a frame."""
    with path.open("w", encoding="utf-8") as file:
        for t_s, found in frames:
            persons = [one for one in found if one.kind == PERSON]
            boxes = [[round(side, 2) for side in one.box] for one in persons]
            line = {"t_s": t_s, "boxes": boxes, "scores": [round(one.score, 4) for one in persons]}
            file.write(json.dumps(line) + "\n")


def read_detections(path: Path, truth: Truth) -> list[FrameDetections]:
    """Read a file of detections for the frames of ``truth``; a frame without a line has none.

    Raises:
        ConfigError: the file is missing, a line is not what it should be, or its time is that of no frame; the message
            names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file of detections") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    found: list[FrameDetections] = [()] * len(truth.frames)
    times_s = np.array([frame.t_s for frame in truth.frames])
    for number, raw in enumerate(text.splitlines(), start=1):
        if not raw.strip():
            continue
        line = _parsed(raw, f"{path}:{number}")
        nearest = int(np.abs(times_s - line.t_s).argmin()) if len(times_s) else 0
        if not len(times_s) or abs(times_s[nearest] - line.t_s) > 0.5 / truth.fps:
            raise ConfigError(f"{path}:{number}: t_s {line.t_s} is the time of no frame of '{truth.name}'")
        found[nearest] = tuple(Detection(box, score) for box, score in zip(line.boxes, line.scores, strict=True))
    return found


def _parsed(raw: str, place: str) -> _Line:
    try:
        line = _Line.model_validate_json(raw)
    except ValidationError as error:
        raise ConfigError(f"{place}: {explained(error)}") from error
    if len(line.boxes) != len(line.scores):
        raise ConfigError(f"{place}: {len(line.boxes)} boxes but {len(line.scores)} scores")
    return line


def _in_sight(frame: TruthFrame) -> list[TruthObject]:
    if frame.ffc:
        return []
    return [one for one in frame.objects if one.kind == PERSON and one.visible >= MIN_VISIBLE]


def _moved(box: Box, step_px: Iterable[float]) -> Box:
    dx_px, dy_px = step_px
    return (box[0] + dx_px, box[1] + dy_px, box[2] + dx_px, box[3] + dy_px)


def _stray(truth: Truth, height_px: float, place: Sequence[float]) -> Box:
    width_px = _ASPECT * height_px
    x0 = float(place[0]) * max(truth.width_px - width_px, 0.0)
    y0 = float(place[1]) * max(truth.height_px - height_px, 0.0)
    return (x0, y0, x0 + width_px, y0 + height_px)
