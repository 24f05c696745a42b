"""Pictures for people, who look before they believe: the frame with boxes, tracks, groups and counts on it."""

from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from edge.capture.video_writer import VideoWriter
from edge.config import CameraConfig, PreprocessConfig
from edge.pipeline.preprocess import Preprocessor
from edge.records import Alert, Box, Frame, Group, Result

_SHOWN_WIDTH_PX = 960
_FONT = cv2.FONT_HERSHEY_DUPLEX
_TRACK = (235, 206, 80)  # BGR
_HIDDEN = (150, 150, 150)
_GROUP = (80, 200, 255)
_CLAIM = (90, 90, 90)
_RULE = (120, 120, 255)
_TEXT = (255, 255, 255)
_SHADOW = (0, 0, 0)
_BAR_PX = 64
_ALERTS_SHOWN = 2
_ALERT_SHOWN_S = 6.0
_TRAIL_POINTS = 40

Canvas = npt.NDArray[np.uint8]


class View:
    """Writes an .mp4 of what the pipeline saw and believed."""

    def __init__(self, path: Path, camera: CameraConfig, preprocess: PreprocessConfig, *, fps: float) -> None:
        """Nothing is written before the first frame.

        Args:
            path: the .mp4 to write.
            camera: its lines and zones are drawn too.
            preprocess: as the pipeline has it, so that people see what the model saw.
            fps: nominal rate; each frame keeps its own time.
        """
        self._camera = camera
        self._path = path
        self._fps = fps
        self._writer: VideoWriter | None = None
        self._preprocess = Preprocessor(preprocess, black_hot=camera.polarity == "black-hot")
        self._alerts: deque[tuple[float, str]] = deque(maxlen=_ALERTS_SHOWN)
        self._trails: dict[int, deque[tuple[float, float]]] = {}
        self._first_t_s: float | None = None

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the film, also when the footage broke: what was seen is worth keeping."""
        if self._writer is not None:
            self._writer.__exit__(None, None, None)

    def add(self, frame: Frame, result: Result) -> None:
        """Draw and append one frame."""
        canvas = self.draw(frame, result)
        if self._writer is None:
            height_px, width_px = canvas.shape[:2]
            self._writer = VideoWriter(self._path, fps=self._fps, width_px=width_px, height_px=height_px)
            self._first_t_s = frame.t_s
        self._writer.write(frame.t_s - (self._first_t_s or 0.0), canvas)

    def draw(self, frame: Frame, result: Result) -> Canvas:
        """Draw one frame; returns (H, W, 3) uint8 BGR, both sides even as H.264 wants."""
        picture = self._preprocess.apply(frame).picture
        zoom = max(1.0, _SHOWN_WIDTH_PX / frame.width_px)
        size = (round(frame.width_px * zoom) // 2 * 2, round(frame.height_px * zoom) // 2 * 2)
        grey = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
        canvas: Canvas = np.zeros((size[1] + _BAR_PX, size[0], 3), np.uint8)
        canvas[: size[1]] = grey[:, :, None]
        self._draw_rules(canvas, size)
        self._draw_tracks(canvas, result, zoom)
        for group in result.groups:
            if group.present:
                _draw_group(canvas, group, zoom)
        for alert in result.alerts:
            self._alerts.append((result.t_s, headline(alert)))
        self._draw_bar(canvas, result, size[1])
        return canvas

    def _draw_rules(self, canvas: Canvas, size: tuple[int, int]) -> None:
        for line in self._camera.line:
            ends = [(round(x * size[0]), round(y * size[1])) for x, y in line.points]
            cv2.line(canvas, ends[0], ends[1], _RULE, 1, cv2.LINE_AA)
            _write(canvas, line.id, (min(max(ends[0][0], 8), size[0] - 80), ends[0][1] - 6), 0.45, _RULE)
        for zone in self._camera.zone:
            corners = np.array([(x * size[0], y * size[1]) for x, y in zone.points], np.int32).reshape(-1, 1, 2)
            cv2.polylines(canvas, [corners], True, _RULE, 1, cv2.LINE_AA)
            _write(canvas, zone.id, (corners[0, 0, 0] + 4, corners[0, 0, 1] + 14), 0.45, _RULE)

    def _draw_tracks(self, canvas: Canvas, result: Result, zoom: float) -> None:
        for detection in result.detections:
            _rectangle(canvas, detection.box, zoom, _CLAIM, 1)
        alive = {track.track_id for track in result.tracks}
        self._trails = {key: trail for key, trail in self._trails.items() if key in alive}
        for track in result.tracks:
            if not track.confirmed:
                continue
            hidden = track.last_seen_s < result.t_s
            colour = _HIDDEN if hidden else _TRACK
            trail = self._trails.setdefault(track.track_id, deque(maxlen=_TRAIL_POINTS))
            trail.append((track.foot_px[0] * zoom, track.foot_px[1] * zoom))
            cv2.polylines(canvas, [np.array(trail, np.int32).reshape(-1, 1, 2)], False, colour, 1, cv2.LINE_AA)
            _rectangle(canvas, track.box, zoom, colour, 1 if hidden else 2)
            _write(canvas, str(track.track_id), (track.box[0] * zoom, track.box[1] * zoom - 3), 0.4, colour)

    def _draw_bar(self, canvas: Canvas, result: Result, top_px: int) -> None:
        seen = sum(group.count for group in result.groups if group.present)
        state = f"t {result.t_s:6.1f} s   people {seen}   {result.sight.reason or result.sight.state}"
        _write(canvas, state, (8, top_px + 20), 0.5, _TEXT)
        recent = [text for at_s, text in self._alerts if result.t_s - at_s <= _ALERT_SHOWN_S]
        for row, text in enumerate(recent):
            _write(canvas, text, (8, top_px + 38 + 17 * row), 0.45, _GROUP)


def headline(alert: Alert) -> str:
    """One line for people: ``NEW 9 people (8-10) on north: line border crossed northward``."""
    group = alert.group
    people = "person" if group.count == 1 else "people"
    spread = "" if group.count_low == group.count_high else f" ({group.count_low}-{group.count_high})"
    reasons = f": {', '.join(alert.reasons)}" if alert.reasons else ""
    return f"{alert.phase.upper()} {group.count} {people}{spread} on {alert.camera}{reasons}"


def _draw_group(canvas: Canvas, group: Group, zoom: float) -> None:
    x0, y0, x1, y1 = group.box
    margin = 6 / zoom
    _rectangle(canvas, (x0 - margin, y0 - margin, x1 + margin, y1 + margin), zoom, _GROUP, 2)
    spread = "" if group.count_low == group.count_high else f" [{group.count_low}-{group.count_high}]"
    _write(canvas, f"group {group.group_id}: {group.count}{spread}", (x0 * zoom - 6, y1 * zoom + 24), 0.6, _GROUP)


def _rectangle(canvas: Canvas, box: Box, zoom: float, colour: tuple[int, int, int], thickness: int) -> None:
    x0, y0, x1, y1 = (round(side * zoom) for side in box)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, thickness, cv2.LINE_AA)


def _write(canvas: Canvas, text: str, at: tuple[float, float], size: float, colour: tuple[int, int, int]) -> None:
    place = (max(2, round(at[0])), min(max(12, round(at[1])), canvas.shape[0] - 6))
    cv2.putText(canvas, text, place, _FONT, size, _SHADOW, 3, cv2.LINE_AA)
    cv2.putText(canvas, text, place, _FONT, size, colour, 1, cv2.LINE_AA)
