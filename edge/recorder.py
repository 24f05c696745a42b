"""The recorder: a clip of each alert with what came before it, lossless and at the camera's own depth, on this box.

It never stands in the way: frames are handed over and forgotten, a thread of low priority encodes them, and when it does
not keep up frames are left out of the clip and counted. A disk that is full or gone is a fault that health tells; the
recorder tries again with the next frames, the node goes on.
"""

import contextlib
import os
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from edge.capture.video_writer import VideoWriter
from edge.clip_folder import MOST_IDS, ClipFolder
from edge.clock import Clock
from edge.config.recorder import RecorderConfig
from edge.errors import CameraError
from edge.log import get_logger
from edge.metrics import Metrics
from edge.records import Alert, Frame

_log = get_logger(__name__)

_MB = 1_000_000
_WAITING_BYTES = 64 * _MB  # between the frame loop and the encoder
_LOOK_S = 1.0  # how often the bounds of the folder are looked at, and how long the thread sleeps
_AGAIN_S = 10.0  # after a fault
_GAP_S = 5.0  # frames further apart than this belong in two clips: the camera was away
_LARGEST_SHARE = 0.5  # of the folder for one clip, so that making room never takes the newest
_NICE = 10
_NOMINAL_FPS = 9.0  # only a word in the file's header: each frame has its own time


@dataclass(slots=True)
class _Clip:
    """A clip that is being written."""

    writer: VideoWriter
    part: Path
    first: Frame
    alert_ids: list[str]
    last_s: float
    looked_s: float


@dataclass(slots=True)
class _CameraTape:
    """What is remembered of one camera: the pre-roll, the alerts that go on, the clip."""

    before: deque[Frame] = field(default_factory=deque)
    before_bytes: int = 0
    going_on: dict[str, None] = field(default_factory=dict)  # ordered
    over_s: float = 0.0
    clip: _Clip | None = None


