"""A snapshot with horizon, metre grid and the marked points, for a person to judge a calibration by."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.calibrate.solve import Calibration, project
from edge.capture.footage import VIDEOS, Footage
from edge.capture.pictures import read_picture
from edge.errors import CameraError, ConfigError

Canvas = npt.NDArray[np.uint8]

_STEPS_M = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_LINES = 9
_LEAST_WIDTH_PX = 960
_GRID, _HORIZON, _MARK, _FITTED = (200, 160, 60), (60, 200, 255), (80, 80, 255), (80, 255, 80)
_FARTHEST_SHARE = 25.0


def read_snapshot(path: Path) -> Canvas:
    """Read a picture, or the first frame of a clip, as 8-bit grey.

    Raises:
        CameraError: it cannot be read.
    """
    if path.suffix.lower() in VIDEOS:
        with Footage(path) as footage:
            pixels = next(iter(footage)).pixels
    else:
        pixels = read_picture(path)
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    low, high = np.percentile(pixels, (1.0, 99.8))
    levels: Canvas = np.clip((pixels.astype(np.float32) - low) * (255.0 / max(high - low, 1.0)), 0, 255).astype(
        np.uint8
    )
    return levels


def draw(snapshot: Canvas, calibration: Calibration, output: Path) -> None:
    """Write the picture.

    Raises:
        ConfigError: ``output`` cannot be written.
    """
    scale = max(1.0, _LEAST_WIDTH_PX / snapshot.shape[1])
    size_px = (round(snapshot.shape[1] * scale), round(snapshot.shape[0] * scale))
    canvas = cv2.cvtColor(cv2.resize(snapshot, size_px, interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2BGR)
    step_m, far_m = _grid(calibration)
    for label, line in _grid_lines(step_m, far_m):
        _draw_line(canvas, calibration, line, _GRID, scale, label)
    _draw_line(canvas, calibration, _horizon(calibration), _HORIZON, scale, "horizon")
    for one in calibration.residuals:
        at = _scaled((one.x_px, one.y_px), scale)
        cv2.circle(canvas, at, 7, _MARK, 2, cv2.LINE_AA)
        cv2.drawMarker(canvas, _scaled((one.fitted_x_px, one.fitted_y_px), scale), _FITTED, cv2.MARKER_CROSS, 13, 2)
        _write(canvas, f"{one.name} {one.off_px:.1f} px", (at[0] + 10, at[1] - 8), _MARK)
    try:
        written = cv2.imwrite(str(output), canvas)
    except cv2.error as error:
        raise ConfigError(f"--output {output}: name it .png or .jpg") from error
    if not written:
        raise CameraError(f"{output}: cannot be written")


def _grid(calibration: Calibration) -> tuple[int, float]:
    """Choose the step of the grid so that a handful of lines reaches the farthest point that was marked."""
    pose = calibration.pose
    drop_deg = max(abs(pose.tilt_deg), 2.0)
    middle_m = pose.height_m / math.tan(math.radians(min(drop_deg, 89.0)))
    step_m = next((step for step in _STEPS_M if step * _LINES >= 2.0 * max(middle_m, 4.0)), _STEPS_M[-1])
    return step_m, min(step_m * _LINES * 2.0, _FARTHEST_SHARE * max(middle_m, 10.0))


def _grid_lines(step_m: int, far_m: float) -> Iterable[tuple[str, list[tuple[float, float, float]]]]:
    """Give lines of the same distance ahead and of the same distance aside, in the camera's own direction."""
    count = int(far_m // step_m)
    smooth = np.linspace(0.0, 1.0, 120)
    for ahead in range(1, count + 1):
        aside_m = far_m
        yield f"{ahead * step_m} m", [((2 * s - 1) * aside_m, ahead * step_m, 0.0) for s in smooth]
    for aside in range(-count, count + 1):
        yield "", [(aside * step_m, step_m * 0.2 + s * (far_m - step_m * 0.2), 0.0) for s in smooth]


def _horizon(calibration: Calibration) -> list[tuple[float, float, float]]:
    half = math.radians(min(calibration.pose.hfov_deg, 120.0))
    far_m, height_m = 1e7, calibration.pose.height_m
    return [(far_m * math.sin(turn), far_m * math.cos(turn), height_m) for turn in np.linspace(-half, half, 60)]


def _draw_line(
    canvas: Canvas,
    calibration: Calibration,
    line: Sequence[tuple[float, float, float]],
    colour: tuple[int, int, int],
    scale: float,
    label: str,
) -> None:
    """Draw a line given as right, ahead and up of the camera's foot; its label stands where it is nearest the middle."""
    turn = math.radians(calibration.pose.heading_deg)
    places = [
        (right * math.cos(turn) + ahead * math.sin(turn), ahead * math.cos(turn) - right * math.sin(turn), up)
        for right, ahead, up in line
    ]
    pixels = project(calibration.pose, places, calibration.size_px)
    height_px, width_px = canvas.shape[:2]
    inside = []
    for one, other in pairwise(pixels):
        if one is None or other is None or max(map(abs, (*one, *other))) > 20 * width_px:
            continue
        ends = _scaled(one, scale), _scaled(other, scale)
        cv2.line(canvas, ends[0], ends[1], colour, 1, cv2.LINE_AA)
        if 0 <= ends[0][0] < width_px and 0 <= ends[0][1] < height_px:
            inside.append(ends[0])
    if label and inside:
        near = min(inside, key=lambda at: abs(at[0] - width_px * 0.06))
        _write(canvas, label, (near[0], near[1] - 3), colour)


def _scaled(point: tuple[float, float], scale: float) -> tuple[int, int]:
    return round(point[0] * scale), round(point[1] * scale)


def _write(canvas: Canvas, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    plain = text.encode("ascii", "replace").decode("ascii")  # OpenCV's letters are ASCII
    x = min(max(at[0], 2), max(canvas.shape[1] - 9 * len(plain), 2))
    y = min(max(at[1], 12), canvas.shape[0] - 4)
    cv2.putText(canvas, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(canvas, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)
