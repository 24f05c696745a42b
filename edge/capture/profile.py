"""Camera profiles: what a USB camera sends and what its values mean, as data and not as code.

One TOML file a camera, in ``edge/capture/profiles`` or the operator's own. A profile also says how far it may be
believed: nobody owns every camera, and a profile written from a data sheet is marked as such.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from edge.capture.devices import Device
from edge.capture.v4l2 import Mode
from edge.config import Section
from edge.errors import ConfigError
from edge.records import Radiometry
from edge.words import RadiometryKind

FOLDER = Path(__file__).parent / "profiles"

Size = tuple[Annotated[int, Field(ge=1, le=16384)], Annotated[int, Field(ge=1, le=16384)]]


class PictureSection(Section):
    """``[picture]``: what the driver sends, and where in it the thermal picture lies."""

    fourcc: tuple[Annotated[str, Field(pattern=r"^[\x20-\x7e]{4}$")], ...] = Field(
        min_length=1, description="pixel formats in order of preference, four characters each ('Y16 ' with its space)"
    )
    sizes_px: tuple[Size, ...] = Field((), description="sizes as the driver names them, best first; empty: any")
    layout: Literal["whole", "lower-half-16bit"] = Field(
        "whole", description="lower-half-16bit: the lower half of a YUYV picture holds the raw values"
    )
    telemetry_rows: int = Field(0, ge=0, le=16, description="rows at the bottom that are not picture")


class ValuesSection(Section):
    """``[values]``: what a pixel means, and between what a believable picture lies."""

    kind: RadiometryKind = Field("counts", description="agc8, counts, centikelvin or kelvin64")
    low: int = Field(0, ge=0, le=65535, description="half of a picture below this is no picture of this camera")
    high: int = Field(65535, ge=0, le=65535, description="... and above this neither")


class ShutterSection(Section):
    """``[shutter]``: how one knows that the camera corrects its flat field."""

    told_by: Literal["picture", "lepton-telemetry"] = Field(
        "picture", description="picture: it stands still; lepton-telemetry: the rows below the picture say so"
    )


class Profile(Section):
    """One camera's profile."""

    name: str = Field(min_length=1, description="what it is called on the terminal")
    verified: Literal["no", "emulated", "hardware"] = Field(
        description="no: from data sheets; emulated: the byte layout was tested on an emulated device; hardware: as said"
    )
    source: str = Field(min_length=1, description="where the facts come from")
    usb: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")], ...] = Field(
        (), description="vendor:product numbers; empty: never chosen by itself"
    )
    picture: PictureSection
    values: ValuesSection = Field(default_factory=ValuesSection)
    shutter: ShutterSection = Field(default_factory=ShutterSection)

    @model_validator(mode="after")
    def _fits_together(self) -> "Profile":
        if self.picture.layout == "lower-half-16bit" and self.picture.telemetry_rows:
            raise ValueError("picture.telemetry_rows and a split picture do not go together")
        if self.shutter.told_by == "lepton-telemetry" and not self.picture.telemetry_rows:
            raise ValueError("shutter.told_by = 'lepton-telemetry' needs picture.telemetry_rows")
        if any(height_px <= self.picture.telemetry_rows for _, height_px in self.picture.sizes_px):
            raise ValueError("picture.telemetry_rows leave nothing of a picture in picture.sizes_px")
        if self.values.low >= self.values.high:
            raise ValueError("values.low must lie below values.high")
        return self

    @property
    def radiometry(self) -> Radiometry:
        """What a value means in degrees Celsius, as far as it is known."""
        scales = {"centikelvin": 0.01, "kelvin64": 1 / 64}
        scale = scales.get(self.values.kind)
        return Radiometry(self.values.kind, scale, None if scale is None else -273.15)

    def choose(self, offered: Sequence[Mode], size_px: tuple[int, int] | None = None) -> Mode | None:
        """Pick the mode to ask for; ``None`` when the camera offers none that fits.

        Args:
            offered: what the driver lists.
            size_px: only this size will do.
        """
        for fourcc in self.picture.fourcc:
            fitting = [mode for mode in offered if mode.fourcc == fourcc]
            for size in (size_px,) if size_px else self.picture.sizes_px:
                for mode in fitting:
                    if (mode.width_px, mode.height_px) == size:
                        return mode
            if fitting and not size_px and not self.picture.sizes_px:
                return max(fitting, key=lambda mode: mode.width_px * mode.height_px)
        return None


def shipped() -> dict[str, Profile]:
    """Read the profiles of the package, by the names of their files."""
    return {file.stem: read(file) for file in sorted(FOLDER.glob("*.toml"))}


def read(file: Path) -> Profile:
    """Read one profile.

    Raises:
        ConfigError: it is missing or not a profile; names the key.
    """
    try:
        return Profile.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{file}: camera profile: {where or 'the whole'}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: not a camera profile: {error}") from error


def named(name: str, base: Path) -> Profile:
    """Get the profile that ``camera.profile`` names: a shipped one, or the path of the operator's own.

    Raises:
        ConfigError: there is no such profile.
    """
    if name.endswith(".toml"):
        return read(base / name)
    known = shipped()
    if name not in known:
        raise ConfigError(
            f"camera.profile = '{name}': no such profile; known: auto, {', '.join(known)}, or your FILE.toml"
        )
    return known[name]


def matching(device: Device, offered: Sequence[Mode]) -> tuple[str, Profile] | None:
    """Find the shipped profile for a device: by its USB numbers, else a general one for the formats it offers."""
    known = shipped()
    for name, profile in known.items():
        if device.ids in profile.usb and profile.choose(offered):
            return name, profile
    for name in ("generic-y16", "generic-8bit"):
        if known[name].choose(offered):
            return name, known[name]
    return None
