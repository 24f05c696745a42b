"""Elevation grids from files."""

import numpy as np
import pytest

from edge.errors import ConfigError
from edge.places import Origin
from edge.terrain import read_terrain

ASC = """ncols 4
nrows 3
xllcorner 11.0
yllcorner 48.0
cellsize 0.001
NODATA_value -9999
10 20 30 40
50 60 70 80
90 100 110 -9999
"""


def height(terrain, lat, lon):
    """Ask for one place."""
    origin = Origin(lat, lon)
    return terrain.at(origin, np.zeros(1), np.zeros(1))[0]


def test_an_ascii_grid_is_read_with_north_above(tmp_path):
    """Corners are cell edges, values cell middles, the first row is the northernmost."""
    file = tmp_path / "hill.asc"
    file.write_text(ASC)
    terrain = read_terrain(file)
    assert height(terrain, 48.0024, 11.0006) == pytest.approx(15.0, abs=0.05)
    assert height(terrain, 48.0006, 11.0015) == pytest.approx(96.0, abs=0.05)
    assert height(terrain, 48.0020, 11.0010) == pytest.approx(35.0, abs=0.05)  # between four cells
    assert np.isnan(height(terrain, 48.0005, 11.0035))  # unknown
    assert np.isnan(height(terrain, 48.1, 11.0))  # beyond


def test_an_srtm_tile_is_read_by_its_name(tmp_path):
    """The place of a tile stands in its name only."""
    file = tmp_path / "S03W072.hgt"
    heights = np.arange(1201, dtype=">i2")[:, None] + np.zeros((1, 1201), ">i2")
    heights[600, 600] = -32768
    heights.astype(">i2").tofile(file)
    terrain = read_terrain(file)
    assert height(terrain, -2.0 - 100 / 1200, -72.0 + 5 / 1200) == pytest.approx(100.0, abs=0.01)
    assert np.isnan(height(terrain, -2.5, -71.5))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tif", b"II*\0", "known are .asc"),
        ("a.hgt", b"\0" * 8, "N49W112.hgt"),
        ("N49W112.hgt", b"\0" * 9, "1201x1201"),
        ("a.asc", b"", "lacks ncols"),
        ("a.asc", b"\xff\xfe\0", "cannot be read"),
        ("a.asc", ASC.replace("11.0", "445000").encode(), "EPSG:4326"),
        ("a.asc", ASC.replace("nrows 3", "nrows 4").encode(), "header says 4x4"),
        ("a.asc", ASC.replace("nrows 3", "nrows 99999999999").encode(), "2 or more rows"),
        ("a.asc", ASC.replace("cellsize 0.001", "cellsize nan").encode(), "cellsize in degrees"),
    ],
)
def test_what_is_no_grid_is_refused_by_name(tmp_path, name, content, words):
    """The message names the setting and what is wrong."""
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"terrain_file") as told:
        read_terrain(file)
    assert words in str(told.value)


def test_a_missing_grid_is_a_config_error(tmp_path):
    """Not a traceback at three in the morning."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_terrain(tmp_path / "N49W112.hgt")
