"""The node: cameras in, alerts out, for months.

Threads: one a camera (``CameraLoop`` fills its slot of one), the courier (drains the outbox), and this one, which takes
the freshest frame, runs the pipeline and lays alerts into the outbox. ``CameraLoop.run`` and ``Courier`` retry;
``run_once`` only works. Nothing here waits on the network. An error in the pipeline itself is a bug: it ends the process,
the service supervisor starts it again, and the next run closes the alerts that were open.
"""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edge import __version__
from edge.box import temperatures_c
from edge.camera_loop import CameraLoop, CameraState, Outage
from edge.capture import Camera
from edge.capture.slot import Slots
from edge.capture.sources import open_source
from edge.clock import Clock, clock_quality
from edge.config import CameraConfig, Config, from_base
from edge.delivery import wire
from edge.delivery.courier import Courier
from edge.delivery.desk import read_handled
from edge.delivery.outbox import Outbox
from edge.delivery.wire_alert import alert_event
from edge.delivery.wire_sight import SightEvent, last_word, parse_event, sight_event
from edge.errors import ConfigError
from edge.log import get_logger
from edge.metrics import Metrics
from edge.metrics_page import metrics_page
from edge.pipeline import Pipeline
from edge.pipeline.detector import Detector
from edge.pipeline.preprocess import backend
from edge.pipeline.watch import SightWatch
from edge.places import TelemetryCount
from edge.records import PERSON, Alert, Frame, Result, SightAlert, others_in_sight
from edge.snapshot import Snapshots
from edge.supervisor import Supervisor
from edge.terrain import read_terrain
from edge.ulid import ulid
from edge.words import SightCause

if TYPE_CHECKING:
    from edge.recorder import Recorder

_log = get_logger(__name__)

_TAKE_S = 0.2  # longest the frame loop sleeps before it looks at the stop flag and the health timer
_DRAIN_S = 0.5  # of the 2 s that a stop may take; the goodbye and the threads need the rest
_FINISH_S = 1.0  # for clips that are being recorded
_MB = 1e6
_TOLD_LIBRARIES = {"onnxruntime": "onnxruntime", "numpy": "numpy", "av": "av"}

HealthState = Literal["ok", "degraded", "blind", "offline"]
_Standing = tuple[HealthState, SightCause | None, str | None]
_WORST_FIRST: tuple[HealthState, ...] = ("offline", "blind", "degraded", "ok")


