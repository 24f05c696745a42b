"""Reading a file: over its preset, over the defaults, checked as a whole, and where each value came from."""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from edge.config.faults import explained
from edge.config.section import Section
from edge.config.walk import Lines, Place, flatten, line_of, lines_of
from edge.config.whole import PRESETS, Config
from edge.errors import ConfigError

File = TypeVar("File", bound=Section)


class Loaded(NamedTuple):
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
        raise ConfigError(explained(error, text, path, kind)) from error


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
        raise ConfigError(explained(error, text, path, Config)) from error
    return Loaded(config, dict(_origins(config, table, preset, lines_of(text), path)), path)


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
            line = line_of(place, lines)
            yield dotted, f"{file_name}:{line}" if line else file_name
        elif dotted in PRESETS.get(preset, {}):
            yield dotted, f"preset {preset}"
        else:
            yield dotted, "default"


def _present(table: Any, place: Place) -> bool:
    for part in place:
        if isinstance(part, int):
            if not isinstance(table, list) or part >= len(table):
                return False
        elif not isinstance(table, dict) or part not in table:
            return False
        table = table[part]
    return True
