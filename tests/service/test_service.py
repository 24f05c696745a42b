"""The node as a whole: real footage files, a real model file, a real broker, real signals and kills."""

import socket
import threading
import time

import cv2
import numpy as np
import pytest
from graphs import fixed_model
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from service_scene import ONE_PERSON, config_of, node_of, wait_until

from edge.capture.footage import Footage
from edge.clock import SystemClock
from edge.config import AlertsConfig, CameraConfig, Config, DeliveryConfig, ModelConfig, RecorderConfig
from edge.config.position import PoseConfig
from edge.delivery.brokers import embedded_broker
from edge.delivery.wire import About, Health, parse_alert
from edge.errors import ConfigError
from edge.pipeline import detector
from edge.service import Node


def test_one_group_gives_one_new_and_one_end(tmp_path, broker, listener):
    """Two people in front of a camera are one alert of two, which ends when the footage does."""
    stopping = threading.Event()
    node_of(tmp_path, config_of(tmp_path, broker.port_mqtt5), stopping).run()
    wait_until(lambda: "end" in listener.phases())
    alerts = listener.alerts()
    assert listener.phases()[0] == "new"
    assert listener.phases().count("new") == 1
    assert listener.phases().count("end") == 1
    assert {alert.data.alert_id for alert in alerts} == {alerts[0].data.alert_id}
    assert [alert.data.rev for alert in alerts] == list(range(1, len(alerts) + 1))
    assert alerts[0].data.count == 2
    assert alerts[-1].data.ended == "stopped"
    assert alerts[0].source == "edge/node-7/cam/north"


def test_a_model_that_does_not_run_where_it_should_is_told_in_health(tmp_path, broker, listener):
    """Without CUDA on this machine the CPU steps in: health names the provider in use, is degraded and says why."""
    config = config_of(tmp_path, broker.port_mqtt5, frames=30, loop=True)
    providers = ("CUDAExecutionProvider", "CPUExecutionProvider")
    wanted = config.model_copy(update={"model": config.model.model_copy(update={"providers": providers})})
    stopping = threading.Event()
    running = threading.Thread(target=node_of(tmp_path, wanted, stopping).run)
    running.start()

    def told() -> list[Health]:
        health = [event.body for event in listener.heard if isinstance(event.body, Health)]
        return [one for one in health if "CUDAExecutionProvider is not in the installed onnxruntime" in str(one.reason)]

    try:
        wait_until(lambda: bool(told()))  # the first word may still be that the broker is not yet reached
    finally:
        stopping.set()
        running.join()
    assert told()[0].provider == "CPUExecutionProvider"
    assert told()[0].state == "degraded"


def test_the_control_room_sees_the_node_come_and_go(tmp_path, broker, listener):
    """Birth document, online, health and offline reach a subscriber."""
    config = config_of(tmp_path, broker.port_mqtt5, frames=30)
    pose = PoseConfig(lat_deg=49.0, lon_deg=-111.96, height_m=8.0, heading_deg=-8.0, tilt_deg=-4.0, hfov_deg=32.0)
    camera = config.camera[0].model_copy(update={"pose": pose})
    node_of(tmp_path, config.model_copy(update={"camera": (camera,)}), threading.Event()).run()
    wait_until(lambda: any(event.body == "offline" for event in listener.heard))
    about = next(event.body for event in listener.heard if isinstance(event.body, About))
    health = [event.body for event in listener.heard if isinstance(event.body, Health)]
    assert about.cameras == ["north"]
    assert about.poses is not None
    assert about.poses["north"].model_dump() == {
        "lat": 49.0, "lon": -111.96, "heading_deg": 352.0, "fov_deg": 32.0, "range_m": None,
    }  # fmt: skip
    assert about.model is not None
    assert any(event.body == "online" for event in listener.heard)
    assert health[-1].cameras["north"].state == "ok"
    assert health[-1].cameras["north"].others is None  # a model that knows people only has nothing to say of others
    assert health[-1].cameras["north"].fps is None or health[-1].cameras["north"].fps > 5


def test_animals_and_vehicles_are_reported_and_make_no_alert(tmp_path, broker, listener):
    """A model that knows more than people: health counts a person's company by kind, and the alert is of one person."""
    seen = [
        [20, 30, 40, 80, 0.9, 0, 0],
        [60, 60, 90, 80, 0, 0.8, 0],
        [60, 10, 80, 25, 0, 0.7, 0],
        [5, 5, 15, 25, 0, 0, 0.8],
    ]
    classes = {"classes": '"person", "deer", "pick-up truck"'}
    file = fixed_model(tmp_path, "boxes", {"boxes": np.array([seen])}, told=classes)
    config = config_of(tmp_path, broker.port_mqtt5)
    model = detector.load(file, config.model, key=tmp_path / "none")
    Node(config, model, clock=SystemClock(), stopping=threading.Event(), base=tmp_path).run()
    wait_until(lambda: "end" in listener.phases())
    health = [event.body for event in listener.heard if isinstance(event.body, Health)]
    assert {"deer": 2, "pick-up truck": 1} in [one.cameras["north"].others for one in health]
    assert {alert.data.count for alert in listener.alerts()} == {1}


