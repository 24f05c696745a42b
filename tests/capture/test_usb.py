"""USB cameras on a kernel that answers at the level of ioctl: what is opened, refused, lost and found again."""

import errno
import itertools
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fake_kernel import FakeCamera

from edge.capture import devices
from edge.capture.sources import open_source
from edge.config import CameraConfig
from edge.errors import CameraError, ConfigError

H, W = 120, 160
CENTIKELVIN = 29_315


def scene(seed: int, height: int = H, width: int = W) -> np.ndarray:
    """Draw a noisy picture of 20 degrees."""
    return np.random.default_rng(seed).normal(CENTIKELVIN, 20, (height, width)).astype(np.uint16)


def opened(clock, tmp_path, **settings):
    """Make the camera of a section."""
    section = CameraConfig(id="north", **{"source": "usb:auto", **settings})
    return open_source(section, clock, threading.Event(), base=tmp_path)


def take(camera, count: int) -> list:
    """Take some frames."""
    frames = iter(camera)
    return [next(frames) for _ in range(count)]


def test_sixteen_bits_arrive_as_they_left(kernel, clock, tmp_path):
    """Pixels, driver's stamp and meaning of a radiometric camera are those of the sensor."""
    camera = FakeCamera()
    kernel.plug(camera)
    clock.now_s = 100.0
    for index in range(3):
        camera.send(scene(index), stamp_s=99.0 + index / 9)
    with opened(clock, tmp_path) as usb:
        frames = take(usb, 3)
    for index, frame in enumerate(frames):
        assert np.array_equal(frame.pixels, scene(index))
        assert frame.pixels.dtype == np.uint16
        assert frame.t_s == pytest.approx(99.0 + index / 9, abs=1e-5)
        assert frame.captured_utc_s == pytest.approx(clock.offset_s + frame.t_s, abs=1e-5)
        assert (frame.radiometry.kind, frame.radiometry.scale) == ("centikelvin", 0.01)
        assert frame.ffc is None


def test_every_frame_has_its_own_memory(kernel, clock, tmp_path):
    """The driver's buffers are used again; a frame that was handed out stays what it was."""
    camera = FakeCamera()
    kernel.plug(camera)
    for index in range(7):
        camera.send(scene(index))
    with opened(clock, tmp_path) as usb:
        frames = take(usb, 7)
    assert all(np.array_equal(frame.pixels, scene(index)) for index, frame in enumerate(frames))


