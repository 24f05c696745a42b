"""Against somebody else's RTSP server, GStreamer's: pictures, KLV over RTP, a login, a server that hangs, one that dies."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from klv_packets import packet
from watching import Watched

from edge.delivery.brokers import free_port

RIG = Path(__file__).parent.parent / "rigs" / "rtsp_server.py"
BACK_S = 5.0
BINDINGS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def bindings_missing() -> bool:
    """Whether the system's Python lacks the server."""
    try:
        return subprocess.run(["/usr/bin/python3", "-c", BINDINGS], capture_output=True, check=False).returncode != 0
    except OSError:
        return True


pytestmark = [
    pytest.mark.net,
    pytest.mark.skipif(bindings_missing(), reason="needs python3-gi and gir1.2-gst-rtsp-server-1.0"),
]


class Server:
    """The rig, as a process of its own."""

    def __init__(self, port: int, *, login: str = "", packets: tuple[bytes, ...] = ()) -> None:
        """Start it and wait until it serves."""
        self.url = f"rtsp://127.0.0.1:{port}/thermal"
        self.process = subprocess.Popen(
            ["/usr/bin/python3", RIG, str(port), *([login] if login else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.process.stdin.write("\n".join(one.hex() for one in packets).encode())
        self.process.stdin.close()
        assert self.process.stdout.readline() == b"ready\n"

    def close(self) -> None:
        """End it, also if it is stopped."""
        self.process.kill()
        self.process.wait()


def test_gstreamer_is_watched_through_a_hang_and_a_death(tmp_path):
    """Stopped and continued, killed and started again: noticed, told, and back in time, with the same size and order."""
    port = free_port()
    server = Server(port)
    watched = Watched(server.url, tmp_path)
    try:
        frames = watched.frames(10)
        assert frames[-1].pixels.shape == (178, 322)
        assert abs(time.time() - frames[-1].captured_utc_s) < 1.0
        server.process.send_signal(signal.SIGSTOP)
        assert "no whole picture" in watched.lost() or "nothing came" in watched.lost()
        server.process.send_signal(signal.SIGCONT)
        assert watched.back_after_s() < BACK_S
        watched.frames(5)
        server.close()
        watched.lost()
        server = Server(port)
        assert watched.back_after_s() < BACK_S
        seqs = [frame.seq for _, frame in watched.seen]
        assert seqs == sorted(set(seqs))
    finally:
        watched.close()
        server.close()


def test_klv_over_rtp_is_read_too(tmp_path):
    """RFC 6597: a second track of the same session, whose wrong packets are counted."""
    packets = (packet({13: 48.0, 14: 11.0}), packet({13: 48.0, 14: 11.0}), packet({13: 50.0, 14: 11.0}, checksum=3))
    server = Server(free_port(), packets=packets)
    watched = Watched(server.url, tmp_path)
    try:
        watched.until(lambda: watched.state.telemetry is not None and watched.state.telemetry.refused > 3)
        frames = watched.frames(10)
        assert {round(frame.telemetry.lat_deg, 3) for frame in frames if frame.telemetry} == {48.0}
        assert sum(frame.telemetry is not None for frame in frames) >= 8
        count = watched.state.telemetry
        assert count.refused / (count.read + count.refused) == pytest.approx(1 / 3, abs=0.1)
    finally:
        watched.close()
        server.close()


def test_a_login_is_given_and_a_wrong_one_is_told(tmp_path):
    """With the password of its file it opens; with a wrong one the reason names the settings, not the password."""
    server = Server(free_port(), login="cam:barley7")
    (tmp_path / "right").write_text("barley7\n")
    (tmp_path / "wrong").write_text("millet3\n")
    watched = Watched(server.url, tmp_path, username="cam", password_file="right")
    refused = Watched(server.url, tmp_path, username="cam", password_file="wrong")
    try:
        watched.frames(3)
        reason = refused.lost()
        assert "camera.password_file" in reason
        assert "millet3" not in reason
    finally:
        watched.close()
        refused.close()
        server.close()
