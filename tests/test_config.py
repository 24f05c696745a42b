"""Configuration: faults name the line, the setting and the nearest right name; origins are told."""

import math
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import config
from edge.config import PRESETS, load, resolve, settings
from edge.errors import ConfigError

REPOSITORY = Path(__file__).resolve().parent.parent

GOOD = """\
preset = "rescue"
[node]
id = "node-7"

[[camera]]
id = "north"
source = "footage:north.mkv"

[[camera.line]]
id = "border"
points = [[0.0, 0.5], [1.0, 0.5]]
to_left = "northward"

[[camera]]
id = "south"
source = "footage:south.mkv"

[delivery]
host = "broker.example"
health_every_s = 5
"""


def written(tmp_path: Path, text: str) -> Path:
    """Write a configuration file."""
    file = tmp_path / "node.toml"
    file.write_text(text, encoding="utf-8")
    return file


def fault(tmp_path: Path, text: str) -> str:
    """Load a wrong file and give the message."""
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    return str(caught.value)


def test_every_value_knows_where_it_came_from(tmp_path):
    """Values of the file carry its line, the others say default or preset."""
    loaded = load(written(tmp_path, GOOD))
    assert loaded.config.camera[0].line[0].to_left == "northward"
    assert loaded.origins["node.id"] == "node.toml:3"
    assert loaded.origins["camera.0.line.0.id"] == "node.toml:10"
    assert loaded.origins["camera.1.source"] == "node.toml:16"
    assert loaded.origins["delivery.health_every_s"] == "node.toml:20"
    assert loaded.origins["delivery.port"] == "default"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[node]\nidd = 'x'\n", 2, ["node.idd", "did you mean 'node.id'"]),
        ("[delivery]\nhealth_every_ms = 3\n", 2, ["did you mean 'delivery.health_every_s'", "unit"]),
        ("[node]\nhost = 'x'\n", 2, ["did you mean 'delivery.host'"]),
        ("[delivery]\nport = 'many'\n", 2, ["delivery.port", "integer", "'many'"]),
        ("[delivery]\n\nport = 70000\n", 3, ["delivery.port", "65535", "70000"]),
        ("[node]\nid = 'North Gate'\n", 2, ["node.id", "'North Gate'"]),
        ("preset = 'forest'\n", 1, ["preset", "border", "rescue"]),
        ("[[camera]]\nid='a'\n", 1, ["camera.0.source", "missing"]),
        ("[[camera]]\nid='a'\nsource='x'\n[[camera.zone]]\nid='z'\npoints=[[0,0],[1,1]]\n", 4, ["2 different corners"]),
        ("[[camera]]\nid='a'\nsource='x'\n[[camera]]\nid='a'\nsource='y'\n", None, ["two cameras are called 'a'"]),
        ("[model]\nscore = nan\n", 2, ["model.score"]),
        (
            "[[camera]]\nid='a'\nsource='x'\n[[camera.line]]\nid='l'\npoints=[[0,0],[0,0]]\n",
            4,
            ["two different points"],
        ),
        (
            "[[camera]]\nid='a'\nsource='x'\n" + 2 * "[[camera.line]]\nid='l'\npoints=[[0,0],[1,0]]\n",
            1,
            ["two lines of camera 'a' are called 'l'"],
        ),
    ],
)
def test_a_fault_names_line_setting_and_cure(tmp_path, text, line, words):
    """A wrong key, type, bound or unit is told with its place and what would be right."""
    message = fault(tmp_path, text)
    if line is not None:
        assert f"node.toml:{line}:" in message
    for word in words:
        assert word in message


def test_all_faults_are_told_at_once(tmp_path):
    """Three faults give three lines, so that the file is mended in one go."""
    message = fault(tmp_path, "[node]\nidd='x'\n[delivery]\nport=0\nhots='a'\n")
    assert len(message.splitlines()) == 3


def test_what_is_no_toml_is_told_with_its_line(tmp_path):
    """A broken bracket names the line where reading stopped."""
    assert "line 1" in fault(tmp_path, "[node\nid='x'\n")


