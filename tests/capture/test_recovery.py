"""Streams that are cut, fall silent, freeze, change their size, are damaged: real servers on loopback, the node's own loop.

A stream is seen again within ``BACK_S`` of being there again, with the default settings, and the node says what happened.
"""

import re
import time

import numpy as np
import pytest
from feeds import HttpCamera, Show, UdpFeed
from films import ground_of
from klv_packets import packet
from rtsp_camera import RtspCamera
from watching import Watched

from edge.delivery.brokers import free_port

BACK_S = 5.0
SILENT = re.compile("nothing came in time|no whole picture")


def in_order(watched: Watched) -> None:
    """Numbers and times of the frames have only grown, whatever happened."""
    frames = [frame for _, frame in watched.seen]
    assert np.all(np.diff([frame.seq for frame in frames]) > 0)
    assert np.all(np.diff([frame.t_s for frame in frames]) > 0)
    assert {frame.pixels.shape for frame in frames} == {(178, 322)}


def test_an_rtsp_camera_that_hangs_up_is_called_again(watch):
    """Cut, gone, and back at the same address: lost at once, back in time, told with the reason."""
    camera = RtspCamera()
    watched = watch(camera.url)
    watched.frames(5)
    cut_s = time.monotonic()
    camera.close()
    assert "has ended" in watched.lost()
    assert time.monotonic() - cut_s < 1.0
    watched.until(lambda: "Connection refused" in (watched.state.fault or ""))
    again = RtspCamera(port=camera.port)
    try:
        assert watched.back_after_s() < BACK_S
        assert watched.state.fault is None
        assert watched.state.last_outage.lasted_s >= 0.5
        in_order(watched)
    finally:
        watched.close()
        again.close()


def test_an_rtsp_camera_that_falls_silent_is_noticed_in_its_stated_seconds(watch):
    """The connection stands, nothing comes: lost after stall_after_s; when it speaks again it is back in time."""
    camera = RtspCamera()
    watched = watch(camera.url, camera)
    watched.frames(5)
    silent_s, camera.silent = time.monotonic(), True
    assert "no whole picture for 1.5 s" in watched.lost()
    assert 1.0 < time.monotonic() - silent_s < 1.5 + 1.0
    camera.silent = False
    assert watched.back_after_s() < BACK_S
    in_order(watched)


def test_an_rtsp_camera_may_change_its_picture_size_while_it_plays(watch):
    """New parameter sets in the same connection: no outage, and bodies and lines stay where they were."""
    camera = RtspCamera()
    watched = watch(camera.url, camera)
    watched.frames(5)
    camera.size = (482, 266)
    changed = watched.frames(15)
    assert watched.state.outages == 0
    in_order(watched)
    block = np.argwhere(changed[-1].pixels > 180)
    assert block[:, 0].min() == pytest.approx(178 / 4, abs=2)
    assert block[:, 0].max() == pytest.approx(178 / 2, abs=2)


@pytest.mark.slow
def test_a_camera_whose_picture_stands_still_is_opened_again(watch):
    """It goes on sending, always the same: after frozen_reopen_s it is opened again, and the reason is told."""
    camera = HttpCamera(Show())
    watched = watch(camera.url("mjpeg"), camera, frozen_reopen_s=5.0)
    watched.frames(5)
    frozen_s, camera.show.frozen = time.monotonic(), True
    assert "the same picture for" in watched.lost()
    assert 4.5 < time.monotonic() - frozen_s < 7.0
    camera.show.frozen = False
    assert watched.back_after_s() < BACK_S
    in_order(watched)


