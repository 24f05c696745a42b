"""KLV of MISB ST 0601: the same values as two independent libraries, and nothing believed that is damaged."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from klv_packets import DRONE, packet, st0601

from edge.capture.klv import KEY, KlvReader, TelemetryTrack, decode
from edge.capture.st0601 import telemetry
from edge.pipeline.geo import Geo
from edge.places import Origin, Telemetry

NAMES = {
    5: "platform_heading_deg", 6: "platform_pitch_deg", 7: "platform_roll_deg", 13: "lat_deg", 14: "lon_deg",
    15: "alt_m", 16: "hfov_deg", 17: "vfov_deg", 18: "azimuth_deg", 19: "elevation_deg", 20: "roll_deg",
    21: "slant_range_m", 22: "target_width_m", 23: "centre_lat_deg", 24: "centre_lon_deg", 25: "centre_alt_m",
    26: "corner1_lat_offset_deg", 27: "corner1_lon_offset_deg", 28: "corner2_lat_offset_deg",
    29: "corner2_lon_offset_deg", 30: "corner3_lat_offset_deg", 31: "corner3_lon_offset_deg",
    32: "corner4_lat_offset_deg", 33: "corner4_lon_offset_deg", 78: "centre_ellipsoid_height_m",
    82: "corner1_lat_deg", 83: "corner1_lon_deg", 84: "corner2_lat_deg", 85: "corner2_lon_deg", 86: "corner3_lat_deg",
    87: "corner3_lon_deg", 88: "corner4_lat_deg", 89: "corner4_lon_deg", 90: "platform_pitch_full_deg",
    91: "platform_roll_full_deg", 104: "ellipsoid_height_full_m", 75: "ellipsoid_height_m",
}  # fmt: skip


def test_every_value_is_the_one_another_library_reads():
    """All tags in one packet, against stanag4609, to the last bit of its quantisation."""
    ours = decode(packet())
    theirs = st0601.decode_uas_local_set(packet(), require_version=False)
    for tag, name in NAMES.items():
        assert ours[name] == pytest.approx(float(theirs.value(tag)), rel=1e-9, abs=1e-9), (tag, name)
        assert ours[name] == pytest.approx(DRONE[tag], abs=0.4 if name.endswith("_m") else 0.02)
    assert ours["utc_s"] == 1_770_124_564.5


def test_a_second_library_agrees():
    """klvdata, written by others in another year."""
    klvdata = pytest.importorskip("klvdata", reason="klvdata is not installed (extra dev)")
    from klvdata.elementparser import MappedElementParser

    values = {tag: DRONE[tag] for tag in DRONE if tag not in (90, 91, 104)}  # it knows an older edition
    (read,) = klvdata.StreamParser(packet(values))
    ours, checked = decode(packet(values)), 0
    for key, element in read.items.items():
        if isinstance(element, MappedElementParser) and key[0] in NAMES:
            assert ours[NAMES[key[0]]] == pytest.approx(float(str(element.value)), abs=1e-3), key
            checked += 1
    assert checked >= 20


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.sampled_from([5, 13, 14, 15, 16, 18, 19, 25, 33, 75, 82, 90, 104]), st.floats(0, 1), min_size=1)
)
def test_any_value_of_any_tag_agrees(shares):
    """Over each tag's whole range."""
    spans = {13: (-90, 90), 14: (-180, 180), 15: (-900, 19000), 16: (0, 180), 19: (-180, 180), 25: (-900, 19000),
             33: (-0.075, 0.075), 75: (-900, 19000), 82: (-90, 90), 90: (-90, 90), 104: (-900, 39999)}  # fmt: skip
    values = {tag: spans.get(tag, (0, 360))[0] + share * (spans.get(tag, (0, 360))[1] - spans.get(tag, (0, 360))[0])
              for tag, share in shares.items()}  # fmt: skip
    ours = decode(packet(values))
    theirs = st0601.decode_uas_local_set(packet(values), require_version=False)
    for tag in values:
        assert ours[NAMES[tag]] == pytest.approx(float(theirs.value(tag)), rel=1e-6, abs=1e-6)


def test_a_wrong_or_missing_checksum_is_not_looked_into():
    """Whatever stands in the packet."""
    with pytest.raises(ValueError, match="checksum is wrong"):
        decode(packet(checksum=0x1234))
    whole = packet()
    for place in range(20, len(whole), 7):
        hurt = bytearray(whole)
        hurt[place] ^= 0x55
        with pytest.raises(ValueError, match=r"."):
            decode(bytes(hurt))
    bare = KEY + b"\x04\x05\x02\x80\x00"
    with pytest.raises(ValueError, match="checksum is missing"):
        decode(bare)


