"""Scenario files: what is accepted, and how a mistake is explained."""

from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.simulate import load_scenario, scenario_names


def _written(folder: Path, text: str) -> Path:
    path = folder / "night walk.toml".replace(" ", "-")
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_named_after_itself_and_may_be_tiny(tmp_path: Path) -> None:
    """A scenario needs nothing but its duration; its name is that of the file."""
    scenario = load_scenario(_written(tmp_path, "duration_s = 3"))
    assert scenario.name == "night-walk"
    assert scenario.duration_s == 3


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("duration_s = 3\n[camera]\nhfov = 20", "unknown setting 'camera.hfov'; did you mean 'camera.hfov_deg'?"),
        ("duration_s = 3\n[camera]\nfps = 0", "setting 'camera.fps'"),
        ("duration_s = 3\n[camera.motion]\nkind = 'spin'", "setting 'camera.motion.kind'"),
        ("[camera]\nfps = 9", "setting 'duration_s' is missing"),
        ("duration_s = 3\n[[parties]]\npath_m = [[0, 30]]\nadults = 0", "at least one of adults, children"),
        ("duration_s = 3\n[[parties]]\npath_m = [[0, 30]]\ngiat = 'run'", "did you mean 'parties.0.gait'"),
        ("duration_s = 3\n[[parties]]\npath_m = [[0, 30]]\nwith_party = 'x'\nwith_until_s = 2", "names no other party"),
        ("duration_s = 3\n[[parties]]\npath_m = [[0, 30]]\nwith_until_s = 2", "with_party goes together with"),
        (
            "duration_s = 3\n[camera.motion]\nkind = 'orbit'\n[[lines]]\nid = 'a'\npoints_m = [[0, 9], [9, 9]]",
            "camera.motion.kind",
        ),
        ("duration_s = 3\n[[parties]]\npath_m = [[0, 30]]\nadult_height_m = [1.9, 1.5]", "adult_height_m"),
        ("duration_s = 3\nstart_utc = 2026-02-03T13:16:00", "needs a time zone"),
        ("duration_s = ", "not valid TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, wanted: str) -> None:
    """A wrong scenario is refused with the file, the setting, and where possible the right spelling."""
    path = _written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    assert wanted in str(caught.value)
    assert str(path) in str(caught.value)


def test_every_mistake_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    """Two wrong settings give two lines, so nobody has to run twice."""
    path = _written(tmp_path, "duration_s = -1\n[weather]\nair_c = 99")
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    assert "'duration_s'" in str(caught.value)
    assert "'weather.air_c'" in str(caught.value)


def test_an_unknown_name_suggests_a_shipped_one() -> None:
    """A misspelt shipped scenario is answered with the right name."""
    with pytest.raises(ConfigError, match="did you mean 'nine-in-snow'"):
        load_scenario("nine-in-sno")


def test_enough_scenarios_ship_and_each_says_its_reason() -> None:
    """At least 24 scenarios ship; each file begins with a comment, and says in a word why it exists."""
    names = scenario_names()
    assert len(names) >= 24
    for name in names:
        scenario = load_scenario(name)
        assert scenario.name == name
        assert scenario.why
    folder = Path(load_scenario.__code__.co_filename).parent / "scenarios"
    assert all(path.read_text(encoding="utf-8").startswith("# Reason:") for path in folder.glob("*.toml"))
