"""The container files: whole, valid, without rights they do not need, and healthy only when frames are looked at.

They cannot be built here; ``deploy/README.md`` says how their steps were run.
"""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from edge import config
from edge.delivery.brokers import free_port
from edge.station import settings

REPOSITORY = Path(__file__).resolve().parent.parent.parent
FOLDER = REPOSITORY / "deploy" / "container"
EDGE = Path(sys.executable).parent / "edge"


@pytest.fixture(scope="module")
def compose():
    """Read the compose file with its anchors and merges resolved, as compose does."""
    return json.loads(json.dumps(YAML(typ="safe").load(FOLDER / "compose.yaml")))


def test_the_compose_file_fits_the_compose_specification(compose):
    """No key is misspelt, nothing is of the wrong kind."""
    faults = [
        error.message for error in Draft7Validator(get_builtin_schema("vendor.compose-spec")).iter_errors(compose)
    ]
    assert faults == []


def test_every_file_that_is_mounted_is_here(compose):
    """A path that does not exist would be made as a folder by docker."""
    for name, service in compose["services"].items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith(".") and not source.startswith("./site"):
                assert (FOLDER / source).exists(), f"{name}: {source}"
            elif not source.startswith("."):
                assert source in compose["volumes"], f"{name}: {source}"


def test_no_service_has_rights_that_it_does_not_need(compose):
    """Not root, no capabilities, one volume and /tmp to write; only the setup is root, once, without a network."""
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        if name == "setup":
            assert service["networks"] == []
            assert service["profiles"] == ["setup"]
            continue
        assert service.get("user", "10001") != "0:0", name
        writable = [mount for mount in service["volumes"] if not mount.endswith(":ro")]
        assert len(writable) == 1, name
        for port in service.get("ports", []):
            assert port.startswith(("127.0.0.1:", "${EDGE_BROKER_BIND:-127.0.0.1}:")), name


def test_the_configurations_of_the_containers_load():
    """Node and station, as compose mounts them; the health check's port is the node's."""
    node = config.load(FOLDER / "node.toml").config
    station = settings.load(FOLDER / "station.toml")
    assert node.delivery.tls
    assert station.delivery.tls
    containerfile = (FOLDER / "Containerfile").read_text()
    assert f'"{node.metrics.port}"]' in containerfile
    assert node.camera[0].source == "footage:/footage/nine-in-snow.mkv"
    assert (REPOSITORY / "sample_footage" / "nine-in-snow.mkv").is_file()


def test_the_container_file_ends_as_an_ordinary_user():
    """The last USER is not root, and whatever it copies is let through by .dockerignore."""
    lines = (FOLDER / "Containerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")][-1] == "USER 10001"
    allowed = (REPOSITORY / ".dockerignore").read_text().splitlines()
    for needed in (
        "edge",
        "constraints.txt",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "sample_footage",
        "deploy/container",
    ):
        assert f"!{needed}" in allowed, needed
    assert set(re.findall(r"!models/(\S+)", "\n".join(allowed))) == {"*.onnx", "*.toml", "*.sig", "__init__.py"}


def test_the_setup_makes_what_the_others_mount(tmp_path):
    """Certificates with the names of the configurations, a token, keys closed to others; a second run changes nothing."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "chown").write_text('#!/bin/sh\necho "$@" >> "$SITE/../chowned"\n')
    (tools / "chown").chmod(0o755)
    site = tmp_path / "site"
    site.mkdir()
    there = {**os.environ, "SITE": str(site), "PATH": f"{tools}:{EDGE.parent}:{os.environ['PATH']}"}
    for _ in range(2):
        subprocess.run(["sh", FOLDER / "setup.sh"], env=there, check=True, capture_output=True)
    kept = {file.relative_to(site).as_posix(): file.read_bytes() for file in site.rglob("*") if file.is_file()}
    assert {"node-1/client.crt", "node-1/client.key", "node-1/ca.crt", "station/client.key", "station/token",
            "broker/server.crt", "broker/server.key", "broker/ca.crt", "broker/revoked.crl"} <= kept.keys()  # fmt: skip
    for name in ("node-1/client.key", "station/client.key", "broker/server.key", "station/token"):
        assert (site / name).stat().st_mode & 0o077 == 0, name
    owners = (tmp_path / "chowned").read_text().splitlines()
    assert "-R 10001:10001 station node-1" in owners
    assert "-R 1883:1883 broker /var/lib/mosquitto" in owners
    subprocess.run(["sh", FOLDER / "setup.sh"], env=there, check=True, capture_output=True)
    assert kept == {file.relative_to(site).as_posix(): file.read_bytes() for file in site.rglob("*") if file.is_file()}


def test_a_node_is_healthy_while_it_looks_at_frames_and_only_then(tmp_path):
    """A real node: healthy twice while it runs, unhealthy while it is stopped and once it is gone."""
    port = free_port()
    (tmp_path / "node.toml").write_text(
        f"[[camera]]\nid = 'north'\nloop = true\nsource = 'footage:{REPOSITORY}/sample_footage/nine-in-snow.mkv'\n"
        f"[delivery]\nport = {free_port()}\n[metrics]\nport = {port}\n"
    )
    there = {**os.environ, "TMPDIR": str(tmp_path)}

    def healthy() -> bool:
        done = subprocess.run(
            [sys.executable, FOLDER / "healthcheck.py", str(port)], env=there, check=False, capture_output=True
        )
        return done.returncode == 0

    node = subprocess.Popen([EDGE, "run", tmp_path / "node.toml"], stderr=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + 60.0
        while not healthy():
            assert time.monotonic() < deadline_s
            time.sleep(0.5)
        time.sleep(1.0)
        assert healthy()
        node.send_signal(signal.SIGSTOP)
        assert not healthy()
        node.send_signal(signal.SIGCONT)
    finally:
        node.terminate()
        node.wait(20)
    assert not healthy()


def test_the_health_check_needs_nothing_but_python():
    """It is run by the image's own python, outside the environment of edge."""
    names = re.findall(r"^(?:import|from) (\w+)", (FOLDER / "healthcheck.py").read_text(), re.MULTILINE)
    for name in names:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert name in sys.stdlib_module_names
