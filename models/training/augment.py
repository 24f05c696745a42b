"""One training crop: a window of a labelled picture, changed as another camera, night or site would change it.

The order follows the light: first the scene (window, scale, mirror, other people, lamps), then the optics (blur), the
AGC (gain, offset, gamma, local contrast, polarity), the sensor (noise, columns, shading) and last the wire (JPEG).
Every random choice comes from the generator that is handed in, so a crop can be drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.training.pictures import SETS, Boxes, Grey, Labelled

Float = npt.NDArray[np.float32]
Random = np.random.Generator
PASTE_MARGIN_PX = 4

SMALLEST_PERSON_PX = 6.0
"""Shorter people after scaling become ignored areas: a label that nobody could find teaches to invent."""

SMALLEST_VISIBLE = 0.35
"""Share of a box that must lie inside the crop for it to count as a person; below, the rest is ignored."""

BLACK_HOT = 0.35
"""Share of crops that are turned black-hot: fewer than half, since most cameras show white-hot."""

LOST_LEVELS = 4.0
"""People who differ by less from their surroundings, after gain and clipping, become ignored areas for the same reason."""


@dataclass(slots=True)
class Crop:
    """A picture being made. ``grey`` is (H, W) float32, 0..255; boxes are in its pixels."""

    grey: Float
    persons: Boxes
    ignored: Boxes


class Augmenter:
    """Makes crops from pictures. ``weights`` says how likely each picture is drawn."""

    def __init__(
        self,
        pictures: list[Labelled],
        weights: npt.NDArray[np.float64],
        size_px: int = 320,
        mosaic_share: float = 0.3,
    ) -> None:
        self.pictures = pictures
        self.size_px = size_px
        self.mosaic_share = mosaic_share
        self._cumulative = np.cumsum(weights)
        self._stamps = [
            (i, j) for i, p in enumerate(pictures) if p.dataset in SETS for j in free_standing(p)
        ]  # real bodies only: a drawn one on real ground would be known by its edges
        stamp_weights = np.array([weights[i] / (1 + len(pictures[i].persons)) for i, _ in self._stamps])
        self._stamp_cumulative = np.cumsum(stamp_weights / stamp_weights.sum())

    def draw(self, rng: Random) -> tuple[Grey, Boxes, Boxes]:
        """A crop (size, size) uint8 with its persons and ignored areas."""
        mosaic = rng.random() < self.mosaic_share
        crop = self._mosaic(rng) if mosaic else self._window(rng, self.size_px, self.size_px)
        if rng.random() < 0.3:
            self._paste_people(rng, crop)
        if rng.random() < 0.25:
            self._paste_background(rng, crop)
        if rng.random() < 0.3:
            add_lamps(rng, crop)
        if rng.random() < 0.2:
            add_growth(rng, crop)
        if rng.random() < 0.2:
            warm_the_ground(rng, crop)
        controlled = np.clip(control_gain(rng, crop.grey), 0, 255)
        seen = np.array([stands_out(controlled, box) >= LOST_LEVELS for box in crop.persons], bool)
        ignored = np.concatenate((crop.ignored, crop.persons[~seen]))
        return on_the_wire(rng, sense(rng, controlled)), crop.persons[seen], ignored

    def _pick(self, rng: Random) -> Labelled:
        return self.pictures[min(int(np.searchsorted(self._cumulative, rng.random())), len(self.pictures) - 1)]

    def _mosaic(self, rng: Random) -> Crop:
        size = self.size_px
        x, y = (int(v) for v in rng.integers(size // 4, 3 * size // 4, 2))
        whole = Crop(np.zeros((size, size), np.float32), _none(), _none())
        for x0, y0, x1, y1 in ((0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)):
            part = self._window(rng, x1 - x0, y1 - y0)
            whole.grey[y0:y1, x0:x1] = part.grey
            shift = np.array([x0, y0, x0, y0], np.float32)
            whole.persons = np.concatenate((whole.persons, part.persons + shift))
            whole.ignored = np.concatenate((whole.ignored, part.ignored + shift))
        return whole

    def _window(self, rng: Random, width_px: int, height_px: int) -> Crop:
        """A window of one picture, scaled, mirrored half of the time, cut to the size asked for."""
        picture = self._pick(rng)
        h, w = picture.grey.shape
        # Never so small that most of the window would be empty ground; the windows of a mosaic may go lower.
        scale = max(scale_for(rng, picture), 0.8 * min(width_px / w, height_px / h))
        scale_x, scale_y = scale * np.exp(rng.normal(0, 0.06, 2))
        source_w, source_h = min(w, width_px / scale_x), min(h, height_px / scale_y)
        centre = self._look_at(rng, picture)
        x0 = float(np.clip(centre[0] - source_w * rng.uniform(0.15, 0.85), 0, w - source_w))
        y0 = float(np.clip(centre[1] - source_h * rng.uniform(0.15, 0.85), 0, h - source_h))
        left, top = int(x0), int(y0)
        right, bottom = min(w, int(np.ceil(x0 + source_w))), min(h, int(np.ceil(y0 + source_h)))
        cut = picture.grey[top:bottom, left:right].astype(np.float32)
        out_w = min(width_px, max(8, round((right - left) * scale_x)))
        out_h = min(height_px, max(8, round((bottom - top) * scale_y)))
        how = cv2.INTER_AREA if scale < 1 else int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
        grey = cv2.resize(cut, (out_w, out_h), interpolation=how)
        factor = np.array([out_w / (right - left), out_h / (bottom - top)] * 2, np.float32)
        shift = np.array([left, top, left, top], np.float32)
        persons, ignored = (picture.persons - shift) * factor, (picture.ignored - shift) * factor
        if rng.random() < 0.5:
            grey = grey[:, ::-1]
            persons, ignored = (_mirrored(b, out_w) for b in (persons, ignored))
        # A picture smaller than the crop lies anywhere in it, on a flat ground of its own mean level.
        canvas = np.full((height_px, width_px), float(grey.mean()), np.float32)
        dx, dy = int(rng.integers(0, width_px - out_w + 1)), int(rng.integers(0, height_px - out_h + 1))
        canvas[dy : dy + out_h, dx : dx + out_w] = grey
        move = np.array([dx, dy, dx, dy], np.float32)
        edges = (dx, dy, dx + out_w, dy + out_h)
        persons, lost = keep_visible(persons + move, edges)
        ignored, _ = keep_visible(ignored + move, edges, share=0.0)
        return Crop(canvas, persons, np.concatenate((ignored, lost)))

    def _look_at(self, rng: Random, picture: Labelled) -> npt.NDArray[np.float64]:
        """Where the window looks: mostly at a person, often at something that is none, else anywhere."""
        chance = rng.random()
        for boxes, below in ((picture.persons, 0.5), (picture.others, 0.7)):
            if len(boxes) and chance < below:
                box = boxes[rng.integers(len(boxes))]
                return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], np.float64)
        h, w = picture.grey.shape
        return rng.uniform((0, 0), (w, h))

    def _paste_people(self, rng: Random, crop: Crop) -> None:
        """One to six people of other pictures, near each other, where nobody stands yet."""
        size = self.size_px
        centre = rng.uniform(0.1 * size, 0.9 * size, 2)
        height_px = float(np.exp(rng.uniform(np.log(9), np.log(48))))
        if len(crop.persons) and rng.random() < 0.7:
            heights = crop.persons[:, 3] - crop.persons[:, 1]
            height_px = float(rng.choice(heights)) * float(rng.uniform(0.85, 1.2))
        for _ in range(int(rng.integers(1, 7))):
            drawn = int(np.searchsorted(self._stamp_cumulative, rng.random()))
            i, j = self._stamps[min(drawn, len(self._stamps) - 1)]
            picture = self.pictures[i]
            scale = height_px * float(rng.uniform(0.9, 1.1)) / float(np.ptp(picture.persons[j, 1::2]))
            if not 0.35 < scale < 2.6:
                continue
            place = centre + rng.normal(0, height_px * 2.5, 2)
            box = stamp(rng, crop, picture.grey, picture.persons[j], scale, place)
            if box is not None:
                crop.persons = np.concatenate((crop.persons, box[None]))

    def _paste_background(self, rng: Random, crop: Crop) -> None:
        """Bits of other scenes without people, pasted the same way, so that the pasting itself means nothing."""
        for _ in range(int(rng.integers(1, 5))):
            picture = self._pick(rng)
            h, w = picture.grey.shape
            height_px = float(rng.uniform(10, 40))
            width_px = height_px * float(rng.uniform(0.3, 1.2))
            x, y = rng.uniform(8, w - width_px - 8), rng.uniform(8, h - height_px - 8)
            box = np.array([x, y, x + width_px, y + height_px], np.float32)
            if overlaps(box, picture.persons, 4) or overlaps(box, picture.ignored, 0):
                continue
            place = rng.uniform(0, self.size_px, 2)
            stamp(rng, crop, picture.grey, box, float(rng.uniform(0.6, 1.6)), place)


def scale_for(rng: Random, picture: Labelled) -> float:
    """How much a picture is enlarged: the drone's small people more, the quay's large ones less."""
    low, high = (0.55, 2.6) if picture.dataset == "hit-uav" else (0.4, 2.5)
    if rng.random() < 0.3:
        return float(rng.uniform(0.9, 1.1))
    if picture.dataset == "ltd" and rng.random() < 0.05:
        return float(rng.uniform(2.5, 4.0))
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def free_standing(picture: Labelled) -> list[int]:
    """Indices of the people whose surroundings hold nobody else and who stand out from them."""
    free = []
    for j, box in enumerate(picture.persons):
        others = np.delete(picture.persons, j, 0)
        h, w = picture.grey.shape
        inside = box[0] > 6 and box[1] > 6 and box[2] < w - 6 and box[3] < h - 6
        if not inside or box[3] - box[1] < 10 or overlaps(box, others, 5):
            continue
        body = picture.grey[int(box[1]) : int(box[3]) + 1, int(box[0]) : int(box[2]) + 1]
        ring = picture.grey[int(box[1]) - 4 : int(box[3]) + 5, int(box[0]) - 4 : int(box[2]) + 5]
        if abs(float(np.percentile(body, 80)) - float(np.median(ring))) > 25:
            free.append(j)
    return free


def stamp(
    rng: Random, crop: Crop, source: Grey, box: Boxes, scale: float, place: npt.NDArray[np.float64]
) -> Boxes | None:
    """Pastes what stands out in ``box`` of ``source`` at ``place``; the box it has there, or None if it does not fit.

    Only the difference to the surroundings is carried over, faded out towards the rim, so that a warm body lands on the
    new ground without a frame of the old one.
    """
    margin = PASTE_MARGIN_PX
    x0, y0 = int(box[0]) - margin, int(box[1]) - margin
    x1, y1 = int(np.ceil(box[2])) + margin, int(np.ceil(box[3])) + margin
    if x0 < 0 or y0 < 0 or x1 > source.shape[1] or y1 > source.shape[0]:
        return None
    difference, alpha = matte(source[y0:y1, x0:x1].astype(np.float32))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    size = (max(3, round(difference.shape[1] * scale)), max(4, round(difference.shape[0] * scale)))
    difference, alpha = (cv2.resize(part, size, interpolation=how) for part in (difference, alpha))
    if rng.random() < 0.5:
        difference, alpha = difference[:, ::-1], alpha[:, ::-1]
    left, top = round(float(place[0]) - size[0] / 2), round(float(place[1]) - size[1] / 2)
    body = np.array([left, top, left + size[0], top + size[1]], np.float32)
    body += np.array([1, 1, -1, -1], np.float32) * (margin * scale)
    h, w = crop.grey.shape
    if left < 0 or top < 0 or left + size[0] > w or top + size[1] > h:
        return None
    if overlaps(body, crop.persons, 1) or overlaps(body, crop.ignored, 0):
        return None
    under = crop.grey[top : top + size[1], left : left + size[0]]
    ground = float(np.median(under))
    # Weaker than it was, as in summer, and now and then colder than the new ground, as at noon.
    strength = float(rng.uniform(0.4, 1.2)) * (-1 if rng.random() < 0.12 else 1)
    under[:] = under * (1 - alpha) + alpha * (ground + difference * strength)
    return body


def matte(patch: Float) -> tuple[Float, Float]:
    """What stands out of a patch's rim: the difference to it, and how much of each pixel belongs to it (0..1)."""
    rim = np.concatenate((patch[:2].ravel(), patch[-2:].ravel(), patch[:, :2].ravel(), patch[:, -2:].ravel()))
    difference = patch - float(np.median(rim))
    noise = float(np.median(np.abs(rim - np.median(rim)))) + 2.0
    alpha = np.clip((np.abs(difference) - 2 * noise) / 10.0, 0, 1)
    alpha = cv2.GaussianBlur(alpha, (3, 3), 0.7)
    fade = np.minimum.outer(_ramp(patch.shape[0], PASTE_MARGIN_PX), _ramp(patch.shape[1], PASTE_MARGIN_PX))
    return difference, (alpha * fade).astype(np.float32)