def test_a_camera_that_breaks_is_offline_and_comes_back(tmp_path, broker, listener):
    """A damaged picture loses the camera; the health message says so; it is opened again; the node runs on."""
    config = config_of(tmp_path, broker.port_mqtt5, frames=40, loop=True)
    broken = tmp_path / "film" / "0020.png"
    whole = broken.read_bytes()
    broken.write_bytes(b"broken")
    stopping = threading.Event()
    node = node_of(tmp_path, config, stopping)
    thread = threading.Thread(target=node.run)
    thread.start()
    try:

        def states():
            return [event.body.state for event in listener.heard if isinstance(event.body, Health)]

        wait_until(lambda: "offline" in states())
        said = next(e.body for e in listener.heard if isinstance(e.body, Health) and e.body.state == "offline")
        assert "0020.png" in (said.reason or "")
        broken.write_bytes(whole)
        wait_until(lambda: states()[-1] == "ok")
    finally:
        stopping.set()
        thread.join()


def test_a_black_holed_broker_costs_no_frame(tmp_path):
    """With a broker that accepts and never answers, the node processes as many frames as without any trouble."""
    config = config_of(tmp_path, 1, frames=60)
    with socket.create_server(("127.0.0.1", 0)) as hole, embedded_broker() as broker:
        processed = {}
        for name, port in (("good", broker.port_mqtt5), ("hole", hole.getsockname()[1])):
            delivery = DeliveryConfig(port=port, outbox_file=f"{name}.sqlite")
            node = node_of(tmp_path, config.model_copy(update={"delivery": delivery}), threading.Event())
            node.run()
            processed[name] = node.metrics.snapshot().counters["frames_processed/north"]
    assert processed["hole"] >= 0.95 * processed["good"]
    assert processed["good"] >= 50


def test_a_node_without_cameras_is_refused(tmp_path):
    """Nothing to look at is an error of the configuration."""
    file = fixed_model(tmp_path, "boxes", {"boxes": ONE_PERSON})
    model = detector.load(file, ModelConfig(allow_unsigned=True), key=tmp_path / "none")
    with pytest.raises(ConfigError, match=r"\[\[camera\]\]"):
        Node(Config(), model, clock=SystemClock(), stopping=threading.Event(), base=tmp_path)


def test_a_refused_source_leaves_nothing_behind(tmp_path):
    """A node that cannot be built has not opened its outbox."""
    config = config_of(tmp_path, 1)
    wrong = config.camera[0].model_copy(update={"source": "pigeon:7"})
    with pytest.raises(ConfigError, match=r"camera\.source"):
        node_of(tmp_path, config.model_copy(update={"camera": (wrong,)}), threading.Event())
    assert not list(tmp_path.glob("outbox*"))


def test_a_bug_in_a_camera_ends_the_node_and_leaves_the_alerts_to_the_next_run(tmp_path, broker, listener):
    """An error nobody expected is raised, and the open alert ends as restarted, not as if all were well."""
    from edge.capture.footage import Footage

    class Faulty(Footage):
        """A real folder whose driver breaks in an unknown way after two seconds."""

        def __iter__(self):
            """Break at frame 40."""
            for frame in super().__iter__():
                if frame.seq == 40:
                    raise OSError("driver")
                yield frame
                time.sleep(0.05)

    def faulty(section):
        return Faulty(tmp_path / "film", camera_id=section.id, fps=20.0)

    config = config_of(tmp_path, broker.port_mqtt5)
    with pytest.raises(OSError, match="driver"):
        node_of(tmp_path, config, threading.Event(), make_camera=faulty).run()
    node_of(tmp_path, config, threading.Event()).run()
    wait_until(lambda: "restarted" in [alert.data.ended for alert in listener.alerts()])
    first_end = next(alert for alert in listener.alerts() if alert.data.phase == "end")
    assert first_end.data.ended == "restarted"


def test_a_skipping_sensor_counts_its_lost_frames(tmp_path):
    """Gaps in the sensor's own numbering are counted as lost frames."""
    from edge.capture.footage import Footage

    class Gappy(Footage):
        """A real folder whose sensor skips three numbers."""

        def __iter__(self):
            """Skip numbers 5 to 7."""
            for frame in super().__iter__():
                yield frame._replace(seq=frame.seq + 3) if frame.seq >= 5 else frame

    config = config_of(tmp_path, 1, frames=12)
    node = node_of(
        tmp_path, config, threading.Event(), make_camera=lambda section: Gappy(tmp_path / "film", camera_id=section.id)
    )
    node.run()
    assert node.metrics.snapshot().counters["frames_lost/north"] == 3


def test_a_corrupt_outbox_is_moved_aside_and_the_service_goes_on(tmp_path, broker, listener):
    """Garbage in the outbox file costs neither the start nor the alerts of this run."""
    config = config_of(tmp_path, broker.port_mqtt5)
    (tmp_path / "outbox.sqlite").write_bytes(b"garbage" * 1000)
    node_of(tmp_path, config, threading.Event()).run()
    wait_until(lambda: "end" in listener.phases())
    assert list(tmp_path.glob("outbox.sqlite.corrupt-*"))
    health = [event.body for event in listener.heard if isinstance(event.body, Health)]
    assert any("corrupt" in (said.reason or "") for said in health)


