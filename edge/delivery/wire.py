"""What is written on the broker, and where: topics, payloads, and the way back from bytes to a checked event.

An alert is a CloudEvents 1.0 *structured* JSON document: that form survives MQTT 3.1.1, bridges, files and web hooks
unchanged, where the binary form needs MQTT 5 user properties. Each one carries the whole state of its group, so any
single message is enough. What is not known is absent: never null, 0 or -1. The bytes depend on nothing but the
arguments, in one fixed key order, so that a replay can be compared byte for byte.

Reading is strict about types and sizes and forgiving about unknown keys: a station that is a year older than its nodes
must still show their alerts, and a hostile message must not cost it more than a refusal.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

from edge.clock import ClockQuality
from edge.words import EndReason, Phase, Priority, SightState

MAX_ALERT_BYTES = 131_072  # a thousand members fit; rumqttd needs its max_payload_size raised for that, mosquitto not
MAX_STATE_BYTES = 65_536
MAX_REASONS = 16
MAX_MEMBERS = 1024

_SEGMENT = re.compile(r"^[a-z0-9-]{1,64}$")
_MAX_FAULT_CHARS = 200
_MAX_SENTENCE_CHARS = 300

Kind = TypeVar("Kind", bound="Payload")
HandledState = Literal["acknowledged", "dismissed"]


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone, e.g. 2026-02-03T13:16:04.512Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time this far away does not exist in UTC") from None


def iso_utc(utc_s: float) -> str:
    """Write a moment as ISO 8601 in UTC with milliseconds and ``Z``."""
    return _iso(datetime.fromtimestamp(round(utc_s, 3), UTC))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


UtcTime = Annotated[datetime, AfterValidator(_in_utc), PlainSerializer(_iso, return_type=str)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]
Sentence = Annotated[str, Field(min_length=1, max_length=_MAX_SENTENCE_CHARS)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
FractionBox = tuple[Fraction, Fraction, Fraction, Fraction]
Who = Annotated[str, Field(min_length=1, max_length=80)]
Whole = Annotated[int, Field(ge=0, le=2**53)]
People = Annotated[int, Field(ge=0, le=100_000)]


class Payload(BaseModel):
    """A JSON document on the broker: strict types, no NaN, unknown keys ignored."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", allow_inf_nan=False, protected_namespaces=(), defer_build=True
    )


class ModelIdentity(Payload):
    """Which model saw it."""

    id: Token = Field(description="the manifest's id")
    version: Token = Field(description="the manifest's version")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")] = Field(description="hash of the .onnx file, hex")


class LineState(Payload):
    """A line that members of the group crossed."""

    id: Name = Field(description="name of the line in the configuration")
    direction: Name = Field(description="the configured word for that direction")
    crossed: People = Field(description="how many crossed it that way")


class Member(Payload):
    """One body of the group."""

    track_id: Whole = Field(description="unique within one camera and one boot of the node")
    box: FractionBox = Field(description="x0, y0, x1, y1 as fractions of the frame")
    score: Fraction = Field(description="how sure the model was when it last saw it")
    height_px: Whole = Field(description="height of the box in pixels of the frame")


class ErrorEllipse(Payload):
    """Where the true position may be: one sigma; 2.146 times the half axes hold nine in ten."""

    major_m: Annotated[float, Field(ge=0.0)] = Field(description="half of the long axis")
    minor_m: Annotated[float, Field(ge=0.0)] = Field(description="half of the short axis")
    major_deg: Annotated[float, Field(ge=0.0, le=180.0)] = Field(description="compass direction of the long axis")


class Position(Payload):
    """Where on the earth the group is; only where the camera's pose is known."""

    lat: Annotated[float, Field(ge=-90.0, le=90.0)] = Field(description="degrees north, WGS 84")
    lon: Annotated[float, Field(ge=-180.0, le=180.0)] = Field(description="degrees east, WGS 84")
    ce_m: Annotated[float, Field(ge=0.0)] = Field(
        description="horizontal error, metres, one sigma: root mean square distance"
    )
    method: Name = Field(description="ground-plane, terrain, corners, ray or carrier: how it was computed")
    ellipse: ErrorEllipse | None = Field(default=None, description="the same error with its direction")


