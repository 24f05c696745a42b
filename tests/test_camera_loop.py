"""A camera's own loop, for ever: on a kernel that answers at the level of ioctl, with commands that really run."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent / "capture"))
from fake_kernel import FakeCamera, FakeKernel

from edge.camera_loop import CameraLoop, CameraState
from edge.capture.slot import Slots
from edge.capture.sources import open_source
from edge.config import CameraConfig
from edge.metrics import Metrics


class EventClock:
    """A clock that waiting moves, and that lets things happen when their time has come."""

    def __init__(self) -> None:
        """Start at zero, on a February morning, with nothing planned."""
        self.planned: list = []
        self.offset_s = 1_770_124_560.0
        self._now_s = 0.0

    def at(self, t_s: float, action) -> None:
        """Plan something."""
        self.planned = sorted([*self.planned, (t_s, action)], key=lambda one: one[0])

    @property
    def now_s(self) -> float:
        """Give the monotonic hand."""
        return self._now_s

    @now_s.setter
    def now_s(self, value: float) -> None:
        """Move it, and let happen what is due."""
        self._now_s = value
        while self.planned and self.planned[0][0] <= value:
            self.planned.pop(0)[1]()

    def monotonic_s(self) -> float:
        """Read the monotonic hand."""
        return self._now_s

    def utc_s(self) -> float:
        """Read the wall hand."""
        return self.offset_s + self._now_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Let ``timeout_s`` pass at once."""
        self.now_s += timeout_s
        return event.is_set()


class Pole:
    """One node's camera on its pole: what the loop did is seen in ``state``, ``metrics`` and ``frames``."""

    def __init__(self, tmp_path: Path, monkeypatch, **settings) -> None:
        """Plug a living camera in."""
        self.clock = EventClock()
        self.kernel = FakeKernel(tmp_path, self.clock)
        self.kernel.install(monkeypatch)
        self.camera = FakeCamera(live=True)
        self.kernel.plug(self.camera)
        config = CameraConfig(id="north", **{"source": "usb:1e4e:0100:FL0001", **settings})
        self.stopping, self.state, self.metrics = threading.Event(), CameraState(), Metrics(self.clock)
        camera = open_source(config, self.clock, self.stopping, base=tmp_path)
        self.slots = Slots(["north"])
        self.loop = CameraLoop(config, camera, self.slots, self.state, self.clock, self.metrics, self.stopping)

    def run(self, until_s: float) -> None:
        """Let the loop run until a moment."""
        self.clock.at(until_s, self.stopping.set)
        self.loop.run()

    def unplug(self) -> None:
        """Pull the camera out."""
        self.kernel.unplug(self.camera)

    def plug(self, number: int) -> None:
        """Put a camera like it in, under another number."""
        self.camera = FakeCamera(live=True)
        self.kernel.plug(self.camera, number)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(away_s=st.floats(0.1, 900.0), number=st.integers(0, 9))
def test_a_camera_is_seen_again_within_five_seconds_of_its_return(tmp_path_factory, away_s, number):
    """Whenever and under whatever number it comes back: capped pauses, for ever."""
    with pytest.MonkeyPatch.context() as patch:
        pole = Pole(tmp_path_factory.mktemp("pole"), patch)
        back_s = 10.0 + away_s
        pole.clock.at(10.0, pole.unplug)
        pole.clock.at(back_s, lambda: pole.plug(number))
        seen_s = []
        pole.clock.at(back_s + 5.0, lambda: seen_s.append(pole.state.last_frame_s))
        pole.run(back_s + 6.0)
    assert seen_s[0] > back_s
    assert pole.state.fault is None
    assert pole.state.outages == 1
    assert pole.state.last_outage.lasted_s == pytest.approx(away_s, abs=5.1)


def test_a_camera_that_stays_away_is_tried_for_ever_and_switched_off_and_on(tmp_path, monkeypatch):
    """A day without it: a try every ``reopen_max_s``, the operator's command every ``power_cycle_after_s``."""
    command = ("/bin/sh", "-c", f"echo cycled >> {tmp_path}/power")
    pole = Pole(tmp_path, monkeypatch, power_cycle=command, power_cycle_after_s=3600.0)
    pole.clock.at(10.0, pole.unplug)
    pole.run(10.0 + 6 * 3600.0)
    counted = pole.metrics.counters()
    assert counted["camera_lost"] == pytest.approx(6 * 3600.0 / 3.0, rel=0.05)
    assert 5 <= counted["power_cycles/north"] <= 6
    assert (tmp_path / "power").read_text().count("cycled") == counted["power_cycles/north"]


