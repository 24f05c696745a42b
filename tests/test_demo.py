"""``edge demo`` as a user runs it: a process of its own, with either broker, ended by Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_replay import TWO_PEOPLE, fixed_model

from edge.delivery.brokers import mosquitto_path

_DEMO = "import sys, edge.delivery.brokers as brokers; {patch}; from edge.cli import main; sys.argv[0] = 'edge'; main()"
_NO_MOSQUITTO = "brokers.mosquitto_path = lambda: None"


@pytest.fixture(params=["mosquitto", "iotcore"])
def demo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen]:
    """Give a running demonstration of a short clip, with each broker in turn."""
    if request.param == "mosquitto" and mosquitto_path() is None:
        pytest.skip("needs mosquitto")
    if request.param == "iotcore":
        pytest.importorskip("iotcore")
    model = fixed_model(tmp_path, "boxes", {"boxes": TWO_PEOPLE})
    (tmp_path / "film").mkdir()
    for index in range(40):
        picture = np.random.default_rng(index).integers(0, 255, (93, 101)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "film" / f"{index:02d}.png"), picture)
    patch = _NO_MOSQUITTO if request.param == "iotcore" else "pass"
    command = [sys.executable, "-uc", _DEMO.format(patch=patch), "demo", tmp_path / "film"]
    command += ["--model", model, "--allow-unsigned"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path, start_new_session=True
    ) as process:
        yield process
        process.kill()


def ask(url: str) -> dict:
    """Ask the station."""
    with urllib.request.urlopen(f"{url}api/v1/live", timeout=5) as answer:
        return json.load(answer)


def listening(process: subprocess.Popen) -> list[str]:
    """List the addresses on which a process and its children listen."""
    family = [process.pid]
    for pid in family:
        for task in Path(f"/proc/{pid}/task").iterdir():
            family += [int(child) for child in (task / "children").read_text().split()]
    inodes = set()
    for pid in family:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(str(handle.readlink()).removeprefix("socket:[").removesuffix("]"))
            except FileNotFoundError:
                continue
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.append(fields[1].partition(":")[0])
    return found


def test_a_demo_shows_the_whole_chain_and_ends_at_once(demo: subprocess.Popen):
    """Two nodes' alerts reach terminal and station with receipts; all is on loopback; Ctrl-C ends it within 2 s."""
    said = ""
    while not ("demo-1/film" in said and "demo-2/film" in said):
        line = demo.stdout.readline()
        assert line, said
        said += line
    url = re.search(r"control room: (http://127\.0\.0\.1:\d+/)", said).group(1)
    deadline_s = time.monotonic() + 20.0
    while {alert["node"] for alert in ask(url)["alerts"]} != {"demo-1", "demo-2"}:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    addresses = listening(demo)
    assert len(addresses) >= 2
    assert set(addresses) == {"0100007F"}
    with urllib.request.urlopen(f"{url}api/v1/stream", timeout=5):  # an open page must not hold it up
        asked_s = time.monotonic()
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does
        assert demo.wait(10.0) == 0
        took_s = time.monotonic() - asked_s
    assert took_s < 2.0, took_s
    last = demo.stdout.read()
    assert "demo over" in last
    assert "end " in last
    assert "lost" not in last


def test_the_extra_of_the_demonstration_brings_what_its_films_need():
    """A drone's film needs OpenCV, which a node with a fixed camera goes without: the newcomer's first command met that."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "edge-thermal[station,tools]" in project["optional-dependencies"]["demo"]
