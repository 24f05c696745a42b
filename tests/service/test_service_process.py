"""A node that is a process of its own: stopped, killed, started again."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from graphs import fixed_model
from service_scene import TWO_PEOPLE, Listener, film, wait_until

from edge.delivery.brokers import Mosquitto, embedded_broker, mosquitto_path


def written_config(tmp_path: Path, port: int) -> Path:
    """Write the configuration file of a node whose footage never ends."""
    film(tmp_path / "film", 40)
    fixed_model(tmp_path, "boxes", {"boxes": TWO_PEOPLE})
    file = tmp_path / "node.toml"
    file.write_text(
        f"""
[node]
id = "node-7"
[[camera]]
id = "north"
source = "footage:film"
fps = 20.0
loop = true
[model]
path = "model.onnx"
allow_unsigned = true
[delivery]
port = {port}
backoff_max_s = 1.0
""",
        encoding="utf-8",
    )
    return file


def started(file: Path) -> subprocess.Popen:
    """Start ``edge run`` as its own process."""
    return subprocess.Popen(
        [sys.executable, "-c", "from edge.cli import main; main()", "run", str(file)],
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def wait_for_the_log(process: subprocess.Popen, words: bytes) -> None:
    """Read the log of a node until it says something: with no broker to hear, that is how an alert shows."""
    for line in process.stderr:
        if words in line:
            return
    pytest.fail(f"the node ended without a word of {words!r}")


def test_sigterm_ends_the_alerts_and_the_process_within_two_seconds(tmp_path, broker, listener):
    """A clean stop tells the end of what was open and exits with 0."""
    process = started(written_config(tmp_path, broker.port_mqtt5))
    wait_until(lambda: "new" in listener.phases())
    before_s = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(10.0)
    assert time.monotonic() - before_s < 2.0
    assert process.returncode == 0
    wait_until(lambda: "end" in listener.phases())
    assert listener.alerts()[-1].data.ended == "stopped"


def test_sigterm_is_as_quick_without_a_broker(tmp_path):
    """A dead link does not hold up a stop; the undelivered alerts stay in the outbox."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        process = started(written_config(tmp_path, hole.getsockname()[1]))
        wait_for_the_log(process, b"phase=new")
        before_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(10.0)
        assert time.monotonic() - before_s < 2.0
    with Mosquitto(tmp_path) if mosquitto_path() else embedded_broker() as broker:
        port = getattr(broker, "port_mqtt5", broker.port)
        heard = Listener(port)
        file = tmp_path / "node.toml"
        file.write_text(file.read_text().replace("port = ", f"port = {port} # was "))
        second = started(file)
        try:
            wait_until(lambda: "end" in heard.phases())
            assert heard.phases()[0] == "new"
            assert heard.alerts()[heard.phases().index("end")].data.ended == "stopped"
        finally:
            second.send_signal(signal.SIGTERM)
            second.wait(10.0)
            heard.close()


def test_the_alerts_of_a_killed_node_are_closed_by_the_next_run(tmp_path, broker, listener):
    """After kill -9 the next start ends the dead run's alert with reason restarted, then raises its own."""
    file = written_config(tmp_path, broker.port_mqtt5)
    first = started(file)
    wait_until(lambda: "new" in listener.phases())
    first.kill()
    first.wait()
    second = started(file)
    try:
        wait_until(lambda: len({alert.id for alert in listener.alerts() if alert.data.phase == "new"}) == 2)
        ends = list({alert.id: alert for alert in listener.alerts() if alert.data.phase == "end"}.values())
        assert [end.data.ended for end in ends] == ["restarted"]
        assert ends[0].data.alert_id == listener.alerts()[0].data.alert_id
        once = dict.fromkeys((alert.id, alert.data.seq) for alert in listener.alerts())  # a kill may send one twice
        numbers = [seq for _, seq in once]
        assert numbers == sorted(set(numbers))
    finally:
        second.send_signal(signal.SIGTERM)
        second.wait(10.0)
