"""Senders that mean no good cost pictures, never the node, its memory or its time; nor does a drone that tells nonsense."""

import itertools
import math
import random
import struct
import sys
import time
from pathlib import Path

import pytest
from feeds import HttpCamera, Show, UdpFeed
from klv_packets import packet, st0601
from rtsp_camera import RtspCamera, reply

sys.path.insert(0, str(Path(__file__).parent.parent / "pipeline"))

from edge.capture.dji_srt import SideFile
from edge.capture.klv import KEY, KlvReader, KlvTrack, _checksum
from edge.delivery.brokers import free_port
from edge.delivery.wire import parse_alert
from edge.delivery.wire_alert import alert_event
from edge.pipeline.geo import Geo, place
from edge.places import PoseErrors, Telemetry
from edge.records import Alert, Group, Track


def slow_headers(_request, link) -> bool:
    """Answer a byte every tenth of a second."""
    for letter in b"RTSP/1.0 200 OK\r\nX: " + b"y" * 10_000:
        link.sendall(bytes([letter]))
        time.sleep(0.1)
    return True


def endless_headers(request, link) -> bool:
    """Answer with header after header."""
    sequence = next(line for line in request.splitlines() if line.lower().startswith("cseq"))
    link.sendall(f"RTSP/1.0 200 OK\r\n{sequence}\r\n".encode())
    while True:
        link.sendall(b"X-Padding: " + b"y" * 1000 + b"\r\n")


def huge_description(request, link) -> bool:
    """Announce a description of two gigabytes and begin to send it."""
    if not request.startswith("DESCRIBE"):
        return False
    sequence = next(line for line in request.splitlines() if line.lower().startswith("cseq"))
    head = f"RTSP/1.0 200 OK\r\n{sequence}\r\nContent-Type: application/sdp\r\nContent-Length: 2147483646\r\n\r\n"
    link.sendall(head.encode())
    for _ in range(600):
        link.sendall(b"a=x:" + b"z" * 20 + b"\r\n")
        time.sleep(0.01)
    return True


def moved_for_ever(request, link) -> bool:
    """Say that it is elsewhere: here."""
    host = request.split(" ")[1]
    reply(link, request, "302 Found", f"Location: {host}\r\n")
    return True


def rubbish(_request, link) -> bool:
    """Answer with noise."""
    link.sendall(random.Random(3).randbytes(20_000))
    return True


@pytest.mark.parametrize(
    "answer",
    [
        slow_headers,
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in (huge_description, endless_headers, moved_for_ever, rubbish)
        ),
    ],
)
def test_an_rtsp_server_that_means_no_good_is_left_in_time(watch, answer):
    """Each try ends within the time for opening, the node says so and tries again; an honest answer is taken at once."""
    camera = RtspCamera()
    camera.answer = answer
    watched = watch(camera.url, camera)
    begin_s = time.monotonic()
    assert camera.url in watched.lost(12.0)
    assert time.monotonic() - begin_s < 5.0 + 2.0
    camera.answer = lambda _request, _link: False
    watched.frames(3)


def test_a_redirect_loop_over_http_is_left(watch):
    """After a few turns, and tried again later."""
    camera = HttpCamera(Show())
    watched = watch(camera.url("round"), camera)
    watched.lost()
    watched.until(lambda: len(camera.asked) > 9)
    assert watched.state.fault is not None


@pytest.mark.parametrize("body", ["#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{}\n#EXT-X-ENDLIST\n",
                                  "ffconcat version 1.0\nfile {}\n"])  # fmt: skip
def test_a_playlist_over_http_opens_no_file_of_this_box(watch, tmp_path, body):
    """What the network sends may not lead to what lies on the disk."""
    secret = tmp_path / "secret.ts"
    secret.write_bytes(Show().film(20))
    camera = HttpCamera(Show())
    camera.text = body.format(secret).encode()
    watched = watch(camera.url("text"), camera)
    watched.lost()
    time.sleep(1.0)
    assert not watched.seen


