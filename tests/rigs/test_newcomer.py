"""Somebody who has only the README: a fresh Debian, the commands of its section "Install on a box", the first alert.

Run with ``pytest -m guest``; needs a package index and a Debian mirror. What was typed and what came back is kept in
``deploy/newcomer.log``. The clip of ``--demo`` stands for the camera, as the section says.
"""

import re
import shutil
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import booted
from guest import RIG

pytestmark = [pytest.mark.guest, pytest.mark.slow]

REPOSITORY = Path(__file__).resolve().parent.parent.parent
LOG = REPOSITORY / "deploy" / "newcomer.log"
MOST_S, MOST_COMMANDS = 600, 5
# What is not on a fresh Debian, but in the root that the other tests share.
ABSENT = (
    "mosquitto mosquitto-clients libmosquitto1 g++ g++-12 gcc gcc-12 cpp cpp-12 python3-dev python3.11-dev python3-venv"
)
ABSENT += " python3.11-venv python3-pip-whl python3-setuptools-whl v4l-utils"
# The package index and the certificates of this place, as they would be on a box that stands here.
SITE = ("etc/pip.conf", "etc/ssl/certs/ca-certificates.crt", "etc/resolv.conf")


def typed() -> list[str]:
    """Give the commands of the README's section, without what its comments say."""
    section = (REPOSITORY / "README.md").read_text().split("## Install on a box", 1)[1]
    block = section.split("```sh\n", 1)[1].split("```", 1)[0]
    return [line.split("#")[0].strip() for line in block.splitlines() if line.split("#")[0].strip()]


def test_the_first_alert_within_ten_minutes_and_five_commands(tmp_path):
    """Each command as it stands there; without a camera, --demo as the comment beside it says."""
    why = booted.missing()
    if why:
        pytest.skip(f"no systemd can be booted here: {why}")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 1883)) == 0:
            pytest.skip("port 1883 is taken on this machine, whose network the box shares")
    folder = RIG / "newcomer"
    shutil.rmtree(folder, ignore_errors=True)
    for name in SITE:
        (folder / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        if Path("/", name).exists():
            shutil.copy(Path("/", name), folder / "up" / name)
    leave = shutil.ignore_patterns(
        ".git", ".venv", "*.so", "__pycache__", ".*_cache", "build", "*.egg-info", "out", "tests"
    )
    shutil.copytree(REPOSITORY, folder / "up/root/edge", ignore=leave)
    commands, log, took_s = typed(), [], 0.0
    with booted.booted(folder, masked=("vmtest.service",)) as box:
        box.run(
            f"systemctl stop mosquitto; DEBIAN_FRONTEND=noninteractive dpkg --purge --force-depends {ABSENT}",
            check=False,
        )
        assert box.run("command -v g++ mosquitto", check=False).returncode
        for command in commands:
            said_s = time.monotonic()
            real = command.removeprefix("sudo ")
            real += " --demo" if "install.sh" in real else " --once" if "subscribe" in real else ""
            done = box.run(f"cd /root/edge && {real}", check=False)
            took_s += time.monotonic() - said_s
            log += [
                f"$ {real}",
                *done.stdout.splitlines(),
                *done.stderr.splitlines(),
                f"[{time.monotonic() - said_s:.0f} s]",
                "",
            ]
            assert done.returncode == 0, "\n".join(log)
    text = "\n".join(log)
    head = f"{len(commands)} commands, {took_s:.0f} s to the first alert; Debian 12, as root, --demo for a camera\n\n"
    LOG.write_text(re.sub(r"https?://\S+", "(index)", head + text))
    assert re.search(r"\bnew\b", text.split("$ edge subscribe")[1])
    assert len(commands) <= MOST_COMMANDS
    assert took_s <= MOST_S