def test_damaged_rtp_packets_cost_pictures_and_not_the_camera(watch):
    """A tenth of all packets hurt: frames go on; once the link is clean, so is the picture."""
    camera = RtspCamera()
    watched = watch(camera.url, camera)
    watched.frames(5)
    camera.damage = 0.1
    watched.frames(30)
    camera.damage = 0.0
    watched.frames(15)
    assert watched.state.outages == 0
    clean = watched.frames(5)
    grounds = [float(np.median(frame.pixels)) for frame in clean]
    assert all(min(abs(ground - ground_of(index)) for index in range(20)) < 2.5 for ground in grounds)
    assert all((frame.pixels > 180).sum() == pytest.approx(30 * 45, rel=0.25) for frame in clean)
    in_order(watched)


@pytest.mark.parametrize(("offset_s", "told_s"), [(-3.0, 3.0), (-120.0, 0.0), (None, 0.0)])
def test_a_frame_has_the_senders_own_time_where_that_is_near_ours(watch, offset_s, told_s):
    """Sender reports count; a clock two minutes off is not believed, and without reports arrival counts."""
    camera = RtspCamera()
    camera.clock_offset_s = offset_s
    watched = watch(camera.url, camera)
    watched.frames(5)
    taken_s, frame = watched.seen[-1]
    ago_s = time.time() - (time.monotonic() - taken_s) - frame.captured_utc_s
    assert told_s - 0.1 < ago_s < told_s + 0.7


def flight(index: int) -> bytes:
    """Tell a place that holds the number of the picture."""
    return packet({13: 48.0 + (index % 20) * 1e-3, 14: 11.5}, checksum=1 if index % 7 == 6 else None)


def test_each_frame_of_a_drone_has_its_own_telemetry_and_wrong_checksums_are_counted(watch, caplog):
    """What the KLV of a frame's own time says, live over UDP; the frames of refused packets take the nearest."""
    port = free_port()
    feed = UdpFeed(port, Show(klv=flight))
    watched = watch(f"udp://127.0.0.1:{port}", feed)
    frames = watched.frames(45)
    exact = 0
    for frame in frames:
        number = round((frame.telemetry.lat_deg - 48.0) * 1000)
        shown = float(np.median(frame.pixels))
        assert abs(shown - ground_of(number)) < 8.0 or abs(abs(shown - ground_of(number)) - 95) < 8.0  # one off at most
        exact += abs(shown - ground_of(number)) < 2.5
    assert exact / len(frames) > 0.8  # six in seven
    assert any("camera.moving" in record.getMessage() for record in caplog.records)
    count = watched.state.telemetry
    assert count.why == "the checksum is wrong"
    assert count.refused / (count.read + count.refused) == pytest.approx(1 / 7, abs=0.05)
    counters = watched.metrics.counters()
    assert counters["telemetry_refused/drone"] == count.refused
    assert counters["telemetry_read/drone"] == count.read


def test_a_drone_feed_goes_through_everything(watch):
    """Silence, a new size, hurt packets, a sender that begins anew: each time back in time, with telemetry."""
    port = free_port()
    show = Show(klv=flight)
    watched = watch(f"udp://127.0.0.1:{port}", UdpFeed(port, show))
    watched.frames(5)
    show.silent = True
    assert SILENT.search(watched.lost())
    show.silent = False
    assert watched.back_after_s() < BACK_S
    outages = watched.state.outages
    show.size = (482, 266)
    watched.frames(15)
    show.damage = 0.03
    watched.frames(20)
    show.damage = 0.0
    show.session += 1  # times and counters from the beginning, in the middle of the connection
    frames = watched.frames(30)
    assert watched.state.outages == outages
    assert frames[-1].telemetry is not None
    assert abs(float(np.median(frames[-1].pixels)) - ground_of(round((frames[-1].telemetry.lat_deg - 48) * 1000))) < 8
    in_order(watched)


