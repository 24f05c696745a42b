"""The records that flow through the node: ``capture -> Frame -> pipeline -> Result -> delivery``.

All are values that nobody changes: named tuples, because Python makes the class of one in an eighth of the time that a
frozen dataclass takes, and the start of a node makes fifty. Boxes are ``(x0, y0, x1, y1)`` in pixels of the frame, as
floats, the right and lower edge exclusive; only the wire format turns them into fractions. ``t_s`` is seconds on the
camera's own monotonic hand; ``captured_utc_s`` is the same moment on the wall. What is not known is ``None``.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from edge.places import Placed, Telemetry
from edge.words import EndReason, Phase, Priority, RadiometryKind, SightCause, SightState

Box = tuple[float, float, float, float]
Point = tuple[float, float]

PERSON = "person"
"""The kind of body that is counted in groups and told; whatever else a model knows is only reported."""

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    Tiles = npt.NDArray[np.uint8]
else:
    Tiles = Any
    Pixels = Any  # a station has no pictures: it does not load numpy for the name of a type


class Radiometry(NamedTuple):
    """What a pixel value means: ``value * scale + offset`` is degrees Celsius when ``scale`` is known."""

    kind: RadiometryKind = "agc8"
    scale: float | None = None
    offset: float | None = None


class Frame(NamedTuple):
    """One picture from one camera.

    Attributes:
        camera: the camera's id from the configuration.
        seq: the sensor's own sequence number; a gap means lost frames.
        t_s: capture time, seconds, monotonic for this camera.
        captured_utc_s: capture time, seconds since 1970 UTC.
        pixels: (H, W) uint8 or uint16, white-hot unless the camera says otherwise. Read-only by agreement: the buffer
            belongs to the camera and may be shared.
        radiometry: what the values mean.
        ffc: True while the shutter is closed, False when the camera says it is open, None when it does not say.
        telemetry: what the carrier of a camera told of its pose with this frame.
        scene: another number than the frame before means that the source knows of a cut: whoever was there before is gone.
            A number and no flag, because frames are dropped under load, the first after a cut as well.
    """

    camera: str
    seq: int
    t_s: float
    captured_utc_s: float
    pixels: Pixels
    radiometry: Radiometry = Radiometry()
    ffc: bool | None = None
    telemetry: Telemetry | None = None
    scene: int = 0

    @property
    def width_px(self) -> int:
        """Width of the picture."""
        return int(self.pixels.shape[1])

    @property
    def height_px(self) -> int:
        """Height of the picture."""
        return int(self.pixels.shape[0])


class Detection(NamedTuple):
    """One box that the model claims in one frame."""

    box: Box
    score: float
    kind: str = "person"


class CameraShift(NamedTuple):
    """How the scene moved in the picture since the previous frame: ``p' = linear @ p + (dx_px, dy_px)``.

    The identity for a fixed camera. ``linear`` is row-major 2x2.
    """

    dx_px: float = 0.0
    dy_px: float = 0.0
    linear: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 1.0)
    known: bool = True


class Track(NamedTuple):
    """One body believed in over time; made for every body in every frame, and a tuple is made five times faster.

    Attributes:
        track_id: unique within one camera's tracker.
        kind: what it is, as the model names it.
        box: where it is now; predicted while ``last_seen_s`` lies in the past (hidden).
        score: the last matched detection's score.
        velocity_px_s: motion of the box's foot, camera motion removed.
        first_seen_s: ``t_s`` of its first detection.
        last_seen_s: ``t_s`` of its latest detection.
        confirmed: True once it has been seen long enough to be counted.
        hidden_s: for how long it could have been seen and was not; stands still while the shutter is closed.
        leaving: out of sight and last seen on its way out of the picture.
        belief: how probable it is that this is one person and still there, 0 to 1.
    """

    track_id: int
    kind: str
    box: Box
    score: float
    velocity_px_s: Point
    first_seen_s: float
    last_seen_s: float
    confirmed: bool
    hidden_s: float = 0.0
    leaving: bool = False
    belief: float = 1.0

    @property
    def height_px(self) -> float:
        """Height of the box."""
        return self.box[3] - self.box[1]

    @property
    def foot_px(self) -> Point:
        """Middle of the lower edge: hats and branches cut the top of a thermal body, the feet stay."""
        return ((self.box[0] + self.box[2]) / 2, self.box[3])


def others_in_sight(tracks: Iterable[Track]) -> dict[str, int]:
    """Count the believed bodies in sight that are no people, by kind, in the order of the alphabet."""
    kinds = Counter(one.kind for one in tracks if one.kind != PERSON and one.confirmed and one.hidden_s == 0.0)
    return dict(sorted(kinds.items()))


class TrackCrossing(NamedTuple):
    """One body crossed a line, just now, for the first time in this direction."""

    track_id: int
    line: str
    direction: str


class RuleEvents(NamedTuple):
    """What the lines and zones of a camera say about the tracks of one frame.

    Attributes:
        zones: zone id by track id, for tracks whose feet stand in a zone.
        ignored: ids of the tracks that stand in a zone where nothing is counted.
        crossings: lines crossed in this frame, ordered by track.
    """

    zones: Mapping[int, str] = MappingProxyType({})
    ignored: frozenset[int] = frozenset()
    crossings: tuple[TrackCrossing, ...] = ()


class Crossing(NamedTuple):
    """How often members of a group crossed a line in one direction."""

    line: str
    direction: str
    crossed: int


class Group(NamedTuple):
    """Tracks near each other that move alike; one person alone is a group of one.

    Attributes:
        group_id: unique within one camera's group counter.
        members: the confirmed tracks that are in it now, hidden ones included; at least one.
        count: the estimate over the window.
        count_low: lower end of the range that should hold the true number nine times out of ten.
        count_high: upper end of that range.
        count_max: the largest ``count`` so far.
        first_seen_s: when the first member was first seen.
        zone: id of the zone it is in.
        crossing: the latest line it crossed.
        parent: id of the group it split from.
        merged_into: id of the group it joined; set only when ``ended`` is ``merged``.
        ended: why it is over; such a group is reported once.
        waiting: nobody is left, and it lives a little longer in case somebody comes back: not part of who is there now.
        zone_since_s: since when it has been in ``zone``.
    """

    group_id: int
    members: tuple[Track, ...]
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks a group for
    count_low: int
    count_high: int
    count_max: int
    first_seen_s: float
    zone: str | None = None
    crossing: Crossing | None = None
    parent: int | None = None
    merged_into: int | None = None
    ended: EndReason | None = None
    zone_since_s: float | None = None
    waiting: bool = False

    @property
    def present(self) -> bool:
        """Whether its people are there now."""
        return self.ended is None and not self.waiting

    # computed when asked for: a group is made in every frame and told in few

    @property
    def box(self) -> Box:
        """Hull of the members."""
        left, top, right, bottom = zip(*[one.box for one in self.members], strict=True)
        return (min(left), min(top), max(right), max(bottom))

    @property
    def velocity_px_s(self) -> Point:
        """Mean motion of the members."""
        x_px_s, y_px_s = zip(*[one.velocity_px_s for one in self.members], strict=True)
        return (math.fsum(x_px_s) / len(x_px_s), math.fsum(y_px_s) / len(y_px_s))

    @property
    def confidence(self) -> float:
        """How probable it is that the group is there at all, 0 to 1: the belief in its surest member."""
        return max([one.belief for one in self.members])  # animals come in herds: doubts are no odds to multiply

    @property
    def last_seen_s(self) -> float:
        """When a member was last seen."""
        return max([one.last_seen_s for one in self.members])


class Alert(NamedTuple):
    """One revision of one group's story for the control room; carries the whole state.

    Attributes:
        alert_id: ULID, the same for every revision of one group.
        rev: 1 for ``new``, one more for each revision.
        phase: ``new``, ``update`` or ``end``.
        camera: id of the camera.
        group: the state it tells.
        width_px: width of the frame that the boxes belong to.
        height_px: height of that frame.
        priority: how loud it should be.
        reasons: short sentences a person reads: why this, why now.
        captured_utc_s: when the frame behind this revision was captured.
        first_seen_utc_s: ``group.first_seen_s`` on the wall.
        last_seen_utc_s: ``group.last_seen_s`` on the wall.
        parent: alert id of the group it split from.
        merged_into: alert id of the group it joined.
        placed: where on the earth, and where to; None where the camera's pose is unknown.
    """

    alert_id: str
    rev: int
    phase: Phase
    camera: str
    group: Group
    width_px: int
    height_px: int
    priority: Priority
    reasons: tuple[str, ...]
    captured_utc_s: float
    first_seen_utc_s: float
    last_seen_utc_s: float
    parent: str | None = None
    merged_into: str | None = None
    placed: Placed | None = None


MOTION_TILE_PX = 32
"""Side of a tile of ``Motion.tiles``."""


class Motion(NamedTuple):
    """Where one frame differs from what the camera usually sees, judged on counts and not on the stretched picture.

    Attributes:
        moving: how many cells of 4x4 pixels differ from the background by more than they usually do.
        renewed: more than an eighth of them, or the shutter has just opened: everything was learnt anew.
        tiles: (ceil(H / 32), ceil(W / 32)) uint8, the moving cells of each tile of 32x32 pixels; overwritten by the next.
    """

    moving: int
    renewed: bool
    tiles: Tiles


class FrameStats(NamedTuple):
    """What one frame's values say of its worth, before anything is looked for in it.

    "Values" are counts of a 16-bit picture and levels of an 8-bit one. All but ``repeats`` are judged on sampled rows.

    Attributes:
        repeats: the content is that of the frame before. A raw picture is never twice the same, its noise sees to that.
        median: the middle value.
        jump: ``median`` minus that of the frame before; 0 for the first. A shutter's correction moves all values at once.
        span: from the percentile that becomes black to the one that becomes white, before any smoothing.
        contrast_levels: standard deviation of the 8-bit picture after AGC.
        share_at_minimum: share of pixels at the smallest value of the frame; large where the sensor clips.
        share_at_maximum: share of pixels at the largest value of the frame; large where the sensor is saturated.
        noise: standard deviation of the pixel noise, an estimate; None where the picture is narrower than 9 px.
        sharpness: 1 where edges are as sharp as pixels allow, towards 1/3 and less where they are blurred; None where
            nothing in sight stands out of the noise.
        dead_pixels: pixels that have stuck out of their neighbours for long.
    """

    repeats: bool = False
    median: float = 0.0
    jump: float = 0.0
    span: float = 0.0
    contrast_levels: float = 0.0
    share_at_minimum: float = 0.0
    share_at_maximum: float = 0.0
    noise: float | None = None
    sharpness: float | None = None
    dead_pixels: int = 0


class Sight(NamedTuple):
    """Whether the picture is worth anything, and why not."""

    state: SightState = "ok"
    reason: str | None = None
    ffc: bool = False
    cause: SightCause | None = None


class SightAlert(NamedTuple):
    """One revision of the story of a camera that cannot see.

    Attributes:
        alert_id: ULID, the same for every revision of one trouble.
        rev: 1 for ``new``, one more for each revision.
        phase: ``new``, ``update`` when state or cause changed, ``end`` when it sees again.
        camera: id of the camera.
        state: how it is now.
        cause: why, as one word.
        reason: why, for people.
        priority: how loud it should be.
        since_utc_s: since when it could not see.
        utc_s: when this revision was made.
        ended: with ``end``, where the node stopped while it was still blind.
    """

    alert_id: str
    rev: int
    phase: Phase
    camera: str
    state: SightState | Literal["offline"]
    cause: SightCause | None
    reason: str | None
    priority: Priority
    since_utc_s: float
    utc_s: float
    ended: EndReason | None = None


class Result(NamedTuple):
    """What the pipeline made of one frame; ``looked`` is False where the model was spared because nothing moved."""

    camera: str
    seq: int
    t_s: float
    captured_utc_s: float
    width_px: int
    height_px: int
    sight: Sight
    detections: tuple[Detection, ...]
    tracks: tuple[Track, ...]
    groups: tuple[Group, ...]
    alerts: tuple[Alert, ...]
    looked: bool = True
