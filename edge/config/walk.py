"""Walking a configuration: its settings by dotted name, its values by place, and the line of each in its file."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_origin

from pydantic import BaseModel

from edge.config.section import Section
from edge.config.whole import Config

Place = tuple[str | int, ...]
"""Where a value stands: names of tables and keys, and the number of a table in its list."""

Lines = Mapping[Place, int]
"""Line of every table and key of a file, by its place."""

_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-]+)\s*\]\]?")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\-\"]+)\s*=")


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
            return argument, get_origin(annotation) is tuple  # else it is a table that may be missing
    return None, False


def flatten(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Walk the values of a dumped configuration as ``(place, value)``; of lists, only those of tables are entered."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flatten(inner, (*place, name))
    elif isinstance(value, list | tuple) and value and all(isinstance(item, dict) for item in value):
        for index, inner in enumerate(value):
            yield from flatten(inner, (*place, index))
    else:
        yield place, value


def line_of(place: Place, lines: Lines) -> int | None:
    """Give the line of a setting, else of the nearest table around it."""
    for depth in range(len(place), 0, -1):
        if place[:depth] in lines:
            return lines[place[:depth]]
    return None


def lines_of(text: str) -> dict[Place, int]:
    """Find the line of every table and key; tomllib keeps none. Counts the tables of each list."""
    lines: dict[Place, int] = {}
    counts: dict[tuple[str, ...], int] = {}
    here: Place = ()
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


def _indexed(names: tuple[str, ...], counts: Mapping[tuple[str, ...], int]) -> Place:
    place: list[str | int] = []
    for depth in range(1, len(names) + 1):
        place.append(names[depth - 1])
        if names[:depth] in counts:
            place.append(counts[names[:depth]])
    return tuple(place)
