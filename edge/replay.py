"""Replay: footage through the deployed pipeline, in order, without a clock, a network or a dropped frame.

The same footage and settings give the same bytes every time: times come from the footage, the boot id from its content,
and every number on the wire is rounded.
"""

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.capture.footage import read_truth_file, truth_path
from edge.capture.pictures import pictures_of
from edge.clock import Clock
from edge.config import CameraConfig, Config
from edge.delivery.wire import ModelIdentity
from edge.delivery.wire_alert import alert_event
from edge.delivery.wire_sight import sight_event
from edge.errors import CameraError, ConfigError
from edge.pipeline import FindsPeople, Pipeline
from edge.pipeline.watch import SightWatch
from edge.records import Alert, Frame, Result, SightAlert
from edge.terrain import read_terrain
from edge.ulid import ulid

_HASHED_BYTES = 1 << 20

Publish = Callable[[Alert | SightAlert, Callable[[int], bytes]], bytes]


@dataclass(frozen=True, slots=True)
class Step:
    """One frame and what the pipeline made of it; the last step of a footage has no frame and ends the open alerts."""

    frame: Frame | None
    result: Result | None
    alerts: tuple[Alert, ...]
    sights: tuple[SightAlert, ...] = ()


def replay(frames: Iterable[Frame], pipeline: Pipeline, watch: SightWatch | None = None) -> Iterator[Step]:
    """Play frames, usually an opened footage, through a pipeline; ``watch`` tells when the camera cannot see.

    Raises:
        CameraError: the footage is damaged; the open alerts have been ended and yielded before.
    """
    fault: CameraError | None = None
    latest: Frame | None = None
    try:
        for latest in frames:
            result = pipeline.process(latest)
            yield Step(latest, result, result.alerts, _sights(watch, result))
    except CameraError as error:
        fault = error
    ends = pipeline.close("stopped")
    unseen = watch.close("stopped", utc_s=latest.captured_utc_s) if watch and latest else None
    if ends or unseen:
        yield Step(None, None, ends, (unseen,) if unseen else ())
    if fault is not None:
        raise fault


def _sights(watch: SightWatch | None, result: Result) -> tuple[SightAlert, ...]:
    if watch is None:
        return ()
    sight = result.sight
    told = watch.update(sight.state, sight.cause, sight.reason, t_s=result.t_s, utc_s=result.captured_utc_s)
    return (told,) if told else ()


def paced(frames: Iterable[Frame], clock: Clock, *, speed: float | None, stopping: threading.Event) -> Iterator[Frame]:
    """Let each frame through when it is due, and none any more once ``stopping`` is set.

    Args:
        frames: recorded frames.
        clock: what "due" is measured by.
        speed: factor of real time; ``None`` for as fast as possible.
        stopping: ends it early, also in the middle of a wait.
    """
    start_s: float | None = None
    for frame in frames:
        if speed is not None:
            start_s = clock.monotonic_s() - frame.t_s / speed if start_s is None else start_s
            clock.wait(stopping, max(0.0, start_s + frame.t_s / speed - clock.monotonic_s()))
        if stopping.is_set():
            return
        yield frame


def footage_camera(footage: Path, *, fps: float | None = None, base: CameraConfig | None = None) -> CameraConfig:
    """Settings of the camera that recorded a piece of footage.

    What an installer would have configured (lines, whether the camera moves) is taken from the clip's truth file when
    the given settings say nothing; what the frames contain is never looked at.

    Args:
        footage: clip or folder.
        fps: rate of a folder of pictures, where it is given; wins over the settings'.
        base: settings that win over the scene.

    Raises:
        ConfigError: the lines in the truth file are not lines.
        CameraError: the truth file cannot be read.
    """
    given: dict[str, Any] = base.model_dump(exclude_unset=True) if base else {}
    rate = {} if fps is None else {"fps": fps}
    merged = {"id": slug(footage), **_scene(truth_path(footage)), **given, "source": f"footage:{footage}", **rate}
    try:
        return CameraConfig.model_validate(merged)
    except ValueError as error:
        raise ConfigError(f"{truth_path(footage)}: not a camera: {error}") from error


def _scene(truth: Path) -> dict[str, Any]:
    told = read_truth_file(truth)
    if told is None:
        return {}
    try:
        lines = tuple(
            {key: line[key] for key in ("id", "points", "to_left", "to_right") if key in line}
            for line in told.get("lines", ())
        )
        camera = told.get("camera", {})
        return {"line": lines, "moving": bool(camera.get("moving", False)), **_pose(camera, told.get("frames", ()))}
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{truth}: not a truth file of edge: {error!r}") from error


