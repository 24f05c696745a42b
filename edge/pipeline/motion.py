"""How the camera itself moved between two pictures, for drones and vehicles: cheap, from the picture alone.

Sparse corners are followed from the previous picture to this one, and the similarity (shift, turn, zoom) that most of
them agree on is the camera's motion; people who walk are outvoted. A coarse shift found by phase correlation comes
first, because at 2 frames/s a drone moves by more than corner tracking alone can reach.
"""

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import CameraShift

_WIDTH_PX = 320  # pictures are reduced to about this: enough for a shift, a quarter of the work
_CORNERS = 150
_LEAST_CORNERS = 12
_LEAST_AGREEING = 0.4
_AGREE_PX = 1.5
_UNKNOWN = CameraShift(known=False)


class CameraMotion:
    """Measures the motion of one camera."""

    def __init__(self) -> None:
        """Start without a picture."""
        self._before: npt.NDArray[np.uint8] | None = None

    def update(self, picture: npt.NDArray[np.uint8]) -> CameraShift:
        """Compare an 8-bit picture (H, W) with the one before; the first picture has not moved."""
        factor = max(1.0, picture.shape[1] / _WIDTH_PX)
        size_px = (round(picture.shape[1] / factor), round(picture.shape[0] / factor))
        small: npt.NDArray[np.uint8] = cv2.resize(picture, size_px, interpolation=cv2.INTER_AREA)
        before, self._before = self._before, small
        if before is None:
            return CameraShift()
        if before.shape != small.shape:
            return _UNKNOWN
        return _follow(before, small, factor)


def _follow(before: npt.NDArray[np.uint8], now: npt.NDArray[np.uint8], factor: float) -> CameraShift:
    corners = cv2.goodFeaturesToTrack(before, _CORNERS, 0.01, 7.0)
    if corners is None or len(corners) < _LEAST_CORNERS:
        return _UNKNOWN
    (dx, dy), _ = cv2.phaseCorrelate(
        before.astype(np.float32), now.astype(np.float32), cv2.createHanningWindow(before.shape[::-1], cv2.CV_32F)
    )
    guess = corners + np.array((dx, dy), np.float32)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        before, now, corners, guess, winSize=(21, 21), maxLevel=3, flags=cv2.OPTFLOW_USE_INITIAL_FLOW
    )
    good = found.ravel() == 1
    if good.sum() < _LEAST_CORNERS:
        return _UNKNOWN
    matrix, agreeing = cv2.estimateAffinePartial2D(
        corners[good], moved[good], method=cv2.RANSAC, ransacReprojThreshold=_AGREE_PX
    )
    if matrix is None or agreeing.sum() < max(_LEAST_AGREEING * len(corners), _LEAST_CORNERS):
        return _UNKNOWN
    linear = (float(matrix[0, 0]), float(matrix[0, 1]), float(matrix[1, 0]), float(matrix[1, 1]))
    return CameraShift(float(matrix[0, 2]) * factor, float(matrix[1, 2]) * factor, linear)