class Recorder:
    """A recorder in a thread of its own."""

    def __init__(self, config: RecorderConfig, folder: Path, clock: Clock, metrics: Metrics) -> None:
        """Start nothing yet; ``folder`` is ``config.folder`` with its base."""
        self._clock = clock
        self._metrics = metrics
        self._clips = ClipRecorder(config, folder, clock, metrics)
        self._waiting: deque[tuple[Frame | None, tuple[Alert, ...]]] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._stop_by_s: float | None = None
        self._died: str | None = None
        self._thread = threading.Thread(target=self._guarded, name="recorder", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def fault(self) -> str | None:
        """Why nothing is recorded; ``None`` while all is well."""
        return self._died or self._clips.fault

    def add(self, frame: Frame, alerts: tuple[Alert, ...]) -> None:
        """Hand over a processed frame and its alerts; never waits."""
        if self._died:
            return
        with self._changed:
            fits = self._waiting_bytes + frame.pixels.nbytes <= _WAITING_BYTES
            if fits:
                self._waiting_bytes += frame.pixels.nbytes
                self._waiting.append((frame, alerts))
            elif alerts:
                self._waiting.append((None, alerts))
            self._changed.notify()
        if not fits:
            self._metrics.count("frames_not_recorded")

    def stop(self, timeout_s: float) -> None:
        """Finish the clips; what does not get done in time is looked after at the next start."""
        with self._changed:
            self._stop_by_s = self._clock.monotonic_s() + timeout_s / 2
            self._changed.notify()
        self._thread.join(timeout_s)

    def _guarded(self) -> None:
        with contextlib.suppress(OSError):  # on Linux this is the priority of the thread, not of the process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        try:
            self._run()
        except Exception as error:  # noqa: BLE001  (health tells it; to film is not worth the node's life)
            self._died = f"nothing is recorded: the recorder has failed: {error!r}"
            _log.error("the recorder has failed; the node goes on", why=repr(error))

    def _run(self) -> None:
        self._clips.prepare()
        while True:
            taken = self._take()
            if taken is not None:
                self._clips.add(*taken)
            if self._stop_by_s is not None and (taken is None or self._clock.monotonic_s() > self._stop_by_s):
                break
            if taken is None:
                self._clips.finish(older_than_s=_GAP_S)
        self._clips.finish()

    def _take(self) -> tuple[Frame | None, tuple[Alert, ...]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stop_by_s is not None, _LOOK_S)
            if not self._waiting:
                return None
            frame, alerts = self._waiting.popleft()
            self._waiting_bytes -= frame.pixels.nbytes if frame is not None else 0
            return frame, alerts


class ClipRecorder:
    """Cuts frames and alerts into clips; no thread, no queue."""

    def __init__(self, config: RecorderConfig, folder: Path, clock: Clock, metrics: Metrics) -> None:
        """Touch nothing yet."""
        self._config = config
        self._clock = clock
        self._metrics = metrics
        self._folder = ClipFolder(folder, max_bytes=config.max_mb * _MB, keep_free_bytes=config.keep_free_mb * _MB)
        self._tapes: dict[str, _CameraTape] = {}
        self._not_before_s = float("-inf")
        self.fault: str | None = None

    def prepare(self) -> None:
        """Make the folder, and look after what a run that died has left."""
        try:
            self._folder.make()
            saved = self._folder.salvage()
            self._folder.make_room()
        except OSError as error:
            self._failed(error)
            return
        if saved:
            _log.info("clips of a run that died were kept", clips=saved)

    def add(self, frame: Frame | None, alerts: tuple[Alert, ...]) -> None:
        """Take what one frame brought; ``None`` where the frame itself was left out."""
        for alert in alerts:
            self._hear(alert)
        if frame is not None:
            tape = self._tapes.setdefault(frame.camera, _CameraTape())
            self._add(tape, frame)

    def finish(self, *, older_than_s: float | None = None) -> None:
        """Finish the clips that are being written, or only those that got no frame for so long."""
        now_s = self._clock.monotonic_s()
        for tape in self._tapes.values():
            if tape.clip and (older_than_s is None or now_s - tape.clip.looked_s > older_than_s):
                self._end(tape)

    def _hear(self, alert: Alert) -> None:
        tape = self._tapes.setdefault(alert.camera, _CameraTape())
        if alert.phase == "end":
            tape.going_on.pop(alert.alert_id, None)
            tape.over_s = max(tape.over_s, alert.group.last_seen_s)
        else:
            tape.going_on[alert.alert_id] = None
            if tape.clip and alert.alert_id not in tape.clip.alert_ids:
                if len(tape.clip.alert_ids) == MOST_IDS:
                    self._end(tape)  # the next frame begins another, whose name has room
                else:
                    tape.clip.alert_ids.append(alert.alert_id)

    def _add(self, tape: _CameraTape, frame: Frame) -> None:
        if tape.clip and self._is_over(tape, tape.clip, frame):
            self._end(tape)
        if tape.clip is None:
            self._remember(tape, frame)
            if tape.going_on and self._clock.monotonic_s() >= self._not_before_s:
                self._begin(tape)
            return
        self._write(tape, tape.clip, frame)

    def _is_over(self, tape: _CameraTape, clip: _Clip, frame: Frame) -> bool:
        return (
            _form(frame) != _form(clip.first)
            or frame.t_s - clip.last_s > _GAP_S
            or frame.t_s - clip.first.t_s >= self._config.clip_max_s
            or (not tape.going_on and frame.t_s > tape.over_s + self._config.post_roll_s)
        )

    def _remember(self, tape: _CameraTape, frame: Frame) -> None:
        """Keep the pre-roll within its time and its memory; a picture of another size, or a gap, begins it anew."""
        before = tape.before
        if before and (_form(before[-1]) != _form(frame) or frame.t_s - before[-1].t_s > _GAP_S):
            before.clear()
            tape.before_bytes = 0
        before.append(frame)
        tape.before_bytes += frame.pixels.nbytes
        while len(before) > 1 and (
            frame.t_s - before[0].t_s > self._config.pre_roll_s
            or tape.before_bytes > self._config.pre_roll_max_mb * _MB
        ):
            tape.before_bytes -= before.popleft().pixels.nbytes

    def _begin(self, tape: _CameraTape) -> None:
        frames, tape.before, tape.before_bytes = tape.before, deque(), 0
        first, alert_ids = frames[0], list(tape.going_on)[-MOST_IDS:]
        try:
            self._make_room()
            part = self._folder.begin(first.camera, first.captured_utc_s, alert_ids[0])
            writer = VideoWriter(
                part,
                fps=_NOMINAL_FPS,
                width_px=first.width_px,
                height_px=first.height_px,
                bits=8 * first.pixels.itemsize,
                cluster_s=1.0,
                start_utc_s=first.captured_utc_s,
                radiometry=first.radiometry,
            )
        except (OSError, CameraError) as error:
            self._failed(error)
            return
        tape.clip = _Clip(writer, part, first, alert_ids, first.t_s, self._clock.monotonic_s())
        for frame in frames:
            if tape.clip:
                self._write(tape, tape.clip, frame)

    def _make_room(self) -> None:
        self._folder.make()
        if not self._folder.make_room():
            raise CameraError("no room: recorder.keep_free_mb of the disk must stay free")

    def _write(self, tape: _CameraTape, clip: _Clip, frame: Frame) -> None:
        try:
            clip.writer.write(frame.t_s - clip.first.t_s, frame.pixels)
            clip.last_s = frame.t_s
            if self._clock.monotonic_s() - clip.looked_s < _LOOK_S:
                return
            clip.looked_s = self._clock.monotonic_s()
            too_large = clip.part.stat().st_size > _LARGEST_SHARE * self._config.max_mb * _MB
            if too_large or not self._folder.make_room():
                self._end(tape)
        except (OSError, CameraError) as error:
            self._drop(tape, clip)
            self._failed(error)

    def _end(self, tape: _CameraTape) -> None:
        clip, tape.clip = tape.clip, None
        if clip is None:
            return
        try:
            clip.writer.__exit__(None, None, None)
            file = self._folder.finish(clip.part, clip.first.camera, clip.first.captured_utc_s, clip.alert_ids)
            self._folder.make_room()
        except (OSError, CameraError) as error:
            self._drop(tape, clip)
            self._failed(error)
            return
        self.fault = None
        self._metrics.count("clips_recorded")
        _log.info("clip recorded", file=str(file), alerts=clip.alert_ids)

    def _drop(self, tape: _CameraTape, clip: _Clip) -> None:
        tape.clip = None
        clip.writer.__exit__(CameraError, None, None)
        with contextlib.suppress(OSError):
            clip.part.unlink(missing_ok=True)

    def _failed(self, error: Exception) -> None:
        self._not_before_s = self._clock.monotonic_s() + _AGAIN_S
        told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self.fault = f"nothing is recorded: {told} (recorder.folder)"
        self._metrics.count("clips_failed")
        _log.warning("clip cannot be recorded", why=told, again_in_s=_AGAIN_S)


def _form(frame: Frame) -> tuple[object, ...]:
    return frame.pixels.shape, frame.pixels.dtype
