"""What a control room hears when cameras cannot see: a real node, a real mosquitto, cameras that fail as real ones do."""

import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "pipeline"))
from graphs import fixed_model

from edge.clock import SystemClock
from edge.config import CameraConfig, Config, DeliveryConfig, ModelConfig, NodeConfig, SightConfig
from edge.delivery.brokers import Mosquitto, mosquitto_path
from edge.delivery.subscriber import Subscriber
from edge.delivery.wire import AlertEvent, Health
from edge.delivery.wire_sight import SightEvent
from edge.pipeline import detector
from edge.records import Frame, Radiometry
from edge.service import Node

pytestmark = [
    pytest.mark.broker,
    pytest.mark.skipif(mosquitto_path() is None, reason="mosquitto is not on PATH"),
]
GOOD_S = 1.5
SIGHT = SightConfig(frozen_after_s=3.0, covered_after_s=1.5, degraded_after_s=2.5, alert_after_s=3.0)
STALL_AFTER_S = 2.0
MARGIN_S = 1.5
"""For the camera's own pace, the health timer and two busy cores."""
# state, cause, and within how many seconds of its beginning
STATED = {
    "frozen": ("blind", SIGHT.frozen_after_s),
    "covered": ("blind", SIGHT.covered_after_s),
    "shutter": ("degraded", 0.35),
    "crossover": ("degraded", SIGHT.degraded_after_s),
    "no-frames": ("offline", STALL_AFTER_S),
}


class FailingCamera:
    """A 16-bit camera of 97x61 that works for a while and then fails in its own way until ``back`` is set."""

    def __init__(self, name: str, stopping: threading.Event, back: threading.Event) -> None:
        """Start well; the name says how it will fail."""
        self.camera_id = name
        self.failed_s: float | None = None
        self._stopping, self._back = stopping, back
        stones = np.random.default_rng(5).integers(0, 2000, (21, 33)).repeat(3, axis=0).repeat(3, axis=1)
        self._scene = 28000.0 + stones[:61, :97]
        self._last = self._scene.astype(np.uint16)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def __iter__(self):
        begun_s, seq = time.monotonic(), 0
        while not self._stopping.wait(1 / 12):
            now_s = time.monotonic()
            fails = now_s - begun_s > GOOD_S and self.camera_id in STATED and not self._back.is_set()
            if fails and self.failed_s is None:
                self.failed_s = now_s
            if not (fails and self.camera_id == "no-frames"):
                yield self._frame(seq, now_s, fails)
            seq += 1

    def _frame(self, seq: int, now_s: float, fails: bool) -> Frame:
        noise = np.random.default_rng(seq).normal(0, 3, self._scene.shape)
        if fails and self.camera_id == "covered":
            pixels = (28000 + noise).astype(np.uint16)
        elif fails and self.camera_id == "crossover":
            pixels = (28000 + (self._scene - 28000) * 0.04 + noise * 0.3).astype(np.uint16)
        elif fails and self.camera_id == "frozen":
            pixels = self._last
        else:
            pixels = self._last = (self._scene + noise).astype(np.uint16)
        ffc = fails if self.camera_id == "shutter" else False
        return Frame(self.camera_id, seq, now_s, time.time(), pixels, Radiometry("centikelvin", 0.01, -273.15), ffc=ffc)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Run six cameras, five of which fail at the same time, and then let them see again; give all that was heard."""
    folder = tmp_path_factory.mktemp("sight")
    stopping, back, silent = threading.Event(), threading.Event(), threading.Event()
    cameras = {}

    def make(section: CameraConfig) -> FailingCamera:
        return cameras.setdefault(section.id, FailingCamera(section.id, stopping, back))

    with Mosquitto(folder) as broker:
        config = Config(
            node=NodeConfig(id="node-7"),
            camera=tuple(
                CameraConfig(id=name, source="footage:none", stall_after_s=STALL_AFTER_S) for name in (*STATED, "well")
            ),
            model=ModelConfig(allow_unsigned=True),
            sight=SIGHT,
            delivery=DeliveryConfig(port=broker.port, health_every_s=60.0, outbox_file="outbox.sqlite"),
        )
        file = fixed_model(folder, "boxes", {"boxes": np.zeros((1, 0, 5))})
        model = detector.load(file, config.model, key=folder / "none")
        node = Node(config, model, clock=SystemClock(), stopping=stopping, base=folder, make_camera=make)
        heard = []
        subscriber = Subscriber(
            DeliveryConfig(port=broker.port),
            lambda event: heard.append((time.monotonic(), event.body)),
            clock=SystemClock(),
            session="sight",
        )
        threads = [threading.Thread(target=subscriber.run, args=(silent,)), threading.Thread(target=node.run)]
        for thread in threads:
            thread.start()

        def sights(phase: str) -> set[str]:
            return {
                one.data.camera for _, one in list(heard) if isinstance(one, SightEvent) and one.data.phase == phase
            }

        wait_until(lambda: sights("new") >= {"frozen", "covered", "no-frames"})
        back.set()
        wait_until(lambda: sights("end") >= {"frozen", "covered", "no-frames"})
        stopping.set()
        threads[1].join()
        time.sleep(0.5)
        silent.set()
        threads[0].join()
    return heard, cameras


def wait_until(true, timeout_s: float = 30.0) -> None:
    """Wait for something to become true."""
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.05)


@pytest.mark.parametrize("cause", STATED)
def test_the_state_reaches_the_subscriber_within_its_stated_seconds(story, cause):
    """The health says it without waiting for its turn, however many cameras fail at once."""
    heard, cameras = story
    state, stated_s = STATED[cause]
    at_s, camera = next(
        (at_s, body.cameras[cause]) for at_s, body in heard
        if isinstance(body, Health) and cause in body.cameras and body.cameras[cause].state == state
    )  # fmt: skip
    assert camera.reason
    assert at_s - cameras[cause].failed_s < stated_s + MARGIN_S
    assert at_s - cameras[cause].failed_s > stated_s - 0.5


def test_blind_and_offline_that_last_are_alerts_of_their_own_type(story):
    """New with state and cause after alert_after_s, end when it sees again; degraded is none."""
    heard, cameras = story
    events = [(at_s, body) for at_s, body in heard if isinstance(body, SightEvent)]
    assert {event.data.camera for _, event in events} == {"frozen", "covered", "no-frames"}
    for name in ("frozen", "covered", "no-frames"):
        own = [(at_s, event) for at_s, event in events if event.data.camera == name]
        assert [event.data.phase for _, event in own] == ["new", "end"]
        assert len({event.data.alert_id for _, event in own}) == 1
        at_s, new = own[0]
        assert (new.data.state, new.data.cause) == (STATED[name][0], name)
        assert at_s - cameras[name].failed_s < STATED[name][1] + SIGHT.alert_after_s + MARGIN_S
        assert own[1][1].data.state == "ok"


def test_the_camera_beside_them_never_stops(story):
    """A healthy camera of the same node stays ok in every health message."""
    heard, _ = story
    states = {body.cameras["well"].state for _, body in heard if isinstance(body, Health)}
    assert states == {"ok"}
    assert not any(isinstance(body, AlertEvent) for _, body in heard)