class Node:
    """One node: built from its configuration, runs until ``stopping`` is set or all footage is over."""

    def __init__(
        self,
        config: Config,
        detector: Detector,
        *,
        clock: Clock,
        stopping: threading.Event,
        base: Path,
        make_camera: Callable[[CameraConfig], Camera] | None = None,
    ) -> None:
        """Join cameras, pipelines, outbox and courier; nothing is opened yet.

        Args:
            config: checked configuration.
            detector: loaded model.
            clock: time for everything here.
            stopping: set from a signal handler to stop.
            base: folder that relative paths are meant from.
            make_camera: makes a camera from its section; default: what ``camera.source`` says.

        Raises:
            ConfigError: no camera is configured, or a source is unknown.
        """
        if not config.camera:
            raise ConfigError("no [[camera]] is configured; add one with id and source")
        self._config = config
        self._detector = detector
        self._clock = clock
        self._stopping = stopping
        self.metrics = Metrics(clock)
        self.boot_id = ulid(clock.utc_s(), os.urandom(16))
        self._started_s = clock.monotonic_s()
        self._topics = wire.Topics(config.node.id)
        self._model = wire.ModelIdentity(
            id=detector.identity.id, version=detector.identity.version, sha256=detector.identity.sha256
        )
        delivery = from_base(config.delivery, base)
        self._outbox_folder = Path(delivery.outbox_file).parent
        self._delivery = delivery
        self._outbox: Outbox  # both are opened by ``run``
        self._courier: Courier
        make = make_camera or (lambda section: open_source(section, clock, stopping, base=base))
        self._slots = Slots(section.id for section in config.camera)
        self._states = {section.id: CameraState() for section in config.camera}
        self._loops = [
            CameraLoop(section, make(section), self._slots, self._states[section.id], clock, self.metrics, stopping)
            for section in config.camera
        ]
        self._pipelines = {
            section.id: Pipeline(
                config,
                section,
                detector,
                boot_id=self.boot_id,
                terrain=read_terrain(base / section.terrain_file) if section.terrain_file else None,
                timed=self.metrics.timed,
            )
            for section in config.camera
        }
        self._watches = {
            section.id: SightWatch(section.id, boot_id=self.boot_id, alert_after_s=config.sight.alert_after_s)
            for section in config.camera
        }
        self._supervisor = Supervisor.from_environment(clock)
        self._snapshots = Snapshots(config.preprocess, config.camera) if config.alerts.snapshots else None
        self._recorder = _recorder(config, base, clock, self.metrics)
        self._health_due_s = 0.0
        self._health_said: tuple[str | None, ...] | None = None
        self._counted_s, self._counted = self._started_s, dict[str, int]()

    def run(self) -> None:
        """Run until stopped: close what the dead run left open, start the threads, then one frame after another.

        Raises:
            ConfigError: the outbox or the metrics page cannot be opened where the configuration says.
        """
        self._outbox = Outbox(self._delivery, clock=self._clock, metrics=self.metrics)
        with self._outbox, metrics_page(self._config.metrics.port, self.metrics):
            self._courier = Courier(
                self._outbox,
                self._delivery,
                topics=self._topics,
                birth=self._birth,
                clock=self._clock,
                metrics=self.metrics,
            )
            self._close_dead_run()
            if self._recorder is not None:
                self._recorder.start()
            try:
                for loop in self._loops:
                    loop.start()
                self._supervisor.ready()
                _log.info("node runs", node=self._config.node.id, boot_id=self.boot_id, cameras=list(self._states))
                _log_backend()
                if self._detector.fault is not None:
                    _log.warning("the model does not run where it should", why=self._detector.fault)
                self.run_once()  # the first look waits for no library of the courier's, nor the courier for a slow camera
                self._courier.start()
                while not self._stopping.is_set() and not self._slots.over:
                    self.run_once()
                for loop in self._loops:
                    if loop.bug is not None:
                        raise loop.bug
                # only a stop that was meant ends the alerts; after a bug the next run closes them as "restarted"
                for pipeline in self._pipelines.values():
                    self._keep(pipeline.close("stopped"), None)
                for watch in self._watches.values():
                    self._keep_sight(watch.close("stopped", utc_s=self._clock.utc_s()))
            finally:
                self._stop()

    def run_once(self) -> None:
        """Take the freshest frame there is, process it, and keep what must be told."""
        frame = self._slots.take(_TAKE_S)
        if frame is not None:
            with self.metrics.timed("frame"):
                result = self._pipelines[frame.camera].process(frame)
                self._keep(result.alerts, frame)
            if self._recorder is not None:
                self._recorder.add(frame, result.alerts)
            self.metrics.count(f"frames_processed/{frame.camera}")
            if not result.looked and not result.sight.ffc:
                self.metrics.count(f"frames_gated/{frame.camera}")
            self._tell_count(result)
            self._states[frame.camera].sight = result.sight
            if not self._states[frame.camera].seen:
                self._states[frame.camera].seen = True
                _log.info("first frame processed", camera=frame.camera)
        if frame is not None or self._cameras_excused():
            self._supervisor.alive()
        self._watch_sight()
        self._tell_health()

    def _cameras_excused(self) -> bool:
        """Whether each camera that gives nothing is being reopened: a restart helps only one that hangs unnoticed."""
        return all(state.fault is not None or state.over for state in self._states.values())

    def _close_dead_run(self) -> None:
        for key, topic, payload in self._outbox.unfinished():
            try:
                previous = parse_event(payload)
            except ValueError as error:  # written by a program that spoke otherwise: nobody could end it any better
                self._outbox.forget(key)
                _log.error("alert of the dead run cannot be read and is forgotten", alert_id=key, error=str(error))
                continue

            def end(seq: int, previous: wire.AlertEvent | SightEvent = previous) -> bytes:
                return last_word(
                    previous,
                    seq=seq,
                    boot_id=self.boot_id,
                    utc_s=self._clock.utc_s(),
                    reason="restarted",
                    handled=read_handled(self._outbox.handled(previous.data.alert_id)),
                )

            self._outbox.append(topic, end, key=key, rev=previous.data.rev + 1, phase="end")
            _log.info("alert of the dead run closed", alert_id=key)

    def _keep(self, alerts: tuple[Alert, ...], frame: Frame | None) -> None:
        quality = clock_quality() if alerts else "unsynchronised"
        for alert in alerts:
            self._show(alert, frame)

            def event(seq: int, alert: Alert = alert) -> bytes:
                return alert_event(
                    alert,
                    node=self._config.node.id,
                    seq=seq,
                    boot_id=self.boot_id,
                    clock=quality,
                    model=self._model,
                    handled=read_handled(self._outbox.handled(alert.alert_id)),
                    snapshot="none" if self._snapshots is None else "mqtt",
                )

            self._outbox.append(self._topics.alert, event, key=alert.alert_id, rev=alert.rev, phase=alert.phase)
            self.metrics.count(f"alerts_{alert.phase}")
            _log.info("alert", phase=alert.phase, count=alert.group.count, camera=alert.camera, alert_id=alert.alert_id)
        if alerts:
            self._courier.wake()

    def _show(self, alert: Alert, frame: Frame | None) -> None:
        if self._snapshots is None or not self._snapshots.wanted(alert) or frame is None:
            return
        jpeg = self._snapshots.take(frame)
        if jpeg is not None:
            self._courier.show(self._topics.snapshot(alert.camera, alert.alert_id), jpeg)
            self.metrics.count("snapshots")

    def _watch_sight(self) -> None:
        now_s = self._clock.monotonic_s()
        for section in self._config.camera:
            state, cause, reason = self._standing(section, now_s)
            watch = self._watches[section.id]
            self._keep_sight(watch.update(state, cause, reason, t_s=now_s, utc_s=self._clock.utc_s()))

    def _keep_sight(self, alert: SightAlert | None) -> None:
        if alert is None:
            return

        def event(seq: int) -> bytes:
            node = self._config.node.id
            return sight_event(alert, node=node, seq=seq, boot_id=self.boot_id, clock=clock_quality())

        self._outbox.append(self._topics.alert, event, key=alert.alert_id, rev=alert.rev, phase=alert.phase)
        self.metrics.count(f"sight_alerts_{alert.phase}")
        _log.warning("sight", phase=alert.phase, camera=alert.camera, state=alert.state, why=alert.reason)
        self._courier.wake()

    def _tell_count(self, result: Result) -> None:
        state = self._states[result.camera]
        count = sum(group.count for group in result.groups if group.present)
        if count != state.count and not result.sight.ffc:
            state.count = count
            self._courier.tell(self._topics.count(result.camera), b"%d" % count, retain=True)
        if self._detector.manifest.classes.names != (PERSON,):
            state.others = others_in_sight(result.tracks)

    def _tell_health(self) -> None:
        now_s = self._clock.monotonic_s()
        standings = {section.id: self._standing(section, now_s) for section in self._config.camera}
        state, reason = self._judge(standings)
        said = (state, reason, *(standing for standing, _, _ in standings.values()))
        if now_s < self._health_due_s and said == self._health_said:  # asked with every frame
            return
        counters = self.metrics.counters()
        cameras = {name: self._camera_health(name, standings[name], counters, now_s) for name in standings}
        self._health_said = said
        self._health_due_s = now_s + self._config.delivery.health_every_s
        self._counted_s, self._counted = now_s, counters
        depth = self._outbox.depth()
        self._supervisor.status(f"{state}{': ' + reason if reason else ''}; {depth.waiting} alert(s) wait")
        health = wire.Health(
            state=state,
            reason=reason,
            time=datetime.fromtimestamp(self._clock.utc_s(), UTC),
            boot_id=self.boot_id,
            uptime_s=round(now_s - self._started_s, 1),
            clock=clock_quality(),
            cameras=cameras,
            temperatures_c=temperatures_c() or None,
            outbox=wire.OutboxHealth(waiting=depth.waiting, oldest_s=depth.oldest_s, shed=depth.shed),
            disk_free_mb=round(shutil.disk_usage(self._outbox_folder).free / _MB, 1),
            commands_refused=self._counted.get("commands_refused", 0),
            preprocess=backend().name,
            provider=self._detector.providers[0],
        )
        self._courier.tell(self._topics.health, wire.encode(health), retain=True)

    def _judge(self, standings: Mapping[str, _Standing]) -> tuple[HealthState, str | None]:
        judged: list[tuple[HealthState, str | None]] = [
            (standing, f"{name}: {reason}") for name, (standing, _, reason) in standings.items()
        ]
        faults = (self._courier.fault, self._outbox.fault, self._outbox.incident, self._detector.fault)
        judged += [("degraded", fault) for fault in (*faults, self._recorder and self._recorder.fault) if fault]
        state, reason = min(judged, key=lambda judgement: _WORST_FIRST.index(judgement[0]))
        return state, (wire.sentence(reason) if state != "ok" else None)

    def _standing(self, section: CameraConfig, now_s: float) -> _Standing:
        """Give a camera's state, its cause and its reason: what the picture says, unless there is none."""
        state = self._states[section.id]
        last_s = state.last_frame_s if state.last_frame_s is not None else self._started_s
        if state.fault is not None:
            return "offline", "fault", state.fault
        if now_s - last_s > section.stall_after_s and not state.over:
            return "offline", "no-frames", f"no frame for {section.stall_after_s:g} s or more"
        return state.sight.state, state.sight.cause, state.sight.reason

    def _camera_health(
        self, name: str, told: _Standing, counters: Mapping[str, int], now_s: float
    ) -> wire.CameraHealth:
        state, (standing, _, reason) = self._states[name], told
        processed, since_s = f"frames_processed/{name}", now_s - self._counted_s
        frames = counters.get(processed, 0) - self._counted.get(processed, 0)
        return wire.CameraHealth(
            state=standing,
            reason=wire.sentence(reason),
            fps=round(frames / since_s, 1) if since_s > 0 else None,
            dropped=counters.get(f"frames_replaced/{name}", 0),
            lost=counters.get(f"frames_lost/{name}", 0),
            gated=counters.get(f"frames_gated/{name}", 0),
            outages=state.outages,
            last_outage=_told(state.last_outage),
            telemetry=_heard(state.telemetry),
            others=_named(state.others),
        )

    def _stop(self) -> None:
        self._supervisor.stopping()
        self._stopping.set()
        drained = self._courier.stop(_DRAIN_S)
        for loop in self._loops:
            loop.join(_TAKE_S)
        if self._recorder is not None:
            self._recorder.stop(_FINISH_S)
        _log.info("node stopped", delivered_everything=drained, outbox_waiting=self._outbox.depth().waiting)

    def _birth(self) -> bytes:
        up_s = self._clock.monotonic_s() - self._started_s
        about = wire.About(
            node=self._config.node.id,
            version=__version__,
            boot_id=self.boot_id,
            started=datetime.fromtimestamp(self._clock.utc_s() - up_s, UTC),
            cameras=list(self._states),
            poses=_poses(self._config.camera) or None,
            model=self._model,
            libraries={
                name: str(sys.modules[module].__version__)
                for name, module in _TOLD_LIBRARIES.items()
                if module in sys.modules
            },
        )
        return wire.encode(about)


