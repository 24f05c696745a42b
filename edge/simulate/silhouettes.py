"""Figures as the camera sees them: exact boxes for all, pixel patches for those that need them, and who hides whom.

The box is analytic: the extent of the projected end circles and corners. The patch is drawn several times finer than
the picture and averaged, so that the edge pixels of a far person carry the right fraction of warmth. The visible share
of a figure is counted on those patches; the truth made without rendering runs this very code and agrees exactly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from edge.simulate.camera import NEAR_M, Pose
from edge.simulate.figures import Figure
from edge.simulate.ground import textured_patch

Floats = npt.NDArray[np.float64]
Picture = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]

_ARC_POINTS = 7
_FINE_PX = 84  # a figure is drawn at least this tall or wide, whatever its size in the picture
_FINEST = 8
_SHIFT = 5  # fractional bits of OpenCV's polygon corners
_CHUNK = 1e-6


@dataclass(slots=True)
class Silhouette:
    """One figure in one picture.

    Attributes:
        box: full extent in pixels, hidden or not, not clipped to the frame.
        range_m: distance from the camera to its foot.
        outlines: per part (painted in this order) its polygon (K, 2) in pixels and its temperature.
        bounds: integer x0, y0, x1, y1 of the patch.
        anchor: the pixel on which the texture hangs, so that it moves with the body; and its ``px_per_m``.
    """

    figure: Figure
    box: Box
    range_m: float
    outlines: list[tuple[Floats, float]]
    bounds: tuple[int, int, int, int]
    anchor: tuple[float, float]
    px_per_m: float
    _drawn: tuple[Picture, Picture] | None = field(default=None)

    def patch(self) -> tuple[Picture, Picture]:
        """Give coverage 0..1 and surface temperature in C over ``bounds``, (h, w) float32 each."""
        if self._drawn is None:
            self._drawn = self._draw()
        return self._drawn

    def _draw(self) -> tuple[Picture, Picture]:
        x0, y0, x1, y1 = self.bounds
        width, height = x1 - x0, y1 - y0
        fine = min(_FINEST, max(1, math.ceil(_FINE_PX / max(width, height))))
        canvas = np.zeros((height * fine, width * fine, 2), np.float32)
        origin = np.array([x0, y0], dtype=np.float64)
        for outline, warm_c in self.outlines:
            # OpenCV names the centre of a pixel by whole numbers, this program its corner: hence the half
            corners = ((outline - origin) * fine - 0.5) * (1 << _SHIFT)
            cv2.fillConvexPoly(canvas, np.rint(corners).astype(np.int32), (warm_c, 1.0), cv2.LINE_8, _SHIFT)
        small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA) if fine > 1 else canvas
        cover = np.ascontiguousarray(small[..., 1])
        warmth = small[..., 0] / np.maximum(cover, _CHUNK)
        figure = self.figure
        if figure.texture_c > 0 or figure.gaps > 0:
            texture = textured_patch(self.bounds, self.anchor, self.px_per_m, figure.texture_seed)
            warmth = warmth + figure.texture_c * texture
            if figure.gaps > 0:
                # leaves let the background through where their own texture is thinnest
                cover = cover * np.clip((texture + 1.6 - 4 * figure.gaps) * 2.5, 0, 1)
        return cover, warmth.astype(np.float32)


def see(pose: Pose, figures: Sequence[Figure]) -> list[Silhouette]:
    """Project figures, leave out those outside the picture or behind the camera, and sort them from far to near."""
    figures = list(figures)
    if not figures:
        return []
    parts = _Parts(pose, figures)
    hooks = np.array([[*(figure.hangs_on_m or figure.foot_m), 0.0] for figure in figures])
    anchors, anchor_depth = pose.project(hooks)
    feet = np.array([[*figure.foot_m, 0.0] for figure in figures])
    ranges_m = np.linalg.norm(feet - pose.place_m, axis=1)
    seen: list[Silhouette] = []
    for index in parts.in_picture():
        x0, y0, x1, y1 = (float(edge) for edge in parts.boxes[index])
        seen.append(
            Silhouette(
                figure=figures[index],
                box=(x0, y0, x1, y1),
                range_m=float(ranges_m[index]),
                outlines=parts.outlines_of(index),
                bounds=_bounds((x0, y0, x1, y1), pose),
                anchor=(float(anchors[index, 0]), float(anchors[index, 1])),
                px_per_m=pose.focal_px / max(float(anchor_depth[index]), NEAR_M),
            )
        )
    seen.sort(key=lambda silhouette: -silhouette.range_m)
    return seen


class _Parts:
    """The capsules and faces of many figures, projected in one go: one by one would cost more than the painting."""

    def __init__(self, pose: Pose, figures: Sequence[Figure]) -> None:
        self._pose, self._figures = pose, figures
        capsules = np.concatenate([figure.capsules for figure in figures])
        quads = np.concatenate([figure.quads for figure in figures])
        self._capsule_starts = np.cumsum([0, *(len(figure.capsules) for figure in figures)])
        self._quad_starts = np.cumsum([0, *(len(figure.quads) for figure in figures)])
        self._warm_c = capsules[:, 8]
        self._first, first_depth = pose.project(capsules[:, 0:3])
        self._last, last_depth = pose.project(capsules[:, 4:7])
        self._first_radius = capsules[:, 3] * pose.focal_px / np.maximum(first_depth, NEAR_M)
        self._last_radius = capsules[:, 7] * pose.focal_px / np.maximum(last_depth, NEAR_M)
        corners, corner_depth = pose.project(quads.reshape(-1, 3))
        self._corners, self._corner_depth = corners.reshape(-1, 4, 2), corner_depth.reshape(-1, 4)
        self._depth = (first_depth + last_depth) / 2
        owners = np.repeat(np.arange(len(figures)), np.diff(self._capsule_starts))
        quad_owners = np.repeat(np.arange(len(figures)), np.diff(self._quad_starts))
        self.boxes = np.array([[np.inf, np.inf, -np.inf, -np.inf]] * len(figures))
        self._nearest_m = np.full(len(figures), np.inf)
        for axis in (0, 1):
            for ends, radii in ((self._first, self._first_radius), (self._last, self._last_radius)):
                np.minimum.at(self.boxes[:, axis], owners, ends[:, axis] - radii)
                np.maximum.at(self.boxes[:, axis + 2], owners, ends[:, axis] + radii)
            np.minimum.at(self.boxes[:, axis], quad_owners, self._corners[:, :, axis].min(axis=1))
            np.maximum.at(self.boxes[:, axis + 2], quad_owners, self._corners[:, :, axis].max(axis=1))
        np.minimum.at(self._nearest_m, owners, np.minimum(first_depth, last_depth))
        np.minimum.at(self._nearest_m, quad_owners, self._corner_depth.min(axis=1))

    def in_picture(self) -> list[int]:
        """List the figures that are before the camera and touch the frame."""
        x0, y0, x1, y1 = self.boxes.T
        inside = (x1 > 0) & (y1 > 0) & (x0 < self._pose.width_px) & (y0 < self._pose.height_px)
        return [int(index) for index in np.flatnonzero(inside & (self._nearest_m >= NEAR_M))]

    def outlines_of(self, index: int) -> list[tuple[Floats, float]]:
        """Outline one figure's parts from far to near, each with its temperature."""
        mine = slice(self._capsule_starts[index], self._capsule_starts[index + 1])
        outlines = _capsule_outlines(
            self._first[mine], self._first_radius[mine], self._last[mine], self._last_radius[mine]
        )
        faces = slice(self._quad_starts[index], self._quad_starts[index + 1])
        depths = np.concatenate([self._depth[mine], self._corner_depth[faces].mean(axis=1)])
        shapes = [*outlines, *self._corners[faces]]
        warm_c = np.concatenate([self._warm_c[mine], self._figures[index].quad_c])
        return [(shapes[part], float(warm_c[part])) for part in np.argsort(-depths, kind="stable")]


