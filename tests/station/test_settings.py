"""The station's configuration file."""

from pathlib import Path

import pytest

from edge.config import settings as walk
from edge.errors import ConfigError
from edge.station.settings import StationConfig, WebConfig, base_map, load, token

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def written(tmp_path: Path, text: str) -> Path:
    """Write a configuration file."""
    path = tmp_path / "station.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_holds_the_defaults(tmp_path: Path):
    """What the commented file shows is what the station does without it."""
    example = load(REPOSITORY / "configs" / "station" / "station.toml")
    default = load(written(tmp_path, ""))
    assert example.model_dump(exclude={"store"}) == default.model_dump(exclude={"store"})
    assert default.store.url == f"sqlite:///{tmp_path}/station.sqlite"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[web]\nhosst = "127.0.0.1"', r"station\.toml:2: unknown setting 'web\.hosst'; did you mean 'web\.host'"),
        ('[web]\nhost = "0.0.0.0"', r"web\.host 0\.0\.0\.0 can be reached .* set web\.token_file"),
        ('[web]\nhost = "::"', r"set web\.token_file"),
        ('[store]\nurl = "mysql://x"', r"station\.toml:2: setting 'store\.url'"),
        ("[presence]\nsilent_after_s = 0", r"station\.toml:2: setting 'presence\.silent_after_s'"),
        ('name = "a/b"', r"station\.toml:1: setting 'name'"),
    ],
)
def test_a_fault_names_line_setting_and_cure(tmp_path: Path, text: str, words: str):
    """Wrong settings are refused as the node refuses its own."""
    with pytest.raises(ConfigError, match=words):
        load(written(tmp_path, text))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_token(host: str):
    """Every way to write this machine is this machine."""
    assert WebConfig(host=host).loopback


def test_a_token_must_be_long_and_readable(tmp_path: Path):
    """A short or missing token is refused with the name of its setting."""
    file = tmp_path / "token"
    with pytest.raises(ConfigError, match=r"web\.token_file .* cannot be read"):
        token(WebConfig(token_file=str(file)))
    file.write_text("short\n")
    with pytest.raises(ConfigError, match=r"web\.token_file .* 5 characters"):
        token(WebConfig(token_file=str(file)))
    file.write_text("a-token-that-is-long-enough\nand more\n")
    assert token(WebConfig(host="0.0.0.0", token_file=str(file))) == "a-token-that-is-long-enough"


def test_a_base_map_is_looked_at_before_the_start(tmp_path: Path):
    """A missing file, and one that is no PMTiles archive, is refused with its setting and the way out."""
    config = load(written(tmp_path, '[web]\nmap_file = "region.pmtiles"'))
    assert config.web.map_file == str(tmp_path / "region.pmtiles")
    with pytest.raises(ConfigError, match=r"web\.map_file .* cannot be read: No such file"):
        base_map(config.web)
    (tmp_path / "region.pmtiles").write_bytes(b"SQLite format 3\0" + bytes(500))
    with pytest.raises(ConfigError, match=r"web\.map_file .* no PMTiles archive .* pmtiles convert"):
        base_map(config.web)
    (tmp_path / "region.pmtiles").write_bytes(b"PMTiles\x03" + bytes(500))
    assert base_map(config.web) == config.web.map_file


def test_every_setting_has_a_reason():
    """No setting without its line of why."""
    assert all(field.description for _, field in walk(StationConfig))
