"""``[[camera]]`` and the lines and zones drawn in its picture."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from edge.config.hours import parse_span, read_time_zone
from edge.config.position import PoseConfig, TelemetryConfig
from edge.config.redact import holds_secret
from edge.config.section import Section, Share, Slug, repeated

FramePoint = tuple[Share, Share]
Nearby = Annotated[float, Field(ge=-1.0, le=2.0)]
Pixels = Annotated[int, Field(ge=1, le=16384)]
LinePoint = tuple[Nearby, Nearby]


def _span(text: str) -> str:
    parse_span(text)
    return text


def _time_zone(name: str) -> str:
    read_time_zone(name)
    return name


HourSpan = Annotated[str, AfterValidator(_span)]

_MIN_CORNERS = 3


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
    hours: tuple[HourSpan, ...] = Field(
        (),
        description="when crossings count, on the clock of camera.time_zone: 22:00-06:00 (over midnight), "
        "mon-fri 08:00-17:30, sat,sun 00:00-24:00; empty: always",
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
    hours: tuple[HourSpan, ...] = Field(
        (),
        description="when the zone is there, as of a line; with ignore = true over the whole picture: when this camera is "
        "not to alert; empty: always",
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
    source: str = Field(
        min_length=1,
        description="what to open: footage:PATH, usb:WHICH (auto, VENDOR:PRODUCT, VENDOR:PRODUCT:SERIAL, a port such as "
        "1-1.2, or a path in /dev), rtsp://, udp://, srt://, http://, gstreamer:PIPELINE",
    )
    profile: str = Field(
        "auto",
        min_length=1,
        description="what a USB camera sends: auto, a file name in edge/capture/profiles, or FILE.toml",
    )
    size_px: tuple[Pixels, Pixels] | None = Field(
        None, description="width and height to ask of a USB camera; empty: the profile's first that it offers"
    )
    username: str | None = Field(None, description="user name at a network camera")
    password_file: str | None = Field(
        None,
        description="file with that user's password (srt: the passphrase) on its first line; source may hold none",
    )
    fps: float = Field(
        9.0, gt=0.0, le=120.0, description="rate of a folder of pictures without times of its own, frames per second"
    )
    loop: bool = Field(default=False, description="footage starts again at its end (for demonstrations)")
    moving: bool = Field(default=False, description="the camera itself moves (drone, vehicle): its motion is measured")
    polarity: Literal["white-hot", "black-hot"] = Field("white-hot", description="whether warm is bright or dark")
    stall_after_s: float = Field(
        5.0, ge=0.5, le=600.0, description="without a frame for this long the camera is reported offline and reopened"
    )
    frozen_reopen_s: float = Field(
        30.0, ge=5.0, le=3600.0, description="a live camera that sends the same picture for this long is reopened"
    )
    reopen_max_s: float = Field(
        3.0, ge=0.5, le=600.0, description="longest pause between two tries to open a camera that is lost"
    )
    power_cycle: tuple[str, ...] = Field(
        (), description="program and arguments that switch the camera off and on, e.g. uhubctl; run when it stays lost"
    )
    power_cycle_after_s: float = Field(
        60.0, ge=5.0, le=86400.0, description="... for this long, and again after each further such time"
    )
    terrain_file: str | None = Field(
        None,
        description="elevation of the ground for positions: .asc (ESRI ASCII, degrees) or .hgt (SRTM); empty: flat",
    )
    pose: PoseConfig | None = Field(
        None, description="where a camera stands that does not travel; without it alerts have no position"
    )
    telemetry: TelemetryConfig = Field(
        default_factory=TelemetryConfig, description="how far a drone's own word on its camera can be believed"
    )
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(
        "UTC", description="whose clock the hours of lines and zones are of, an IANA name such as America/Winnipeg"
    )
    line: tuple[LineConfig, ...] = Field((), description="lines whose crossings are counted")
    zone: tuple[ZoneConfig, ...] = Field((), description="named areas of the picture")

    @field_validator("source")
    @classmethod
    def _holds_no_secret(cls, source: str) -> str:
        if holds_secret(source):
            raise ValueError(
                "no name, password or token in here: it would stand in logs and in the process list; use camera.username "
                "and camera.password_file (of srt:// the passphrase)"
            )
        return source

    @model_validator(mode="after")
    def _names_differ(self) -> "CameraConfig":
        for kind, named in (("lines", self.line), ("zones", self.zone)):
            twice = repeated(one.id for one in named)
            if twice:
                raise ValueError(f"two {kind} of camera '{self.id}' are called '{twice[0]}'; their id must differ")
        return self
