"""Configurations that a doctor is handed: good ones, wrong ones, and things that are none."""

import os
from pathlib import Path

import pytest

from edge.doctor.configuration import check_configuration

GOOD = "[node]\nid = 'node-7'\n[[camera]]\nid = 'north'\nsource = 'usb:auto'\n"
STATION = Path(__file__).resolve().parent.parent.parent / "configs" / "station" / "station.toml"


def told(tmp_path, text: str) -> list:
    """Write a file and look at it."""
    (tmp_path / "node.toml").write_text(text)
    return check_configuration(tmp_path / "node.toml")[1]


def test_a_good_one_is_summed_up(tmp_path):
    """Node, preset and cameras in one line."""
    (found,) = told(tmp_path, GOOD)
    assert found.state == "pass"
    assert found.told == "node node-7, preset border, 1 camera(s): north"


def test_every_fault_is_a_line_of_its_own(tmp_path):
    """Three faults, three findings, each with its line number."""
    found = told(tmp_path, "[node]\nidd = 'x'\n[delivery]\nport = 0\nhots = 'a'\n")
    assert [one.state for one in found] == ["fail"] * 3
    assert "node.toml:2: unknown setting 'node.idd'; did you mean 'node.id'?" in found[0].told
    assert "edge check-config" in found[0].fix


def test_without_a_camera_the_node_would_not_start(tmp_path):
    """The file loads, the node would not run: that is a fault."""
    (found,) = told(tmp_path, "[node]\nid = 'node-7'\n")
    assert found.state == "fail"
    assert "[[camera]]" in found.fix


def test_pictures_that_leave_the_box_are_pointed_out(tmp_path):
    """Whoever installs it should know."""
    found = told(tmp_path, GOOD + "[alerts]\nsnapshots = true\n")
    assert ("privacy", "warn") in [(one.check, one.state) for one in found]


def test_the_configuration_of_a_station_is_recognised():
    """It is sent where it belongs, instead of a list of unknown settings."""
    loaded, (found,) = check_configuration(STATION)
    assert loaded is None
    assert f"edge station {STATION}" in found.fix


@pytest.mark.parametrize("what", ["missing", "folder", "fifo", "device", "huge", "binary", "no toml"])
def test_what_is_no_configuration_is_told_at_once(tmp_path, what):
    """Nothing hangs, nothing is read into memory without end."""
    file = tmp_path / "node.toml"
    if what == "folder":
        file.mkdir()
    elif what == "fifo":
        os.mkfifo(file)
    elif what == "device":
        file = Path("/dev/zero")
    elif what == "huge":
        with file.open("wb") as hole:
            hole.truncate(5 << 30)
    elif what == "binary":
        file.write_bytes(bytes(range(256)))
    elif what == "no toml":
        file.write_text("[node\nid = 1")
    loaded, found = check_configuration(file)
    assert loaded is None
    assert {one.state for one in found} == {"fail"}
