"""Every setting of the node: unit in the name, bound, default, and one line of why.

A configuration is one TOML file. An unknown key is an error that names the nearest right one, because a typo in a
threshold must not mean "default"; changing the file means a restart, so there is no half-reloaded state. Values come
from the file, else from the preset, else from the default, and ``Loaded.origins`` says which.
"""

import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge.errors import ConfigError

Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
FramePoint = tuple[Share, Share]
Nearby = Annotated[float, Field(ge=-1.0, le=2.0)]
LinePoint = tuple[Nearby, Nearby]

_MIN_CORNERS = 3
_FAULTS_TOLD = 20
_VALUE_CHARS = 80

Lines = Mapping[tuple[str | int, ...], int]
"""Line of every table and key of a file, by its place."""


class Section(BaseModel):
    """A table of the file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


File = TypeVar("File", bound=Section)


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, times in Counter(names).items() if times > 1)


class NodeConfig(Section):
    """``[node]``: this box."""

    id: Slug = Field("node-1", description="name of this box in every topic; one per broker")


class LineConfig(Section):
    """``[[camera.line]]``: a line whose crossings are counted."""

    id: Slug = Field(description="name of the line in alerts")
    points: tuple[LinePoint, LinePoint] = Field(
        description="both ends, fractions of the frame (x, y), outside allowed; left as one walks from first to second"
    )
    to_left: Slug = Field("left", description="word for crossings from the right side to the left, e.g. northward")
    to_right: Slug = Field("right", description="word for crossings from the left side to the right, e.g. southward")
    priority: Literal["routine", "important", "urgent"] = Field(
        "urgent", description="a group that crossed is at least this loud"
    )
    dead_band_heights: float = Field(
        0.1, ge=0.0, le=10.0, description="feet must be this far beyond the line to have crossed, body heights"
    )

    @model_validator(mode="after")
    def _has_a_length(self) -> "LineConfig":
        if self.points[0] == self.points[1]:
            raise ValueError(f"line '{self.id}' begins where it ends; it needs two different points")
        return self


class ZoneConfig(Section):
    """``[[camera.zone]]``: an area of the picture with a name."""

    id: Slug = Field(description="name of the zone in alerts")
    points: tuple[FramePoint, ...] = Field(description="three or more corners, as fractions of the frame (x, y)")
    ignore: bool = Field(
        default=False, description="true: nothing whose feet stand in here is counted (a lamp, a road)"
    )
    priority: Literal["routine", "important", "urgent"] = Field(
        "important", description="a group in here is at least this loud"
    )
    min_count: int = Field(1, ge=1, le=1000, description="groups in here that are smaller are not told")
    min_dwell_s: float = Field(
        0.0, ge=0.0, le=86400.0, description="the zone's priority counts from this long a stay on (a meeting place)"
    )

    @model_validator(mode="after")
    def _has_an_area(self) -> "ZoneConfig":
        corners = len(set(self.points))
        if corners < _MIN_CORNERS:
            raise ValueError(f"zone '{self.id}' has {corners} different corners; it needs at least {_MIN_CORNERS}")
        return self


class CameraConfig(Section):
    """``[[camera]]``: one camera of the node."""

    id: Slug = Field(description="name of the camera in topics and alerts")
    source: str = Field(min_length=1, description="what to open: footage:PATH (clip or folder of pictures)")
    fps: float = Field(
        9.0, gt=0.0, le=120.0, description="rate of a folder of pictures without times of its own, frames per second"
    )
    loop: bool = Field(default=False, description="footage starts again at its end (for demonstrations)")
    moving: bool = Field(default=False, description="the camera itself moves (drone, vehicle): its motion is measured")
    polarity: Literal["white-hot", "black-hot"] = Field("white-hot", description="whether warm is bright or dark")
    stall_after_s: float = Field(
        5.0, ge=0.5, le=600.0, description="without a frame for this long the camera is reported offline"
    )
    line: tuple[LineConfig, ...] = Field((), description="lines whose crossings are counted")
    zone: tuple[ZoneConfig, ...] = Field((), description="named areas of the picture")

    @model_validator(mode="after")
    def _names_differ(self) -> "CameraConfig":
        for kind, named in (("lines", self.line), ("zones", self.zone)):
            twice = _twice(one.id for one in named)
            if twice:
                raise ValueError(f"two {kind} of camera '{self.id}' are called '{twice[0]}'; their id must differ")
        return self


class PreprocessConfig(Section):
    """``[preprocess]``: from the sensor's counts to the 8-bit picture that the model sees."""

    low_percentile: float = Field(1.0, ge=0.0, le=20.0, description="counts below this share of pixels are black")
    high_percentile: float = Field(99.8, ge=80.0, le=100.0, description="counts above this share of pixels are white")
    smoothing_s: float = Field(
        1.0, ge=0.0, le=30.0, description="time constant of the limits: without it a hot engine makes the picture pump"
    )
    min_span_counts: float = Field(
        60.0, ge=1.0, le=60000.0, description="narrowest range of a 16-bit picture: a flat scene must not become noise"
    )


