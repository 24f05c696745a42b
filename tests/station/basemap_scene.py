"""Base maps for tests: a made-up border valley as PMTiles, with vector or picture tiles, written by the reference writer."""

import gzip
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import write

LAT, LON = 49.0012, -111.9601
ZOOMS = range(15)
_EXTENT = 4096
Ring = list[tuple[float, float]]

# kind, layer, properties, (lon, lat) offsets in degrees from the middle
_VALLEY: tuple[tuple[int, str, dict[str, str], Ring], ...] = (
    (3, "earth", {"kind": "earth"}, [(-0.09, -0.06), (0.09, -0.06), (0.09, 0.06), (-0.09, 0.06), (-0.09, -0.06)]),
    (
        3,
        "landuse",
        {"kind": "forest"},
        [(-0.02, 0.004), (-0.004, 0.004), (-0.006, 0.018), (-0.022, 0.016), (-0.02, 0.004)],
    ),
    (3, "water", {"kind": "lake"}, [(0.006, 0.003), (0.013, 0.002), (0.016, 0.006), (0.009, 0.009), (0.006, 0.003)]),
    (2, "water", {"kind": "river"}, [(-0.03, -0.012), (-0.01, -0.006), (0.004, -0.007), (0.03, -0.014)]),
    (2, "roads", {"kind": "major_road"}, [(-0.03, -0.004), (-0.004, -0.003), (0.012, -0.002), (0.03, 0.001)]),
    (2, "roads", {"kind": "path"}, [(-0.004, -0.003), (-0.002, 0.004), (0.001, 0.012), (0.000, 0.02)]),
    (2, "boundaries", {"kind": "country"}, [(-0.09, 0.0), (0.09, 0.0)]),
    (1, "places", {"kind": "locality", "name": "Žabljak"}, [(0.0, -0.0045)]),
)


def vector_map(file: Path) -> Path:
    """Write a map of vector tiles, its names in its own letters."""
    layers = [{"id": name, "fields": {"kind": "String"}} for name in sorted({one[1] for one in _VALLEY})]
    return _written(file, TileType.MVT, {"vector_layers": layers}, lambda z, x, y: gzip.compress(_mvt(z, x, y)))


def picture_map(file: Path) -> Path:
    """Write a map of PNG tiles: a chequered board."""

    def board(_z: int, x: int, y: int) -> bytes:
        tile = np.full((256, 256, 3), 90 if (x + y) % 2 else 130, np.uint8)
        return cv2.imencode(".png", tile)[1].tobytes()

    return _written(file, TileType.PNG, {}, board)


def _written(file: Path, kind: TileType, metadata: dict[str, Any], tile: Any) -> Path:
    with write(str(file)) as archive:
        for z in ZOOMS:
            west, north = _tile_of(LON - 0.09, LAT + 0.06, z)
            east, south = _tile_of(LON + 0.09, LAT - 0.06, z)
            for x in range(int(west), int(east) + 1):
                for y in range(int(north), int(south) + 1):
                    archive.write_tile(zxy_to_tileid(z, x, y), tile(z, x, y))
        archive.finalize(
            {
                "tile_type": kind,
                "tile_compression": Compression.GZIP if kind == TileType.MVT else Compression.NONE,
                "min_lon_e7": int((LON - 0.09) * 1e7), "min_lat_e7": int((LAT - 0.06) * 1e7),
                "max_lon_e7": int((LON + 0.09) * 1e7), "max_lat_e7": int((LAT + 0.06) * 1e7),
                "center_zoom": 12, "center_lon_e7": int(LON * 1e7), "center_lat_e7": int(LAT * 1e7),
            },
            {"attribution": "<a href='https://maps.example'>© Made up</a>", **metadata},
        )  # fmt: skip
    return file


def _tile_of(lon: float, lat: float, z: int) -> tuple[float, float]:
    """Give the fractional tile number of a place (spherical Mercator)."""
    side = 2**z
    sine = math.sin(math.radians(lat))
    return (lon + 180) / 360 * side, (0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)) * side


def _mvt(z: int, x: int, y: int) -> bytes:
    """Encode a tile after the Mapbox Vector Tile specification 2.1; every feature is told in every tile, clipped by none."""
    tile = b""
    for name in sorted({one[1] for one in _VALLEY}):
        keys: list[str] = []
        values: list[str] = []
        features = b""
        for kind, layer, properties, ring in _VALLEY:
            if layer != name:
                continue
            tags = []
            for key, value in properties.items():
                keys += [key] if key not in keys else []
                values += [value] if value not in values else []
                tags += [keys.index(key), values.index(value)]
            points = []
            for east, north in ring:
                px, py = _tile_of(LON + east, LAT + north, z)
                points.append((round((px - x) * _EXTENT), round((py - y) * _EXTENT)))
            features += _field(
                2, _field(2, _packed(tags)) + _varint(3 << 3) + _varint(kind) + _field(4, _packed(_path(kind, points)))
            )
        told = _field(1, name.encode()) + features
        told += b"".join(_field(3, key.encode()) for key in keys)
        told += b"".join(_field(4, _field(1, value.encode())) for value in values)
        tile += _field(3, told + _varint(5 << 3) + _varint(_EXTENT) + _varint(15 << 3) + _varint(2))
    return tile


def _path(kind: int, points: list[tuple[int, int]]) -> list[int]:
    """Write move-to, line-to and close-path commands."""
    if kind == 3:  # exterior rings run clockwise in tile coordinates
        area = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(points))
        points = (points if area > 0 else points[::-1])[:-1]
    path, (px, py) = [], (0, 0)
    for index, (x, y) in enumerate(points):
        if index == 0:
            path.append(1 | 1 << 3)
        elif index == 1:
            path.append(2 | (len(points) - 1) << 3)
        path += [_zigzag(x - px), _zigzag(y - py)]
        px, py = x, y
    return [*path, 7 | 1 << 3] if kind == 3 else path


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def _packed(values: list[int]) -> bytes:
    return b"".join(map(_varint, values))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content