def warm_the_ground(rng: Random, crop: Crop) -> None:
    """People of a warmer day: all of them stand out less from their ground, which both sets have too seldom."""
    weaker = float(rng.uniform(0.1, 0.75))
    h, w = crop.grey.shape
    for x0, y0, x1, y1 in crop.persons:
        left, top = max(0, int(x0) - PASTE_MARGIN_PX), max(0, int(y0) - PASTE_MARGIN_PX)
        right, bottom = min(w, int(np.ceil(x1)) + PASTE_MARGIN_PX), min(h, int(np.ceil(y1)) + PASTE_MARGIN_PX)
        patch = crop.grey[top:bottom, left:right]
        difference, alpha = matte(patch)
        patch -= weaker * alpha * difference


def add_lamps(rng: Random, crop: Crop) -> None:
    """Hot or cold spots, rods and squares that are no people: lamp heads, pipes, vents, stones after a sunny day.

    Faint ones among them: a third of the confident false boxes of 0.7.0 on ``val`` were faint bright rods.
    """
    h, w = crop.grey.shape
    for _ in range(int(rng.integers(1, 8))):
        x, y = float(rng.uniform(4, w - 4)), float(rng.uniform(4, h - 4))
        if overlaps(np.array([x - 8, y - 8, x + 8, y + 8], np.float32), crop.persons, 2):
            continue
        strength = rng.uniform(40, 200) if rng.random() < 0.6 else np.exp(rng.uniform(np.log(10), np.log(60)))
        level = float(strength * (1 if rng.random() < 0.85 else -1))
        layer = np.zeros((h, w), np.float32)
        kind = rng.random()
        if kind < 0.6:
            axes = (float(rng.uniform(1, 7)), float(rng.uniform(1, 4)))
            cv2.ellipse(layer, ((x, y), (2 * axes[0], 2 * axes[1]), float(rng.uniform(0, 180))), 1.0, -1, cv2.LINE_AA)
        elif kind < 0.8:
            length, angle = float(np.exp(rng.uniform(np.log(8), np.log(90)))), float(rng.uniform(0, np.pi))
            end = (int(x + length * np.cos(angle)), int(y + length * np.sin(angle)))
            cv2.line(layer, (int(x), int(y)), end, 1.0, int(rng.integers(1, 4)), cv2.LINE_AA)
        else:
            side = rng.integers(3, 16, 2)
            cv2.rectangle(layer, (int(x), int(y)), (int(x + side[0]), int(y + side[1])), 1.0, -1)
        layer = cv2.GaussianBlur(layer, (0, 0), float(rng.uniform(0.5, 1.4)))
        for box in crop.persons.astype(int):  # never across a body: that would change what the label says
            layer[max(0, box[1] - 1) : box[3] + 2, max(0, box[0] - 1) : box[2] + 2] = 0
        crop.grey += layer * level