def test_lost_and_damaged_frames_leave_gaps(kernel, clock, tmp_path):
    """What the driver lost, marked as damaged or sent half is missing in the numbers."""
    camera = FakeCamera()
    kernel.plug(camera)
    camera.send(scene(0))
    camera.send(scene(1), lost=2)
    camera.send(scene(2), damaged=True)
    camera.send(scene(3)[: H // 2])
    camera.send(scene(4))
    with opened(clock, tmp_path) as usb:
        assert [frame.seq for frame in take(usb, 3)] == [0, 3, 6]


def test_numbers_and_times_grow_over_a_reopening(kernel, clock, tmp_path):
    """A driver begins again at zero; the frames do not."""
    camera = FakeCamera()
    kernel.plug(camera)
    usb = opened(clock, tmp_path)
    seen = []
    for _ in range(2):
        camera.sequence = 0
        clock.now_s += 1.0
        camera.send(scene(1), stamp_s=clock.now_s)
        camera.send(scene(2), stamp_s=clock.now_s)
        with usb:
            seen += [(frame.seq, frame.t_s) for frame in take(usb, 2)]
    assert [seq for seq, _ in seen] == [0, 1, 2, 3]
    assert all(later > earlier for (_, earlier), (_, later) in itertools.pairwise(seen))


def test_telemetry_rows_are_cut_off_and_tell_the_shutter(kernel, clock, tmp_path):
    """A Lepton with telemetry: 120 rows of picture, and the two below say when the shutter is closed."""
    camera = FakeCamera(offers=(("Y16 ", 160, 122),))
    kernel.plug(camera)
    for state in (3, 2, 3):
        frame = scene(state, 122)
        frame[120:] = 0
        frame[120, 3] = state << 4
        camera.send(frame)
    with opened(clock, tmp_path) as usb:
        frames = take(usb, 3)
    assert [frame.pixels.shape for frame in frames] == [(120, 160)] * 3
    assert [frame.ffc for frame in frames] == [False, True, False]


def test_the_lower_half_of_a_split_camera_is_the_picture(kernel, clock, tmp_path):
    """A TC001 sends a picture to look at above the raw values; the raw ones are taken."""
    camera = FakeCamera(ids=("0bda", "5830"), offers=(("YUYV", 256, 384),), mode=("YUYV", 256, 384))
    kernel.plug(camera)
    values = np.random.default_rng(1).normal(293.15 * 64, 30, (192, 256)).astype("<u2")
    shown = np.full((192, 512), 77, np.uint8)
    camera.send(np.vstack((shown, values.view(np.uint8))))
    with opened(clock, tmp_path) as usb:
        (frame,) = take(usb, 1)
    assert np.array_equal(frame.pixels, values)
    assert frame.radiometry.kind == "kelvin64"
    assert float(frame.pixels.mean()) * (frame.radiometry.scale or 0) + (frame.radiometry.offset or 0) == pytest.approx(
        20, abs=0.5
    )


@pytest.mark.parametrize(("fourcc", "first", "step"), [("GREY", 0, 1), ("YUYV", 0, 2), ("UYVY", 1, 2)])
def test_an_eight_bit_camera_gives_its_grey_plane(kernel, clock, tmp_path, fourcc, first, step):
    """Odd sizes and padded rows included."""
    width, height, padding = 131, 77, 5
    camera = FakeCamera(ids=("aaaa", "bbbb"), offers=((fourcc, width, height),), padding=padding)
    camera.mode = (fourcc, width, height)
    kernel.plug(camera)
    raw = np.random.default_rng(2).integers(0, 256, (height, (width + padding) * step), dtype=np.uint8)
    camera.send(raw)
    with opened(clock, tmp_path) as usb:
        (frame,) = take(usb, 1)
    assert np.array_equal(frame.pixels, raw[:, first : width * step : step])
    assert frame.radiometry.kind == "agc8"


def test_a_silent_camera_is_given_up_in_time(kernel, clock, tmp_path):
    """A camera that hangs is an error after ``stall_after_s``, not a wait for ever."""
    camera = FakeCamera()
    kernel.plug(camera)
    camera.send(scene(0))
    with opened(clock, tmp_path, stall_after_s=2.0) as usb, pytest.raises(CameraError, match="no whole frame for 2"):
        take(usb, 2)
    assert not camera.streaming


def test_damaged_frames_alone_are_no_sign_of_life(kernel, clock, tmp_path):
    """A camera that sends only broken frames is as lost as a silent one."""
    camera = FakeCamera()
    kernel.plug(camera)

    def tick(pixels):
        clock.now_s += 0.5
        camera.send(pixels, damaged=True)

    with opened(clock, tmp_path, stall_after_s=2.0) as usb:
        poll = kernel.ioctl

        def ioctl(fd, request, argument):
            tick(scene(1))
            return poll(fd, request, argument)

        import fcntl

        before, fcntl.ioctl = fcntl.ioctl, ioctl
        try:
            with pytest.raises(CameraError, match="no whole frame"):
                take(usb, 1)
        finally:
            fcntl.ioctl = before


def test_a_frozen_camera_is_given_up(kernel, clock, tmp_path):
    """Frames that bring nothing new for ``frozen_reopen_s`` are a dead camera, however many come."""
    camera = FakeCamera()
    kernel.plug(camera)
    with opened(clock, tmp_path, frozen_reopen_s=6.0) as usb:
        frames = iter(usb)
        for index in range(6):
            clock.now_s += 1.0
            camera.send(scene(7), stamp_s=clock.now_s)
            assert next(frames).seq == index
        clock.now_s += 1.0
        camera.send(scene(7), stamp_s=clock.now_s)
        with pytest.raises(CameraError, match="same picture for 6 s"):
            next(frames)


@pytest.mark.parametrize(
    ("fault", "said"),
    [(errno.ENODEV, "was unplugged"), (errno.EBUSY, "another program"), (errno.EIO, "driver has lost")],
)
def test_what_the_kernel_says_is_told_in_words(kernel, clock, tmp_path, fault, said):
    """A person at the pole reads what to do, with the camera's own name."""
    camera = FakeCamera()
    kernel.plug(camera)
    with opened(clock, tmp_path) as usb, pytest.raises(CameraError, match=f"1e4e:0100.*{said}"):
        camera.fault = fault
        take(usb, 1)


def test_a_camera_is_found_under_its_new_number(kernel, clock, tmp_path):
    """Unplugged as video0 and back as video2, with another camera on video0 now."""
    camera = FakeCamera()
    kernel.plug(camera, 0)
    usb = opened(clock, tmp_path, source="usb:1e4e:0100:FL0001")
    camera.send(scene(0))
    with usb, pytest.raises(CameraError, match="unplugged"):
        take(usb, 1)
        kernel.unplug(camera)
        take(usb, 1)
    with pytest.raises(CameraError, match="no such camera is plugged in; there is no camera at all"), usb:
        pass
    kernel.plug(FakeCamera(ids=("aaaa", "bbbb"), serial="other", port="1-2"), 0)
    back = FakeCamera()
    kernel.plug(back, 2)
    back.send(scene(1))
    with usb:
        (frame,) = take(usb, 1)
    assert np.array_equal(frame.pixels, scene(1))


@pytest.mark.parametrize("source", ["usb:1e4e:0100", "usb:1E4E:0100:FL0001", "usb:1-1", "usb:auto"])
def test_a_camera_has_several_lasting_names(kernel, source):
    """Numbers, serial, port, or the only one."""
    node = kernel.plug(FakeCamera(), 3)
    kernel.plug(FakeCamera(name="metadata", gives_pictures=False, port="1-3", ids=("eeee", "ffff")), 4)
    assert devices.find(source.partition(":")[2]).node == node


def test_two_cameras_that_fit_are_told_apart_by_the_person(kernel):
    """Which of two equal cameras is north cannot be guessed; the message offers the names."""
    kernel.plug(FakeCamera(serial="A"), 0)
    kernel.plug(FakeCamera(serial="B", port="1-2"), 1)
    with pytest.raises(CameraError, match=r"fits 2 cameras.*usb:1e4e:0100:A, usb:1e4e:0100:B"):
        devices.find("1e4e:0100")


def test_a_link_of_udev_is_followed(kernel, tmp_path):
    """``/dev/v4l/by-id`` points to whatever number it has now."""
    node = kernel.plug(FakeCamera(), 5)
    (tmp_path / "by-id").symlink_to(node)
    assert devices.find(str(tmp_path / "by-id")).node == node


@pytest.mark.parametrize(
    ("settings", "offers", "gives", "said"),
    [
        ({"profile": "boson-y16"}, (("Y16 ", 160, 120),), None, r"offers 'Y16 ' 160x120, but profile 'boson-y16'"),
        ({"size_px": (320, 256)}, (("Y16 ", 160, 120),), None, r"camera\.size_px = \[320, 256\]"),
        ({}, (("H264", 640, 480),), None, "no camera profile fits"),
        ({}, (("Y16 ", 160, 120),), ("YUYV", 160, 120), "asked for 'Y16 ' 160x120, the driver gives 'YUYV'"),
        ({}, (("Y16 ", 160, 120),), ("Y16 ", 640, 512), "asked for 'Y16 ' 160x120, the driver gives 'Y16 ' 640x512"),
    ],
)
def test_a_camera_that_is_not_what_was_said_is_refused(kernel, clock, tmp_path, settings, offers, gives, said):
    """Formats and sizes are what the profile says, or the message names the setting."""
    kernel.plug(FakeCamera(offers=offers, gives=gives))
    with pytest.raises(CameraError, match=said), opened(clock, tmp_path, **settings):
        pass


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full((H, W), 117), r"values of 117\.\.117, but the profile says 21315\.\.47315"),
        (np.zeros((H, W)), r"values of 0\.\.0"),
        (scene(1) + 25_000, r"values of \d+\.\.\d+"),
    ],
)
def test_values_that_cannot_be_degrees_are_refused(kernel, clock, tmp_path, values, said):
    """A radiometric profile on a camera that sends its AGC, nothing, or another scale names ``camera.profile``."""
    camera = FakeCamera()
    kernel.plug(camera)
    camera.send(values.astype(np.uint16))
    with opened(clock, tmp_path) as usb, pytest.raises(CameraError, match=said + ".*") as told:
        take(usb, 1)
    assert "camera.profile" in str(told.value)


