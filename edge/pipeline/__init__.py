"""The pipeline: ``Frame`` in, ``Result`` out, for one camera.

Pure: nothing in this package opens a file (except the model, once, at load), sleeps, or reads a clock. The same frames
give the same results, byte for byte, at any speed.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edge.config import CameraConfig, Config
from edge.errors import ConfigError
from edge.pipeline.alerts import AlertRaiser
from edge.pipeline.compiled_tracker import make_tracker
from edge.pipeline.gate import MotionGate
from edge.pipeline.geo import Geo, place
from edge.pipeline.groups import GroupCounter
from edge.pipeline.looks import Window, merge, shift_into_frame
from edge.pipeline.pace import Pace
from edge.pipeline.preprocess import CloseUps, Prepared, Preprocessor
from edge.pipeline.rays import View
from edge.pipeline.rules import Rules
from edge.pipeline.sight import SightKeeper
from edge.places import Placed, Telemetry
from edge.records import Alert, CameraShift, Detection, Frame, Result, Sight, Track
from edge.terrain import Terrain
from edge.words import EndReason

if TYPE_CHECKING:
    from edge.pipeline.motion import CameraMotion

_DOUBTED_S = 3.0

Timed = Callable[[str], AbstractContextManager[None]]


class FindsPeople(Protocol):
    """What the pipeline needs of a detector.

    Attributes:
        score: from this score on a detection may begin a body; below, it only holds one that is already followed.
        begin: a body counts once the mean of its scores has reached this.
        multiple_px: sides of its input are multiples of this.
        fixed_px: height and width of its input, where it takes one size only.
    """

    score: float
    begin: float
    multiple_px: int
    fixed_px: tuple[int, int] | None

    def detect(self, tensor: npt.NDArray[np.uint8], scale: float, size_px: tuple[int, int]) -> tuple[Detection, ...]:
        """Find what is in one prepared picture; boxes in pixels of the frame."""


class Moment(NamedTuple):
    """Which frame it is about, without its pixels."""

    seq: int
    t_s: float
    captured_utc_s: float
    width_px: int
    height_px: int
    telemetry: Telemetry | None = None
    scene: int = 0


class Pipeline:
    """Everything between one camera's frames and its alerts."""

    def __init__(
        self,
        config: Config,
        camera: CameraConfig,
        detector: FindsPeople,
        *,
        boot_id: str,
        terrain: Terrain | None = None,
        timed: Timed = lambda _stage: nullcontext(),
    ) -> None:
        """Join the stages.

        Args:
            config: the whole configuration.
            camera: the section of this camera.
            detector: shared between cameras.
            boot_id: goes into alert ids; unique per start of the node.
            terrain: elevation of the ground, read from ``camera.terrain_file``.
            timed: times a stage; the caller's, because no clock is read here.
        """
        self.camera_id = camera.id
        self._timed = timed
        self._detector = detector
        gated = config.gate.mode == "on" or (config.gate.mode == "auto" and not camera.moving)
        self._preprocess = Preprocessor(
            config.preprocess,
            multiple_px=detector.multiple_px,
            fixed_px=detector.fixed_px,
            scale=config.model.input_scale,
            black_hot=camera.polarity == "black-hot",
            watch=True,
            motion=gated,
        )
        self._close_ups = CloseUps(*config.model.tiles)
        self._gate = MotionGate(config.gate) if gated else None
        self._followed: tuple[Track, ...] = ()
        self._sight = SightKeeper(config.sight)
        self._motion = _camera_motion(camera) if camera.moving else None
        self._tracker = make_tracker(config.tracker, start_score=detector.score, believe_score=detector.begin)
        self._rules = Rules(camera.line, camera.zone, time_zone=camera.time_zone)
        self._pace = Pace(config.groups)
        self._groups = GroupCounter(config.groups)
        self._alerts = AlertRaiser(
            config.alerts, camera=camera.id, boot_id=boot_id, lines=camera.line, zones=camera.zone
        )
        pose = camera.pose
        self._geo = Geo(
            pose=pose.pose() if pose else None,
            errors=pose.errors() if pose else camera.telemetry.errors(),
            hfov_deg=camera.telemetry.hfov_deg,
            terrain=terrain,
        )
        self._placed: dict[str, Placed | None] = {}
        self._latest: Moment | None = None

    def process(self, frame: Frame) -> Result:
        """Turn one frame into what is known after it. Frames come in order of ``t_s``."""
        with self._timed("preprocess"):
            prepared = self._preprocess.apply(frame)
        with self._timed("sight"):
            sight = self._sight.update(frame, prepared.stats)
            shift = self._motion.update(prepared.picture) if self._motion and not sight.ffc else CameraShift()
        with self._timed("detect"):
            looks = self._looks(frame, sight)
            found = self._find(prepared, frame.t_s) if looks else ()
        size_px = (frame.width_px, frame.height_px)
        moment = Moment(frame.seq, frame.t_s, frame.captured_utc_s, *size_px, frame.telemetry, frame.scene)
        return self.follow(moment, found, sight=sight, shift=shift, looked=looks)

    def _find(self, prepared: Prepared, t_s: float) -> tuple[Detection, ...]:
        gate = self._gate
        if gate is None:
            return find_people(self._detector, prepared, self._close_ups)
        followed = self._followed
        return find_people(
            self._detector, prepared, self._close_ups, wants=lambda window: gate.wants(window, t_s, followed)
        )

    def _looks(self, frame: Frame, sight: Sight) -> bool:
        """Whether the model looks at this frame."""
        motion = self._preprocess.moved(frame, ffc=sight.ffc)
        if sight.ffc:
            return False
        return (
            self._gate is None or motion is None or self._gate.opens(motion, frame.t_s, followed=bool(self._followed))
        )

    def follow(
        self,
        moment: Moment,
        detections: Sequence[Detection],
        *,
        sight: Sight | None = None,
        shift: CameraShift | None = None,
        looked: bool = True,
    ) -> Result:
        """Do the second half of ``process``: from detections, wherever they came from, to alerts."""
        sight, shift = sight or Sight(), shift or CameraShift()
        size = {"width_px": moment.width_px, "height_px": moment.height_px}
        ended = self._cut() if self._latest is not None and moment.scene != self._latest.scene else ()
        with self._timed("track"):
            tracks = self._tracker.update(detections, moment.t_s, shift, ffc=sight.ffc, **size)
        # what is doubted for long, a stone that looks a little like a person, is no reason to look at every frame
        self._followed = tuple([one for one in tracks if one.confirmed or moment.t_s - one.first_seen_s < _DOUBTED_S])
        with self._timed("group"):
            events = self._rules.update(tracks, moment.t_s, **size, captured_utc_s=moment.captured_utc_s, ffc=sight.ffc)
            view = self._view(moment) if tracks else None
            ground = view.ground_m if view else None
            rushing = self._pace.update(tracks, moment.t_s, ground)
            if rushing:
                events = events._replace(ignored=events.ignored | rushing)
            groups = self._groups.update(tracks, events, moment.t_s, shift, ffc=sight.ffc, ground=ground)
        with self._timed("alert"):
            told = self._alerts.update(groups, t_s=moment.t_s, captured_utc_s=moment.captured_utc_s, **size)
            alerts = (*ended, *[self._place(alert, moment) for alert in told])
        self._latest = moment
        return Result(
            camera=self.camera_id,
            seq=moment.seq,
            t_s=moment.t_s,
            captured_utc_s=moment.captured_utc_s,
            **size,
            sight=sight,
            detections=tuple(detections),
            tracks=tracks,
            groups=groups,
            alerts=alerts,
            looked=looked,
        )

    def _cut(self) -> tuple[Alert, ...]:
        """End every open alert and forget everybody: the source shows another scene, and nobody can walk from one to it."""
        ended = self.close("left")
        self._tracker.forget()
        self._groups.forget()
        return ended

    def close(self, reason: EndReason) -> tuple[Alert, ...]:
        """End every open alert: the node stops, or the footage is over."""
        if self._latest is None:
            return ()
        latest = self._latest
        told = self._alerts.close(
            reason,
            t_s=latest.t_s,
            captured_utc_s=latest.captured_utc_s,
            width_px=latest.width_px,
            height_px=latest.height_px,
        )
        return tuple(self._place(alert, latest) for alert in told)

    def _view(self, moment: Moment) -> View | None:
        return self._geo.look(moment.telemetry, width_px=moment.width_px, height_px=moment.height_px)

    def _place(self, alert: Alert, moment: Moment) -> Alert:
        """Add where it is; the last word on a group that is gone repeats where it was last told to be."""
        if alert.phase == "end":
            return alert._replace(placed=self._placed.pop(alert.alert_id, None))
        placed = place(alert.group.members, self._view(moment))
        self._placed[alert.alert_id] = placed
        return alert._replace(placed=placed)