class Handled(Payload):
    """What an operator did about the alert; the latest word counts."""

    state: HandledState = Field(description="acknowledged: somebody sees to it; dismissed: it is nothing")
    by: Who = Field(description="name or desk of the operator")
    at: UtcTime = Field(description="when, by the clock of the control room")
    reason: Sentence | None = Field(default=None, description="why it was dismissed")


class AlertData(Payload):
    """One revision of one group's story, whole."""

    alert_id: Token = Field(description="ULID; the same for every revision of one group")
    rev: Annotated[int, Field(ge=1, le=2**31)] = Field(description="1, then one more for each revision")
    phase: Phase = Field(description="new, update or end")
    seq: Whole = Field(description="rises by one for each message of this node; a gap is a message given up")
    boot_id: Token = Field(description="changes with every start of the node's service")
    count: People = Field(description="people in the group, estimated over a time window")
    count_low: People = Field(description="lower end of the range meant to hold the true number nine times out of ten")
    count_high: People = Field(description="upper end of that range")
    count_max: People = Field(description="largest count so far")
    confidence: Fraction = Field(description="that the group is there at all")
    priority: Priority = Field(description="how loud it should be")
    reasons: Annotated[list[Sentence], Field(max_length=MAX_REASONS)] = Field(
        description="why this, why now: for people"
    )
    zone: Name | None = Field(default=None, description="named area of the picture")
    line: LineState | None = Field(default=None, description="latest line it crossed")
    heading_deg: Annotated[float, Field(ge=0.0, le=360.0)] | None = Field(
        default=None, description="course over ground"
    )
    speed_m_s: Annotated[float, Field(ge=0.0, le=1000.0)] | None = Field(default=None, description="speed over ground")
    bearing_deg: Annotated[float, Field(ge=0.0, le=360.0)] | None = Field(
        default=None, description="compass direction from the camera to the group"
    )
    box: FractionBox = Field(description="hull of the members as fractions of the frame: x0, y0, x1, y1")
    members: Annotated[list[Member], Field(max_length=MAX_MEMBERS)] | None = Field(
        default=None, description="the bodies in it now"
    )
    position: Position | None = Field(default=None, description="where on the earth")
    first_seen: UtcTime = Field(description="when its first member was first seen")
    last_seen: UtcTime = Field(description="when a member was last seen")
    captured_at: UtcTime = Field(description="capture time of the frame behind this revision")
    clock: ClockQuality = Field(description="how far the node's wall clock can be believed")
    camera: Name = Field(description="which camera")
    model: ModelIdentity | None = Field(default=None, description="which model saw it")
    parent: Token | None = Field(default=None, description="alert_id of the group it split from")
    merged_into: Token | None = Field(default=None, description="alert_id of the group it joined")
    ended: EndReason | None = Field(default=None, description="why it is over; with phase end only")
    snapshot: Name = Field(
        default="none",
        description="none: no picture leaves the node; mqtt: one comes on cam/{camera}/snapshot/{alert_id}",
    )
    handled: Handled | None = Field(
        default=None, description="what an operator did, from the first revision after the node was told"
    )


class AlertEvent(Payload):
    """The CloudEvents envelope around ``AlertData``."""

    specversion: Literal["1.0"] = Field(default="1.0", description="of CloudEvents")
    id: Annotated[str, Field(min_length=3, max_length=160)] = Field(description="alert_id:rev; the key to dedupe by")
    source: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="edge/{node}/cam/{camera}")
    type: Literal["edge.group"] = Field(default="edge.group", description="of event")
    time: UtcTime = Field(description="when it happened, not when it was sent")
    datacontenttype: Literal["application/json"] = Field(default="application/json", description="of data")
    dataschema: Annotated[str, Field(max_length=200)] = Field(default="edge/v1/alert.json", description="of data")
    data: AlertData = Field(description="the group")

    @property
    def node(self) -> str:
        """The node that raised it."""
        return self.source.split("/")[1]


class CameraOutage(Payload):
    """The latest time in which a camera gave nothing."""

    reason: Sentence = Field(description="what was wrong")
    began: datetime = Field(description="when")
    lasted_s: Annotated[float, Field(ge=0.0)] | None = Field(default=None, description="how long; absent: it goes on")