def test_error_indicators_and_strange_items_cost_only_themselves():
    """Off-earth latitude, a value of the wrong length, an unknown tag with two bytes: the rest is read."""
    more = b"\x0d\x04\x80\x00\x00\x00" + b"\x10\x01\x07" + b"\x81\x0a\x02ab" + b"\x06\x02\x80\x00"
    values = decode(packet({14: 11.5, 15: 870.0}, more=more))
    assert "lat_deg" not in values
    assert "hfov_deg" not in values
    assert "platform_pitch_deg" not in values
    assert values["lon_deg"] == pytest.approx(11.5)


@given(
    st.floats(0, 359.9), st.floats(-19, 19), st.floats(-49, 49), st.floats(0, 359.9), st.floats(-89, 20),
    st.floats(0, 359.9),
)  # fmt: skip
def test_the_cameras_own_attitude_is_platform_and_gimbal_together(heading, pitch, roll, azimuth, elevation, turn):
    """The axis and the picture's right edge point where two rotations, one after the other, send them."""
    told = telemetry(decode(packet({5: heading, 6: pitch, 7: roll, 18: azimuth, 19: elevation, 20: turn})))
    from edge.pipeline.rays import turned

    def rotate(vector, heading_deg, pitch_deg, roll_deg):
        north, east, down = vector
        angle = math.radians(roll_deg)
        east, down = east * math.cos(angle) - down * math.sin(angle), east * math.sin(angle) + down * math.cos(angle)
        angle = math.radians(pitch_deg)
        north, down = north * math.cos(angle) + down * math.sin(angle), down * math.cos(angle) - north * math.sin(angle)
        angle = math.radians(heading_deg)
        return (
            north * math.cos(angle) - east * math.sin(angle),
            north * math.sin(angle) + east * math.cos(angle),
            down,
        )

    for ours, camera in (((0.0, 0.0, 1.0), (1.0, 0.0, 0.0)), ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))):
        north, east, down = rotate(rotate(camera, azimuth, elevation, turn), heading, pitch, roll)
        found = turned(told.heading_deg, told.tilt_deg, told.roll_deg, ours)
        assert found == pytest.approx((east, north, -down), abs=2e-3)  # 16-bit angles


def test_a_drone_packet_places_a_pixel():
    """Level flight, camera 45 degrees down to the right: the middle of the picture lies there, as far as it is high."""
    values = {5: 90.0, 6: 0.0, 7: 0.0, 13: 48.1, 14: 11.5, 15: 900.0, 16: 30.0, 18: 90.0, 19: -45.0, 20: 0.0, 25: 800.0}
    view = Geo().look(telemetry(decode(packet(values))), width_px=641, height_px=513)
    position = view.locate([(320.5, 256.5)], [20.0])
    east, north = Origin(48.1, 11.5).to_metres(position.lat_deg, position.lon_deg)
    assert (east, north) == pytest.approx((0.0, -100.0), abs=0.5)
    assert position.method == "ray"


def test_straight_down_the_heading_is_where_the_upper_edge_points():
    """No gimbal lock: the picture's top still has a compass direction."""
    told = telemetry(decode(packet({5: 0.0, 6: 0.0, 7: 0.0, 18: 90.0, 19: -90.0, 20: 0.0})))
    assert told.tilt_deg == pytest.approx(-90.0, abs=0.01)
    assert (told.heading_deg - told.roll_deg) % 360.0 == pytest.approx(90.0, abs=0.5)


def test_corners_come_in_full_or_as_offsets():
    """82 to 89 win; 26 to 33 count from the middle; half of them is none."""
    full = telemetry(decode(packet())).corners
    assert full[0] == pytest.approx((48.0998, 11.4992), abs=1e-6)
    offsets = telemetry(decode(packet({tag: DRONE[tag] for tag in range(23, 34)}))).corners
    assert offsets[0] == pytest.approx((48.0994 + 0.0004, 11.4997 - 0.0005), abs=1e-5)
    assert telemetry(decode(packet({tag: DRONE[tag] for tag in range(23, 30)}))).corners is None


def test_height_comes_from_one_surface_only():
    """Ellipsoid over ellipsoid, else the slant range; never one over the sea and one over the ellipsoid."""
    assert telemetry(decode(packet({75: 917.0, 78: 847.0}))).height_m == pytest.approx(70.0, abs=0.4)
    assert telemetry(decode(packet({75: 917.0, 25: 800.0}))).height_m is None
    level = {5: 0.0, 6: 0.0, 7: 0.0, 18: 0.0, 19: -30.0, 21: 140.0}
    assert telemetry(decode(packet(level))).height_m == pytest.approx(70.0, abs=0.1)