def test_half_a_picture_of_fire_is_no_mismatch(kernel, clock, tmp_path):
    """The range is that of most pixels: a hot engine in view must not refuse the camera."""
    camera = FakeCamera()
    kernel.plug(camera)
    picture = scene(3)
    picture[: H // 3] = 60_000
    camera.send(picture)
    with opened(clock, tmp_path) as usb:
        assert take(usb, 1)[0].pixels.max() == 60_000


def test_an_unknown_profile_and_a_wrong_name_are_errors_of_the_configuration(kernel, clock, tmp_path):
    """Both can only be cured in the file, so the node does not start."""
    with pytest.raises(ConfigError, match=r"camera\.profile = 'bosom'.*boson-y16"):
        opened(clock, tmp_path, profile="bosom")
    with pytest.raises(ConfigError, match=r"camera\.source = 'usb:0'.*VENDOR:PRODUCT"):
        opened(clock, tmp_path, source="usb:0")


def test_an_own_profile_is_a_file_beside_the_configuration(kernel, clock, tmp_path):
    """Somebody's camera that nobody here knows works without a change of code."""
    camera = FakeCamera(ids=("dead", "beef"), offers=(("Y16 ", 96, 73),), mode=("Y16 ", 96, 73))
    kernel.plug(camera)
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nverified = "hardware"\nsource = "my desk"\n'
        '[picture]\nfourcc = ["Y16 "]\nsizes_px = [[96, 73]]\ntelemetry_rows = 1\n'
    )
    camera.send(scene(1, 73, 96))
    with opened(clock, tmp_path, profile="mine.toml") as usb:
        assert np.array_equal(take(usb, 1)[0].pixels, scene(1, 73, 96)[:72])


