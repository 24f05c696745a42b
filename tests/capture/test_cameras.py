"""``edge cameras`` on a kernel that answers at the level of ioctl: what is listed, what is said, what is photographed."""

import errno
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_kernel import FakeCamera

from edge import cli
from edge.capture import devices, survey
from edge.config import load

LEPTON = "usb:1e4e:0100:FL0001"


def edge(capsys, *arguments) -> tuple[int, str]:
    """Type ``edge cameras``; give its exit code and what it printed."""
    try:
        cli._run(["cameras", *map(str, arguments)])
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, capsys.readouterr().out


def scene(seed: int, offset: int = 0) -> np.ndarray:
    """Draw a picture of about 20 degrees, with somebody warm in it, as a Lepton sends it."""
    picture = np.random.default_rng(seed).normal(29_315 + offset, 5, (120, 160))
    picture[40:100, 60:80] += 1200
    return picture.astype(np.uint16)


def test_without_a_camera_it_says_so_and_is_content(kernel, capsys):
    """A machine without cameras is no fault; other sources are named."""
    code, told = edge(capsys)
    assert code == 0
    assert "No camera is plugged in" in told
    assert "rtsp://" in told
    code, told = edge(capsys, "--json")
    assert json.loads(told) == {"cameras": []}


def test_a_camera_is_listed_with_what_to_write(kernel, tmp_path, capsys):
    """Lasting name, node, formats with rates, profile and how far it is believed; the section is one that loads."""
    kernel.plug(FakeCamera(), 3)
    code, told = edge(capsys)
    assert code == 0
    assert told.startswith(f"{LEPTON}  ThermalCam\n")
    for said in ("video3", "port 1-1", "uvcvideo", "'Y16 ' 160x120 at 9 frames/s", "lepton-y16: FLIR Lepton",
                 "tested on an emulated camera", f'source = "{LEPTON}"'):  # fmt: skip
        assert said in told
    (one,) = json.loads(edge(capsys, "--json")[1])["cameras"]
    assert one["offers"][0] == {"fourcc": "Y16 ", "width_px": 160, "height_px": 120, "rates": [9.0]}
    assert (one["profile"], one["profile_verified"], one["problem"]) == ("lepton-y16", "emulated", None)
    file = tmp_path / "node.toml"
    file.write_text(one["section"])
    assert load(file).config.camera[0].source == LEPTON


def test_the_second_node_of_a_camera_is_not_listed(kernel, capsys):
    """A UVC camera has a node for metadata too."""
    kernel.plug(FakeCamera(), 0)
    kernel.plug(FakeCamera(gives_pictures=False), 1)
    assert len(json.loads(edge(capsys, "--json")[1])["cameras"]) == 1


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ({"open_fault": errno.EACCES}, "may not be opened by"),
        ({"open_fault": errno.EPERM}, "--device"),
        ({"offers": (("H264", 640, 480),)}, "no shipped profile fits"),
    ],
)
def test_a_camera_that_cannot_be_used_says_why(kernel, capsys, camera, said):
    """And what to do about it."""
    kernel.plug(FakeCamera(**camera), 0)
    (one,) = json.loads(edge(capsys, "--json")[1])["cameras"]
    assert said in one["problem"]


def test_who_may_not_open_a_camera_is_told_which_group_may(kernel, monkeypatch, capsys):
    """The group is the device's own; to be in root's is no advice."""
    node = Path(kernel.plug(FakeCamera(open_fault=errno.EACCES), 0))
    for gid, said in ((44, "usermod -aG video"), (0, "belongs to root alone")):
        monkeypatch.setattr(survey.os, "stat", lambda path, gid=gid: type("Status", (), {"st_gid": gid})())
        assert said in survey._how_to_get_in(str(node))
    monkeypatch.undo()