def add_growth(rng: Random, crop: Crop) -> None:
    """Young trees and bushes, mostly colder than the ground: on ``val`` they were half of the confident false boxes."""
    h, w = crop.grey.shape
    level = float(rng.uniform(15, 110) * (-1 if rng.random() < 0.7 else 1))
    tall_px, slim = float(np.exp(rng.uniform(np.log(9), np.log(95)))), float(rng.uniform(0.2, 1.0))
    layer = np.zeros((h, w), np.float32)
    for _ in range(int(rng.integers(1, 10))):
        x, y = float(rng.uniform(0, w)), float(rng.uniform(0, h))
        size_px = tall_px * float(rng.uniform(0.7, 1.4))
        for _ in range(int(rng.integers(4, 12))):
            place = (x + float(rng.normal(0, 0.2 * slim * size_px)), y + float(rng.uniform(-0.4, 0.4)) * size_px)
            axes = (size_px * slim * float(rng.uniform(0.15, 0.7)), size_px * float(rng.uniform(0.1, 0.4)))
            cv2.ellipse(layer, (place, axes, float(rng.uniform(0, 180))), float(rng.uniform(0.6, 1)), -1, cv2.LINE_AA)
    layer = cv2.GaussianBlur(layer, (0, 0), float(rng.uniform(0.4, 1.3)))
    for box in crop.persons.astype(int):
        layer[max(0, box[1] - 1) : box[3] + 2, max(0, box[0] - 1) : box[2] + 2] = 0
    crop.grey += layer * level


