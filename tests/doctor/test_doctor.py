"""``edge doctor`` as it is typed: on good boxes and wrecked ones, always in time, never with a secret."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.delivery.brokers import Mosquitto, free_port, mosquitto_path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CLIP = REPOSITORY / "sample_footage" / "nine-in-snow.mkv"
NODE = """\
[node]
id = "node-7"
[[camera]]
id = "north"
source = "footage:{clip}"
loop = true
[delivery]
port = {port}
outbox_file = "{folder}/outbox.sqlite"
"""


def run(*words: str, check: bool = False, **more) -> subprocess.CompletedProcess:
    """Run the command; it ends within a minute, whatever it meets."""
    command = [str(Path(sys.executable).parent / "edge"), "doctor", *words]
    return subprocess.run(command, capture_output=True, text=True, check=check, timeout=120, **more)


def written(tmp_path, port: int = 1, *, clip: object = CLIP, more: str = "") -> str:
    """Write a node's configuration."""
    file = tmp_path / "node.toml"
    file.write_text(NODE.format(clip=clip, port=port, folder=tmp_path) + more)
    return str(file)


def findings(done: subprocess.CompletedProcess) -> dict[str, dict]:
    """Read the JSON; give the findings by check."""
    return {one["check"]: one for one in json.loads(done.stdout)["findings"]}


@pytest.mark.skipif(mosquitto_path() is None, reason="needs mosquitto")
def test_a_box_that_works_fails_nothing(tmp_path):
    """Footage as a camera and a broker on loopback: every check is there, none fails, the exit code is 0."""
    with Mosquitto(tmp_path) as broker:
        done = run(written(tmp_path, broker.port), "--json")
    found = findings(done)
    assert done.returncode == 0, done.stdout
    assert {"configuration", "clock", "disk", "camera north", "picture north", "model", "provider", "native core", "speed",
            "broker", "broker login", "broker permission", "service"} <= found.keys()  # fmt: skip
    assert found["camera north"]["measured"]["width_px"] == 320
    assert found["speed"]["measured"]["frame_ms"] > 0
    assert "no key" not in done.stderr
    assert not (tmp_path / "outbox.sqlite").exists()


@pytest.mark.slow
def test_everything_at_once_is_wrong_and_everything_is_told(tmp_path):
    """A camera that is a pipe, no broker, an open password: each fails by its own name, in bounded time."""
    os.mkfifo(tmp_path / "pipe.mkv")
    (tmp_path / "password").write_text("open barley\n")
    (tmp_path / "password").chmod(0o644)
    more = f'username = "n"\npassword_file = "{tmp_path}/password"\n'
    start_s = time.monotonic()
    done = run(written(tmp_path, free_port(), clip=tmp_path / "pipe.mkv", more=more), "--json")
    assert time.monotonic() - start_s < 90.0
    found = findings(done)
    assert done.returncode == 1
    assert found["camera north"]["state"] == "fail"
    assert found["permissions"]["state"] == "fail"
    assert found["broker"]["state"] == "fail"
    for one in found.values():
        assert one["state"] in ("pass", "warn", "fail", "skip")
        assert one["fix"] or one["state"] in ("pass", "skip"), one
        assert "\n" not in (one["fix"] or "")
    assert "barley" not in done.stdout + done.stderr


def test_a_wrong_configuration_is_exit_code_2_and_the_box_is_looked_at_all_the_same(tmp_path):
    """The faults of the file are told with their lines; clock, memory and model are still checked."""
    (tmp_path / "node.toml").write_text("[node]\nidd = 1\n")
    done = run(str(tmp_path / "node.toml"))
    assert done.returncode == 2
    assert "did you mean 'node.id'" in done.stdout
    assert "model" in done.stdout
    assert "checked with the rights of" in done.stdout


def test_an_unknown_user_is_refused():
    """A typo in --user is no pass."""
    done = run("--user", "nobody-of-that-name")
    assert done.returncode == 2
    assert "no such user" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_as_nobody_the_box_is_seen_with_nobodys_rights(tmp_path):
    """What the service's user may not read or write fails, though root could."""
    file = written(tmp_path)
    Path(file).chmod(0o600)
    tmp_path.chmod(0o700)
    done = run(file, "--json", "--user", "nobody")
    found = findings(done)
    assert done.returncode == 1
    assert found["permissions"]["state"] == "fail"
    assert found["disk"]["state"] == "fail"
    assert json.loads(done.stdout)["user"] == "nobody"
