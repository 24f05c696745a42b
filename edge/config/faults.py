"""What is wrong with a file, in words: the line, the setting, and the nearest right name."""

import difflib
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from edge.config.redact import redacted
from edge.config.walk import Lines, Place, line_of, lines_of, settings

_FAULTS_TOLD = 20
_VALUE_CHARS = 80


def explained(error: ValidationError, text: str, path: Path | None, kind: type[BaseModel]) -> str:
    """Tell every fault of a file on a line of its own."""
    lines, faults = lines_of(text), error.errors()
    told = [_explain(fault, lines, path, kind) for fault in faults[:_FAULTS_TOLD]]
    more = [f"... and {len(faults) - _FAULTS_TOLD} more"] if len(faults) > _FAULTS_TOLD else []
    return "\n".join([*told, *more])


def _explain(fault: Any, lines: Lines, path: Path | None, kind: type[BaseModel]) -> str:
    place = tuple(part for part in fault["loc"] if not (isinstance(part, str) and part.startswith("function-")))
    dotted = ".".join(str(part) for part in place) or "configuration"
    line = line_of(place, lines)
    where = f"{path or 'configuration'}:{line}" if line else f"{path or 'configuration'}"
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown setting '{dotted}'{_suggestion(place, kind)}"
    if fault["type"] == "missing":
        return f"{where}: setting '{dotted}' is missing"
    message = fault["msg"].removeprefix("Value error, ")
    given = "" if isinstance(fault["input"], dict) else f", found {_short(fault['input'])}"
    return f"{where}: setting '{dotted}': {message}{given}"


def _suggestion(place: Place, kind: type[BaseModel]) -> str:
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
    text = redacted(repr(value))
    return text if len(text) <= _VALUE_CHARS else f"{text[:_VALUE_CHARS]}..."


def _bare(name: str) -> str:
    return re.sub(r"_(s|ms|px|c|m|mb|kb|hz|min|h)$", "", name)
