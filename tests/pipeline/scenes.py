"""Scenes for the tests of tracker, groups and alerts: walkers drawn in pixels, and a detector that errs on demand."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge.records import Box, Detection

WIDTH_PX, HEIGHT_PX = 389, 293  # odd and not square: an exchanged axis shows


@dataclass(frozen=True)
class Walker:
    """Somebody whose feet are at ``start`` at time ``from_s`` and walk with ``velocity_px_s``."""

    start: tuple[float, float]
    velocity_px_s: tuple[float, float] = (0.0, 0.0)
    height_px: float = 40.0
    from_s: float = 0.0
    until_s: float = float("inf")
    hidden: Callable[[float], bool] = field(default=lambda _t_s: False)
    kind: str = "person"
    path: Callable[[float], tuple[float, float]] | None = None

    def foot(self, t_s: float) -> tuple[float, float]:
        """Tell where the feet are."""
        if self.path is not None:
            return self.path(t_s)
        since_s = t_s - self.from_s
        return (self.start[0] + self.velocity_px_s[0] * since_s, self.start[1] + self.velocity_px_s[1] * since_s)

    def box(self, t_s: float) -> Box | None:
        """Draw the box of a body that can be seen, cut at the edges of the picture."""
        if not self.from_s <= t_s < self.until_s or self.hidden(t_s):
            return None
        x, y = self.foot(t_s)
        half = self.height_px * 0.2
        box = (max(x - half, 0.0), max(y - self.height_px, 0.0), min(x + half, WIDTH_PX), min(y, HEIGHT_PX))
        return box if box[2] - box[0] > half and box[3] - box[1] > self.height_px / 2 else None


@dataclass(frozen=True)
class Shot:
    """One frame of a scene: when, what the detector says, and the true boxes by walker."""

    t_s: float
    detections: tuple[Detection, ...]
    truth: dict[int, Box]


def film(
    walkers: Sequence[Walker],
    *,
    seconds: float,
    fps: float = 9.0,
    missed: float = 0.0,
    false: float = 0.0,
    jitter_px: float = 0.0,
    seed: int = 1,
    from_s: float = 0.0,
) -> Iterator[Shot]:
    """Film the walkers; ``missed``, ``false`` (per true box) and ``jitter_px`` (per edge) degrade the detections."""
    dice = np.random.default_rng(seed)
    for index in range(round(seconds * fps)):
        t_s = from_s + index / fps
        truth = {number: box for number, walker in enumerate(walkers) if (box := walker.box(t_s)) is not None}
        found = []
        for number, box in truth.items():
            if dice.random() >= missed:
                found.append(Detection(_shaken(box, dice, jitter_px), 0.9, walkers[number].kind))
            if dice.random() < false:
                height_px = box[3] - box[1]
                x, y = dice.uniform(0, WIDTH_PX), dice.uniform(height_px, HEIGHT_PX)
                found.append(Detection((x, y - height_px, x + 0.4 * height_px, y), 0.6))
        yield Shot(t_s, tuple(found), truth)


def _shaken(box: Box, dice: np.random.Generator, jitter_px: float) -> Box:
    x0, y0, x1, y1 = (side + jitter_px * dice.normal() for side in box)
    return (x0, y0, max(x1, x0 + 1.0), max(y1, y0 + 1.0))


def in_line(count: int, start: tuple[float, float], velocity_px_s: tuple[float, float], gap_px: float) -> list[Walker]:
    """Line up walkers one behind the other, ``gap_px`` apart along their way."""
    speed = float(np.hypot(*velocity_px_s)) or 1.0
    step = (velocity_px_s[0] / speed * gap_px, velocity_px_s[1] / speed * gap_px)
    return [Walker((start[0] - step[0] * one, start[1] - step[1] * one), velocity_px_s) for one in range(count)]