def test_presentation_times_that_wrap_or_jump_back_leave_time_and_telemetry_right(watch):
    """33 bits of 90 kHz end after 26.5 hours: frames go on and each still has its own telemetry."""
    port = free_port()
    show = Show(klv=lambda index: packet({13: 48.0 + (index % 20) * 1e-3, 14: 11.5}))
    show.start_s = 2**33 / 90_000 - 2.0
    watched = watch(f"udp://127.0.0.1:{port}", UdpFeed(port, show))
    before = watched.frames(60)
    show.start_s = 5.0
    show.session += 1
    after = watched.frames(40)
    assert watched.state.outages == 0
    for frame in before + after[10:]:
        shown = float(np.median(frame.pixels))
        assert abs(shown - ground_of(round((frame.telemetry.lat_deg - 48) * 1000))) < 2.5
    steps_s = np.diff([frame.t_s for frame in before])
    assert steps_s.max() < 0.5  # over the wrap, too
    in_order(watched)


def test_a_feed_that_goes_on_with_sound_alone_is_lost(watch):
    """Something arrives all the time, but no picture."""
    port = free_port()
    show = Show()
    show.sound = True
    watched = watch(f"udp://127.0.0.1:{port}", UdpFeed(port, show))
    watched.frames(5)
    show.blank = True
    assert "no whole picture" in watched.lost()
    show.blank = False
    assert watched.back_after_s() < BACK_S


@pytest.mark.parametrize("kind", ["mjpeg", "ts", pytest.param("mp4", marks=pytest.mark.slow)])
def test_an_http_camera_is_opened_again(watch, kind):
    """Cut, and silent in an open connection: lost in time, back in time."""
    camera = HttpCamera(Show())
    watched = watch(camera.url(kind), camera)
    watched.frames(5)
    camera.cut()
    watched.lost(3.0)
    assert watched.back_after_s() < BACK_S
    camera.show.silent, silent_s = True, time.monotonic()
    assert SILENT.search(watched.lost())
    assert time.monotonic() - silent_s < 1.5 + 1.0
    camera.show.silent = False
    assert watched.back_after_s() < BACK_S
    in_order(watched)


@pytest.mark.parametrize("kind", ["mjpeg", pytest.param("ts", marks=pytest.mark.slow)])
def test_times_are_those_of_the_world_whatever_the_container_says_of_them(watch, kind):
    """MJPEG has no times, and FFmpeg makes some up: 20 pictures of a second took a second, and are not called old."""
    camera = HttpCamera(Show())
    watched = watch(camera.url(kind), camera)
    watched.frames(5)
    watched.frames(60)
    times = [(taken_s, frame.t_s) for taken_s, frame in watched.seen]
    took_s, said_s = (times[-1][one] - times[4][one] for one in (0, 1))
    assert said_s == pytest.approx(took_s, rel=0.1)
    assert max(taken_s - t_s for taken_s, t_s in times[5:]) < 0.5


@pytest.mark.parametrize("kind", ["mjpeg", "ts"])
def test_an_http_camera_may_change_its_size_and_send_damage(watch, kind):
    """In the same connection, without an outage."""
    camera = HttpCamera(Show())
    watched = watch(camera.url(kind), camera)
    watched.frames(5)
    camera.show.size = (482, 266)
    watched.frames(10)
    camera.show.damage = 0.1 if kind == "mjpeg" else 0.03
    watched.frames(25)
    camera.show.damage = 0.0
    watched.frames(10)
    assert watched.state.outages == 0
    in_order(watched)


def test_the_newest_frame_wins(tmp_path):
    """Who looks once a second sees what is now, not what was; what was passed over is counted."""
    camera = RtspCamera()
    slow = Watched(camera.url, tmp_path)
    take = slow._slots.take
    slow._slots.take = lambda timeout_s: (time.sleep(1.0), take(timeout_s))[1]
    try:
        slow.frames(4)
        late = [time.time() - (time.monotonic() - taken_s) - frame.captured_utc_s for taken_s, frame in slow.seen[1:]]
        assert max(late) < 0.6
        assert slow.metrics.counters()["frames_replaced/drone"] > 20
    finally:
        slow.close()
        camera.close()