def _recorder(config: Config, base: Path, clock: Clock, metrics: Metrics) -> "Recorder | None":
    if config.recorder.folder is None:
        return None
    from edge.recorder import Recorder  # noqa: PLC0415  (a node that records nothing does not pay for the encoder)

    return Recorder(config.recorder, base / Path(config.recorder.folder).expanduser(), clock, metrics)


def _poses(cameras: Iterable[CameraConfig]) -> dict[str, wire.CameraPose]:
    """Tell where the cameras with a pose stand and look."""
    return {
        one.id: wire.CameraPose(
            lat=one.pose.lat_deg,
            lon=one.pose.lon_deg,
            heading_deg=one.pose.heading_deg % 360.0,
            fov_deg=one.pose.hfov_deg,
        )
        for one in cameras
        if one.pose is not None
    }


def _told(outage: Outage | None) -> wire.CameraOutage | None:
    if outage is None:
        return None
    began = datetime.fromtimestamp(outage.began_utc_s, UTC)
    reason = wire.sentence(outage.reason) or "unknown"
    return wire.CameraOutage(reason=reason, began=began, lasted_s=outage.lasted_s)


def _heard(count: TelemetryCount | None) -> wire.TelemetryHealth | None:
    if count is None:
        return None
    return wire.TelemetryHealth(read=count.read, refused=count.refused, why=wire.sentence(count.why))


def _named(others: Mapping[str, int] | None) -> dict[str, int] | None:
    return None if others is None else {wire.sentence(kind) or "unnamed": count for kind, count in others.items()}


def _log_backend() -> None:
    """Say at the start which code prepares the frames: the slow one should not be used without anybody knowing."""
    used = backend()
    if used.reason is None:
        _log.info("frames are prepared by compiled code", preprocess=used.name)
    else:
        _log.warning(
            "frames are prepared several times slower than they could be", preprocess=used.name, why=used.reason
        )