class TelemetryHealth(Payload):
    """What a drone told of its camera (KLV, side file), since the node started."""

    read: Whole = Field(description="packets that were read")
    refused: Whole = Field(description="packets that were not believed: wrong checksum, cut off")
    why: Sentence | None = Field(default=None, description="what was wrong with the latest of these")


class CameraHealth(Payload):
    """How one camera does."""

    state: SightState | Literal["offline"] = Field(description="ok, degraded, blind or offline")
    reason: Sentence | None = Field(default=None, description="why it is not ok")
    fps: Annotated[float, Field(ge=0.0)] | None = Field(default=None, description="frames looked at per second")
    dropped: Whole | None = Field(default=None, description="frames replaced by a newer one before they were looked at")
    lost: Whole | None = Field(default=None, description="frames missing in the camera's own numbering")
    gated: Whole | None = Field(
        default=None, description="frames that the model was spared because nothing moved; of all since the start"
    )
    outages: Whole | None = Field(default=None, description="how often the camera was lost since the node started")
    last_outage: CameraOutage | None = Field(default=None, description="the latest of them")
    telemetry: TelemetryHealth | None = Field(default=None, description="what its carrier tells; absent: nothing")
    others: dict[Sentence, Whole] | None = Field(
        default=None,
        description="animals, vehicles and whatever else the model knows beside people: how many it sees now, by kind; they "
        "make no alert; absent: it knows people only",
    )


class OutboxHealth(Payload):
    """How far delivery is behind."""

    waiting: Whole = Field(description="messages not yet confirmed by whom delivery.confirm names")
    oldest_s: Annotated[float, Field(ge=0.0)] | None = Field(default=None, description="age of the oldest of them")
    shed: Whole = Field(description="'update' messages given up since the start because the outbox was full")


class Health(Payload):
    """The node's own state, every few seconds."""

    state: SightState | Literal["offline"] = Field(description="the worst of all parts: ok, degraded, blind or offline")
    reason: Annotated[str, Field(max_length=1000)] | None = Field(default=None, description="why it is not ok")
    time: UtcTime = Field(description="when this was measured")
    boot_id: Token = Field(description="changes with every start of the node's service")
    uptime_s: Annotated[float, Field(ge=0.0)] = Field(description="since that start")
    clock: ClockQuality = Field(description="how far the wall clock can be believed")
    cameras: dict[Name, CameraHealth] = Field(description="by camera id")
    temperatures_c: dict[Token, float] | None = Field(default=None, description="by sensor name")
    outbox: OutboxHealth = Field(description="how far delivery is behind")
    disk_free_mb: Annotated[float, Field(ge=0.0)] | None = Field(default=None, description="where the outbox lies")
    commands_refused: Whole | None = Field(
        default=None, description="commands and receipts since the start that could not be read or obeyed"
    )
    preprocess: Literal["native", "reference"] | None = Field(
        default=None, description="native: compiled code prepares the frames; reference: the same, several times slower"
    )
    provider: Token | None = Field(
        default=None, description="where the model runs, as ONNX Runtime names it; reason says why not where it should"
    )


class CameraPose(Payload):
    """Where a camera stands and looks, for a map; only where its configuration says so."""

    lat: Annotated[float, Field(ge=-90.0, le=90.0)] = Field(description="degrees north, WGS 84")
    lon: Annotated[float, Field(ge=-180.0, le=180.0)] = Field(description="degrees east, WGS 84")
    heading_deg: Annotated[float, Field(ge=0.0, le=360.0)] = Field(description="where it looks, from true north")
    fov_deg: Annotated[float, Field(gt=0.0, le=360.0)] = Field(description="how wide it sees")
    range_m: Annotated[float, Field(gt=0.0, le=100_000.0)] | None = Field(
        default=None, description="how far a person can be found"
    )


class About(Payload):
    """The birth document: what this node is."""

    node: Name = Field(description="name of the node")
    version: Token = Field(description="of the software")
    contract: Literal["edge/v1"] = Field(default="edge/v1", description="which topics and payloads it speaks")
    boot_id: Token = Field(description="changes with every start of the node's service")
    started: UtcTime = Field(description="when the service started")
    cameras: list[Name] = Field(description="camera ids")
    poses: dict[Name, CameraPose] | None = Field(
        default=None, description="by camera id: where it stands and looks; absent for a camera that moves"
    )
    model: ModelIdentity | None = Field(default=None, description="the detector")
    libraries: dict[Token, Token] | None = Field(default=None, description="versions of what it runs on")