class ModelConfig(Section):
    """``[model]``: the detector."""

    path: str = Field("", description="an .onnx file with its .toml manifest beside it; empty: the shipped model")
    allow_unsigned: bool = Field(default=False, description="load a model without a valid signature (your own export)")
    score: Share | None = Field(None, description="a detection counts from this score on; empty: the manifest's")
    score_low: Share | None = Field(None, description="a known track is held from this score on; empty: the manifest's")
    input_scale: float = Field(
        1.0, ge=0.25, le=4.0, description="enlarge the picture for far, small people (2.0 costs four times the work)"
    )
    providers: tuple[str, ...] = Field(
        ("CPUExecutionProvider",),
        min_length=1,
        description="ONNX Runtime providers in order; those missing are skipped",
    )
    threads: int = Field(1, ge=1, le=64, description="threads of one inference; 1 leaves the box cool and repeatable")


class TrackerConfig(Section):
    """``[tracker]``: from boxes to bodies."""

    confirm_hits: int = Field(3, ge=1, le=50, description="a body is believed after this many detections")
    confirm_s: float = Field(0.4, ge=0.0, le=10.0, description="... spread over at least this time")
    tentative_s: float = Field(
        1.1, ge=0.1, le=10.0, description="a body not yet believed is dropped when unseen for this long"
    )
    hidden_s: float = Field(
        40.0,
        ge=1.0,
        le=600.0,
        description="a believed body that is out of sight (bush, another body) is kept this long",
    )
    max_speed_heights_s: float = Field(
        6.0, ge=1.0, le=50.0, description="fastest plausible person, body heights per second; anything faster is none"
    )
    duplicate_overlap: Share = Field(
        0.7, description="a box that covers this share (IoU) of a body already followed is its echo, not a second body"
    )


class GroupsConfig(Section):
    """``[groups]``: from bodies to groups and their counts."""

    join_distance_heights: float = Field(
        2.5, ge=0.2, le=50.0, description="people this near can become one group, body heights between their feet"
    )
    leave_distance_heights: float = Field(
        4.0, ge=0.2, le=100.0, description="people of one group part beyond this distance, body heights"
    )
    velocity_agree_heights_s: float = Field(
        0.1, ge=0.01, le=10.0, description="people who move alike differ by no more than this, body heights per second"
    )
    velocity_agree_share: float = Field(
        0.25, ge=0.0, le=2.0, description="... plus this share of the speed of the faster one"
    )
    hold_s: float = Field(3.0, ge=0.0, le=600.0, description="near and alike for this long makes two groups one")
    split_after_s: float = Field(
        4.0,
        ge=0.0,
        le=600.0,
        description="apart for this long makes a group of its own; until then it is one straggler",
    )
    end_after_s: float = Field(
        3.0, ge=0.0, le=600.0, description="a group with nobody left waits this long for somebody to come back"
    )
    window_s: float = Field(
        2.0, ge=0.0, le=60.0, description="the range of a count spans what was possible within so many last seconds"
    )

    @model_validator(mode="after")
    def _leaving_is_farther_than_joining(self) -> "GroupsConfig":
        if self.leave_distance_heights < self.join_distance_heights:
            raise ValueError(
                f"leave_distance_heights ({self.leave_distance_heights}) must not be below "
                f"join_distance_heights ({self.join_distance_heights}), else groups flicker"
            )
        return self


