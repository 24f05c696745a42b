"""What a scenario file may say: one TOML file describes a place, its weather, its camera and everybody who passes.

Places are metres in the *scene frame*: x to the right and y straight ahead of the ground point below the camera, as the
camera looks at time 0; z is up. Only the camera's heading, latitude and longitude tie that frame to the world, so a
scene can be turned to another compass direction by changing one number.

Every model forbids unknown keys: a typo in a scenario must not silently mean "default".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Point = tuple[float, float]
Path = Annotated[tuple[Point, ...], Field(min_length=1)]
Gait = Literal["walk", "run", "crawl"]
Pose = Literal["stand", "sit", "lie", "crouch"]
PersonHeight = Annotated[float, Field(ge=0.5, le=2.3)]


def _is_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("needs a time zone, for example 2026-02-03T13:16:00Z")
    return moment.astimezone(UTC)


def _rises(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("is a range: the first number must not be above the second")
    return pair


HeightRange = Annotated[tuple[PersonHeight, PersonHeight], AfterValidator(_rises)]


class Section(BaseModel):
    """A part of a scenario file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Motion(Section):
    """How the camera moves. ``fixed`` ignores every other setting here."""

    kind: Literal["fixed", "shake", "orbit", "transit"] = "fixed"
    shake_deg: float = Field(0.15, ge=0, le=5, description="largest swing of a mast in wind, or of a hovering drone")
    shake_hz: float = Field(0.7, gt=0, le=10, description="slowest of the three frequencies the swing is made of")
    orbit_radius_m: float = Field(60, gt=0, le=1000, description="circle around the point the camera looks at")
    orbit_period_s: float = Field(120, gt=1, le=3600)
    speed_m_s: float = Field(5, ge=-40, le=40, description="transit: speed along the course")
    course_deg: float = Field(0, ge=-180, le=180, description="transit: course relative to where the camera looks")


class Camera(Section):
    """Where the camera stands, how it looks, and how many pixels it has."""

    lat_deg: float = Field(49.0012, ge=-89, le=89)
    lon_deg: float = Field(-111.96, ge=-180, le=180)
    height_m: float = Field(6, gt=0.2, le=1000)
    heading_deg: float = Field(0, ge=-180, le=360, description="compass direction of the optical axis")
    tilt_deg: float = Field(-8, ge=-90, le=30, description="0 is the horizon, -90 straight down")
    roll_deg: float = Field(0, ge=-180, le=180)
    hfov_deg: float = Field(24, gt=1, le=120)
    width_px: int = Field(320, ge=32, le=1280)
    height_px: int = Field(256, ge=32, le=1024)
    fps: float = Field(9, gt=0, le=60)
    drop_share: float = Field(0, ge=0, lt=0.9, description="share of frames that never arrive, at random")
    motion: Motion = Motion()


class Sensor(Section):
    """What a real uncooled sensor does to the picture, in degrees at the scene."""

    netd_c: float = Field(0.05, ge=0, le=1, description="white noise, new in every frame")
    fixed_pattern_c: float = Field(0.03, ge=0, le=2, description="what is left of the pattern right after calibration")
    pattern_growth_c_per_min: float = Field(0.03, ge=0, le=2, description="growth of the pattern until the next FFC")
    column_c: float = Field(0.03, ge=0, le=2, description="stripes, part of the fixed pattern")
    drift_c_per_min: float = Field(0.15, ge=-5, le=5, description="slow drift of the whole picture until the next FFC")
    blur_px: float = Field(0.55, ge=0, le=6, description="sigma of the optics and the detector together")
    sharpen: float = Field(0.0, ge=0, le=3, description="unsharp mask of cameras that enhance edges")
    ffc_at_s: tuple[float, ...] = ()
    ffc_every_s: float | None = Field(
        None, gt=2, le=3600, description="calibration at a fixed pace, first after one period"
    )
    ffc_freeze_s: float = Field(0.9, gt=0, le=5)
    output: Literal["counts", "centikelvin", "kelvin64", "agc8"] = "centikelvin"
    step_c: float | None = Field(
        None, gt=0, le=1, description="smallest step of the output; a coarse one makes small files"
    )


class Weather(Section):
    """Air, ground, sky and what floats between."""

    air_c: float = Field(-8, ge=-60, le=55)
    ground_c: float = Field(-12, ge=-60, le=80)
    ground_end_c: float | None = Field(
        None, ge=-60, le=80, description="ground at the end of the clip, for dusk and dawn"
    )
    sky_c: float = Field(
        -35, ge=-90, le=50, description="apparent temperature straight up; clouds are warm, clear sky cold"
    )
    sun_c: float = Field(0, ge=0, le=40, description="what the sun adds to dark clothes; light ones get a fifth of it")
    fog_m: float | None = Field(None, ge=20, le=20000, description="range at which a third of the contrast is left")
    rain_mm_h: float = Field(0, ge=0, le=100)
    snowfall_mm_h: float = Field(0, ge=0, le=20, description="water equivalent")
    wind_m_s: float = Field(1.0, ge=-30, le=30, description="across the picture; slants rain and snow")


class Road(Section):
    """A strip of another surface: a road, a trodden track, a river."""

    path_m: Annotated[tuple[Point, ...], Field(min_length=2)]
    width_m: float = Field(4, gt=0.1, le=200)
    warmer_c: float = Field(2, ge=-30, le=40)
    edge_warmer_c: float = Field(0, ge=-30, le=40, description="kerbs and painted borders")


