"""Finds, reads and checks scenario files: the shipped ones by name, anybody's own by path."""

import difflib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from edge.errors import ConfigError
from edge.simulate.scenario import Scenario

SCENARIOS = Path(__file__).parent / "scenarios"


def scenario_names() -> tuple[str, ...]:
    """List the scenarios that come with the program, in alphabetical order."""
    return tuple(sorted(path.stem for path in SCENARIOS.glob("*.toml")))


def load_scenario(path_or_name: str | Path) -> Scenario:
    """Read one scenario, by the name of a shipped one or by the path of a file.

    A file that does not say its ``name`` gets that of the file.

    Raises:
        ConfigError: nothing of that name, not TOML, or a setting that is unknown, missing or out of bounds. The message
            names every wrong setting.
    """
    path = _find(path_or_name)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    try:
        return Scenario.model_validate({"name": path.stem.lower().replace("_", "-"), **table})
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {_explain(fault)}" for fault in error.errors())) from error


def _find(path_or_name: str | Path) -> Path:
    shipped = SCENARIOS / f"{path_or_name}.toml"
    if str(path_or_name) in scenario_names():
        return shipped
    path = Path(path_or_name)
    if path.is_file():
        return path
    near = difflib.get_close_matches(str(path_or_name), scenario_names(), n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"shipped are: {', '.join(scenario_names())}"
    raise ConfigError(f"scenario '{path_or_name}': no such file and no shipped scenario of that name; {hint}")


def _explain(fault: Any) -> str:
    place: tuple[str | int, ...] = fault["loc"]
    dotted = ".".join(str(part) for part in place) or "scenario"
    if fault["type"] == "extra_forbidden":
        known = sorted(_section_at(place[:-1]).model_fields)
        near = difflib.get_close_matches(str(place[-1]), known, n=1)
        right = ".".join(str(part) for part in (*place[:-1], *near))
        return f"unknown setting '{dotted}'; " + (f"did you mean '{right}'?" if near else f"known: {', '.join(known)}")
    if fault["type"] == "missing":
        return f"setting '{dotted}' is missing"
    found = "" if isinstance(fault["input"], dict) else f", found {fault['input']!r}"
    return f"setting '{dotted}': {fault['msg'].removeprefix('Value error, ')}{found}"


def _section_at(place: tuple[str | int, ...]) -> type[BaseModel]:
    section: type[BaseModel] = Scenario
    for part in place:
        if isinstance(part, str):
            section = next(_sections_in(section.model_fields[part].annotation), section)
    return section


def _sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)
