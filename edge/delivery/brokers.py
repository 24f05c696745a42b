"""A broker on this machine for ``edge demo`` and for the tests; loopback only, and never started by ``edge run``.

Debian's mosquitto is preferred: it speaks both MQTT versions on one port and keeps its state over a restart. Without
it the ``iotcore`` wheel serves, which keeps everything in memory and has one port for each version.
"""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge.errors import DeliveryError

LOOPBACK = "127.0.0.1"
_START_S = 10.0
_STOP_S = 5.0
_POLL_S = 0.02
_MAX_PACKET_BYTES = 1_048_576
# Without these two a mosquitto 2.0 that is killed forgets what it has confirmed for up to half an hour.
_DURABLE = ("persistence true", "autosave_interval 1", "autosave_on_changes true")
_RUMQTTD = """
id = 0
[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
{listeners}
"""
_RUMQTTD_LISTENER = """
[{version}.1]
name = "{version}"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[{version}.1.connections]
connection_timeout_ms = 60000
max_payload_size = {bytes}
max_inflight_count = 100
dynamic_filters = true
"""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where the broker listens; both ports are the same where one port speaks both versions."""

    kind: str
    host: str
    port: int
    port_mqtt5: int


class Mosquitto:
    """One mosquitto process with its own folder and port; can be stopped, killed and started again."""

    def __init__(
        self, folder: Path, *, port: int | None = None, settings: Sequence[str] = ("allow_anonymous true",)
    ) -> None:
        """Prepare a broker that keeps its state in ``folder``; ``settings`` are lines of mosquitto.conf."""
        self.port = port or free_port()
        self._folder = folder
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        user = pwd.getpwuid(os.geteuid()).pw_name  # as root it would change to a user that may not write here
        lines = (f"user {user}", f"persistence_location {folder}/", *_DURABLE, f"max_packet_size {_MAX_PACKET_BYTES}")
        self._config.write_text(
            "\n".join([*lines, f"listener {self.port} {LOOPBACK}", *settings]) + "\n", encoding="utf-8"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            DeliveryError: it is not installed or ends at once.
        """
        program = mosquitto_path()
        if program is None:
            raise DeliveryError("mosquitto is not installed (apt install mosquitto)")
        # setpriv (util-linux) ends the broker with us, even when we are killed; without it kill -9 leaves it behind.
        setpriv = shutil.which("setpriv")
        command = [setpriv, "--pdeathsig", "TERM"] if setpriv else []
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # a fixed program with our own configuration file
                [*command, program, "-c", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C is for us: the broker must carry our last words
            )
        _wait_until_listening(self.port, self._process, self._log)

    def stop(self) -> None:
        """End it in its own time; nothing if it does not run."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        (process.kill if kill else process.terminate)()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)


class Iotcore:
    """The broker inside the ``iotcore`` wheel, with a port for each MQTT version."""

    def __init__(self, folder: Path) -> None:
        """Prepare it; its configuration file lies in ``folder``."""
        self.port, self.port_mqtt5 = free_port(), free_port()
        listeners = "".join(
            _RUMQTTD_LISTENER.format(version=version, host=LOOPBACK, port=port, bytes=_MAX_PACKET_BYTES)
            for version, port in (("v4", self.port), ("v5", self.port_mqtt5))
        )
        self._config = folder / "rumqttd.toml"
        self._config.write_text(_RUMQTTD.format(listeners=listeners), encoding="utf-8")
        self._broker: Any = None

    def __enter__(self) -> Self:
        from iotcore import Broker  # noqa: PLC0415  # an optional extra

        self._broker = Broker(config_path=str(self._config))
        try:
            self._broker.start(timeout=_START_S)
        except (OSError, RuntimeError) as error:
            raise DeliveryError(f"the embedded broker does not start: {error}") from error
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._broker.stop()


@contextmanager
def embedded_broker() -> Iterator[Embedded]:
    """Run a broker on a free loopback port for as long as the block lasts.

    Raises:
        DeliveryError: neither mosquitto nor iotcore is installed, or it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="edge-broker-") as name:
        folder = Path(name)
        if mosquitto_path() is not None:
            with Mosquitto(folder) as mosquitto:
                yield Embedded("mosquitto", LOOPBACK, mosquitto.port, mosquitto.port)
        elif importlib.util.find_spec("iotcore") is not None:
            with Iotcore(folder) as iotcore:
                yield Embedded("iotcore", LOOPBACK, iotcore.port, iotcore.port_mqtt5)
        else:
            raise DeliveryError(
                "no broker to embed: pip install 'edge-thermal[demo]', or install mosquitto (apt install mosquitto)"
            )


def mosquitto_path() -> str | None:
    """Find mosquitto; Debian puts it where the PATH of a user does not look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Ask the kernel for a port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _wait_until_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise DeliveryError(f"mosquitto ends at once: {last[0] if last else process.returncode}")
        try:
            with socket.create_connection((LOOPBACK, port), timeout=1.0):
                return
        except OSError:
            time.sleep(_POLL_S)
    process.kill()
    raise DeliveryError(f"mosquitto does not listen on {LOOPBACK}:{port} within {_START_S} s")