class AlertsConfig(Section):
    """``[alerts]``: what the control room is told, and when."""

    raise_after_s: float = Field(
        1.5, ge=0.0, le=600.0, description="a group is told once it has been followed for this long"
    )
    min_count: int = Field(1, ge=1, le=1000, description="smaller groups are followed but not told")
    update_every_s: float = Field(
        3.0, ge=0.0, le=3600.0, description="shortest pause between two messages of one group"
    )
    important_count: int = Field(5, ge=1, le=1000, description="a group of this many is at least important")
    urgent_count: int = Field(15, ge=1, le=1000, description="a group of this many is urgent")


class SightConfig(Section):
    """``[sight]``: is the picture worth anything."""

    frozen_after_s: float = Field(
        4.0,
        ge=0.5,
        le=600.0,
        description="the same raw picture for this long is a dead camera, not a shutter (0.5-3 s)",
    )
    frozen_8bit_after_s: float = Field(
        30.0, ge=0.5, le=3600.0, description="... and of an 8-bit stream, which repeats itself when the scene is still"
    )
    min_contrast: float = Field(
        3.0,
        ge=0.0,
        le=64.0,
        description="standard deviation of the 8-bit picture below which the camera is covered, levels",
    )


class DeliveryConfig(Section):
    """``[delivery]``: the broker."""

    host: str = Field("127.0.0.1", min_length=1, description="name or address of the MQTT broker")
    port: int = Field(1883, ge=1, le=65535, description="its port; 8883 is usual with tls")
    mqtt_version: Literal["auto", "5", "3.1.1"] = Field("auto", description="auto: 5, and 3.1.1 where 5 is refused")
    username: str | None = Field(None, description="user name, where the broker wants one")
    password_file: str | None = Field(None, description="file with the password on its first line; never the password")
    tls: bool = Field(default=False, description="encrypt and verify the broker's certificate")
    tls_ca_file: str | None = Field(None, description="certificate authority of the broker; empty: the system's")
    tls_cert_file: str | None = Field(None, description="this node's certificate, where the broker asks for one")
    tls_key_file: str | None = Field(None, description="key of that certificate")
    keepalive_s: int = Field(30, ge=5, le=1200, description="a silent link is noticed after 1.5 of these")
    connect_timeout_s: float = Field(
        10.0, ge=0.5, le=120.0, description="a broker that does not answer for this long is tried again later"
    )
    will_delay_s: int = Field(
        10, ge=0, le=3600, description="a gap shorter than this is not announced as 'offline' (MQTT 5 only)"
    )
    ack_timeout_s: float = Field(
        20.0, ge=1.0, le=600.0, description="a message unanswered for this long is sent again on a new connection"
    )
    ack_settle_s: float = Field(
        5.0, ge=0.0, le=600.0, description="what was confirmed this shortly before a lost connection is sent once more"
    )
    backoff_max_s: float = Field(60.0, ge=1.0, le=3600.0, description="longest pause between two tries to connect")
    window: int = Field(
        8, ge=1, le=64, description="messages on their way at once; brokers punish more than they allow"
    )
    outbox_file: str = Field("outbox.sqlite", min_length=1, description="where undelivered alerts are kept")
    outbox_max_mb: float = Field(
        64.0,
        ge=1.0,
        le=65536.0,
        description="beyond this size 'update' rows are given up, oldest first; never new or end",
    )
    health_every_s: float = Field(15.0, ge=1.0, le=3600.0, description="pause between two health messages")