def test_a_frozen_camera_that_reopening_does_not_thaw_is_switched_off_and_on(tmp_path, monkeypatch):
    """It gives frames at each opening, always the same: that is no sign that it works."""
    pole = Pole(tmp_path, monkeypatch, power_cycle=("/bin/true",), power_cycle_after_s=60.0, frozen_reopen_s=10.0)
    pole.clock.at(5.0, lambda: setattr(pole.camera, "frozen", True))
    pole.run(100.0)
    assert pole.metrics.counters()["power_cycles/north"] == 1


def test_a_camera_that_works_between_short_outages_is_left_on(tmp_path, monkeypatch):
    """Three stalls, with good times longer than ``power_cycle_after_s`` between them, have nothing to do with each other."""
    pole = Pole(tmp_path, monkeypatch, power_cycle=("/bin/true",), power_cycle_after_s=10.0, frozen_reopen_s=5.0)
    for minute in range(3):
        pole.clock.at(minute * 60.0 + 10.0, lambda: setattr(pole.camera, "live", False))
        pole.clock.at(minute * 60.0 + 22.0, lambda: setattr(pole.camera, "live", True))
    pole.run(160.0)
    assert pole.state.outages == 3
    assert "power_cycles/north" not in pole.metrics.counters()


@pytest.mark.parametrize("command", [("/does/not/exist",), ("/bin/false",), ("",), ("/bin/sh", "-c", "exit 3\0")])
def test_a_command_that_fails_stops_nothing(tmp_path, monkeypatch, command):
    """The camera is tried on, and is back when it is back."""
    pole = Pole(tmp_path, monkeypatch, power_cycle=command, power_cycle_after_s=5.0)
    pole.clock.at(10.0, pole.unplug)
    pole.clock.at(40.0, lambda: pole.plug(3))
    pole.run(50.0)
    assert pole.metrics.counters()["power_cycles/north"] >= 3
    assert pole.state.fault is None


@pytest.mark.parametrize("step_s", [-86_400.0, 3600.0, 1_000_000.0])
def test_a_wall_clock_that_is_set_disturbs_no_camera(tmp_path, monkeypatch, step_s):
    """NTP arrives after an hour: frames go on, their times grow, the wall time of each is the new one."""
    pole = Pole(tmp_path, monkeypatch)
    seen = []
    take = pole.slots.put
    monkeypatch.setattr(pole.slots, "put", lambda frame: seen.append(frame) or take(frame))
    pole.clock.at(10.0, lambda: setattr(pole.clock, "offset_s", pole.clock.offset_s + step_s))
    pole.run(20.0)
    assert pole.state.outages == 0
    steps = np.diff([frame.t_s for frame in seen])
    assert steps.min() > 0.0
    assert steps.max() < 0.5
    assert seen[-1].captured_utc_s == pytest.approx(pole.clock.offset_s + seen[-1].t_s, abs=0.01)
    assert np.sum(np.abs(np.diff([frame.captured_utc_s for frame in seen])) > 1.0) == 1


@pytest.mark.parametrize("then_s", [0.0, 11_000.0, -1e9], ids=["back", "ahead", "stands still"])
def test_a_driver_whose_stamps_step_gives_times_that_go_on(tmp_path, monkeypatch, then_s):
    """A camera whose own clock is set, wraps or stops is not lost, and its frames' times neither jump nor turn back."""
    pole = Pole(tmp_path, monkeypatch)
    pole.camera.stamp_offset_s = 6000.0
    seen = []
    take = pole.slots.put
    monkeypatch.setattr(pole.slots, "put", lambda frame: seen.append(frame) or take(frame))
    pole.clock.at(10.0, lambda: setattr(pole.camera, "stamp_offset_s", then_s))
    pole.run(20.0)
    steps = np.diff([frame.t_s for frame in seen])
    assert pole.state.outages == 0
    assert steps.min() > 0.0
    assert steps.max() < 0.5
    assert seen[-1].t_s == pytest.approx(pole.clock.now_s, abs=0.5)