def sentence(text: str | None) -> str | None:
    """Make a text fit to be sent and shown: one line, printable, no longer than the contract allows."""
    if not text:
        return None
    plain = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(one if one.isprintable() else "?" for one in plain)[:_MAX_SENTENCE_CHARS]


class Topics:
    """Where one node writes. Segments are lower-case ``[a-z0-9-]``: other brokers translate dots and slashes."""

    def __init__(self, node: str) -> None:
        """Name the node; ``+`` for a subscriber to all of them.

        Raises:
            ValueError: the name cannot stand in a topic.
        """
        self.node = node if node == "+" else segment(node)
        self._root = f"edge/v1/{self.node}"
        self.alert = f"{self._root}/alert"
        self.availability = f"{self._root}/availability"
        self.about = f"{self._root}/about"
        self.health = f"{self._root}/health"
        self.receipt = f"{self._root}/receipt"
        self.commands = f"{self._root}/cmd/+"
        self.snapshots = f"{self._root}/cam/+/snapshot/+"

    def count(self, camera: str) -> str:
        """How many people one camera sees now."""
        return f"{self._root}/cam/{segment(camera)}/count"

    def snapshot(self, camera: str, alert_id: str) -> str:
        """A picture that belongs to an alert; its ULID is written in lower case here."""
        return f"{self._root}/cam/{segment(camera)}/snapshot/{segment(alert_id.lower())}"

    def command(self, name: str) -> str:
        """Where the node listens for one command."""
        return f"{self._root}/cmd/{segment(name)}"

    def reply(self, requester: str) -> str:
        """Where it answers; inside its own tree, so that one access rule covers a node."""
        return f"{self._root}/reply/{segment(requester)}"


def segment(name: str) -> str:
    """Give a name back that can stand in a topic.

    Raises:
        ValueError: it cannot.
    """
    if not _SEGMENT.match(name):
        raise ValueError(f"'{name}' cannot stand in a topic: 1 to 64 of a-z, 0-9 and '-'")
    return name


def encode(payload: Payload) -> bytes:
    """Write a payload as compact JSON, keys in the order of the model, unknown values absent."""
    return payload.model_dump_json(exclude_none=True).encode()


def parse_alert(payload: bytes) -> AlertEvent:
    """Read an alert from the wire.

    Raises:
        ValueError: with a short reason that quotes nothing of the payload.
    """
    event = parse_as(AlertEvent, payload, MAX_ALERT_BYTES)
    if event.id != f"{event.data.alert_id}:{event.data.rev}":
        raise ValueError("id: is not alert_id:rev")
    if not re.fullmatch(r"edge/[a-z0-9-]{1,64}/cam/[a-z0-9-]{1,64}", event.source):
        raise ValueError("source: is not edge/{node}/cam/{camera}")
    return event


def parse_health(payload: bytes) -> Health:
    """Read a health message; raises ``ValueError`` as ``parse_alert``."""
    return parse_as(Health, payload, MAX_STATE_BYTES)


def parse_about(payload: bytes) -> About:
    """Read a birth document; raises ``ValueError`` as ``parse_alert``."""
    return parse_as(About, payload, MAX_STATE_BYTES)


def parse_availability(payload: bytes) -> Literal["online", "offline"]:
    """Read an availability message; raises ``ValueError`` as ``parse_alert``."""
    if payload == b"online":
        return "online"
    if payload == b"offline":
        return "offline"
    raise ValueError("availability: is neither online nor offline")


def parse_as(kind: type[Kind], payload: bytes, limit: int) -> Kind:
    """Read a payload of one kind; raises ``ValueError`` with a short reason that quotes nothing of it."""
    if len(payload) > limit:
        raise ValueError(f"{len(payload)} bytes are more than the {limit} allowed")
    try:
        return kind.model_validate_json(payload)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        message = fault["msg"].removeprefix("Value error, ")
        reason = f"{place}: {message}" if place else message
        raise ValueError(reason[:_MAX_FAULT_CHARS]) from None
