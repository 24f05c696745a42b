"""The tags of MISB ST 0601 (UAS Datalink Local Set) that place a picture, and what they say together of its camera.

Ranges are those of MISB ST 0601.19, the mapped float (tag 104) is that of MISB ST 1201. Not every tag is here: who flies,
under which mission and with which weapons is nothing that finds a person.
"""

import math
from typing import NamedTuple

from edge.places import LatLon, Telemetry

_MICROSECONDS = 1e6
_ELLIPSOID_HEIGHT_TAG = 104
_LEVEL = 1e-6
_EARLIEST_UTC_S, _LATEST_UTC_S = 946_684_800.0, 4_102_444_800.0  # 2000 to 2100: outside it a clock was never set


class _Mapped(NamedTuple):
    """A whole number that stands for a range: unsigned from 0, signed around 0 with its least value for "no value"."""

    size: int
    low: float
    high: float
    signed: bool

    def value(self, raw: bytes) -> float | None:
        if len(raw) != self.size:
            return None
        number = int.from_bytes(raw, "big", signed=self.signed)
        if not self.signed:
            return self.low + number * (self.high - self.low) / ((1 << 8 * self.size) - 1)
        most = (1 << 8 * self.size - 1) - 1
        return None if number < -most else number * self.high / most


def _angle(size: int, high: float) -> _Mapped:
    return _Mapped(size, -high, high, signed=True)


_ALTITUDE = _Mapped(2, -900.0, 19_000.0, signed=False)
_TURN16, _TURN32 = _Mapped(2, 0.0, 360.0, signed=False), _Mapped(4, 0.0, 360.0, signed=False)
_FIELD_OF_VIEW = _Mapped(2, 0.0, 180.0, signed=False)
_LAT, _LON, _OFFSET = _angle(4, 90.0), _angle(4, 180.0), _angle(2, 0.075)
_FIELDS: dict[int, tuple[str, _Mapped]] = {
    5: ("platform_heading_deg", _TURN16),
    6: ("platform_pitch_deg", _angle(2, 20.0)),
    7: ("platform_roll_deg", _angle(2, 50.0)),
    13: ("lat_deg", _LAT),
    14: ("lon_deg", _LON),
    15: ("alt_m", _ALTITUDE),
    16: ("hfov_deg", _FIELD_OF_VIEW),
    17: ("vfov_deg", _FIELD_OF_VIEW),
    18: ("azimuth_deg", _TURN32),
    19: ("elevation_deg", _angle(4, 180.0)),
    20: ("roll_deg", _TURN32),
    21: ("slant_range_m", _Mapped(4, 0.0, 5_000_000.0, signed=False)),
    22: ("target_width_m", _Mapped(2, 0.0, 10_000.0, signed=False)),
    23: ("centre_lat_deg", _LAT),
    24: ("centre_lon_deg", _LON),
    25: ("centre_alt_m", _ALTITUDE),
    **{tag: (f"corner{(tag - 24) // 2}_{'lon' if tag % 2 else 'lat'}_offset_deg", _OFFSET) for tag in range(26, 34)},
    75: ("ellipsoid_height_m", _ALTITUDE),
    78: ("centre_ellipsoid_height_m", _ALTITUDE),
    **{tag: (f"corner{(tag - 80) // 2}_{'lon' if tag % 2 else 'lat'}_deg", _LON if tag % 2 else _LAT)
       for tag in range(82, 90)},
    90: ("platform_pitch_full_deg", _angle(4, 90.0)),
    91: ("platform_roll_full_deg", _angle(4, 90.0)),
}  # fmt: skip


def value(tag: int, raw: bytes) -> tuple[str, float] | None:
    """Read one item; ``None`` for an unknown tag, a wrong length, or the indicator of an error.

    Returns:
        Name and value: angles in degrees, lengths in metres, ``utc_s``.
    """
    if tag == 2:  # noqa: PLR2004  precision time stamp
        utc_s = int.from_bytes(raw, "big") / _MICROSECONDS
        known = len(raw) == 8 and _EARLIEST_UTC_S <= utc_s < _LATEST_UTC_S  # noqa: PLR2004
        return ("utc_s", utc_s) if known else None
    if tag == _ELLIPSOID_HEIGHT_TAG:
        height_m = _mapped_float(raw, -900.0, 40_000.0)
        return None if height_m is None else ("ellipsoid_height_full_m", height_m)
    field = _FIELDS.get(tag)
    told = field[1].value(raw) if field else None
    return None if field is None or told is None else (field[0], told)


