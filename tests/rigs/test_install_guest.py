"""The installer on a kernel of its own: a USB camera, found and unplugged, a memory limit, a full disk, a power cut.

Run with ``pytest -m guest``. The guest's processor is emulated, so the release is built under ``booted.py`` from the same
root and put on the guest's disk; everything else happens in the guest. ``EDGE_RIG_FROM_NOTHING=1`` builds it there, too.
Times are the guest's own.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import booted
import machine
from booted import until
from control_room import ControlRoom
from guest import RIG
from test_install_booted import bundle, clip, room  # noqa: F401

from edge.capture.footage import Footage
from edge.delivery.brokers import mosquitto_path

pytestmark = [pytest.mark.guest, pytest.mark.slow]

PATIENCE_S = 3600
_CAMERA = """[Unit]
Description=an emulated USB thermal camera
[Service]
ExecStartPre=/sbin/modprobe -a vhci_hcd uvcvideo
ExecStart=/bin/bash -c 'rm -f /run/camera; mkfifo /run/camera; exec 3<>/run/camera; \
 exec /opt/edge/releases/*/bin/python /mnt/out/uvc_camera.py --clip /mnt/out/two.npy --loop <&3'
"""


@pytest.fixture(scope="module")
def told():
    """Collect what was measured."""
    told: dict = {}
    yield told
    (RIG / "install-guest.json").write_text(json.dumps(told, indent=1))


@pytest.fixture(scope="module")
def box(bundle, room, told):  # noqa: F811
    """Install in a guest whose camera is plugged in."""
    why = machine.missing() or booted.missing() or (None if mosquitto_path() else "needs mosquitto")
    if why:
        pytest.skip(f"no guest can be run here: {why}")
    folder = RIG / "machine"
    shutil.rmtree(folder, ignore_errors=True)
    opt = None if os.environ.get("EDGE_RIG_FROM_NOTHING") else built(bundle)
    with machine.Machine(folder) as box:
        box.make_disk(opt)
        out = folder / "out"
        shutil.copytree(bundle, out / "the wheels")
        shutil.copy(Path(__file__).parent / "uvc_camera.py", out)
        with Footage(clip()) as film:
            np.save(out / "two.npy", np.stack([frame.pixels for frame in film]))
        (out / "usbcam.service").write_text(_CAMERA)
        box.boot()
        told["boot_s"] = box.uptime_s
        box.run("cp usbcam.service /etc/systemd/system/ && systemctl daemon-reload")
        if opt is not None:
            plug_in(box)
        began_s = box.uptime_s
        told["said"] = box.run(
            f"bash '/mnt/out/the wheels/install.sh' --broker {machine.HOST}:{room.port} --node ridge"
        )
        told["install_s"] = box.uptime_s - began_s
        if opt is None:
            plug_in(box)
        until(room.alerts, PATIENCE_S)
        told["first_alert_s"] = now_s(box) - began_s
        yield box
        room.stop_listening()


def built(wheels: Path) -> Path:
    """Build the release on the same root at this machine's speed, and give its ``/opt``, as if nothing pointed at it yet."""
    folder = RIG / "built"
    opt = folder / "up/opt"
    if not list(opt.glob("edge/releases/*/complete")):
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "out").mkdir(parents=True)
        shutil.copytree(wheels, folder / "out/wheels")
        with booted.booted(folder) as box:
            box.run("bash /mnt/out/wheels/install.sh --source footage:none", check=False)
    for name in ("current", "previous", "install.sh", "edge.service", "lock"):
        (opt / "edge" / name).unlink(missing_ok=True)
    return opt


def plug_in(box) -> None:
    """Start the camera and wait for its device file."""
    box.run("systemctl start usbcam; for i in $(seq 100); do [ -e /dev/video0 ] && exit; sleep .2; done; exit 1")


def now_s(box) -> float:
    """Give the guest's own time."""
    box.run("true")
    return box.uptime_s


