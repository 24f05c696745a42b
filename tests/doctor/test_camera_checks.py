"""Cameras as the doctor sees them, on a kernel that answers at the level of ioctl, and footage played as a camera."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "capture"))
from fake_kernel import FakeCamera, FakeKernel

from edge.capture import v4l2
from edge.clock import SystemClock
from edge.config import CameraConfig, Config
from edge.doctor import camera, neighbours
from edge.doctor.neighbours import Program

H, W = 120, 160
NODE = Program(4711, "edge run", "edge.service")


@pytest.fixture
def kernel(tmp_path, clock, monkeypatch):
    """Give a kernel without a camera."""
    made = FakeKernel(tmp_path, clock)
    made.install(monkeypatch)
    return made


def hills(number: int, noise: float = 12.0) -> np.ndarray:
    """Draw a sharp scene of warm and cold rocks, in centikelvin."""
    dice = np.random.default_rng(3)
    rocks = np.kron(dice.normal(28_800, 400, (H // 8, W // 8)), np.ones((8, 8)))
    return (rocks + np.random.default_rng(number).normal(0, noise, (H, W))).astype(np.uint16)


def watched(clock, tmp_path, *, nodes=(), **settings):
    """Look at one camera; give the findings by check."""
    section = CameraConfig(id="north", **{"source": "usb:auto", **settings})
    found = camera.look(section, Config(camera=(section,)), base=tmp_path, clock=clock, nodes=nodes)
    return {one.check: one for one in found}


def streaming(kernel, clock, picture, *, fps=9.0, seconds=7.0, lost=0):
    """Plug in a camera that sends for some seconds; time goes on with its frames."""
    made = FakeCamera()
    kernel.plug(made)
    for index in range(int(fps * seconds)):
        made.send(picture(index), stamp_s=index / fps, lost=lost if index else 0)
    real = v4l2.wait_filled

    def paced(fd, timeout_s):
        clock.now_s += 1 / fps
        return real(fd, timeout_s)

    return made, paced


def test_a_good_camera_passes_with_its_numbers(kernel, clock, tmp_path, monkeypatch):
    """Size, what the values mean, rate, and that it can see."""
    _, paced = streaming(kernel, clock, hills)
    monkeypatch.setattr(v4l2, "wait_filled", paced)
    found = watched(clock, tmp_path)
    assert found["camera north"].state == "pass", found
    assert found["camera north"].told == "160x120, centikelvin, 9.0 frames/s"
    assert found["camera north"].measured == {"width_px": 160, "height_px": 120, "fps": 9.0, "lost": 0}
    assert found["picture north"].state == "pass", found


def test_a_covered_lens_is_a_failure_with_a_cure(kernel, clock, tmp_path, monkeypatch):
    """A picture of noise alone is found out within the watching, not after the node's ten seconds."""
    _, paced = streaming(kernel, clock, lambda i: np.random.default_rng(i).normal(29_300, 12, (H, W)).astype(np.uint16))
    monkeypatch.setattr(v4l2, "wait_filled", paced)
    found = watched(clock, tmp_path)["picture north"]
    assert found.state == "fail"
    assert "covered" in found.told
    assert "cap" in found.fix


def test_a_picture_that_stands_still_is_a_failure(kernel, clock, tmp_path, monkeypatch):
    """The same picture for longer than any shutter is a dead camera."""
    still = hills(1)
    _, paced = streaming(kernel, clock, lambda _: still)
    monkeypatch.setattr(v4l2, "wait_filled", paced)
    found = watched(clock, tmp_path)["picture north"]
    assert found.state == "fail"
    assert "frozen" in found.told


def test_lost_frames_are_a_warning(kernel, clock, tmp_path, monkeypatch):
    """The driver's numbers show what the bus has dropped."""
    _, paced = streaming(kernel, clock, hills, lost=1)
    monkeypatch.setattr(v4l2, "wait_filled", paced)
    found = watched(clock, tmp_path)["camera north"]
    assert found.state == "warn"
    assert "frames lost" in found.told
    assert found.measured["lost"] > 20


