"""DJI side files, in all the ways that DJI writes them."""

import random

import pytest

from edge.capture.dji_srt import SideFile, read_side_file, side_path, telemetry
from edge.errors import CameraError

MODERN = """1\r
00:00:00,000 --> 00:00:00,033\r
<font size="28">FrameCnt: 1, DiffTime: 33ms\r
2026-05-27 13:14:22.911\r
[iso: 200] [shutter: 1/6400.0] [fnum: 1.8] [focal_len: 24.00] [latitude: 53.365108] [longitude: -6.460719] \
[rel_alt: 56.100 abs_alt: 122.769] [gb_yaw: 45.0 gb_pitch: -30.5 gb_roll: 0.5] [ct: 5263] </font>\r
\r
2\r
00:00:01,033 --> 00:00:01,066\r
<font size="28">FrameCnt: 2, DiffTime: 33ms\r
[latitude : 53.365208] [longtitude : -6.460719] [rel_alt: 57.100 abs_alt: 123.769] </font>\r
"""


def test_the_bracketed_form_tells_place_height_and_gimbal():
    """With spaces or without, and with the early spelling."""
    told = SideFile(MODERN)
    first, second = told.at(0.0), told.at(1.5)
    assert (first.lat_deg, first.lon_deg, first.height_m, first.alt_m) == (53.365108, -6.460719, 56.1, 122.769)
    assert (first.heading_deg, first.tilt_deg, first.roll_deg) == (45.0, -30.5, 0.5)
    assert (second.lat_deg, second.lon_deg, second.tilt_deg) == (53.365208, -6.460719, None)
    assert len(told) == 2
    assert told.bad == 0


@pytest.mark.parametrize(
    ("body", "lat", "lon", "height", "tilt"),
    [
        ("HOME(149.1,-20.1) 2017.08.05 14:11:51\nGPS(149.0252,-20.2533,16) BAROMETER:1.9", -20.2533, 149.0252, 1.9, None),
        ("GPS(36.6146,-6.1120,0.0M) BAROMETER:0.3M", 36.6146, -6.1120, 0.3, None),
        (
            "F/5.6, GPS (-58.851745, -34.237922, 15), HOME (-58.8, -34.2, -57.98m), D 698.70m, H 85.80m, H.S 0.00m/s, \
F.PRY (2.7°, -7.0°, 110.1°), G.PRY (-24.4°, 0.0°, 110.4°)",
            -34.237922, -58.851745, 85.8, -24.4,
        ),
        ("RTK (120.083799, 30.213635, 28), H 76.19m, G.PRY (-40.0, 0.0, 28.2)", 30.213635, 120.083799, 76.19, -40.0),
    ],
)  # fmt: skip
def test_the_older_forms_are_read_with_their_own_order(body, lat, lon, height, tilt):
    """Longitude first, but latitude first where the third number has a unit; never the operator's own place."""
    told = telemetry(body)
    assert (told.lat_deg, told.lon_deg, told.height_m, told.tilt_deg) == (lat, lon, height, tilt)


@pytest.mark.parametrize(
    "body",
    ["", "HOME(149.0251,-20.2532)", "[latitude: 0.000000] [longitude: 0.000000]", "[latitude: 91.0] [longitude: 1.0]",
     "[latitude: 1.0]", "GPS(149.0, 149.0, 3)", "[latitude: 1e999] [longitude: nan]"],
)  # fmt: skip
def test_no_place_on_earth_is_no_telemetry(body):
    """No fix is written as 0, 0; half a place is none; the operator's own does not count."""
    assert telemetry(body) is None


def test_a_frame_finds_its_block_and_no_old_one():
    """The block that has begun, at most a second and a half ago."""
    told = SideFile(MODERN)
    assert told.at(-0.1) is None
    assert told.at(0.0).height_m == 56.1
    assert told.at(0.5165).height_m == pytest.approx(56.6, abs=0.01)  # half way to the next
    assert told.at(1.0334).height_m == 57.1
    assert told.at(9.0) is None


def test_the_file_lies_beside_the_clip(tmp_path):
    """In capitals or not; a folder of that name is none."""
    assert side_path(tmp_path / "DJI_1.MP4") is None
    (tmp_path / "DJI_1.SRT").write_text(MODERN, encoding="utf-8")
    assert len(read_side_file(side_path(tmp_path / "DJI_1.MP4"))) == 2
    with pytest.raises(CameraError, match="cannot be read"):
        read_side_file(tmp_path / "nothing.SRT")


def test_ten_thousand_damaged_files_crash_nothing_and_are_counted():
    """Cut, flipped and shuffled text: blocks are read or counted as bad, numbers stay on earth."""
    luck, bad, good = random.Random(77), 0, 0
    sources = [MODERN, "1\n00:00:01,000 --> 00:00:02,000\nGPS(149.0252,-20.2533,16) BAROMETER:1.9\n" * 2]
    for _ in range(10_000):
        text = list(luck.choice(sources))
        for _ in range(luck.randrange(1, 30)):
            kind, at = luck.randrange(3), luck.randrange(len(text))
            if kind == 0:
                text[at] = chr(luck.randrange(32, 0x250))
            elif kind == 1:
                del text[at : at + luck.randrange(30)]
            else:
                text[at:at] = luck.choice(["-", "(", "[latitude: ", "-->", "9" * 40, "\0", ".", "00:00:00,000 --> "])
            if not text:
                text = [" "]
        side = SideFile("".join(text))
        bad, good = bad + side.bad, good + len(side)
        for t_s in (0.0, 1.2):
            told = side.at(t_s)
            assert told is None or (abs(told.lat_deg) <= 90 and abs(told.lon_deg) <= 180)
    assert bad > 1_000
    assert good > 1_000
