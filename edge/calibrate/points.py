"""The marked points: a TOML file, or a CSV table with the same names as columns."""

import csv
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from edge.config import Section, load_as
from edge.errors import ConfigError

LEAST_POINTS = 4


class MarkedPoint(Section):
    """``[[point]]``: one thing that can be seen in the picture and found on the map."""

    name: str = Field("", max_length=60, description="what it is, e.g. gate post")
    x_px: float = Field(ge=0.0, le=20000.0, description="column in the picture, from the left edge")
    y_px: float = Field(ge=0.0, le=20000.0, description="row in the picture, from the upper edge")
    lat_deg: float = Field(ge=-90.0, le=90.0, description="degrees north, WGS 84")
    lon_deg: float = Field(ge=-180.0, le=180.0, description="degrees east, WGS 84")
    height_m: float = Field(0.0, ge=-1000.0, le=5000.0, description="of the point above the ground plane")


class KnownCamera(Section):
    """``[camera]``: what is known of the camera; what is left out is found."""

    lat_deg: float | None = Field(None, ge=-90.0, le=90.0, description="degrees north, if it was measured")
    lon_deg: float | None = Field(None, ge=-180.0, le=180.0, description="degrees east, if it was measured")
    height_m: float | None = Field(None, gt=0.0, le=5000.0, description="above the ground plane, if it was measured")
    hfov_deg: float | None = Field(None, gt=0.1, le=170.0, description="horizontal field of view, from the data sheet")

    @model_validator(mode="after")
    def _is_a_place(self) -> "KnownCamera":
        if (self.lat_deg is None) != (self.lon_deg is None):
            raise ValueError("camera.lat_deg and camera.lon_deg go together")
        return self


class Marked(Section):
    """A whole file of points."""

    camera: KnownCamera = Field(default_factory=KnownCamera, description="what is known of the camera")
    point_error_m: float = Field(2.0, ge=0.0, le=1000.0, description="one sigma of the points' places on the map")
    point: tuple[MarkedPoint, ...] = Field(description="the points")

    @model_validator(mode="after")
    def _are_enough(self) -> "Marked":
        if len(self.point) < LEAST_POINTS:
            raise ValueError(f"{len(self.point)} points; {LEAST_POINTS} or more are needed, spread over the picture")
        return self


def read_points(path: Path) -> Marked:
    """Read marked points.

    Raises:
        ConfigError: the file cannot be read, or a point lacks a number or is out of bounds.
    """
    return _read_csv(path) if path.suffix.lower() == ".csv" else load_as(Marked, path)


def _read_csv(path: Path) -> Marked:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = [{name.strip(): cell.strip() for name, cell in row.items() if cell} for row in csv.DictReader(lines)]
    except (OSError, ValueError, AttributeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read as a table with a line of names: {error}") from error
    try:
        return Marked.model_validate({"point": tuple(MarkedPoint.model_validate(row) for row in rows)})
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"]) or "points"
        raise ConfigError(f"{path}: {place}: {fault['msg'].removeprefix('Value error, ')}") from error