def back(box, room: ControlRoom, since: int) -> float:  # noqa: F811
    """Wait for another alert to begin, and give the guest's seconds."""
    began_s = box.uptime_s
    until(lambda: room.began() > since, PATIENCE_S)
    return now_s(box) - began_s


def test_the_camera_that_is_plugged_in_stands_in_the_settings(box):
    """By the numbers and the serial that survive a replug, with the profile that fits."""
    settings = box.run("cat /etc/edge/node.toml")
    assert 'source = "usb:1e4e:0100:FL0001"' in settings


def test_the_memory_limit_is_real_and_has_room(box, told):
    """The kernel enforces 512 MB, and the most that was ever used lies below it."""
    assert box.show("MemoryMax") == str(512 * 1024 * 1024)
    told["memory_peak_mb"] = int(box.run("cat /sys/fs/cgroup/system.slice/edge.service/memory.peak")) / 1e6
    assert told["memory_peak_mb"] < 512


def test_unplugged_and_plugged_in_again_without_a_restart(box, room, told):  # noqa: F811
    """The camera is away for ten seconds: health says so, alerts go on afterwards, and the process is the same."""
    pid = box.show("MainPID")
    box.run("echo unplug > /run/camera")
    until(lambda: room.health().state == "offline", PATIENCE_S)
    box.run("sleep 10; echo plug > /run/camera")
    told["replug_next_alert_s"] = back(box, room, room.began())
    assert box.show("MainPID") == pid


def test_killed_it_comes_back(box, room, told):  # noqa: F811
    """Killed by -9 while frames flow: it takes the camera again, and the next alert comes."""
    pid = box.show("MainPID")
    box.run(f"kill -9 {pid}")
    told["killed_next_alert_s"] = back(box, room, room.began())
    assert box.show("MainPID") not in (pid, "0")


def test_a_full_disk_is_survived(box, room, told):  # noqa: F811
    """The disk that everything lies on is filled to the last byte; alerts go on, killed and started on it, too."""
    box.run(
        "fallocate -l $(df -B1 --output=avail /var/lib/edge | tail -1) /fill;"
        " setpriv --reuid=edge --regid=edge --clear-groups dd if=/dev/zero of=/var/lib/edge/fill bs=4k 2>/dev/null;"
        " [ $(df -B1 --output=avail /var/lib/edge | tail -1) -lt 4096 ]"
    )
    told["disk_full_next_alert_s"] = back(box, room, room.began())
    box.run(f"kill -9 {box.show('MainPID')}")
    told["disk_full_killed_next_alert_s"] = back(box, room, room.began())
    box.run("rm -f /fill /var/lib/edge/fill")
    back(box, room, room.began())


def test_hung_it_is_started_again(box, room, told):  # noqa: F811
    """SIGSTOP: the watchdog notices, and the next alert comes."""
    pid = box.show("MainPID")
    box.run(f"kill -STOP {pid}")
    began_s = box.uptime_s
    until(lambda: box.show("MainPID") not in (pid, "0"), PATIENCE_S)
    told["hung_noticed_s"] = box.uptime_s - began_s
    told["hung_next_alert_s"] = told["hung_noticed_s"] + back(box, room, room.began())


def test_a_power_cut_in_the_middle_of_an_alert(box, room, told):  # noqa: F811
    """It boots by itself, closes the alert that was open, and goes on."""
    open_before = until(room.open_alerts, PATIENCE_S)
    box.cut()
    box.boot()
    told["boot_after_cut_s"] = box.uptime_s
    plug_in(box)
    told["cut_next_alert_s"] = box.uptime_s + back(box, room, room.began())
    assert not open_before & room.open_alerts()


def test_nothing_is_missing_at_the_subscriber(box, room, told):  # noqa: F811
    """Between two passes of the two people: every number of every run arrived, and everything that began has ended."""
    until(lambda: not room.gaps() and not room.open_alerts(), PATIENCE_S)
    told["alerts"] = room.summary()
