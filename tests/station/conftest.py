"""Databases and brokers that end with their test."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_scene import ARGUMENTS, CHROMIUM
from sqlalchemy import create_engine, text
from station_scene import Nodes, RunningStation

from edge.delivery.brokers import Mosquitto, free_port, mosquitto_path
from edge.station import schema
from edge.station.store import Store


def _postgres_programs() -> Path | None:
    """Find the folder of initdb, which Debian keeps off the PATH."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a PostgreSQL server of our own, or skip by name."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's server programs (apt install postgresql)")
    folder = tmp_path_factory.mktemp("postgres")
    user: dict[str, str] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        user = {"user": "postgres"}
        shutil.chown(folder, "postgres")
        for parent in folder.parents[:2]:
            parent.chmod(0o711)
    port = free_port()
    cluster = folder / "cluster"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    subprocess.run([programs / "initdb", "-D", cluster, "-U", "edge", "-A", "trust", "-N"], check=True, **quiet, **user)
    settings = f"-p {port} -h 127.0.0.1 -k '' -c fsync=off"
    subprocess.run([programs / "pg_ctl", "-D", cluster, "-w", "-o", settings, "start"], check=True, **quiet, **user)
    yield f"postgresql://edge@127.0.0.1:{port}/postgres"
    subprocess.run([programs / "pg_ctl", "-D", cluster, "-m", "immediate", "stop"], check=False, **quiet, **user)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/station.sqlite"
    given: str = request.getfixturevalue("postgres")
    engine = create_engine("postgresql+pg8000" + given.removeprefix("postgresql"))
    schema.metadata.create_all(engine)
    with engine.begin() as connection:
        names = ", ".join(table.name for table in schema.metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    engine.dispose()
    return given


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """Give an empty store of each kind in turn."""
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a running mosquitto, or skip by name."""
    if mosquitto_path() is None:
        pytest.skip("needs mosquitto")
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    # The whole state on disk with every change, as the product wants it, takes seconds where the disk is busy.
    with Mosquitto(folder, settings=("allow_anonymous true", "autosave_on_changes false")) as running:
        yield running


@pytest.fixture
def nodes(broker: Mosquitto) -> Iterator[Nodes]:
    """Give a publisher that speaks for any node."""
    publisher = Nodes(broker.port)
    yield publisher
    publisher.close()


@pytest.fixture
def station(broker: Mosquitto, tmp_path: Path) -> Iterator[RunningStation]:
    """Give a station with a broker, both of their own."""
    running = RunningStation(tmp_path, broker.port)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Give a headless Chromium, or skip by name."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium (apt install chromium)")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(ARGUMENTS))
        yield opened
        opened.close()
