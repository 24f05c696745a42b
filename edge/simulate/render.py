"""Paints the moments of a scene as temperature pictures: backdrop, figures from far to near, and the air in between."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from edge.simulate.camera import Mount, Pose
from edge.simulate.ground import Backdrop, backdrop
from edge.simulate.silhouettes import Silhouette
from edge.simulate.truth import Moment, Stage
from edge.simulate.weather import extinction_per_m, precipitate, through_air, upright_apparent_c

Picture = npt.NDArray[np.float32]


class Painter:
    """Paints one moment after another; keeps the backdrop of a camera that does not travel."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._weather = stage.scenario.weather
        self._kept: tuple[Pose, Backdrop, int] | None = None

    def paint(self, moment: Moment) -> Picture:
        """Give the temperatures that reach the lens at that moment, (H, W) float32, C."""
        picture = self._behind(moment)
        for silhouette in moment.seen:
            self._lay(picture, silhouette)
        generator = np.random.default_rng([self._stage.scenario.seed, 71, moment.number])
        precipitate(picture, self._weather, moment.pose, self._stage.scenario.camera.fps, generator)
        return picture

    def _behind(self, moment: Moment) -> Picture:
        if self._stage.mount.travels:
            return self._with_air(backdrop(self._stage.scenario, moment.pose), moment.t_s)
        if self._kept is None:
            motion = self._stage.scenario.camera.motion
            still = moment.pose if motion.kind == "fixed" else self._mean_pose()
            swing_px = (
                0
                if motion.kind == "fixed"
                else math.ceil(math.radians(motion.shake_deg * 1.8) * still.focal_px * 1.3) + 3
            )
            self._kept = (still, backdrop(self._stage.scenario, still, swing_px), swing_px)
        still, kept, margin_px = self._kept
        picture = self._with_air(kept, moment.t_s)
        if margin_px == 0:
            return picture
        return _turned(picture, still, moment.pose, margin_px)

    def _mean_pose(self) -> Pose:
        camera = self._stage.scenario.camera
        return Mount(camera.model_copy(update={"motion": camera.motion.model_copy(update={"kind": "fixed"})}), 0).at(
            0.0
        )

    def _with_air(self, behind: Backdrop, t_s: float) -> Picture:
        warm_c = behind.warm_c
        weather = self._weather
        if weather.ground_end_c is not None:
            share = t_s / self._stage.scenario.duration_s
            warm_c = warm_c + np.float32((weather.ground_end_c - weather.ground_c) * share) * behind.ground
        passed = np.exp(np.float32(-extinction_per_m(weather)) * behind.range_m)
        # the sky's colour already holds the air before it: only what stands on the ground is dimmed again
        arrived = weather.air_c + (warm_c - np.float32(weather.air_c)) * passed
        return arrived.astype(np.float32)  # type: ignore[no-any-return]

    def _lay(self, picture: Picture, silhouette: Silhouette) -> None:
        x0, y0, x1, y1 = silhouette.bounds
        left, top, right, bottom = max(0, x0), max(0, y0), min(picture.shape[1], x1), min(picture.shape[0], y1)
        if left >= right or top >= bottom:
            return
        cover, warm_c = silhouette.patch()
        part = (slice(top - y0, bottom - y0), slice(left - x0, right - x0))
        arrived = through_air(upright_apparent_c(warm_c[part], self._weather), silhouette.range_m, self._weather)
        region = picture[top:bottom, left:right]
        region += cover[part] * (arrived - region)


def _turned(picture: Picture, still: Pose, now: Pose, margin_px: int) -> Picture:
    """Resample a picture with a margin as a camera that only turned would see it."""
    inner = np.array([[still.focal_px, 0, still.width_px / 2], [0, still.focal_px, still.height_px / 2], [0, 0, 1]])
    turn = inner @ still.rotation @ now.rotation.T @ np.linalg.inv(inner)
    # pixel names: whole numbers are centres for OpenCV, corners here
    to_corner = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    from_margin = np.array([[1, 0, margin_px], [0, 1, margin_px], [0, 0, 1]])
    mapping = from_margin @ np.linalg.inv(to_corner) @ turn @ to_corner
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(picture, mapping, (now.width_px, now.height_px), flags=flags)  # type: ignore[no-any-return]