class Terrain(Section):
    """The ground."""

    surface: Literal["snow", "grass", "stone", "asphalt", "soil"] = "snow"
    contrast: float = Field(1, ge=0, le=8, description="multiplies the surface's own unevenness")
    skyline_deg: float = Field(1.2, ge=0, le=20, description="height of the distant hills or trees above the horizon")
    roads: tuple[Road, ...] = ()


class Thing(Section):
    """Something that stands still: it hides people, or looks a little like one."""

    kind: Literal["bush", "tree", "conifer", "post", "fence", "ridge", "house", "stone", "lamp", "car", "van", "truck"]
    at_m: Point
    count: int = Field(1, ge=1, le=500)
    spread_m: Point = Field((0, 0), description="half-widths of the box in which a count of them is scattered")
    height_m: float | None = Field(None, gt=0, le=60, description="size; each kind has a natural one")
    length_m: float = Field(12, gt=0, le=500, description="of fences, ridges and houses")
    turned_deg: float = Field(0, ge=-360, le=360, description="0 lies across the view")
    warmer_c: float | None = Field(None, ge=-40, le=120, description="above the air; each kind has a natural one")


class Pause(Section):
    """The whole party stops after so many metres of its path."""

    at_m: float = Field(ge=0)
    for_s: float = Field(gt=0, le=36000)
    pose: Pose = "stand"


class Mover(Section):
    """What everything that moves has in common: a path, a speed and a start."""

    path_m: Path
    speed_m_s: float = Field(1.2, ge=0, le=40)
    start_s: float = Field(0, ge=-3600, le=3600, description="when the first one stands on the first point of the path")
    pauses: tuple[Pause, ...] = ()
    at_end: Literal["continue", "stop"] = "continue"
    facing_deg: float = Field(180, ge=-360, le=360, description="for a path of one point; 0 looks away from the camera")


class Party(Mover):
    """People who move together."""

    name: str | None = Field(None, min_length=1, max_length=40)
    adults: int = Field(1, ge=0, le=100)
    children: int = Field(0, ge=0, le=100)
    formation: Literal["line", "abreast", "cluster"] = "line"
    spacing_m: float = Field(1.8, ge=0.3, le=50)
    gait: Gait = "walk"
    pose: Pose = Field("stand", description="while there is nowhere to go")
    insulation: float = Field(0.85, ge=0, le=0.99, description="0 is bare skin, 0.95 an arctic parka")
    adult_height_m: HeightRange = (1.6, 1.88)
    child_height_m: HeightRange = (1.0, 1.4)
    backpacks: int = Field(0, ge=0, le=100)
    suitcases: int = Field(0, ge=0, le=100)
    sledge: bool = Field(False, description="the last adult pulls one")
    dogs: int = Field(0, ge=0, le=20)
    with_party: str | None = Field(
        None, description="the party whose group these people belong to, for some of the time"
    )
    with_from_s: float | None = Field(None, ge=0, description="they join then: their own group ends as merged")
    with_until_s: float | None = Field(None, ge=0, description="they leave then: their new group has that parent")

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if self.adults + self.children == 0:
            raise ValueError("a party needs at least one of adults, children")
        if (self.with_party is None) != (self.with_from_s is None and self.with_until_s is None):
            raise ValueError("with_party goes together with with_from_s (a merge) or with_until_s (a split)")
        if self.with_from_s is not None and self.with_until_s is not None:
            raise ValueError("with_from_s (a merge) and with_until_s (a split) exclude each other: make two parties")
        return self


class Herd(Mover):
    """Animals of one kind that move together."""

    kind: Literal["deer", "cattle", "dog", "coyote", "horse"]
    count: int = Field(1, ge=1, le=200)
    formation: Literal["line", "abreast", "cluster"] = "cluster"
    spacing_m: float = Field(3, ge=0.3, le=50)


class Vehicle(Mover):
    """A vehicle that drives, or stands with its engine running."""

    kind: Literal["car", "van", "truck"] = "car"
    engine_warmer_c: float = Field(25, ge=-5, le=90, description="above the air, at the bonnet")


class Line(Section):
    """A line on the ground whose crossings are true events."""

    id: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    points_m: tuple[Point, Point]


class Scenario(Section):
    """One scene, complete."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,60}$")
    why: str = Field("", description="the reason this scenario exists")
    seed: int = Field(1, ge=0, le=2**31)
    duration_s: float = Field(gt=0, le=3600)
    start_utc: Annotated[datetime, AfterValidator(_is_utc)] = datetime(2026, 2, 3, 13, 16, tzinfo=UTC)
    camera: Camera = Camera()
    sensor: Sensor = Sensor()
    weather: Weather = Weather()
    terrain: Terrain = Terrain()
    things: tuple[Thing, ...] = ()
    parties: tuple[Party, ...] = ()
    herds: tuple[Herd, ...] = ()
    vehicles: tuple[Vehicle, ...] = ()
    lines: tuple[Line, ...] = ()

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if self.lines and self.camera.motion.kind in ("orbit", "transit"):
            raise ValueError(f"lines need a camera that stays: camera.motion.kind is {self.camera.motion.kind!r}")
        names = [party.name for party in self.parties if party.name is not None]
        if len(names) != len(set(names)):
            raise ValueError("two parties have the same name")
        for party in self.parties:
            if party.with_party is not None and (party.with_party not in names or party.with_party == party.name):
                raise ValueError(f"with_party {party.with_party!r} names no other party of this scenario")
        return self