def test_endless_tiny_packets_are_no_picture(watch):
    """A transport stream of nothing but tables and empty packets is lost in time, and costs no memory."""
    port, show = free_port(), Show()
    whole = show.film(40)
    feed = UdpFeed(port, Show(klv=None))
    watched = watch(f"udp://127.0.0.1:{port}", feed)
    watched.frames(5)
    show, feed.show.silent = feed.show, True
    packets = [whole[at : at + 188] for at in range(0, len(whole), 188)]
    tables = [one for one in packets if (one[1] & 0x1F) << 8 | one[2] in (0, 17, 4096)]
    end_s = time.monotonic() + 6.0
    outages = watched.state.outages
    for one in itertools.cycle([*tables, b"G\x1f\xff\x10" + b"\xff" * 184]):
        feed._socket.sendto(one, feed._to)
        time.sleep(0.0005)
        if time.monotonic() > end_s or watched.state.outages > outages:
            break
    assert watched.state.outages > outages
    show.silent = False
    watched.frames(3)


def group_at(foot: tuple[float, float]) -> Group:
    """Make a group of one that walks."""
    x, y = foot
    one = Track(1, "person", (x - 5, y - 30, x + 5, y), 0.9, (4.0, 2.0), 0.0, 5.0, confirmed=True)
    return Group(1, (one,), 1, 1, 1, 1, 0.0)


def told_of(told: Telemetry | None, geo: Geo, foot: tuple[float, float]) -> bool:
    """Carry telemetry to an alert on the wire and read it as a control room does; say whether it has a position."""
    group = group_at(foot)
    placed = place(group.members, geo.look(told, width_px=321, height_px=257))
    alert = Alert(
        "01JD9ZZZZZZZZZZZZZZZZZZZZZ", 1, "new", "drone", group, 321, 257, "routine", (), 1e9, 1e9, 1e9, placed=placed
    )
    data = parse_alert(alert_event(alert, node="node-7", seq=1, boot_id="b", clock="ntp", model=None)).data
    if data.position is not None:
        assert math.isfinite(data.position.ce_m)
        assert abs(data.position.lat) <= 90.0
        assert abs(data.position.lon) <= 180.0
    return data.position is not None


LIMITS = {5: (0, 360), 6: (-20, 20), 7: (-50, 50), 13: (-90, 90), 14: (-180, 180), 15: (-900, 19000), 16: (0, 180),
          17: (0, 180), 18: (0, 360), 19: (-180, 180), 20: (0, 360), 21: (0, 5e6), 23: (-90, 90), 24: (-180, 180),
          25: (-900, 19000), **dict.fromkeys(range(26, 34), (-0.075, 0.075)), 75: (-900, 19000), 78: (-900, 19000),
          **{tag: (-180, 180) if tag % 2 else (-90, 90) for tag in range(82, 90)}, 90: (-90, 90), 91: (-90, 90),
          104: (-900, 39999)}  # fmt: skip


