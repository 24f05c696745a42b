"""USB cameras on a real kernel: a guest under QEMU whose kernel sees true UVC devices that stall, freeze, leave and return.

Run with ``pytest -m usb``: several minutes. In the guest ``guest_usb.py`` does the work; here its findings are judged.
"""

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "pipeline"))
import guest
from graphs import fixed_model

from edge.capture.footage import Footage
from edge.commands.work import load_detector
from edge.config import CameraConfig, Config
from edge.delivery.brokers import mosquitto_path
from edge.pipeline import Pipeline

pytestmark = [pytest.mark.usb, pytest.mark.slow]

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CLIP = REPOSITORY / "sample_footage" / "nine-in-snow.mkv"
SOMEBODY = np.array([[[60.0, 40.0, 80.0, 100.0, 0.9]]])
PATIENCE_S = 2400
WITHIN_S = 5.0
FAULTS = ("stall", "unplug", "renumber", "wrong_format")


@pytest.fixture(scope="session")
def found(tmp_path_factory) -> dict:
    """Run everything once in one guest and give its findings."""
    why = guest.missing() or (None if mosquitto_path() else "needs mosquitto")
    if why:
        pytest.skip(f"no guest with a USB camera here: {why}")
    folder = tmp_path_factory.mktemp("guest")
    fixed_model(folder, "boxes", {"boxes": SOMEBODY})
    with Footage(CLIP) as clip:
        np.save(folder / "clip.npy", np.stack([frame.pixels for frame in clip]))
    script = (
        f"cd {REPOSITORY}; export PYTHONPATH={REPOSITORY}; {sys.executable} {Path(__file__).parent / 'guest_usb.py'}"
    )
    done = guest.run(folder, script, timeout_s=PATIENCE_S)
    kept = guest.RIG / "latest"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder, kept)
    result = folder / "result.json"
    assert result.exists(), f"rc {done.rc}; everything is kept in {kept}:\n{done.output[-3000:]}"
    return {**json.loads(result.read_text()), "folder": folder}


def part(found: dict, name: str) -> dict:
    """Give one part of the findings."""
    assert "failed" not in found.get(name, {"failed": "it was never reached"}), found.get(name, {}).get("failed")
    return found[name]


@pytest.mark.parametrize(
    ("kind", "shape", "dtype", "meaning"),
    [
        ("sixteen_bit", [120, 160], "uint16", "centikelvin"),
        ("yuyv", [120, 160], "uint8", "agc8"),
        ("grey", [124, 168], "uint8", "agc8"),
        ("split", [192, 256], "uint16", "kelvin64"),
        ("telemetry", [120, 160], "uint16", "centikelvin"),
    ],
)
def test_every_kind_of_camera_gives_the_pixels_that_were_sent(found, kind, shape, dtype, meaning):
    """Byte for byte, in order, with the driver's stamps: both depths, a split picture and telemetry rows."""
    seen = part(found, "capture_kinds")[kind]
    assert (seen["shape"], seen["dtype"], seen["kind"]) == (shape, dtype, meaning)
    assert seen["count"] == 24
    assert all(seen["same"])
    assert np.all(np.diff(seen["seq"]) >= 1)
    assert np.all(np.diff(seen["t_s"]) > 0)
    assert all(0.0 <= late_s < 1.0 for late_s in seen["late_s"])


def test_the_telemetry_rows_tell_the_shutter(found):
    """Five frames of twenty were sent with the shutter closed, and these say so."""
    seen = part(found, "capture_kinds")["telemetry"]
    assert seen["ffc"] == [seq % 20 >= 15 for seq in seen["seq"]]


@pytest.mark.parametrize(
    ("what", "said"),
    [("wrong_format", "camera.profile"), ("wrong_values", "camera.profile"), ("wrong_size", "camera.size_px")],
)
def test_a_camera_that_is_not_what_was_said_is_refused(found, what, said):
    """The message names the setting to change."""
    assert said in part(found, "refused")[what]


def test_edge_cameras_lists_what_is_there_and_photographs_it(found):
    """Lasting name, rates, profile, and a picture to look at of the camera that is free."""
    seen = part(found, "listed")
    free = next(one for one in seen["cameras"] if one["serial"] == "L0")
    assert free["source"] == "usb:1e4e:0100:L0"
    assert (free["driver"], free["profile"], free["problem"]) == ("uvcvideo", "lepton-y16", None)
    assert {(one["fourcc"], one["width_px"], one["height_px"]) for one in free["offers"]} >= {("Y16 ", 160, 120)}
    assert all(one["rates"] for one in free["offers"])
    picture = cv2.imread(str(found["folder"] / "shots" / Path(free["snapshot"]).name), cv2.IMREAD_UNCHANGED)
    assert (picture.shape, picture.dtype) == ((120, 160), np.uint8)
    assert picture.max() - picture.min() > 200