def test_metrics_are_served_on_loopback(tmp_path):
    """Prometheus finds the counters; a port that is taken names the setting."""
    import urllib.request

    from edge.config import MetricsConfig
    from edge.delivery.brokers import free_port

    port = free_port()
    config = config_of(tmp_path, 1, frames=400).model_copy(update={"metrics": MetricsConfig(port=port)})
    stopping = threading.Event()
    node = node_of(tmp_path, config, stopping)
    thread = threading.Thread(target=node.run)
    thread.start()
    try:
        wait_until(lambda: node.metrics.snapshot().counters.get("frames_processed/north", 0) > 5)
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
        assert 'edge_frames_processed_total{camera="north"}' in page
        assert "edge_stage_detect_seconds_total" in page
        other = config.model_copy(update={"delivery": DeliveryConfig(port=1, outbox_file="other.sqlite")})
        with pytest.raises(ConfigError, match=r"metrics\.port"):
            node_of(tmp_path, other, threading.Event()).run()
    finally:
        stopping.set()
        thread.join()


def test_the_birth_document_tells_where_a_camera_stands(tmp_path, broker, listener):
    """For the map: place, heading and width of view of a camera with a pose."""
    config = config_of(tmp_path, broker.port_mqtt5, frames=10)
    pose = {"lat_deg": 49.0, "lon_deg": 11.0, "height_m": 6.0, "heading_deg": -10.0, "tilt_deg": -8.0, "hfov_deg": 24.0}
    camera = CameraConfig.model_validate({**config.camera[0].model_dump(exclude_unset=True), "pose": pose})
    node_of(tmp_path, config.model_copy(update={"camera": (camera,)}), threading.Event()).run()
    wait_until(lambda: any(isinstance(event.body, About) for event in listener.heard))
    about = next(event.body for event in listener.heard if isinstance(event.body, About))
    found = about.poses["north"]
    assert (found.lat, found.heading_deg, found.fov_deg) == (49.0, 350.0, 24.0)


@pytest.mark.parametrize("snapshots", [False, True])
def test_a_picture_leaves_the_box_only_where_the_configuration_says_so(tmp_path, broker, snapshots):
    """With the setting each alert has a JPEG of the frame's shape on a topic of its own; without it there is none."""
    config = config_of(tmp_path, broker.port_mqtt5)
    config = config.model_copy(update={"alerts": AlertsConfig(snapshots=snapshots)})
    heard = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.on_message = lambda _client, _data, message: heard.append((message.topic, message.payload))
    client.connect("127.0.0.1", broker.port_mqtt5)
    client.subscribe("edge/v1/#", qos=1)
    client.loop_start()
    node_of(tmp_path, config, threading.Event()).run()
    wait_until(lambda: ("edge/v1/node-7/availability", b"offline") in heard)
    client.disconnect()
    client.loop_stop()
    told = [parse_alert(payload).data for topic, payload in heard if topic == "edge/v1/node-7/alert"]
    assert {data.snapshot for data in told} == {"mqtt" if snapshots else "none"}
    pictures = dict(one for one in heard if "/snapshot/" in one[0])
    ids = {f"edge/v1/node-7/cam/north/snapshot/{data.alert_id.lower()}" for data in told}
    assert set(pictures) == (ids if snapshots else set())
    for jpeg in pictures.values():
        assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE).shape == (90, 100)


def test_an_alert_is_recorded_where_the_configuration_says_so(tmp_path, broker, listener):
    """The clip bears the alert's id, begins before the alert was raised, and is whole when the node has stopped."""
    config = config_of(tmp_path, broker.port_mqtt5)
    config = config.model_copy(update={"recorder": RecorderConfig(folder="clips", keep_free_mb=0.0)})
    node_of(tmp_path, config, threading.Event()).run()
    wait_until(lambda: "end" in listener.phases())
    (clip,) = (tmp_path / "clips").iterdir()
    assert str(listener.alerts()[0].data.alert_id) in clip.name
    with Footage(clip) as footage:
        frames = list(footage)
    assert len(frames) > 30
    assert np.array_equal(frames[0].pixels, np.random.default_rng(0).integers(0, 255, (90, 100)).astype(np.uint8))


def test_a_recorder_without_a_disk_degrades_the_node_and_stops_nothing(tmp_path, broker, listener):
    """Health says why; the alerts go out all the same."""
    (tmp_path / "clips").write_text("a file is in the way")
    config = config_of(tmp_path, broker.port_mqtt5)
    config = config.model_copy(update={"recorder": RecorderConfig(folder="clips/north", keep_free_mb=0.0)})
    node_of(tmp_path, config, threading.Event()).run()
    wait_until(lambda: "end" in listener.phases())
    health = [event.body for event in listener.heard if isinstance(event.body, Health)]
    assert any(told.state == "degraded" and "recorder.folder" in str(told.reason) for told in health)