def find_people(
    detector: FindsPeople,
    prepared: Prepared,
    close_ups: CloseUps,
    *,
    wants: Callable[[Window], bool] = lambda _window: True,
) -> tuple[Detection, ...]:
    """Look at the whole picture and at its close-ups, if there are any; boxes in pixels of the frame, best first.

    Args:
        detector: the model.
        prepared: the frame.
        close_ups: of its camera.
        wants: which of the close-ups are worth a look, by their place in the frame.
    """
    size_px = prepared.picture.shape
    whole = detector.detect(prepared.tensor, prepared.scale, size_px)
    closer = []
    for tensor, scale, (x0, y0, x1, y1) in close_ups.of(prepared.picture, prepared.tensor, wants=wants):
        found = detector.detect(tensor, scale, (y1 - y0, x1 - x0))
        closer.append(shift_into_frame(found, (x0, y0, x1, y1), size_px))
    return merge(whole, closer, detector.begin)


def _camera_motion(camera: CameraConfig) -> "CameraMotion":
    """Load the measuring of a camera's own motion; OpenCV is larger than everything else that a node needs."""
    try:
        from edge.pipeline.motion import CameraMotion  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"camera '{camera.id}': moving = true needs OpenCV: pip install 'edge-thermal[tools]'"
        ) from error
    return CameraMotion()