def visible_shares(silhouettes: Sequence[Silhouette], pose: Pose) -> dict[int, float]:
    """Give the share of each figure's silhouette that is in the frame and not hidden by a nearer one, by object id.

    Args:
        silhouettes: from far to near, as ``see`` returns them.
        pose: the pose they were seen from.
    """
    shares: dict[int, float] = {}
    for index, silhouette in enumerate(silhouettes):
        if silhouette.figure.object_id is None:
            continue
        nearer = [other for other in silhouettes[index + 1 :] if _overlap(silhouette.box, other.box)]
        inside = _share_inside(silhouette.box, pose)
        if not nearer and inside == 1.0:
            shares[silhouette.figure.object_id] = 1.0
            continue
        cover, _ = silhouette.patch()
        left = cover.copy()
        x0, y0, x1, y1 = silhouette.bounds
        left[:, : max(0, -x0)] = 0
        left[: max(0, -y0)] = 0
        left[:, max(0, pose.width_px - x0) :] = 0
        left[max(0, pose.height_px - y0) :] = 0
        for other in nearer:
            _cut(left, (x0, y0, x1, y1), other)
        shares[silhouette.figure.object_id] = float(left.sum() / max(float(cover.sum()), _CHUNK))
    return shares


def clipped(box: Box, pose: Pose) -> Box:
    """Clip a box to the frame."""
    x0, y0, x1, y1 = box
    return max(0.0, x0), max(0.0, y0), min(float(pose.width_px), x1), min(float(pose.height_px), y1)


