"""A broker with the shipped configuration, and everybody who may come to it, rightly or not."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge.config import DeliveryConfig
from edge.delivery.brokers import free_port, mosquitto_path
from edge.pki import Authority

SHIPPED = Path(__file__).resolve().parent.parent.parent / "deploy" / "mosquitto"
NOW = datetime.now(UTC)


@dataclass
class Site:
    """A broker with the shipped configuration, and the folders of those who speak to it."""

    port: int
    folder: Path

    def who(self, name: str, *, tls: bool = True, ca: str | None = None) -> DeliveryConfig:
        """Give the settings of somebody who holds the certificate of ``name``, or none."""
        held = self.folder / name
        return DeliveryConfig(
            port=self.port,
            tls=tls,
            tls_ca_file=str(self.folder / (ca or "ours") / "ca.crt") if tls else None,
            tls_cert_file=str(held / "client.crt") if (held / "client.crt").exists() else None,
            tls_key_file=str(held / "client.key") if (held / "client.key").exists() else None,
            mqtt_version="5",
            connect_timeout_s=5.0,
        )


@contextmanager
def shipped_broker(folder: Path) -> Iterator[Site]:
    """Run mosquitto as shipped: only the port, the user and the paths are this test's."""
    ours = Authority(folder, now=NOW)
    ours.create("ours")
    ours.issue("broker", "broker", ["127.0.0.1", "localhost"])
    ours.issue("station", "station")
    for node in ("node-7", "node-8", "stolen"):
        ours.issue("node", node)
    ours.revoke("stolen")
    Authority(folder, now=NOW - timedelta(days=100)).issue("node", "late", days=30)
    (folder / "ours").mkdir()
    (folder / "ours" / "ca.crt").write_bytes((folder / "ca.crt").read_bytes())
    for name in ("theirs", "forged"):
        rogue = Authority(folder / name, now=NOW)
        rogue.create("ours")  # even the same name
        rogue.issue("node", "node-7")
    (folder / "forged" / "client.crt").write_bytes((folder / "theirs" / "node-7" / "client.crt").read_bytes())
    (folder / "forged" / "client.key").write_bytes((folder / "theirs" / "node-7" / "client.key").read_bytes())
    posing = folder / "posing"  # a broker's certificate, used by a client
    posing.mkdir()
    (posing / "client.crt").write_bytes((folder / "broker" / "server.crt").read_bytes())
    (posing / "client.key").write_bytes((folder / "broker" / "server.key").read_bytes())
    port = free_port()
    data = folder / "data"
    data.mkdir()
    shipped = (SHIPPED / "mosquitto.conf").read_text()
    used = shipped.replace("listener 8883", f"user root\nlistener {port} 127.0.0.1")
    used = used.replace("/etc/mosquitto/certs", str(folder / "broker")).replace("/etc/mosquitto/acl", f"{SHIPPED}/acl")
    used = used.replace("/var/lib/mosquitto", str(data))
    (folder / "mosquitto.conf").write_text(used)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([mosquitto_path(), "-c", folder / "mosquitto.conf"], stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "log")
        yield Site(port, folder)
    finally:
        process.terminate()
        process.wait(5)


def _wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    for _ in range(200):
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