def _pose(camera: dict[str, Any], frames: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give the pose that an installer would have measured; a drone's comes with its frames, but for the lens."""
    if "hfov_deg" not in camera:
        return {}
    places = {(frame["camera"]["lat"], frame["camera"]["lon"]) for frame in frames if "camera" in frame}
    if len(places) > 1:
        return {"telemetry": {"hfov_deg": camera["hfov_deg"]}}
    names = {"lat_deg": "lat", "lon_deg": "lon"}
    numbers = ("lat_deg", "lon_deg", "height_m", "heading_deg", "tilt_deg", "roll_deg", "hfov_deg")
    return {"pose": {name: camera[names.get(name, name)] for name in numbers}}


def slug(footage: Path) -> str:
    """Turn a file name into a name that may stand in a topic."""
    name = re.sub(r"[^a-z0-9]+", "-", footage.stem.lower()).strip("-")
    return name[:64].strip("-") or "footage"


def boot_id_of(footage: Path, config: Config) -> str:
    """Make the boot id of a replay from the footage's name and beginning and the settings: the same replay, the same id.

    The settings belong to it because alert ids follow from it: another threshold tells another story, and a control
    room must not take it for the first one repeated. Only those that are not the default's: a release that learns a new
    setting must still give recorded footage the ids it had.
    """
    told = config.model_dump_json(exclude={"gate", "delivery", "log", "metrics", "recorder"}, exclude_defaults=True)
    digest = hashlib.sha256(told.encode())
    digest.update(footage.name.encode())
    first = pictures_of(footage)[0] if footage.is_dir() else footage
    with first.open("rb") as opened:
        digest.update(opened.read(_HASHED_BYTES))
    return ulid(0.0, digest.digest())


def pipeline_for(
    footage: Path, config: Config, camera: CameraConfig, detector: FindsPeople, *, base: Path = Path()
) -> Pipeline:
    """Make the pipeline that a replay of ``footage`` runs through; ``base`` is where relative paths are meant from.

    Raises:
        ConfigError: ``camera.terrain_file`` cannot be read.
    """
    terrain = read_terrain(base / camera.terrain_file) if camera.terrain_file else None
    return Pipeline(config, camera, detector, boot_id=boot_id_of(footage, config), terrain=terrain)


class AlertLines:
    """Writes alerts as the JSON lines that are, or would have been, published."""

    def __init__(
        self,
        write: Callable[[bytes], Any],
        *,
        node: str,
        boot_id: str,
        model: ModelIdentity | None,
        publish: Publish | None = None,
    ) -> None:
        """Start at ``seq`` 1, or where the outbox of ``publish`` stands.

        Args:
            write: gets one line at a time, with its newline.
            node: name of the node.
            boot_id: of the replay.
            model: which model saw it.
            publish: lays an alert into an outbox and returns the published bytes.
        """
        self._write = write
        self._node = node
        self._boot_id = boot_id
        self._model = model
        self._publish = publish
        self._seq = 0

    def add(self, alerts: Iterable[Alert]) -> None:
        """Write some alerts."""
        for alert in alerts:

            def event(seq: int, alert: Alert = alert) -> bytes:
                return alert_event(
                    alert,
                    node=self._node,
                    seq=seq,
                    boot_id=self._boot_id,
                    clock="unsynchronised",
                    model=self._model,
                )

            self._tell(alert, event)

    def add_sights(self, sights: Iterable[SightAlert]) -> None:
        """Write some alerts of a camera that cannot see."""
        for sight in sights:

            def event(seq: int, sight: SightAlert = sight) -> bytes:
                return sight_event(sight, node=self._node, seq=seq, boot_id=self._boot_id, clock="unsynchronised")

            self._tell(sight, event)

    def _tell(self, alert: Alert | SightAlert, event: Callable[[int], bytes]) -> None:
        if self._publish is not None:
            payload = self._publish(alert, event)
        else:
            self._seq += 1
            payload = event(self._seq)
        self._write(payload + b"\n")


def mot_lines(result: Result) -> Iterator[str]:
    """Write the confirmed tracks as MOTChallenge text: frame from 1, id, left, top, width, height, score, -1 x3."""
    for track in result.tracks:
        if track.confirmed:
            x0, y0, x1, y1 = track.box
            box = f"{x0:.2f},{y0:.2f},{x1 - x0:.2f},{y1 - y0:.2f}"
            yield f"{result.seq + 1},{track.track_id},{box},{track.score:.3f},-1,-1,-1"