class LogConfig(Section):
    """``[log]``."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is written")
    format: Literal["console", "json"] = Field("console", description="console for people, json for journald")


class MetricsConfig(Section):
    """``[metrics]``: a page for Prometheus."""

    port: int = Field(0, ge=0, le=65535, description="port on 127.0.0.1; 0: no page")


class Config(Section):
    """A whole configuration file."""

    preset: Literal["border", "rescue"] = Field(
        "border", description="border: few false alerts; rescue: miss nobody. Only named settings differ, see PRESETS"
    )
    node: NodeConfig = Field(default_factory=NodeConfig)
    camera: tuple[CameraConfig, ...] = Field((), description="the cameras of this node")
    preprocess: PreprocessConfig = Field(default_factory=PreprocessConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    tracker: TrackerConfig = Field(default_factory=TrackerConfig)
    groups: GroupsConfig = Field(default_factory=GroupsConfig)
    alerts: AlertsConfig = Field(default_factory=AlertsConfig)
    sight: SightConfig = Field(default_factory=SightConfig)
    delivery: DeliveryConfig = Field(default_factory=DeliveryConfig)
    log: LogConfig = Field(default_factory=LogConfig)
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)

    @model_validator(mode="after")
    def _camera_ids_differ(self) -> "Config":
        twice = _twice(camera.id for camera in self.camera)
        if twice:
            raise ValueError(f"two cameras are called '{twice[0]}'; camera.id must differ")
        return self


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # the defaults are the border's: what is told there has been followed for a while and is worth a patrol
    "border": {},
    # one lost person is everything: believed sooner, told sooner and louder, held for minutes behind trees
    "rescue": {
        "tracker.confirm_hits": 2,
        "tracker.confirm_s": 0.2,
        "tracker.hidden_s": 120.0,
        "alerts.raise_after_s": 0.8,
        "alerts.important_count": 1,
        "alerts.urgent_count": 5,
    },
}
"""What a preset sets, by dotted name; anything in the file wins over it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where each of its values came from (``default``, ``preset rescue``, ``node.toml:12``)."""

    config: Config
    origins: Mapping[str, str]
    path: Path | None


def load(path: Path) -> Loaded:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file is missing or not TOML, or a setting is unknown, of the wrong type or out of bounds; every
            fault is named with its line.
    """
    text, table = _read(path)
    return resolve(table, text=text, path=path)


def load_as(kind: type[File], path: Path) -> File:
    """Read and check the configuration file of another program; it knows no presets.

    Raises:
        ConfigError: as ``load``.
    """
    text, table = _read(path)
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        raise ConfigError(_explained(error, text, path, kind)) from error


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        return text, tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path}: not valid TOML: nested too deeply") from None
    except ValueError as error:  # also of a number with thousands of digits
        raise ConfigError(f"{path}: not valid TOML: {error}") from error


def resolve(table: dict[str, Any], *, text: str = "", path: Path | None = None) -> Loaded:
    """Lay the values of a file over its preset and the defaults, and check them all.

    Raises:
        ConfigError: as ``load``.
    """
    preset = table.get("preset", "border")
    filled = _overlay(PRESETS.get(preset, {}), table) if isinstance(preset, str) else table
    try:
        config = Config.model_validate(filled)
    except ValidationError as error:
        raise ConfigError(_explained(error, text, path, Config)) from error
    return Loaded(config, dict(_origins(config, table, preset, _lines_of(text), path)), path)


def from_base(delivery: DeliveryConfig, base: Path) -> DeliveryConfig:
    """Spell out the paths, which a configuration means from the folder that it lies in itself."""
    names = ("outbox_file", "password_file", "tls_ca_file", "tls_cert_file", "tls_key_file")
    given = {name: getattr(delivery, name) for name in names}
    paths = {name: str(base / Path(value).expanduser()) for name, value in given.items() if value}
    return delivery.model_copy(update=paths)


