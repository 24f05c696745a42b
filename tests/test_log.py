"""The log: one line an event, for people or for a program, and nothing in it can pretend to be another line."""

import json
import logging
from pathlib import Path

import pytest

from edge import log
from edge.config import LogConfig


@pytest.fixture(autouse=True)
def _as_before():
    """Leave logging as it was found."""
    root, edge = logging.getLogger(), logging.getLogger("edge")
    handlers, level = root.handlers[:], edge.level
    yield
    root.handlers[:], edge.level = handlers, level


def said(capsys, config, *, event="camera lost", **fields) -> str:
    """Configure, log one warning and give what stands on standard error."""
    log.configure(config)
    log.get_logger("edge.test").warning(event, **fields)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_a_line_for_people_has_time_level_event_and_fields(capsys):
    """Fields follow the event as name=value; values with blanks are quoted."""
    line = said(capsys, LogConfig(), camera="north", error="no such file", again_in_s=0.5)
    stamp, rest = line.split(" ", 1)
    assert stamp.endswith("Z")
    assert rest == "warning camera lost camera=north error='no such file' again_in_s=0.5\n"


def test_a_line_for_a_program_is_json(capsys):
    """Every field is a key of one object."""
    told = json.loads(said(capsys, LogConfig(format="json"), camera="north", place=(1, 2)))
    assert {key: told[key] for key in ("level", "logger", "event", "camera", "place")} == {
        "level": "warning", "logger": "edge.test", "event": "camera lost", "camera": "north", "place": [1, 2],
    }  # fmt: skip


@pytest.mark.parametrize("value", ["\x1b[2J", "a\n2026-01-01T00:00:00Z error node stopped", "x=y", "", "\x85\u2028"])
@pytest.mark.parametrize("form", ["console", "json"])
def test_a_value_cannot_steer_the_terminal_or_fake_a_line(capsys, form, value):
    """What came from outside stays inside its field."""
    line = said(capsys, LogConfig(format=form), why=value)
    assert line.rstrip("\n").isprintable()
    assert len(line.splitlines()) == 1


def test_the_level_is_kept_and_lines_are_said_once(capsys):
    """Configured twice, a line still comes once; below the level nothing comes."""
    log.configure(LogConfig(level="info"))
    log.configure(LogConfig(level="warning"))
    logger = log.get_logger("edge.test")
    logger.info("quiet")
    logger.debug("quieter")
    logger.error("100 % sure")
    assert capsys.readouterr().err.count("\n") == 1


def test_an_error_of_a_library_comes_the_same_way_with_its_traceback(capsys):
    """What other packages log is stamped like our own."""
    log.configure(LogConfig(format="json"))
    try:
        Path("/nowhere/at/all").read_bytes()
    except OSError:
        logging.getLogger("library").exception("it broke")
    told = json.loads(capsys.readouterr().err)
    assert told["event"] == "it broke"
    assert told["exception"].splitlines()[-1].startswith("FileNotFoundError")