def test_who_uses_a_busy_camera_is_named(kernel, tmp_path, monkeypatch, capsys):
    """By the name of the program and its number."""
    node = kernel.plug(FakeCamera(held=True), 0)
    process = tmp_path / "proc" / "4711"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "7").symlink_to(node)
    (process / "comm").write_text("motion\n")
    (tmp_path / "proc" / "self").mkdir()
    monkeypatch.setattr(survey, "PROCESSES", tmp_path / "proc")
    assert "in use by motion (pid 4711)" in edge(capsys)[1]


def test_a_camera_that_may_not_be_opened_is_not_called_missing(kernel):
    """Its name finds it, so that the opening proper can say what is wrong."""
    node = kernel.plug(FakeCamera(open_fault=errno.EACCES), 0)
    kernel.plug(FakeCamera(open_fault=errno.EACCES, gives_pictures=False), 1)
    assert devices.find("1e4e:0100").node == node


def test_cameras_with_one_serial_number_are_named_by_their_ports(kernel, capsys):
    """Cheap cameras are all number 0001; each section then means one of them."""
    nodes = [kernel.plug(FakeCamera(serial="0001", port=port), nth) for nth, port in enumerate(("1-1", "1-2"))]
    listed = json.loads(edge(capsys, "--json")[1])["cameras"]
    assert [one["source"] for one in listed] == ["usb:1-1", "usb:1-2"]
    assert [devices.find(one["source"][4:]).node for one in listed] == nodes


def test_a_camera_that_is_not_on_usb_is_named_by_its_link(kernel, tmp_path, capsys):
    """A camera on a ribbon cable has no numbers; udev's link stays when the number changes."""
    node = kernel.plug(FakeCamera(ids=("", ""), serial="", port="1f00110000.csi"), 4)
    links = tmp_path / "dev" / "v4l" / "by-path"
    links.mkdir(parents=True)
    (links / "platform-csi-video-index0").symlink_to(node)
    (one,) = json.loads(edge(capsys, "--json")[1])["cameras"]
    assert one["source"] == f"usb:{links}/platform-csi-video-index0"
    assert devices.find(one["source"][4:]).node == node


def test_formats_that_are_not_read_are_named_in_one_line(kernel, capsys):
    """A camera with many formats does not fill the screen."""
    kernel.plug(FakeCamera(offers=(("Y16 ", 160, 120), ("Y16 ", 80, 60), ("H264", 160, 120), ("BA81", 160, 120))))
    assert "'Y16 ' 160x120 at 9 frames/s, 80x60 at 9 frames/s\n" in edge(capsys)[1]
    assert "and 'H264', 'BA81', which cannot be read here" in edge(capsys)[1]


def test_a_snapshot_is_a_picture_to_look_at(kernel, tmp_path, capsys):
    """16-bit counts become the grey picture that the model sees: the warm one is bright, the rest dark."""
    camera = FakeCamera()
    kernel.plug(camera)
    for seed in range(6):
        camera.send(scene(seed))
    code, told = edge(capsys, "--snapshot", tmp_path / "out" / "now")
    assert code == 0
    picture = cv2.imread(str(tmp_path / "out" / "now" / "camera-1.png"), cv2.IMREAD_UNCHANGED)
    assert (picture.shape, picture.dtype) == ((120, 160), np.uint8)
    assert picture[60, 70] > 230
    assert picture[5:30, 5:50].mean() < 60
    assert "160x120 uint16" in told
    assert "°C" in told
    assert not camera.streaming


def test_a_camera_without_a_picture_fails_the_command_and_says_why(kernel, clock, tmp_path, monkeypatch, capsys):
    """The others are photographed all the same."""
    monkeypatch.setattr("edge.clock.SystemClock", lambda: clock)
    mute, good = FakeCamera(serial="mute"), FakeCamera(serial="good", port="1-2")
    kernel.plug(mute, 0)
    kernel.plug(good, 1)
    for seed in range(6):
        good.send(scene(seed))
    with pytest.raises(cli.EdgeError, match="1 of 2 cameras"):
        edge(capsys, "--snapshot", tmp_path / "out", "--json")
    first, second = json.loads(capsys.readouterr().out)["cameras"]
    assert "no whole frame" in first["fault"]
    assert second["snapshot"].endswith("camera-2.png")
