"""Pictures with known persons, and recorded detections, from COCO json files.

Only the category ``person`` is read. An annotation with ``iscrowd`` marks an area in which nothing is judged. What
a picture says about itself beyond its name and size (date, night, altitude, camera angle) is kept, because the same
score by day and by night are two different facts.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.errors import ConfigError
from edge.evaluate.overlap import Floats, Mask, as_boxes
from edge.records import Detection

ATTRIBUTES = ("date", "night", "altitude_m", "camera_angle_deg")
"""Keys of a picture that divide the report into tables."""

Attribute = str | int | float
Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class TruthPicture:
    """One picture and the persons in it.

    Attributes:
        file_name: as in the truth file; the key that detections come under.
        width_px: width of the picture.
        height_px: height of the picture.
        boxes: (N, 4) float64 ``x0, y0, x1, y1``, persons and areas to ignore together.
        ignore: (N,) True where the box is an area in which nothing is judged.
        attributes: what else the file says about this picture in one word or number.
    """

    file_name: str
    width_px: int
    height_px: int
    boxes: Floats
    ignore: Mask
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CocoTruth:
    """Pictures with known persons, in the order of their COCO ids."""

    name: str
    pictures: tuple[TruthPicture, ...]


NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
CocoBox = tuple[Finite, Finite, NonNegative, NonNegative]


class _Image(BaseModel):
    model_config = ConfigDict(extra="allow")
    id: int
    file_name: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class _Annotation(BaseModel):
    image_id: int
    category_id: int
    bbox: CocoBox
    iscrowd: bool = False


class _Category(BaseModel):
    id: int
    name: str


class _File(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


class _Found(BaseModel):
    file_name: str | None = None
    image_id: int | str | None = None
    category_id: int = 1
    bbox: CocoBox
    score: float = Field(ge=0.0, le=1.0)


def load_coco(path: Path) -> CocoTruth:
    """Read the persons of a COCO truth file.

    Raises:
        ConfigError: the file is missing, not COCO json, has no category ``person``, names a picture twice, or annotates
            a picture that it does not list; the message names the file and the place.
    """
    content = _parsed(path, TypeAdapter(_File))
    person = next((category.id for category in content.categories if category.name == "person"), None)
    if person is None:
        found = ", ".join(sorted(category.name for category in content.categories)) or "none"
        raise ConfigError(f"{path}: no category is called 'person'; found: {found}")
    known = {image.id for image in content.images}
    _refuse_doubles(path, [image.id for image in content.images], "id")
    _refuse_doubles(path, [image.file_name for image in content.images], "file_name")
    persons: dict[int, list[_Annotation]] = defaultdict(list)
    for index, annotation in enumerate(content.annotations):
        if annotation.image_id not in known:
            raise ConfigError(f"{path}: annotations.{index}.image_id: {annotation.image_id} is not in 'images'")
        if annotation.category_id == person:
            persons[annotation.image_id].append(annotation)
    ordered = sorted(content.images, key=lambda image: image.id)
    return CocoTruth(path.stem, tuple(_picture(image, persons[image.id]) for image in ordered))


def load_detections(path: Path, truth: CocoTruth) -> dict[str, list[Detection]]:
    """Read COCO results json, as ``edge detect`` writes it, for the pictures of ``truth``.

    Raises:
        ConfigError: the file is missing or not such a list, or an entry has no ``file_name`` that the truth knows.
    """
    known = {picture.file_name for picture in truth.pictures}
    detections: dict[str, list[Detection]] = {name: [] for name in known}
    for index, found in enumerate(_parsed(path, TypeAdapter(list[_Found]))):
        if found.file_name is None:
            raise ConfigError(f"{path}: {index}.file_name is missing; write the file with 'edge detect --output'")
        if found.file_name not in known:
            raise ConfigError(
                f"{path}: {index}.file_name: '{found.file_name}' is not a picture of truth '{truth.name}'"
            )
        x, y, width, height = found.bbox
        detections[found.file_name].append(Detection((x, y, x + width, y + height), found.score))
    return detections


def _parsed(path: Path, adapter: TypeAdapter[Kind]) -> Kind:
    try:
        return adapter.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error
    except ValidationError as error:
        raise ConfigError(f"{path}: {explained(error)}") from error


def explained(error: ValidationError) -> str:
    """Say the first fault of a file in one line: where, what, and how many more there are."""
    faults = error.errors()
    place = ".".join(str(part) for part in faults[0]["loc"]) or "the file"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{place}: {faults[0]['msg']}{more}"


def _refuse_doubles(path: Path, values: Sequence[int | str], key: str) -> None:
    seen: set[int | str] = set()
    for value in values:
        if value in seen:
            raise ConfigError(f"{path}: images: {key} '{value}' is there twice")
        seen.add(value)


def _picture(image: _Image, annotations: Sequence[_Annotation]) -> TruthPicture:
    corners = as_boxes([annotation.bbox for annotation in annotations])
    corners[:, 2:] += corners[:, :2]
    extra: Mapping[str, Any] = image.model_extra or {}
    attributes = {key: value for key, value in extra.items() if isinstance(value, str | int | float)}
    ignore = np.array([annotation.iscrowd for annotation in annotations], dtype=np.bool_)
    return TruthPicture(image.file_name, image.width, image.height, corners, ignore, attributes)