@pytest.mark.parametrize(
    ("fault", "told", "fix"),
    [
        (errno.EACCES, "group video", "usermod -aG video"),
        (errno.ENODEV, "unplugged", "edge cameras"),
        (errno.ENOSPC, "no bandwidth", "edge cameras"),
    ],
)
def test_what_the_kernel_refuses_is_told(kernel, clock, tmp_path, monkeypatch, fault, told, fix):
    """Rights, a pulled cable and a full bus each have their own words."""
    kernel.plug(FakeCamera())

    def refuse(*_):
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(v4l2, "choose", refuse)
    found = watched(clock, tmp_path)["camera north"]
    assert found.state == "fail"
    assert told in found.told
    assert fix in found.fix


def test_a_silent_camera_is_given_up_by_itself(kernel, clock, tmp_path):
    """A camera that opens and sends nothing is told after some seconds of its own clock."""
    kernel.plug(FakeCamera())
    found = watched(clock, tmp_path, stall_after_s=600.0)["camera north"]
    assert found.state == "fail"
    assert "no whole frame for" in found.told
    assert clock.now_s < 20.0


def test_a_camera_in_use_by_the_node_is_well(kernel, clock, tmp_path, monkeypatch):
    """Busy because the node watches is as it should be; busy because of somebody else is not."""
    kernel.plug(FakeCamera())

    def busy(*_):
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(v4l2, "choose", busy)
    monkeypatch.setattr(camera, "holders", lambda _: [NODE])
    assert watched(clock, tmp_path, nodes=[NODE])["camera north"].state == "pass"
    assert "edge.service (process 4711)" in watched(clock, tmp_path, nodes=[NODE])["camera north"].told
    found = watched(clock, tmp_path)["camera north"]
    assert (found.state, found.fix) == ("fail", "stop it: sudo kill 4711")
    monkeypatch.setattr(camera, "holders", lambda _: [])
    assert watched(clock, tmp_path, nodes=[NODE])["camera north"].state == "pass"
    assert "fuser" in watched(clock, tmp_path)["camera north"].fix


def test_a_feed_that_only_one_can_hear_is_left_to_the_node(clock, tmp_path):
    """Two listeners on one UDP port take each other's packets."""
    found = watched(clock, tmp_path, source="udp://0.0.0.0:5000", nodes=[NODE])["camera north"]
    assert found.state == "skip"


@pytest.mark.parametrize(
    "source", ["usb:/dev/null", "usb:{fifo}", "footage:{fifo}.mkv", "footage:nowhere.mkv", "what:is"]
)
def test_sources_that_are_no_cameras(clock, tmp_path, source):
    """Paths to other things are told as such, and nothing waits for them."""
    os.mkfifo(tmp_path / "pipe")
    start_s = time.monotonic()
    if "footage:{" not in source:  # opening a pipe for footage blocks in the kernel; there the limit of the check helps
        found = watched(SystemClock(), tmp_path, source=source.format(fifo=tmp_path / "pipe"))["camera north"]
        assert found.state == "fail"
    assert time.monotonic() - start_s < 10.0


def test_who_holds_a_device_is_found_in_the_kernel(tmp_path):
    """Our own child holds a file open: it is named."""
    held = tmp_path / "video0"
    held.touch()
    with held.open("rb") as file:
        child = subprocess.Popen(["sleep", "30"], stdin=file)
    try:
        time.sleep(0.2)
        (found,) = neighbours.holders(str(held))
        assert (found.process_id, found.name) == (child.pid, "sleep")
    finally:
        child.kill()
        child.wait()


def test_a_running_node_is_found_by_its_command(tmp_path, monkeypatch):
    """``edge run`` is recognised however it was started, with its systemd unit."""
    programs = {
        10: ["/opt/edge/bin/python3", "/opt/edge/bin/edge", "run", "/etc/edge/node.toml"],
        11: ["edge", "doctor"],
        12: ["vim", "edge", "run"],
        13: ["/usr/bin/edge", "run", "x"],
    }
    for number, words in programs.items():
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_bytes("\0".join(words).encode() + b"\0")
        (tmp_path / str(number) / "cgroup").write_text(
            "0::/system.slice/edge.service\n" if number == 10 else "0::/user\n"
        )
    monkeypatch.setattr(neighbours, "PROC", tmp_path)
    assert [(one.process_id, one.unit) for one in neighbours.running_nodes()] == [(10, "edge.service"), (13, None)]