def on_the_wire(rng: Random, grey: Float) -> Grey:
    """Eight bits, and now and then JPEG; (H, W) float32 to uint8."""
    out: Grey = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        _, code = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))])
        out = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)
    return out


def control_gain(rng: Random, grey: Float) -> Float:
    """Blur, local contrast, gamma, gain and offset of another camera; (H, W) float32, not clipped."""
    if rng.random() < 0.25:
        grey = cv2.GaussianBlur(grey, (0, 0), float(rng.uniform(0.4, 1.6)))
    if rng.random() < 0.3:  # local contrast: the slow part of the picture is weakened or strengthened
        slow = cv2.GaussianBlur(grey, (0, 0), float(rng.uniform(12, 50)))
        grey = grey + (float(grey.mean()) - slow) * float(rng.uniform(-0.5, 0.8))
    if rng.random() < 0.1:
        clahe = cv2.createCLAHE(float(rng.uniform(1, 4)), (4, 4))
        grey = clahe.apply(np.clip(grey, 0, 255).astype(np.uint8)).astype(np.float32)
    if rng.random() < 0.5:
        grey = np.float32(255) * (np.clip(grey, 0, 255) / np.float32(255)) ** float(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.8:
        mean = float(grey.mean())
        gain = float(np.exp(rng.uniform(np.log(0.35), np.log(2.1))))
        grey = (grey - mean) * gain + mean + float(rng.normal(0, 25))
    if rng.random() < 0.35:  # a gain about mid grey clips a dark night at the bottom and its lamps at the top
        gain = float(np.exp(rng.uniform(np.log(0.45), np.log(2.3))))
        grey = (np.clip(grey, 0, 255) - 128) * gain + 128 + float(rng.uniform(-45, 45))
    return grey


def sense(rng: Random, grey: Float) -> Float:
    """Shading, polarity and the noise of pixels, columns and rows."""
    h, w = grey.shape
    if rng.random() < 0.2:  # shading of the window or a warm housing
        x, y = np.meshgrid(np.linspace(-1, 1, w, dtype=np.float32), np.linspace(-1, 1, h, dtype=np.float32))
        a, b, c = rng.normal(0, 12, 3).astype(np.float32)
        grey = (grey + a * x + b * y + c * (x * x + y * y)).astype(np.float32)
    if rng.random() < BLACK_HOT:
        grey = 255 - grey
    if rng.random() < 0.4:
        grey = grey + rng.standard_normal((h, w), np.float32) * float(rng.uniform(1, 9))
    if rng.random() < 0.2:
        grey = grey + rng.standard_normal((1, w), np.float32) * float(rng.uniform(0.5, 5))
    if rng.random() < 0.05:
        grey = grey + rng.standard_normal((h, 1), np.float32) * float(rng.uniform(0.5, 4))
    return grey


def stands_out(grey: npt.NDArray[Any], box: npt.ArrayLike) -> float:
    """Grey levels by which the warmest or coldest tenth of a box (x0, y0, x1, y1) differs from the ring around it."""
    x0, y0, x1, y1 = np.maximum(box, 0)
    left, top, right, bottom = int(x0), int(y0), int(np.ceil(x1)), int(np.ceil(y1))
    body = grey[top:bottom, left:right].astype(np.float32)
    around = grey[max(0, top - 5) : bottom + 5, max(0, left - 5) : right + 5]
    if not body.size:
        return 0.0
    ground = float(np.median(around))
    return max(float(np.percentile(body, 90)) - ground, ground - float(np.percentile(body, 10)))


def keep_visible(
    boxes: Boxes, edges: tuple[int, int, int, int], share: float = SMALLEST_VISIBLE
) -> tuple[Boxes, Boxes]:
    """Boxes cut at the edges: those to be found, and the remains too small or too much cut, to be ignored."""
    low, high = np.array([edges[0], edges[1]], np.float32), np.array([edges[2], edges[3]], np.float32)
    cut = boxes.copy()
    cut[:, :2], cut[:, 2:] = np.clip(boxes[:, :2], low, high), np.clip(boxes[:, 2:], low, high)
    size, full = cut[:, 2:] - cut[:, :2], boxes[:, 2:] - boxes[:, :2]
    area, full_area = size.prod(1), full.prod(1)
    keep = (area > share * full_area) & (full[:, 1] >= (SMALLEST_PERSON_PX if share else 0)) & (size.min(1) > 1)
    return cut[keep], cut[~keep & (size.min(1) > 0.5)]


def overlaps(box: Boxes, boxes: Boxes, margin_px: float) -> bool:
    """Whether ``box`` comes nearer than ``margin_px`` to any of ``boxes``."""
    if not len(boxes):
        return False
    apart = (
        (boxes[:, 0] > box[2] + margin_px)
        | (boxes[:, 2] < box[0] - margin_px)
        | (boxes[:, 1] > box[3] + margin_px)
        | (boxes[:, 3] < box[1] - margin_px)
    )
    return not bool(apart.all())


def _mirrored(boxes: Boxes, width_px: int) -> Boxes:
    flipped = boxes.copy()
    flipped[:, 0], flipped[:, 2] = width_px - boxes[:, 2], width_px - boxes[:, 0]
    return flipped


def _ramp(length: int, margin: int) -> Float:
    distance = np.minimum(np.arange(length), np.arange(length)[::-1]).astype(np.float32)
    ramp: Float = np.clip(distance / margin, 0, 1)
    return ramp


def _none() -> Boxes:
    return np.zeros((0, 4), np.float32)
