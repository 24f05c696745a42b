"""Elevation of the ground, from a grid file: ESRI ASCII (``.asc``, in degrees) or SRTM (``.hgt``).

Both are what elevation services hand out and need no library. Read once, at the start; unknown cells stay unknown.
"""

import math
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError
from edge.places import Origin

_METRES_A_DEGREE = 111_320.0
_HGT_SIZES = {1201 * 1201: 1201, 3601 * 3601: 3601}
_HGT_UNKNOWN = -32768
_HGT_NAME = re.compile(r"^([NS])(\d{2})([EW])(\d{3})$", re.IGNORECASE)
_MOST_CELLS = 40_000_000

Heights = npt.NDArray[np.float32]
Metres = npt.NDArray[np.float64]


class Terrain:
    """A grid of heights above the sea, metres; a value stands for the middle of its cell."""

    def __init__(self, heights_m: Heights, *, west_deg: float, north_deg: float, cell_deg: tuple[float, float]) -> None:
        """Take a grid.

        Args:
            heights_m: (rows, columns), first row in the north; NaN where unknown.
            west_deg: longitude of the middle of the first column.
            north_deg: latitude of the middle of the first row.
            cell_deg: step in longitude and latitude.
        """
        self._heights_m = heights_m
        self._west_deg = west_deg
        self._north_deg = north_deg
        self._cell_deg = cell_deg
        rows, columns = heights_m.shape
        middle = math.cos(math.radians(north_deg - rows * cell_deg[1] / 2))
        self.step_m = min(cell_deg[0] * middle, cell_deg[1]) * _METRES_A_DEGREE / 2
        self.reach_m = math.hypot(columns * cell_deg[0] * middle, rows * cell_deg[1]) * _METRES_A_DEGREE

    def at(self, origin: Origin, east_m: Metres, north_m: Metres) -> Metres:
        """Give heights at points of a local plane, between four cells each; NaN beyond the grid."""
        # the plane's own scale at its origin: within a grid of some kilometres that is a fraction of a cell
        lat_deg, _ = origin.to_degrees(0.0, 1000.0)
        _, lon_deg = origin.to_degrees(1000.0, 0.0)
        row = (self._north_deg - origin.lat_deg - north_m * (lat_deg - origin.lat_deg) / 1000.0) / self._cell_deg[1]
        column = (origin.lon_deg + east_m * (lon_deg - origin.lon_deg) / 1000.0 - self._west_deg) / self._cell_deg[0]
        rows, columns = self._heights_m.shape
        inside = (row >= 0) & (row <= rows - 1) & (column >= 0) & (column <= columns - 1)
        upper = np.clip(np.floor(row).astype(int), 0, rows - 2)
        left = np.clip(np.floor(column).astype(int), 0, columns - 2)
        down, right = row - upper, column - left
        grid = self._heights_m
        height_m = (1 - down) * ((1 - right) * grid[upper, left] + right * grid[upper, left + 1])
        height_m += down * ((1 - right) * grid[upper + 1, left] + right * grid[upper + 1, left + 1])
        return np.where(inside, height_m, np.nan)


def read_terrain(path: Path) -> Terrain:
    """Read an elevation grid.

    Raises:
        ConfigError: it is missing, of another kind, or damaged.
    """
    try:
        if path.suffix.lower() == ".hgt":
            return _read_hgt(path)
        if path.suffix.lower() == ".asc":
            return _read_asc(path)
    except (OSError, ValueError, OverflowError, MemoryError) as error:
        raise ConfigError(f"terrain_file = '{path}': cannot be read: {error}") from error
    raise ConfigError(f"terrain_file = '{path}': unknown kind; known are .asc (ESRI ASCII, degrees) and .hgt (SRTM)")


def _read_hgt(path: Path) -> Terrain:
    named = _HGT_NAME.match(path.stem)
    raw = np.fromfile(path, dtype=">i2")
    size = _HGT_SIZES.get(raw.size)
    if named is None or size is None:
        raise ValueError("a .hgt is named like N49W112.hgt and holds 1201x1201 or 3601x3601 heights")
    heights_m = raw.reshape(size, size).astype(np.float32)
    heights_m[heights_m == _HGT_UNKNOWN] = np.nan
    south = int(named.group(2)) * (1 if named.group(1).upper() == "N" else -1)
    west = int(named.group(4)) * (1 if named.group(3).upper() == "E" else -1)
    cell = 1.0 / (size - 1)
    return Terrain(heights_m, west_deg=west, north_deg=south + 1.0, cell_deg=(cell, cell))


def _read_asc(path: Path) -> Terrain:
    told: dict[str, float] = {}
    with path.open(encoding="ascii") as lines:
        place = 0
        for line in lines:
            words = line.split()
            if len(words) != 2 or not words[0][:1].isalpha():  # noqa: PLR2004  the header is pairs of name and number
                break
            told[words[0].lower()] = float(words[1])
            place += 1
    missing = [name for name in ("ncols", "nrows", "cellsize") if name not in told]
    if missing or not ({"xllcorner", "yllcorner"} <= told.keys() or {"xllcenter", "yllcenter"} <= told.keys()):
        raise ValueError(f"its header lacks {', '.join(missing) or 'xllcorner and yllcorner'}")
    rows, columns, cell = int(told["nrows"]), int(told["ncols"]), told["cellsize"]
    if not (rows > 1 and columns > 1 and rows * columns <= _MOST_CELLS and 0.0 < cell <= 1.0):
        raise ValueError("needs 2 or more rows and columns, and a cellsize in degrees (reproject it to EPSG:4326)")
    heights_m = np.loadtxt(path, dtype=np.float32, skiprows=place, ndmin=2)
    if heights_m.shape != (rows, columns):
        raise ValueError(f"{heights_m.shape[0]}x{heights_m.shape[1]} heights, but the header says {rows}x{columns}")
    if "nodata_value" in told:
        heights_m[heights_m == np.float32(told["nodata_value"])] = np.nan
    half = 0.5 if "xllcorner" in told else 0.0
    west_deg = told.get("xllcorner", told.get("xllcenter", 0.0)) + half * cell
    south_deg = told.get("yllcorner", told.get("yllcenter", 0.0)) + half * cell
    if not (-180.0 <= west_deg <= 180.0 and -90.0 <= south_deg <= 90.0):  # noqa: PLR2004
        raise ValueError("its corner is not in degrees (reproject it to EPSG:4326)")
    return Terrain(heights_m, west_deg=west_deg, north_deg=south_deg + (rows - 1) * cell, cell_deg=(cell, cell))