def telemetry(values: dict[str, float]) -> Telemetry:
    """Make of decoded values what the camera itself does: where it is, where it looks, what it covers."""
    attitude = _attitude(values)
    heading_deg, tilt_deg, roll_deg = attitude or (None, None, None)
    return Telemetry(
        lat_deg=values.get("lat_deg"),
        lon_deg=values.get("lon_deg"),
        alt_m=values.get("alt_m"),
        height_m=_height_m(values, tilt_deg),
        ground_alt_m=values.get("centre_alt_m"),
        heading_deg=heading_deg,
        tilt_deg=tilt_deg,
        roll_deg=roll_deg,
        hfov_deg=values.get("hfov_deg") or None,  # 0 is how "not known" is often written
        vfov_deg=values.get("vfov_deg") or None,
        corners=_corners(values),
        utc_s=values.get("utc_s"),
    )


def _mapped_float(raw: bytes, low: float, high: float) -> float | None:
    """Undo the mapping B of MISB ST 1201, section 8; ``None`` for its special values."""
    if not 1 <= len(raw) <= 8 or raw[0] & 0x80:  # noqa: PLR2004
        return None
    scale = 2.0 ** (8 * len(raw) - 1 - math.ceil(math.log2(high - low)))
    offset = scale * low - math.floor(scale * low) if low < 0.0 < high else 0.0
    return (int.from_bytes(raw, "big") - offset) / scale + low


def _attitude(values: dict[str, float]) -> tuple[float, float, float] | None:
    """Add the camera's angles to the platform's: heading, tilt and roll of the camera itself, degrees."""
    platform = (
        values.get("platform_heading_deg"),
        values.get("platform_pitch_full_deg", values.get("platform_pitch_deg")),
        values.get("platform_roll_full_deg", values.get("platform_roll_deg")),
    )
    heading, pitch, roll = platform
    azimuth, elevation = values.get("azimuth_deg"), values.get("elevation_deg")
    if heading is None or pitch is None or roll is None or azimuth is None or elevation is None:
        return None
    outer = _rotation(heading, pitch, roll)
    inner = _rotation(azimuth, elevation, values.get("roll_deg", 0.0))
    ahead, right, down = (
        [sum(outer[row][k] * inner[k][column] for k in range(3)) for row in range(3)] for column in range(3)
    )
    tilt = math.asin(max(-1.0, min(1.0, -ahead[2])))
    if math.hypot(ahead[0], ahead[1]) < _LEVEL:  # straight down: the heading is where the picture's upper edge points
        return math.degrees(math.atan2(-down[1], -down[0])) % 360.0, math.degrees(tilt), 0.0
    compass = math.degrees(math.atan2(ahead[1], ahead[0])) % 360.0
    return compass, math.degrees(tilt), math.degrees(math.atan2(right[2], down[2]))


def _rotation(heading_deg: float, pitch_deg: float, roll_deg: float) -> list[list[float]]:
    """Turn from ahead, right and down of a body to north, east and down (or to the body that carries it)."""
    (sin_h, cos_h), (sin_p, cos_p), (sin_r, cos_r) = (
        (math.sin(math.radians(angle)), math.cos(math.radians(angle))) for angle in (heading_deg, pitch_deg, roll_deg)
    )
    return [
        [cos_h * cos_p, cos_h * sin_p * sin_r - sin_h * cos_r, cos_h * sin_p * cos_r + sin_h * sin_r],
        [sin_h * cos_p, sin_h * sin_p * sin_r + cos_h * cos_r, sin_h * sin_p * cos_r - cos_h * sin_r],
        [-sin_p, cos_p * sin_r, cos_p * cos_r],
    ]


def _height_m(values: dict[str, float], tilt_deg: float | None) -> float | None:
    """Give the height above the ground looked at: of two heights over one surface, else from the slant range."""
    ellipsoid_m = values.get("ellipsoid_height_full_m", values.get("ellipsoid_height_m"))
    ground_m = values.get("centre_ellipsoid_height_m")
    if ellipsoid_m is not None and ground_m is not None:
        return ellipsoid_m - ground_m
    slant_m = values.get("slant_range_m")
    if slant_m and tilt_deg is not None and tilt_deg < 0.0:
        return slant_m * math.sin(math.radians(-tilt_deg))
    return None


def _corners(values: dict[str, float]) -> tuple[LatLon, LatLon, LatLon, LatLon] | None:
    """Give the corners of the picture, told in full or as offsets from its middle."""
    corners = []
    for number in range(1, 5):
        lat_deg, lon_deg = values.get(f"corner{number}_lat_deg"), values.get(f"corner{number}_lon_deg")
        if lat_deg is None or lon_deg is None:
            parts = (
                values.get("centre_lat_deg"),
                values.get(f"corner{number}_lat_offset_deg"),
                values.get("centre_lon_deg"),
                values.get(f"corner{number}_lon_offset_deg"),
            )
            if parts[0] is None or parts[1] is None or parts[2] is None or parts[3] is None:
                return None
            lat_deg, lon_deg = parts[0] + parts[1], parts[2] + parts[3]
        corners.append((lat_deg, lon_deg))
    return corners[0], corners[1], corners[2], corners[3]
