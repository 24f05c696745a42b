"""The subscriber against hostile nodes, slow readers and brokers that go away."""

import threading
import time
from contextlib import contextmanager

import paho.mqtt.client as paho
import pytest
from delivery_scene import BIRTH, BOOT_ID, TOPICS, eventually, make_alert, quick_config
from paho.mqtt.enums import CallbackAPIVersion

from edge.clock import SystemClock
from edge.delivery.subscriber import Subscriber
from edge.delivery.wire import About, AlertEvent
from edge.delivery.wire_alert import alert_event

pytestmark = pytest.mark.broker


@contextmanager
def listening(config, on_event, **how):
    """Run a subscriber for the length of a block."""
    subscriber = Subscriber(config, on_event, clock=SystemClock(), **how)
    stop = threading.Event()
    thread = threading.Thread(target=subscriber.run, args=(stop,), daemon=True)
    thread.start()
    assert eventually(lambda: subscriber.connected)
    try:
        yield subscriber
    finally:
        stop.set()
        thread.join(5.0)
        assert not thread.is_alive()


@contextmanager
def anybody(port):
    """Publish with a plain client, as anybody might."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield lambda topic, payload, **how: client.publish(topic, payload, 1, **how).wait_for_publish(5.0)
    finally:
        client.disconnect()
        client.loop_stop()


def run_to_the_error(subscriber):
    """Run a subscriber whose reader divides by zero."""
    with pytest.raises(ZeroDivisionError):
        subscriber.run(threading.Event())


def alert_bytes(number):
    """Write one alert."""
    return alert_event(make_alert(number), node="node-7", seq=number, boot_id=BOOT_ID, clock="ntp")


def test_hears_alerts_birth_and_availability(tmp_path, mosquitto):
    """Each message comes out checked, with its node, and with whether the broker had kept it."""
    with anybody(mosquitto.port) as publish:
        publish(TOPICS.about, BIRTH, retain=True)
        events = []
        with listening(quick_config(tmp_path, mosquitto.port), events.append):
            publish(TOPICS.alert, alert_bytes(1))
            publish(TOPICS.availability, b"online")
            assert eventually(lambda: len(events) == 3)
    assert [(type(event.body), event.retained) for event in events] == [
        (About, True),
        (AlertEvent, False),
        (str, False),
    ]
    assert {event.node for event in events} == {"node-7"}
    assert events[1].payload == alert_bytes(1)


def test_malformed_messages_are_counted_and_change_nothing(tmp_path, mosquitto):
    """Garbage, another node's name, a megabyte of nothing: counted, and the next good alert comes through."""
    events = []
    with (
        listening(quick_config(tmp_path, mosquitto.port), events.append) as subscriber,
        anybody(mosquitto.port) as publish,
    ):
        publish(TOPICS.alert, b"\xff\xfe")
        publish(TOPICS.alert, b"[" * 100_000)
        publish("edge/v1/node-8/alert", alert_bytes(1))
        publish(TOPICS.alert, b"x" * 1_000_000)
        publish("edge/v1/N O D E/alert", alert_bytes(1))
        publish(TOPICS.availability, b"maybe")
        publish(TOPICS.alert, alert_bytes(2))
        assert eventually(lambda: len(events) == 1)
        assert subscriber.malformed == 5  # the megabyte is above what we let the broker send
    assert events[0].body.data.alert_id == make_alert(2).alert_id


def test_slow_reader_loses_nothing(tmp_path, mosquitto):
    """With a queue of eight and a reader that dawdles the subscriber stops reading for a while: all alerts arrive."""
    seen = []

    def dawdle(event):
        time.sleep(0.005)
        seen.append(event.body.id)

    config = quick_config(tmp_path, mosquitto.port)
    with (
        listening(config, dawdle, session="slow", queue_events=8) as subscriber,
        anybody(mosquitto.port) as publish,
    ):
        for number in range(1, 101):
            publish(TOPICS.alert, alert_bytes(number))
        assert eventually(lambda: len(set(seen)) == 100, 5.0)
        assert len(seen) == 100
        assert subscriber.malformed == 0


def test_alert_is_heard_again_when_its_reader_failed(tmp_path, mosquitto):
    """An alert is acknowledged only after ``on_event`` returned: one that died over it finds it again."""
    config = quick_config(tmp_path, mosquitto.port)
    first = Subscriber(config, lambda _: 1 / 0, clock=SystemClock(), session="room")
    with anybody(mosquitto.port) as publish:
        failed = threading.Thread(target=run_to_the_error, args=(first,), daemon=True)
        failed.start()
        assert eventually(lambda: first.connected)
        publish(TOPICS.alert, alert_bytes(1))
        failed.join(5.0)
    events = []
    with listening(config, events.append, session="room"):
        assert eventually(lambda: len(events) == 1)


def test_comes_back_when_the_broker_does(tmp_path, mosquitto):
    """A broker that restarts is found again, and meanwhile ``fault`` says what is wrong."""
    events = []
    with listening(quick_config(tmp_path, mosquitto.port), events.append) as subscriber:
        mosquitto.kill()
        assert eventually(lambda: "delivery.host" in (subscriber.fault or ""))
        mosquitto.start()
        assert eventually(lambda: subscriber.connected)
        with anybody(mosquitto.port) as publish:
            publish(TOPICS.alert, alert_bytes(1))
        assert eventually(lambda: len(events) == 1)
        assert subscriber.fault is None