def test_edge_cameras_says_who_uses_a_camera_and_who_may_not(found):
    """The busy one is left alone, and its user named; a user without rights is told of them."""
    seen = part(found, "listed")
    busy = next(one for one in seen["cameras"] if one["serial"] == "L1")
    assert f"(pid {seen['pid']})" in busy["problem"]
    assert busy["snapshot"] is None
    assert seen["rc"] == 1
    assert "may not be opened by" in seen["unprivileged"]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_node_is_back_within_five_seconds_of_its_camera(found, fault):
    """From the moment the camera is back to the first frame, and the control room hears of both."""
    seen = part(found, "node_keeps_its_alerts")["faults"][fault]
    assert seen["recovered_s"] < WITHIN_S
    assert seen["told_again_s"] < WITHIN_S
    assert seen["outage_reason"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("stall", "no whole frame"),
        ("unplug", "1e4e:0100"),
        ("renumber", "1e4e:0100"),
        ("wrong_format", "camera.profile"),
        ("freeze", "same picture"),
    ],
)
def test_health_says_what_happened(found, fault, said):
    """The retained health of the node names the fault while it lasts."""
    assert said in part(found, "node_keeps_its_alerts")["faults"][fault]["reason"]


def test_a_frozen_camera_is_opened_again(found):
    """It was blind at once, and reopening thawed it, by itself."""
    seen = part(found, "node_keeps_its_alerts")["faults"]["freeze"]
    assert "same picture" in seen["outage_reason"]
    assert seen["back_s"] < 6.0 + WITHIN_S + 3.0  # frozen_reopen_s, and what sight needs to believe it


def test_a_camera_that_comes_back_under_another_number_is_found(found):
    """Another camera took its number meanwhile."""
    before, after = part(found, "node_keeps_its_alerts")["nodes"]
    assert before != after


def test_a_camera_that_stays_away_is_switched_off_and_on(found):
    """The operator's command ran."""
    assert part(found, "node_keeps_its_alerts")["power_cycles"] >= 1


def test_one_alert_outlives_every_fault(found):
    """Somebody stood in the picture throughout: one alert, one beginning, no end before the node's."""
    seen = part(found, "node_keeps_its_alerts")
    assert seen["alive"]
    assert len(seen["alert_ids"]) == 1
    assert seen["phases"].count("new") == 1
    assert "end" not in seen["phases"]


def test_footage_through_the_usb_camera_gives_the_groups_of_its_replay(found):
    """Nine people in snow, played into the camera in real time: the same pixels, and the same story of the same group."""
    seen = part(found, "footage")
    received = np.load(found["folder"] / "received.npz")["pixels"]
    with Footage(CLIP) as clip:
        original = list(clip)
    assert len(seen["seq"]) >= 0.98 * len(original)
    assert all(np.array_equal(pixels, original[seq].pixels) for pixels, seq in zip(received, seen["seq"], strict=True))
    through_usb = [
        original[seq]._replace(pixels=pixels, t_s=t_s - seen["t_s"][0])
        for pixels, seq, t_s in zip(received, seen["seq"], seen["t_s"], strict=True)
    ]
    seen, replayed = story(through_usb), story(original)
    assert [told(alert) for alert in seen] == [told(alert) for alert in replayed]
    # the driver's stamps are 0.1 ms off the clip's: an update may fall due one frame later, and tell that frame's count
    for one, other in zip(seen, replayed, strict=True):
        assert other.group.count_low <= one.group.count <= other.group.count_high


def story(frames: list) -> list:
    """Give what the pipeline makes of frames: the last alert of every group."""
    config = Config(camera=(CameraConfig(id="footage", source="footage:x"),))
    pipeline = Pipeline(config, config.camera[0], load_detector(config, REPOSITORY), boot_id="b")
    last: dict[str, object] = {}
    for frame in frames:
        for alert in pipeline.process(frame).alerts:
            last[alert.alert_id] = alert
    for alert in pipeline.close("stopped"):
        last[alert.alert_id] = alert
    return list(last.values())


def told(alert) -> tuple:
    """Tell what must not depend on a frame more or less: the most people, the priority, and why it ended."""
    return alert.group.count_max, alert.priority, alert.group.ended


def test_driver_errors_are_survived(found):
    """Dropped buffers leave gaps in the numbers; fatal errors and a disconnected device are errors, and are got over."""
    seen = part(found, "driver_errors")
    assert np.all(np.diff(seen["sound"]["seq"]) >= 1)
    assert max(np.diff(seen["dropped"]["seq"])) > 1
    for what in ("inject_fatal_streaming_error", "disconnect", "inject_vidioc_streamon_error"):
        assert seen[what]["errors"], what
        assert seen[what]["recovered"], what


def test_the_doctor_tells_a_free_camera_from_a_busy_a_closed_and_a_missing_one(found):
    """Size and rate of a free one; beside the node it is in good hands; without rights or camera it fails, with the cure."""
    seen = part(found, "doctor")
    free = seen["free"]["camera north"]
    assert free["state"] == "pass", free
    assert (free["measured"]["width_px"], free["measured"]["height_px"]) == (160, 120)
    assert free["measured"]["fps"] == pytest.approx(9.0, rel=0.2)
    assert seen["free"]["picture north"]["state"] in ("pass", "warn")
    assert seen["none"]["camera north"]["state"] == "fail"
    assert "plug it in" in seen["none"]["camera north"]["fix"]
    assert seen["nobody"]["camera north"]["state"] == "fail"
    beside = seen["node"]["camera north"]
    assert beside["state"] == "pass", beside
    assert f"process {seen['node']['pid']}" in beside["told"]