def test_whatever_a_drone_says_of_itself_an_alert_is_an_alert():
    """Values at their limits, at zero, anywhere; corners that span nothing or the globe: finite, on earth, or absent."""
    luck, geo, reader, positions = random.Random(104), Geo(errors=PoseErrors()), KlvReader(), 0
    for _ in range(500):
        values = {}
        for tag, (low, high) in LIMITS.items():
            if luck.random() < 0.85:
                values[tag] = luck.choice([low, high, 0.0 if low <= 0 <= high else low, luck.uniform(low, high)])
        if luck.random() < 0.3:  # four corners in one place, or in a row
            spot = luck.uniform(-90, 90), luck.uniform(-180, 180)
            step = luck.choice([0.0, 1e-7, 1e-4])
            values |= {82 + k: spot[k % 2] + step * (k // 2) * (1 - k % 2) for k in range(8)}
            values = {tag: max(LIMITS[tag][0], min(LIMITS[tag][1], value)) for tag, value in values.items()}
        told = reader.read(packet(values, utc_s=luck.choice([0.0, 1.8e9, 9e12])))
        foot = luck.choice([(160.5, 128.5), (0.0, 257.0), (321.0, 0.0), (luck.uniform(0, 321), luck.uniform(0, 257))])
        positions += told_of(told, luck.choice([geo, Geo()]), foot)
    assert reader.good == 500
    assert 50 < positions < 450


def test_a_clock_that_was_never_set_is_no_time():
    """1970 and the year 285,000 are not told."""
    for utc_s in (0.0, 1.0, 9e12, 1.8e13):
        assert KlvReader().read(packet({13: 1.0}, utc_s=utc_s)).utc_s is None
    assert KlvReader().read(packet({13: 1.0}, utc_s=1.8e9)).utc_s == 1.8e9


def test_presentation_times_from_nowhere_hold_on_to_nothing():
    """Far ahead once, far back, not a number of seconds at all: a frame never gets what was told hours away from it."""
    track = KlvTrack()
    for stamp_s in (10.0, 1e9, 11.0, -5e8, 12.0, None):
        track.hear(stamp_s, packet({13: 48.0, 14: 11.0}))
        assert (track.at(12.5) is not None) == (stamp_s in (11.0, 12.0, None))
    assert track.at(None) is None
    assert track.count.read == 6


def test_a_data_track_that_floods_is_read_and_forgotten():
    """A hundred thousand sets in a second of video, and a payload of a megabyte of key after key: memory stays."""
    track, one = KlvTrack(), packet({13: 48.0, 14: 11.0})
    for number in range(2_000):
        track.hear(number / 2_000, one * 5)
    assert len(track._track._kept) <= 256
    begin_s = time.perf_counter()
    KlvReader().read(KEY * 60_000)
    assert time.perf_counter() - begin_s < 5.0
    nested = KEY + b"\x84" + struct.pack("!I", 2**31) + b"\x01" * 100
    reader = KlvReader()
    assert reader.read(nested * 100) is None
    assert reader.bad == 100


@pytest.mark.parametrize(
    ("times", "asked", "found"),
    [
        (["00:00:05,000", "00:00:01,000", "00:00:03,000"], [1.0, 3.0, 5.0], [1.0, 3.0, 5.0]),  # not in order
        (["00:00:01,000", "00:00:01,000"], [1.0], [1.0]),  # twice the same
        (["99:59:59,999", "00:00:01,000"], [1.0, 50.0], [1.0, None]),  # one far away
        (["00:00:61,000", "00:99:00,000"], [61.0, 99 * 60.0], [61.0, 99 * 60.0]),  # no clock shows that, but it counts
        (["-1:00:00,000", "00:00:aa,000", "00:00:02,000"], [2.0, 0.0], [2.0, None]),
    ],
)
def test_side_files_with_wrong_times_place_no_frame_wrongly(times, asked, found):
    """A block counts for its own time, or for none."""

    def seconds(text: str) -> float:
        hours, minutes, rest = text.replace(",", ".").split(":")
        try:
            return int(hours) * 3600 + int(minutes) * 60 + float(rest)
        except ValueError:
            return math.nan

    blocks = [
        f"{number}\n{time_} --> 00:00:00,000\n[latitude: {seconds(time_) / 1e4 + 1:.6f}] [longitude: 2.0]\n"
        for number, time_ in enumerate(times)
    ]
    side = SideFile("\n".join(blocks))
    for t_s, want_s in zip(asked, found, strict=True):
        told = side.at(t_s)
        if want_s is None:
            assert told is None
        else:
            assert told.lat_deg == pytest.approx(want_s / 1e4 + 1, abs=1e-6)


def test_the_checksum_is_the_one_that_others_compute():
    """So that a refused packet is the sender's fault."""
    for size in range(40):
        noise = random.Random(size).randbytes(size)
        assert _checksum(noise) == st0601.running_sum_16(noise)