def _capsule_outlines(first: Floats, first_radius: Floats, last: Floats, last_radius: Floats) -> Floats:
    """Outline tapered capsules in the picture: (N, 2 * _ARC_POINTS, 2)."""
    along = last - first
    length = np.hypot(along[:, 0], along[:, 1])
    direction = np.arctan2(along[:, 1], along[:, 0])
    # the two outer tangents leave the circles at this angle from the axis; a circle inside the other has none
    ratio = np.clip((first_radius - last_radius) / np.maximum(length, _CHUNK), -1, 1)
    opening = np.arccos(ratio)
    steps = np.linspace(0, 1, _ARC_POINTS)
    back = direction[:, None] + opening[:, None] + (2 * math.pi - 2 * opening[:, None]) * steps
    front = direction[:, None] - opening[:, None] + 2 * opening[:, None] * steps
    outlines = np.empty((len(first), 2 * _ARC_POINTS, 2))
    for part, (angles, centre, radius) in enumerate(((back, first, first_radius), (front, last, last_radius))):
        where = slice(part * _ARC_POINTS, (part + 1) * _ARC_POINTS)
        outlines[:, where, 0] = centre[:, None, 0] + radius[:, None] * np.cos(angles)
        outlines[:, where, 1] = centre[:, None, 1] + radius[:, None] * np.sin(angles)
    return outlines


def _bounds(box: Box, pose: Pose) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (math.floor(box[0]) - 1, math.floor(box[1]) - 1, math.ceil(box[2]) + 1, math.ceil(box[3]) + 1)
    # a tree beside the lens may be larger than the picture: keep at most one picture's size beyond each edge
    return (
        max(x0, -pose.width_px),
        max(y0, -pose.height_px),
        min(x1, 2 * pose.width_px),
        min(y1, 2 * pose.height_px),
    )


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] + 1 and other[0] < one[2] + 1 and one[1] < other[3] + 1 and other[1] < one[3] + 1


def _share_inside(box: Box, pose: Pose) -> float:
    x0, y0, x1, y1 = clipped(box, pose)
    return 1.0 if (x0, y0, x1, y1) == box else 0.0


def _cut(left: Picture, bounds: tuple[int, int, int, int], other: Silhouette) -> None:
    x0, y0 = max(bounds[0], other.bounds[0]), max(bounds[1], other.bounds[1])
    x1, y1 = min(bounds[2], other.bounds[2]), min(bounds[3], other.bounds[3])
    if x0 >= x1 or y0 >= y1:
        return
    cover, _ = other.patch()
    hidden = cover[y0 - other.bounds[1] : y1 - other.bounds[1], x0 - other.bounds[0] : x1 - other.bounds[0]]
    left[y0 - bounds[1] : y1 - bounds[1], x0 - bounds[0] : x1 - bounds[0]] *= 1 - hidden
