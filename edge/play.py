"""``edge replay``: runs replays and writes what was asked for: alert lines, tracks, a film, messages to a broker."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from edge.capture.footage import Footage
from edge.clock import SystemClock
from edge.config import CameraConfig, Config, from_base
from edge.delivery.courier import Courier
from edge.delivery.outbox import Outbox
from edge.delivery.wire import ModelIdentity, Topics
from edge.errors import CameraError, ConfigError, DeliveryError
from edge.metrics import Metrics
from edge.pipeline.detector import Detector
from edge.pipeline.watch import SightWatch
from edge.records import Alert, SightAlert
from edge.replay import AlertLines, Publish, boot_id_of, footage_camera, mot_lines, paced, pipeline_for, replay, slug
from edge.replay_report import ClipReport, Report

if TYPE_CHECKING:
    from edge.view import View

_DELIVERY_WAIT_S = 30.0  # without any message getting through after the last frame
_LOOK_S = 0.05
_LAST_WORDS_S = 1.0


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the results of a replay go; ``None`` for nowhere."""

    alerts: Path | None = None
    tracks: Path | None = None
    view: Path | None = None
    publish: bool = False


def play(
    footage: Sequence[Path],
    config: Config,
    detector: Detector,
    outputs: Outputs,
    *,
    speed: float | None,
    fps: float | None,
    base: Path,
    stopping: threading.Event,
    advance: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> Report:
    """Replay every piece of footage, one after another.

    Args:
        footage: clips and folders.
        config: configuration; a camera in it with the footage's name, or its only camera, gives lines and zones.
        detector: loaded model.
        outputs: what to write.
        speed: factor of real time; ``None`` for as fast as possible.
        fps: rate of folders of pictures; ``None``: the camera's setting.
        base: folder that relative paths of the configuration are meant from.
        stopping: ends the replay early.
        advance: told of progress in frames.

    Returns:
        The report; its ``fault`` holds the first damage, after everything that could be read was written.

    Raises:
        ConfigError: impossible outputs.
        DeliveryError: with ``publish``, messages that could not be delivered (they stay in the outbox).
    """
    if len(footage) > 1 and (outputs.tracks or outputs.view):
        raise ConfigError("--tracks and --view take one piece of footage at a time")
    report = Report()
    with ExitStack() as stack:
        show = _Show(
            config=config,
            detector=detector,
            speed=speed,
            fps=fps,
            base=base,
            stopping=stopping,
            advance=advance,
            lines=stack.enter_context(outputs.alerts.open("wb", buffering=0)) if outputs.alerts else None,
            tracks=stack.enter_context(outputs.tracks.open("w", encoding="ascii")) if outputs.tracks else None,
            view=outputs.view,
            publish=stack.enter_context(_publishing(config, base, stopping)) if outputs.publish else None,
        )
        for path in footage:
            if stopping.is_set():
                break
            clip = ClipReport(str(path))
            report.clips.append(clip)
            try:
                show.play(path, clip)
            except CameraError as error:
                clip.fault = str(error)
                report.fault = report.fault or error
    return report


@dataclass(frozen=True, slots=True)
class _Show:
    """Everything that is the same for each piece of footage of one replay."""

    config: Config
    detector: Detector
    speed: float | None
    fps: float | None
    base: Path
    stopping: threading.Event
    advance: Callable[[int, int | None], None]
    lines: FileIO | None
    tracks: TextIO | None
    view: Path | None
    publish: Publish | None

    def play(self, path: Path, clip: ClipReport) -> None:
        """Play one piece of footage, writing and noting what comes of it."""
        camera = footage_camera(path, fps=self.fps, base=_matching(self.config, path))
        clock = SystemClock()
        times_s: list[float] = []
        with ExitStack() as stack:
            opened = stack.enter_context(Footage(path, camera_id=camera.id, fps=camera.fps))
            view = stack.enter_context(_film(self.view, camera, self.config)) if self.view else None
            pipeline = pipeline_for(path, self.config, camera, self.detector, base=self.base)
            watch = SightWatch(
                camera.id,
                boot_id=boot_id_of(path, self.config),
                alert_after_s=self.config.sight.alert_after_s,
            )
            alert_lines = self._alert_lines(path)
            frames = paced(opened, clock, speed=self.speed, stopping=self.stopping)
            start_s = clock.monotonic_s()
            try:
                for step in replay(frames, pipeline, watch):
                    alert_lines.add(step.alerts)
                    alert_lines.add_sights(step.sights)
                    if step.frame is not None and step.result is not None:
                        times_s.append(step.frame.t_s)
                        if self.tracks is not None:
                            self.tracks.writelines(line + "\n" for line in mot_lines(step.result))
                        if view is not None:
                            view.add(step.frame, step.result)
                        self.advance(len(times_s), opened.frames_expected)
                    clip.follow(step.alerts, step.sights, times_s[-1])
            finally:
                took_s = clock.monotonic_s() - start_s
                clip.frames = len(times_s)
                clip.telemetry = opened.telemetry_count
                if times_s:
                    clip.duration_s = round(times_s[-1] - times_s[0], 3)
                    clip.frames_per_s = round(len(times_s) / took_s, 1)

    def _alert_lines(self, path: Path) -> AlertLines:
        identity = self.detector.identity
        return AlertLines(
            self.lines.write if self.lines else lambda _line: None,
            node=self.config.node.id,
            boot_id=boot_id_of(path, self.config),
            model=ModelIdentity(id=identity.id, version=identity.version, sha256=identity.sha256),
            publish=self.publish,
        )


def _film(path: Path, camera: CameraConfig, config: Config) -> "View":
    from edge.view import View  # noqa: PLC0415  (it draws with OpenCV, which a node goes without)

    return View(path, camera, config.preprocess, fps=camera.fps)


def _matching(config: Config, path: Path) -> CameraConfig | None:
    named = [camera for camera in config.camera if camera.id == slug(path)]
    if named:
        return named[0]
    return config.camera[0] if len(config.camera) == 1 else None


@contextmanager
def _publishing(config: Config, base: Path, stopping: threading.Event) -> Iterator[Publish]:
    """Open the outbox and the link, give the function that publishes, and see everything delivered at the end."""
    clock = SystemClock()
    metrics = Metrics(clock)
    topics = Topics(config.node.id)
    delivery = from_base(config.delivery, base)
    with Outbox(delivery, clock=clock, metrics=metrics) as outbox:
        # a name of its own and no word about the node's state: a running node of this name is not disturbed
        courier = Courier(outbox, delivery, topics=topics, birth=None, clock=clock, metrics=metrics)

        def publish(alert: Alert | SightAlert, event: Callable[[int], bytes]) -> bytes:
            published = b""

            def remembered(seq: int) -> bytes:
                nonlocal published
                published = event(seq)
                return published

            outbox.append(topics.alert, remembered, key=alert.alert_id, rev=alert.rev, phase=alert.phase)
            courier.wake()
            return published

        courier.start()
        try:
            yield publish
            _wait_until_delivered(outbox, stopping)
        finally:
            courier.stop(_LAST_WORDS_S)
        left = outbox.depth().waiting
        if left:
            raise DeliveryError(
                f"{left} messages are still in {delivery.outbox_file} and go out with the next publish: "
                f"{courier.fault or 'the broker is slow'}"
            )


def _wait_until_delivered(outbox: Outbox, stopping: threading.Event) -> None:
    waiting, since_s = outbox.depth().waiting, time.monotonic()
    while waiting and not stopping.is_set() and time.monotonic() - since_s < _DELIVERY_WAIT_S:
        stopping.wait(_LOOK_S)
        now = outbox.depth().waiting
        if now != waiting:
            waiting, since_s = now, time.monotonic()
