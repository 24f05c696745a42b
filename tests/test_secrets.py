"""Secrets stay where they are: in no log, no process list, no environment, no message, no answer of any command."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import CameraConfig, redacted, resolve
from edge.delivery.brokers import Mosquitto, free_port, mosquitto_path
from edge.errors import ConfigError
from edge.pki import Authority

EDGE = str(Path(sys.executable).parent / "edge")
CLIP = Path(__file__).resolve().parent.parent / "sample_footage" / "nine-in-snow.mkv"
BROKER, CAMERA, SRT = "sesame-of-the-broker", "barley-of-the-camera", "millet-of-the-drone"
CONFIG = """\
[node]
id = "node-7"
[[camera]]
id = "north"
source = "footage:{clip}"
loop = true
[[camera]]
id = "gate"
source = "rtsp://127.0.0.1:{closed}/thermal"
username = "viewer"
password_file = "camera-password"
stall_after_s = 2.0
[[camera]]
id = "drone"
source = "srt://127.0.0.1:{closed}"
password_file = "drone-passphrase"
stall_after_s = 2.0
[delivery]
port = {port}
username = "node-7"
password_file = "broker-password"
tls = true
tls_ca_file = "{folder}/ca.crt"
tls_cert_file = "{folder}/node-7/client.crt"
tls_key_file = "{folder}/node-7/client.key"
outbox_file = "{folder}/outbox.sqlite"
health_every_s = 1.0
[log]
level = "debug"
"""


@pytest.mark.broker
@pytest.mark.skipif(mosquitto_path() is None, reason="needs mosquitto")
@pytest.mark.skipif(shutil.which("mosquitto_passwd") is None, reason="needs mosquitto_passwd")
def test_a_node_with_every_kind_of_secret_shows_none(tmp_path):
    """Log at its most talkative, command lines and environments of it and its children, messages, check-config, doctor."""
    site = installed(tmp_path)
    node_key = (tmp_path / "node-7" / "client.key").read_text().splitlines()[1]
    secrets = (BROKER, CAMERA, SRT, node_key)
    seen: dict[str, str] = {}
    with Mosquitto(tmp_path, port=site["port"], settings=site["settings"]):
        listening = subprocess.Popen(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(site["port"]), "--cafile", f"{tmp_path}/ca.crt", "-t", "#", "-v",
             "-u", "station", "-P", "station"], stdout=subprocess.PIPE, text=True)  # fmt: skip
        with (tmp_path / "log").open("w") as log:
            node = subprocess.Popen([EDGE, "run", "node.toml"], cwd=tmp_path, stdout=log, stderr=log)
        try:
            seen["processes"] = watched(node.pid, seconds=6.0)
            seen["check-config"] = output("check-config", "node.toml", folder=tmp_path)
            seen["check-config --json"] = output("check-config", "node.toml", "--json", folder=tmp_path)
            seen["doctor"] = output("doctor", "node.toml", "--verbose", folder=tmp_path)
        finally:
            node.send_signal(signal.SIGTERM)
            node.wait(20)
            listening.terminate()
        seen["messages"] = listening.communicate(timeout=10)[0]
    seen["log"] = (tmp_path / "log").read_text()
    assert "connected" in seen["log"], seen["log"]
    assert "edge/v1/node-7/health" in seen["messages"]
    assert "Connection refused" in seen["messages"]
    assert "edge run" in seen["processes"].replace("\0", " ")
    assert "ffmpeg" in seen["processes"] or shutil.which("ffmpeg") is None
    assert "broker login" in seen["doctor"]
    for place, text in seen.items():
        for secret in secrets:
            assert secret not in text, f"{place} shows a secret"


def installed(folder: Path) -> dict:
    """Make certificates, passwords and the configuration of a node."""
    from datetime import UTC, datetime

    ours = Authority(folder, now=datetime.now(UTC))
    ours.create("ours")
    made = ours.issue("broker", "broker", ["127.0.0.1"])
    ours.issue("node", "node-7")
    port = free_port()
    for name, secret in (("broker-password", BROKER), ("camera-password", CAMERA), ("drone-passphrase", SRT)):
        (folder / name).write_text(secret + "\n")
        (folder / name).chmod(0o600)
    for user, secret in (("node-7", BROKER), ("station", "station")):
        create = [] if user == "station" else ["-c"]
        subprocess.run(["mosquitto_passwd", "-b", *create, folder / "users", user, secret], check=True)
    (folder / "node.toml").write_text(CONFIG.format(clip=CLIP, closed=free_port(), port=port, folder=folder))
    settings = (
        f"certfile {made}/server.crt",
        f"keyfile {made}/server.key",
        f"cafile {folder}/ca.crt",
        "allow_anonymous false",
        f"password_file {folder}/users",
    )
    return {"port": port, "settings": settings}


def watched(process_id: int, *, seconds: float) -> str:
    """Collect command line and environment of a process and all below it, again and again."""
    found: set[str] = set()
    deadline_s = time.monotonic() + seconds
    wanted = "ffmpeg" if shutil.which("ffmpeg") else "edge"
    while time.monotonic() < deadline_s or not any(words.startswith(wanted) for words in found):
        assert time.monotonic() < deadline_s + 60.0, f"no {wanted} among {found}"
        family = {process_id}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(stat[1]) in family:
                        family.add(int(entry.name))
                except OSError:
                    continue
        for member in family:
            for name in ("cmdline", "environ"):
                try:
                    found.add((Path("/proc") / str(member) / name).read_bytes().decode("utf-8", "replace"))
                except OSError:
                    continue
        time.sleep(0.02)
    return "\n".join(found)


def output(*words: str, folder: Path) -> str:
    """Run a command; give everything it says."""
    done = subprocess.run([EDGE, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return done.stdout + done.stderr


SOURCES = [
    "rtsp://cam:{}@10.0.0.5/stream",
    "rtsp://{}@10.0.0.5/stream",
    "srt://10.0.0.5:5000?mode=caller&passphrase={}",
    "http://10.0.0.5/video?user=x&password={}",
    "http://10.0.0.5/video?access_token={}&channel=1",
    "gstreamer:rtspsrc location=rtsp://10.0.0.5/x user-pw={} ! decodebin",
    "gstreamer:rtspsrc location=rtsp://cam:{}@10.0.0.5/x ! decodebin",
]


@pytest.mark.parametrize("source", SOURCES)
def test_a_secret_in_a_source_is_refused_without_repeating_it(source, tmp_path):
    """check-config, run and doctor say what to do instead; none of them says the secret, nor does an exception."""
    (tmp_path / "node.toml").write_text(f"[[camera]]\nid = 'north'\nsource = '{source.format(CAMERA)}'\n")
    with pytest.raises(ConfigError, match=r"camera\.password_file") as told:
        resolve({"camera": [{"id": "north", "source": source.format(CAMERA)}]})
    assert CAMERA not in str(told.value)
    with pytest.raises(ValueError, match="source") as raw:
        CameraConfig(id="north", source=source.format(CAMERA))
    assert CAMERA not in str(raw.value)


def test_a_secret_in_a_wrong_place_is_not_repeated(tmp_path):
    """A password that somebody writes under a key that does not exist, or a URL where a number belongs, is not echoed."""
    (tmp_path / "node.toml").write_text(
        f"[delivery]\npassword = '{BROKER}'\nport = 'mqtt://u:{BROKER}@h'\n[[camera]]\nid='a'\nsource='x'\n"
    )
    for command in ("check-config", "run"):
        said = output(command, "node.toml", folder=tmp_path)
        assert "delivery.password" in said
        assert BROKER not in said


def test_what_is_harmless_is_shown_as_it_is():
    """Addresses, ports and plain options stay readable."""
    for text in ("rtsp://10.0.0.5:554/stream?channel=1", "usb:1e4e:0100", "/etc/edge/password.txt", "udp://239.0.0.1:5000",
                 "gstreamer:v4l2src device=/dev/video0 ! video/x-raw,format=GRAY8"):  # fmt: skip
        assert redacted(text) == text


@given(
    secret=st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=6).map("x".__add__),
    template=st.sampled_from(SOURCES),
)
def test_whatever_the_secret_it_is_hidden(secret, template):
    """The law: what is hidden does not depend on the secret."""
    hidden = redacted(template.format(secret))
    assert hidden == redacted(template.format("other"))
    assert redacted(hidden) == hidden


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_an_encrypted_srt_feed_is_opened_with_a_passphrase_from_its_file(tmp_path):
    """The right passphrase lets pictures in, a wrong one is an error without it; neither stands in a command line."""
    protocols = subprocess.run(
        ["ffmpeg", "-hide_banner", "-protocols"], capture_output=True, text=True, check=True
    ).stdout
    if "srt\n" not in protocols.replace("srtp\n", ""):
        pytest.skip("needs an ffmpeg with SRT")
    import threading

    from edge.capture.sources import open_source
    from edge.clock import SystemClock
    from edge.errors import CameraError

    port = free_port()
    film = [
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=322x178:rate=10",
        "-t",
        "30",
        "-c:v",
        "mpeg2video",
        "-g",
        "5",
        "-f",
        "mpegts",
    ]
    listener = f"srt://127.0.0.1:{port}?mode=listener&passphrase={SRT}"
    sender = subprocess.Popen(["ffmpeg", "-nostdin", "-loglevel", "quiet", *film, listener])
    try:
        time.sleep(1.0)
        (tmp_path / "passphrase").write_text(SRT + "\n")
        section = CameraConfig(
            id="drone", source=f"srt://127.0.0.1:{port}", password_file="passphrase", stall_after_s=10.0
        )
        with open_source(section, SystemClock(), threading.Event(), base=tmp_path) as camera:
            frames = iter(camera)
            assert {next(frames).pixels.shape for _ in range(3)} == {(178, 322)}
            children = [(Path("/proc") / word / "cmdline").read_text() for word in children_of(os.getpid())]
            ours = [words for words in children if "concat" in words]
            assert len(ours) == 1
            assert SRT not in ours[0]
        (tmp_path / "passphrase").write_text("wrong-wrong-wrong\n")
        with pytest.raises(CameraError) as told, open_source(section, SystemClock(), threading.Event(), base=tmp_path):
            pass
        assert "wrong-wrong-wrong" not in str(told.value)
    finally:
        sender.kill()
        sender.wait()


def children_of(process_id: int) -> list[str]:
    """List our children by number."""
    listed = subprocess.run(["pgrep", "-P", str(process_id)], capture_output=True, text=True, check=False)
    return [word for word in listed.stdout.split() if (Path("/proc") / word / "cmdline").exists()]


def test_the_model_reports_to_nobody(tmp_path):
    """ONNX Runtime keeps no id of this box, no file of events to send and no connection, as it would by default."""
    code = (
        "import os, edge, numpy as np\n"
        "from edge.commands.work import load_detector\n"
        "from edge.config import Config\n"
        "from pathlib import Path\n"
        "load_detector(Config(), Path()).infer(np.zeros((1, 1, 64, 96), np.uint8))\n"
        "print([os.readlink(link) for link in map(str, Path('/proc/self/fd').iterdir()) if os.path.lexists(link)])"
    )
    # without the marks of a test or a CI, in which ONNX Runtime is silent by itself
    marks = ("CI", "GITHUB", "TF_BUILD", "PYTEST", "ORT_", "XDG_", "JENKINS", "BUILD")
    there = {name: value for name, value in os.environ.items() if not name.startswith(marks)}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**there, "HOME": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert list(tmp_path.rglob("*")) == []
    assert "socket:" not in done.stdout
    assert "onnxruntime.db" not in done.stdout