def test_a_payload_may_hold_several_sets_and_rubbish():
    """The last good one counts; what is cut off is counted as bad."""
    reader = KlvReader()
    told = reader.read(b"rubbish" + packet({13: 1.0, 14: 2.0}) + b"\0\0" + packet({13: 3.0, 14: 4.0}) + packet()[:40])
    assert (told.lat_deg, told.lon_deg) == (pytest.approx(3.0), pytest.approx(4.0))
    assert (reader.good, reader.bad) == (2, 1)


def test_ten_thousand_damaged_packets_crash_nothing_and_are_counted():
    """Cut, flipped, doubled, filled with noise: each is refused or harmless, and the refused are counted."""
    luck = random.Random(601)
    whole, reader, hurt_count = packet(), KlvReader(), 0
    for _ in range(10_000):
        hurt = bytearray(whole)
        kind = luck.randrange(5)
        if kind == 0:
            del hurt[luck.randrange(len(hurt)) :]
        elif kind == 1:
            for _ in range(luck.randrange(1, 9)):
                hurt[luck.randrange(len(hurt))] = luck.randrange(256)
        elif kind == 2:
            at = luck.randrange(16, len(hurt))
            hurt[at:at] = luck.randbytes(luck.randrange(1, 40))
        elif kind == 3:
            hurt[16:] = luck.randbytes(luck.randrange(0, 300))
        else:
            hurt = bytearray(luck.randbytes(luck.randrange(0, 400)))
        before = reader.good + reader.bad
        told = reader.read(bytes(hurt))
        hurt_count += KEY in bytes(hurt)
        assert told is None or bytes(hurt).find(whole) >= 0 or reader.good > 0
        assert reader.good + reader.bad >= before + (KEY in bytes(hurt))
    assert reader.bad > 5_000
    assert reader.good < hurt_count * 0.01 + 20  # a changed byte that changes nothing, or a checksum met by chance
    assert len(reader.faults) < 20  # reasons, not one for each packet


def test_each_frame_finds_the_telemetry_nearest_to_it():
    """By presentation time, on the way between two; too old is none; a stream that begins again forgets the old one."""
    track, told = TelemetryTrack(nearest_s=0.5), Telemetry(lat_deg=1.0, lon_deg=2.0)
    assert track.at(0.0) is None
    for number in range(300):
        track.put(number * 0.1, told._replace(alt_m=float(number)))
    assert track.at(20.04).alt_m == pytest.approx(200.4)
    assert track.at(20.0).alt_m == pytest.approx(200.0)
    assert track.at(31.0) is None
    track.put(0.0, told._replace(alt_m=-1.0))
    assert track.at(0.1).alt_m == -1.0
    assert track.at(29.0) is None


@pytest.mark.parametrize("live", [True, False])
def test_a_drone_that_tells_its_place_once_a_second_is_followed_in_between(live):
    """Eastward at 15 m/s over the antimeridian, turning through north: a metre and a degree, not fifteen and ten."""
    origin, track = Origin(10.0, 179.9995), TelemetryTrack()

    def truth(t_s: float) -> Telemetry:
        lat, lon = origin.to_degrees(15.0 * t_s, 2.0 * t_s)
        return Telemetry(
            lat_deg=lat, lon_deg=lon, alt_m=100.0 + t_s, heading_deg=(330.0 + 10 * t_s) % 360, tilt_deg=-40.0
        )

    if not live:
        for second in range(12):
            track.put(float(second), truth(second))
    for step in range(120):
        t_s = step / 10
        if live and step % 10 == 0:
            track.put(t_s, truth(t_s))
        if 1.0 <= t_s <= 11.0:
            told, true = track.at(t_s), truth(t_s)
            east_m, north_m = Origin(true.lat_deg, true.lon_deg).to_metres(told.lat_deg, told.lon_deg)
            assert math.hypot(east_m, north_m) < 1.0
            assert told.alt_m == pytest.approx(true.alt_m, abs=0.1)
            assert (told.heading_deg - true.heading_deg + 180) % 360 - 180 == pytest.approx(0.0, abs=1.0)
            assert abs(told.lon_deg) <= 180.0


def test_a_jump_is_not_walked_through():
    """A receiver's fault, a camera that swings through straight down: what is nearer counts, not the middle."""
    here = Telemetry(lat_deg=48.0, lon_deg=11.0, heading_deg=0.0, tilt_deg=-89.0)
    for there in (here._replace(lat_deg=48.1), here._replace(heading_deg=180.0), Telemetry(alt_m=3.0)):
        track = TelemetryTrack()
        track.put(0.0, here)
        track.put(1.0, there)
        assert track.at(0.4).lat_deg == 48.0
        assert track.at(0.4).heading_deg == 0.0
        assert track.at(0.6) == there
        assert track.at(1.9) == there
