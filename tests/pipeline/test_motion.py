"""The camera's own motion is read from the picture: shift, turn, and the honesty to say that it cannot be told."""

import cv2
import numpy as np
import pytest

from edge.pipeline.motion import CameraMotion

SIZE_PX = (501, 397)  # odd and not square


def ground(seed: int = 1) -> np.ndarray:
    """Draw a textured ground larger than the picture."""
    dice = np.random.default_rng(seed)
    rough = cv2.resize(dice.normal(0, 1, (60, 75)).astype(np.float32), (900, 720), interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(dice.normal(0, 1, (720, 900)).astype(np.float32), (0, 0), 2.0) * 4
    return cv2.normalize(rough + fine, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def view(scene: np.ndarray, x: float, y: float, turn_deg: float = 0.0) -> np.ndarray:
    """Cut the picture that a camera at this place takes."""
    matrix = cv2.getRotationMatrix2D((x + SIZE_PX[0] / 2, y + SIZE_PX[1] / 2), turn_deg, 1.0)
    matrix[:, 2] -= (x, y)
    return cv2.warpAffine(scene, matrix, SIZE_PX)


def test_the_first_picture_has_not_moved() -> None:
    """Without a picture before it there is no motion."""
    shift = CameraMotion().update(view(ground(), 100, 100))
    assert (shift.dx_px, shift.dy_px, shift.known) == (0.0, 0.0, True)


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (3.0, -2.0), (40.0, 25.0)])
def test_a_shift_is_measured_in_pixels_of_the_picture(dx: float, dy: float) -> None:
    """The scene moves opposite to the camera, also by far more than a corner's neighbourhood."""
    motion = CameraMotion()
    motion.update(view(ground(), 100, 100))
    shift = motion.update(view(ground(), 100 + dx, 100 + dy))
    middle = np.array(SIZE_PX) / 2
    moved = np.array(shift.linear).reshape(2, 2) @ middle + (shift.dx_px, shift.dy_px) - middle
    assert shift.known
    assert moved == pytest.approx((-dx, -dy), abs=0.7)


def test_a_turn_is_measured() -> None:
    """The linear part carries the rotation."""
    motion = CameraMotion()
    motion.update(view(ground(), 150, 120))
    shift = motion.update(view(ground(), 150, 120, turn_deg=4.0))
    assert np.degrees(np.arctan2(shift.linear[2], shift.linear[0])) == pytest.approx(-4.0, abs=0.3)


def test_walkers_do_not_pull_the_scene_along() -> None:
    """Whatever moves on its own is outvoted."""
    first, second = view(ground(), 100, 100), view(ground(), 106, 100)
    for step, picture in enumerate((first, second)):
        for x in range(60, 400, 80):
            cv2.rectangle(picture, (x + 15 * step, 150), (x + 15 * step + 10, 180), 255, -1)
    motion = CameraMotion()
    motion.update(first)
    shift = motion.update(second)
    assert (shift.dx_px, shift.dy_px) == pytest.approx((-6.0, 0.0), abs=1.0)


@pytest.mark.parametrize("second", [np.full(SIZE_PX[::-1], 90, np.uint8), view(ground(7), 100, 100)])
def test_what_cannot_be_told_is_unknown(second: np.ndarray) -> None:
    """A covered lens or a cut to another scene is no motion."""
    motion = CameraMotion()
    motion.update(view(ground(), 100, 100))
    assert not motion.update(second).known


def test_a_picture_of_another_size_is_unknown() -> None:
    """A camera that changes its format starts again."""
    motion = CameraMotion()
    motion.update(view(ground(), 100, 100))
    assert not motion.update(view(ground(), 100, 100)[:200]).known