def settings(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Walk every setting as ``(dotted name, pydantic field)``; tables inside lists are named ``camera[].id``."""
    for name, field in section.model_fields.items():
        inner, many = _table_type(field.annotation)
        if inner is None:
            yield prefix + name, field
        else:
            yield from settings(inner, f"{prefix}{name}{'[]' if many else ''}.")


def _table_type(annotation: Any) -> tuple[type[Section] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, False
    for argument in getattr(annotation, "__args__", ()):
        if isinstance(argument, type) and issubclass(argument, Section):
            return argument, True
    return None, False


def _overlay(preset: Mapping[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    filled = {name: dict(value) if isinstance(value, dict) else value for name, value in table.items()}
    for dotted, value in preset.items():
        section, name = dotted.split(".")
        inner = filled.setdefault(section, {})
        if isinstance(inner, dict):
            inner.setdefault(name, value)
    return filled


def _origins(
    config: Config, table: dict[str, Any], preset: Any, lines: Lines, path: Path | None
) -> Iterator[tuple[str, str]]:
    file_name = path.name if path else "given"
    for place, _ in flatten(config.model_dump()):
        dotted = ".".join(str(part) for part in place)
        if _present(table, place):
            line = _line_of(place, lines)
            yield dotted, f"{file_name}:{line}" if line else file_name
        elif dotted in PRESETS.get(preset, {}):
            yield dotted, f"preset {preset}"
        else:
            yield dotted, "default"


def flatten(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Walk the values of a dumped configuration as ``(place, value)``; of lists, only those of tables are entered."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flatten(inner, (*place, name))
    elif isinstance(value, list | tuple) and value and all(isinstance(item, dict) for item in value):
        for index, inner in enumerate(value):
            yield from flatten(inner, (*place, index))
    else:
        yield place, value


def _present(table: Any, place: tuple[str | int, ...]) -> bool:
    for part in place:
        if isinstance(part, int):
            if not isinstance(table, list) or part >= len(table):
                return False
        elif not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True


def _explained(error: ValidationError, text: str, path: Path | None, kind: type[BaseModel]) -> str:
    lines, faults = _lines_of(text), error.errors()
    told = [_explain(fault, lines, path, kind) for fault in faults[:_FAULTS_TOLD]]
    more = [f"... and {len(faults) - _FAULTS_TOLD} more"] if len(faults) > _FAULTS_TOLD else []
    return "\n".join([*told, *more])


def _explain(fault: Any, lines: Lines, path: Path | None, kind: type[BaseModel]) -> str:
    place = tuple(part for part in fault["loc"] if not (isinstance(part, str) and part.startswith("function-")))
    dotted = ".".join(str(part) for part in place) or "configuration"
    line = _line_of(place, lines)
    where = f"{path or 'configuration'}:{line}" if line else f"{path or 'configuration'}"
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown setting '{dotted}'{_suggestion(place, kind)}"
    if fault["type"] == "missing":
        return f"{where}: setting '{dotted}' is missing"
    message = fault["msg"].removeprefix("Value error, ")
    given = "" if isinstance(fault["input"], dict) else f", found {_short(fault['input'])}"
    return f"{where}: setting '{dotted}': {message}{given}"


def _suggestion(place: tuple[str | int, ...], kind: type[BaseModel]) -> str:
    pattern = ".".join(part for part in place[:-1] if isinstance(part, str))
    known = [name.replace("[]", "") for name, _ in settings(kind)]
    siblings = {
        name.removeprefix(f"{pattern}.").split(".")[0]
        for name in known
        if not pattern or name.startswith(f"{pattern}.")
    }
    wrong = str(place[-1])
    near = difflib.get_close_matches(wrong, sorted(siblings), n=1, cutoff=0.6)
    if near:
        unit = " (mind the unit)" if _bare(wrong) == _bare(near[0]) else ""
        return f"; did you mean '{'.'.join([*pattern.split('.'), near[0]] if pattern else [near[0]])}'?{unit}"
    elsewhere = difflib.get_close_matches(wrong, sorted({name.rsplit(".", 1)[-1] for name in known}), n=1, cutoff=0.8)
    if elsewhere:
        home = next(name for name in known if name.rsplit(".", 1)[-1] == elsewhere[0])
        return f"; did you mean '{home}'?"
    return f"; known here: {', '.join(sorted(siblings))}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _VALUE_CHARS else f"{text[:_VALUE_CHARS]}..."


def _bare(name: str) -> str:
    return re.sub(r"_(s|ms|px|c|m|mb|kb|hz|min|h)$", "", name)


_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\-\"]+)\s*=")


def _line_of(place: tuple[str | int, ...], lines: Lines) -> int | None:
    """Give the line of a setting, else of the nearest table around it."""
    for depth in range(len(place), 0, -1):
        if place[:depth] in lines:
            return lines[place[:depth]]
    return None


def _lines_of(text: str) -> dict[tuple[str | int, ...], int]:
    """Find the line of every table and key; tomllib keeps none. Counts the tables of each list."""
    lines: dict[tuple[str | int, ...], int] = {}
    counts: dict[tuple[str, ...], int] = {}
    here: tuple[str | int, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            names = tuple(header.group(2).split("."))
            if header.group(1) == "[[":
                counts[names] = counts.get(names, -1) + 1
                for deeper in [key for key in counts if len(key) > len(names) and key[: len(names)] == names]:
                    del counts[deeper]  # [[camera.line]] starts again under the next [[camera]]
            here = _indexed(names, counts)
            lines.setdefault(here, number)
        elif key := _KEY.match(line):
            lines.setdefault(here + tuple(part.strip('"') for part in key.group(1).split(".")), number)
    return lines


def _indexed(names: tuple[str, ...], counts: Mapping[tuple[str, ...], int]) -> tuple[str | int, ...]:
    place: list[str | int] = []
    for depth in range(1, len(names) + 1):
        place.append(names[depth - 1])
        if names[:depth] in counts:
            place.append(counts[names[:depth]])
    return tuple(place)


def reference() -> str:
    """Write every setting with its default, bounds and reason as Markdown: the file ``configs/reference.md``."""
    lines = [
        "# Configuration reference",
        "",
        "Generated by `edge check-config --reference`; a test keeps it current.",
        "",
    ]
    table = ""
    for name, field in settings():
        section, _, key = name.rpartition(".")
        if section != table:
            table = section
            lines += [
                "",
                f"## `{_heading(section)}`",
                "",
                "| setting | default | bounds | what it is for |",
                "|---|---|---|---|",
            ]
        elif not lines[-1].startswith("|"):
            lines += ["| setting | default | bounds | what it is for |", "|---|---|---|---|"]
        lines.append(f"| `{key}` | {_default_text(field)} | {_bounds_text(field)} | {field.description} |")
    lines += ["", "## Presets", "", "A preset sets these; anything in the file wins over it.", ""]
    lines += ["| preset | setting | value |", "|---|---|---|"]
    lines += [
        f"| `{preset}` | `{name}` | `{value}` |" for preset, values in PRESETS.items() for name, value in values.items()
    ]
    return "\n".join(lines) + "\n"


def _heading(section: str) -> str:
    name = section.replace("[]", "")
    return f"[[{name}]]" if section.endswith("[]") else f"[{name}]"


def _default_text(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "empty" if value in (None, "", ()) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _bounds_text(field: Any) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{sign} {getattr(fact, name):g}"
        for fact in field.metadata
        for name, sign in signs.items()
        if hasattr(fact, name)
    ]
    words = getattr(field.annotation, "__args__", ()) if "Literal" in str(field.annotation) else ()
    return ", ".join(bounds) or ", ".join(f"`{word}`" for word in words if isinstance(word, str))