@pytest.mark.parametrize("text", ["a = " + "[" * 50_000, "[delivery]\nport = 1" + "0" * 5000])
def test_hostile_toml_is_a_config_error(tmp_path, text):
    """Deep nesting and endless numbers are refused in words."""
    assert len(fault(tmp_path, text)) < 1000


def test_a_thousand_zones_are_read_in_a_moment(tmp_path):
    """Finding the lines of settings costs one pass over the file, not one for each setting."""
    zone = "[[camera.zone]]\nid = 'z{}'\npoints = [[0, 0], [1, 0], [1, 1]]\n"
    text = "[[camera]]\nid = 'a'\nsource = 'x'\n" + "".join(zone.format(number) for number in range(1000))
    before_s = time.process_time()
    loaded = load(written(tmp_path, text))
    assert time.process_time() - before_s < 5.0
    assert loaded.origins["camera.0.zone.999.id"] == "node.toml:3002"


def test_a_missing_file_is_named(tmp_path):
    """A file that is not there is an error of the configuration, not a traceback."""
    with pytest.raises(ConfigError, match="no such configuration file"):
        load(tmp_path / "nowhere.toml")


def test_the_file_wins_over_the_preset():
    """A setting in the file stays, whatever the preset says of it."""
    for preset, values in PRESETS.items():
        for dotted, value in values.items():
            section, name = dotted.split(".")
            loaded = resolve({"preset": preset})
            assert getattr(getattr(loaded.config, section), name) == value
            assert loaded.origins[dotted] == f"preset {preset}"
            default = getattr(getattr(config.Config(), section), name)
            kept = resolve({"preset": preset, section: {name: default}})
            assert getattr(getattr(kept.config, section), name) == default


def test_every_setting_has_a_reason():
    """Each setting says in one line why it exists."""
    for name, field in settings():
        assert field.description, f"{name} has no description"
        assert "\n" not in field.description


def test_every_number_carries_its_unit_or_is_a_plain_one():
    """Times, lengths and rates say their unit in their name."""
    for name, field in settings():
        text = (field.description or "").lower()
        if "for this long" in text or "pause" in text:
            assert name.endswith("_s"), name


@pytest.mark.parametrize("file", sorted((REPOSITORY / "configs").glob("*.toml")), ids=lambda file: file.name)
def test_every_example_loads(file):
    """The commented examples are real configurations."""
    assert load(file).config.camera


@given(st.dictionaries(st.text(max_size=8), st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
       lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6),
       max_size=4))  # fmt: skip
def test_nonsense_is_refused_in_words(table):
    """Whatever stands in the file, the answer is a configuration or a ConfigError, never another exception."""
    try:
        loaded = resolve(table)
    except ConfigError:
        return
    assert math.isfinite(loaded.config.delivery.health_every_s)


def test_line_numbers_survive_dotted_keys():
    """A setting written as a dotted key is found too."""
    text = "node.id = 'a'\ndelivery.port = 0\n"
    with pytest.raises(ConfigError, match=r":2: setting 'delivery\.port'"):
        resolve(tomllib.loads(text), text=text, path=Path("n.toml"))


def test_the_reference_is_current():
    """configs/reference.md is what the settings say today; mend it with: edge check-config --reference."""
    assert (REPOSITORY / "configs" / "reference.md").read_text(encoding="utf-8") == config.reference()


def test_a_pose_is_whole_or_not_there():
    """Half a pose would put everybody in the wrong place."""
    pose = {"lat_deg": 49.0, "lon_deg": 11.0, "height_m": 6.0, "heading_deg": 0.0, "tilt_deg": -8.0, "hfov_deg": 24.0}
    camera = {"id": "a", "source": "footage:x.mkv", "pose": pose}
    assert resolve({"camera": [camera]}).config.camera[0].pose is not None
    with pytest.raises(ConfigError, match=r"'camera\.0\.pose\.height_m' is missing"):
        resolve({"camera": [{**camera, "pose": {key: pose[key] for key in pose if key != "height_m"}}]})