@pytest.mark.parametrize("node", ["/dev/null", "/dev/zero", "/", "file"])
def test_a_node_that_is_no_camera_is_refused_without_being_touched(clock, tmp_path, node):
    """On the real kernel: opening a watchdog, say, would set it off."""
    (tmp_path / "file").write_text("hello")
    path = str(tmp_path / "file") if node == "file" else node
    with (
        pytest.raises(CameraError, match=r"is no camera; camera\.source"),
        opened(clock, tmp_path, source=f"usb:{path}"),
    ):
        pass


def test_a_camera_that_sends_another_size_is_given_up_and_opened_as_it_is_now(kernel, clock, tmp_path):
    """Shorter frames are damaged ones; after the reopening the new size is what the driver says."""
    camera = FakeCamera(ids=("aaaa", "bbbb"), offers=(("Y16 ", 160, 120),))
    kernel.plug(camera)
    usb = opened(clock, tmp_path, stall_after_s=2.0)
    camera.send(scene(0))
    with usb:
        frames = iter(usb)
        assert next(frames).pixels.shape == (120, 160)
        for index in range(20):
            camera.send(scene(index, 60, 80))
        with pytest.raises(CameraError, match="no whole frame"):
            next(frames)
    camera.frames.clear()
    camera.offers = (("Y16 ", 80, 60),)
    camera.send(scene(1, 60, 80))
    with usb:
        assert take(usb, 1)[0].pixels.shape == (60, 80)


def test_sizes_that_no_camera_has_are_not_offered(kernel, clock, tmp_path):
    """A driver that lists nothing by nothing, or millions."""
    kernel.plug(FakeCamera(offers=(("Y16 ", 0, 0), ("Y16 ", 2**31, 2**31))))
    with pytest.raises(CameraError, match="offers nothing"), opened(clock, tmp_path):
        pass
