"""The outbox on real files: durable before sent, bounded by policy, alive on a full disk and beside a broken file."""

import itertools
import os
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from delivery_scene import quick_config
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import DeliveryConfig
from edge.delivery.newest import Newest
from edge.delivery.outbox import Outbox
from edge.delivery.store import Row, Store
from edge.errors import ConfigError, DeliveryError
from edge.metrics import Metrics

TOPIC = "edge/v1/node-7/alert"
SMALL_RESERVE_BYTES = 131_072
REVISIONS = itertools.count(1)  # rise within every story, as they must


@pytest.fixture
def config(tmp_path) -> DeliveryConfig:
    """Give a configuration whose outbox lies in the test's own folder."""
    return quick_config(tmp_path)


@pytest.fixture
def open_outbox(clock):
    """Give a function that opens outboxes; they are closed with the test."""
    opened = []

    def open_one(config, **how):
        opened.append(Outbox(config, clock=clock, metrics=Metrics(clock), **how))
        return opened[-1]

    yield open_one
    for outbox in opened:
        outbox.close()


def put(outbox, key="a", phase="new", size=10):
    """Append one message whose payload begins with its number."""
    return outbox.append(
        TOPIC, lambda seq: f"{seq}:".encode().ljust(size, b"x"), key=key, rev=next(REVISIONS), phase=phase
    )


def held(outbox):
    """List the numbers that are in it."""
    return [row.seq for row in outbox.after(0, 10_000)]


def test_numbers_rise_over_restarts_and_stand_in_the_payload(config, open_outbox):
    """A number is never given twice, even when everything was delivered before the restart."""
    outbox = open_outbox(config)
    assert [put(outbox) for _ in range(3)] == [1, 2, 3]
    assert outbox.get(2).payload.startswith(b"2:")
    outbox.delivered([1, 2, 3])
    outbox.close()
    again = open_outbox(config)
    assert held(again) == []
    assert put(again) == 4


def test_messages_outlive_a_restart_until_they_are_delivered(config, open_outbox):
    """What was not delivered is there again; delivering twice, or what never was, is nothing."""
    outbox = open_outbox(config)
    for _ in range(3):
        put(outbox)
    outbox.delivered([2])
    outbox.delivered([2, 99])
    outbox.close()
    assert held(open_outbox(config)) == [1, 3]


def test_confirmed_messages_stay_until_they_are_delivered(config, open_outbox):
    """A confirmation ends the waiting but not the keeping, and can be taken back."""
    outbox = open_outbox(config)
    put(outbox)
    put(outbox)
    outbox.confirmed([1])
    assert (outbox.depth().waiting, held(outbox)) == (1, [1, 2])
    assert outbox.doubt() == 1
    assert outbox.depth().waiting == 2


def test_failing_encoder_uses_up_no_number(config, open_outbox):
    """When the payload cannot be written nothing is kept, and the next message gets the same number."""
    outbox = open_outbox(config)
    with pytest.raises(ZeroDivisionError):
        outbox.append(TOPIC, lambda seq: bytes(seq // 0), key="a", rev=1, phase="new")
    assert put(outbox) == 1


def test_open_stories_are_remembered_even_when_delivered(config, open_outbox):
    """The last payload of a story stays until its end, so that a later run can close what a dead one left open."""
    outbox = open_outbox(config)
    put(outbox, "a", "new")
    put(outbox, "b", "new")
    put(outbox, "a", "update")
    put(outbox, "c", "new")
    put(outbox, "c", "end")
    outbox.delivered(range(1, 6))
    outbox.close()
    again = open_outbox(config)
    assert [(key, topic, payload[:2]) for key, topic, payload in again.unfinished()] == [
        ("a", TOPIC, b"3:"),
        ("b", TOPIC, b"2:"),
    ]
    put(again, "a", "end")
    again.forget("b")
    assert again.unfinished() == []


def test_age_of_the_oldest_message(config, open_outbox, clock):
    """The depth tells how many wait and for how long."""
    outbox = open_outbox(config)
    assert outbox.depth().oldest_s is None
    put(outbox)
    clock.now_s += 90.0
    put(outbox)
    assert (outbox.depth().waiting, outbox.depth().oldest_s) == (2, 90.0)


def test_closed_outbox_says_so(config, open_outbox):
    """After ``close`` nothing is taken any more."""
    outbox = open_outbox(config)
    outbox.close()
    with pytest.raises(DeliveryError, match="closed"):
        put(outbox)


def test_full_outbox_gives_up_updates_only(config, open_outbox):
    """Beyond the bound superseded updates go first, then the oldest; beginnings and ends stay, and all is counted."""
    outbox = open_outbox(config.model_copy(update={"outbox_max_mb": 0.3}))
    for number in range(20):
        for phase in ("new", *["update"] * 20, *["end"] * (number % 2)):
            put(outbox, f"key-{number:03d}", phase, size=1000)
    rows = outbox.after(0, 10_000)
    assert sum(row.phase == "new" for row in rows) == 20
    assert sum(row.phase == "end" for row in rows) == 10
    kept = [row for row in rows if row.phase == "update"]
    assert outbox.depth().shed == 400 - len(kept) > 200
    assert {row.seq for row in kept} >= {21, 64, 107}, (
        "the last update of an unfinished story goes after all superseded"
    )
    assert Path(config.outbox_file).stat().st_size < 330_000


def test_bound_gives_way_before_a_beginning_or_an_end_is_lost(config, open_outbox):
    """With nothing but ``new`` and ``end`` the file grows beyond its bound: the bound is for updates."""
    outbox = open_outbox(config.model_copy(update={"outbox_max_mb": 0.1}))
    for number in range(200):
        put(outbox, f"key-{number}", "new", size=1000)
    assert len(held(outbox)) == 200
    assert outbox.depth().shed == 0


STORIES = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(["new", "update", "update", "end"])), max_size=60
)


@settings(deadline=None, max_examples=40)
@given(STORIES)
def test_shedding_keeps_the_stated_order(stories):
    """Whatever was put in, what is given up is a prefix of: superseded updates by number, then the others by number."""
    store = Store(":memory:")
    rows = [Row(seq, TOPIC, key, seq, phase, 0.0, b"x" * 900) for seq, (key, phase) in enumerate(stories, start=1)]
    store.put(rows)
    before = store.used_bytes()
    store.shed(before * 2 // 3)
    left = {row.seq for row in store.after(0, -1)}
    updates = [row for row in rows if row.phase == "update"]
    superseded = [row.seq for row in updates if any(late.key == row.key and late.seq > row.seq for late in rows)]
    order = superseded + [row.seq for row in updates if row.seq not in superseded]
    given_up = [row.seq for row in rows if row.seq not in left]
    assert sorted(order[: len(given_up)]) == given_up
    assert len(given_up) == len(order) or store.used_bytes() <= before * 2 // 3
    store.close()


def test_second_process_is_refused_and_told_why(config, open_outbox):
    """Two services on one file would send everything twice: the second one is told which setting to change."""
    put(open_outbox(config))
    program = (
        "import sys; from edge.delivery.outbox import Outbox; from edge.config import DeliveryConfig\n"
        "from edge.clock import SystemClock; from edge.metrics import Metrics\n"
        "Outbox(DeliveryConfig(outbox_file=sys.argv[1]), clock=SystemClock(), metrics=Metrics(SystemClock()))"
    )
    command = [sys.executable, "-c", program, config.outbox_file]
    second = subprocess.run(command, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert second.returncode != 0
    assert "ConfigError" in second.stderr
    assert "delivery.outbox_file" in second.stderr


def test_foreign_file_is_left_alone(config, open_outbox):
    """A database of another program is refused, not emptied."""
    with sqlite3.connect(config.outbox_file) as foreign:
        foreign.execute("CREATE TABLE recipes (cake TEXT)")
    foreign.close()
    size = Path(config.outbox_file).stat().st_size
    with pytest.raises(ConfigError, match=r"another program.*delivery\.outbox_file"):
        open_outbox(config)
    assert Path(config.outbox_file).stat().st_size == size


def test_folder_in_place_of_the_file_is_a_configuration_error(config, open_outbox):
    """A path that cannot be a file is told at start, with the setting."""
    Path(config.outbox_file).mkdir()
    with pytest.raises(ConfigError, match=r"delivery\.outbox_file"):
        open_outbox(config)


def test_missing_folder_is_made(config, open_outbox, tmp_path):
    """The installer need not make the folder."""
    outbox = open_outbox(config.model_copy(update={"outbox_file": str(tmp_path / "var" / "edge" / "outbox.sqlite")}))
    assert put(outbox) == 1


def aside(config):
    """List the files that were moved aside."""
    return sorted(path.name for path in Path(config.outbox_file).parent.glob("*.corrupt-*") if "-wal" not in path.name)


def test_garbage_file_is_moved_aside(config, open_outbox):
    """A file that is no database is moved aside, reported, and replaced; numbers go on above any earlier one."""
    Path(config.outbox_file).write_bytes(b"not a database at all" * 400)
    outbox = open_outbox(config)
    assert aside(config) == ["outbox.sqlite.corrupt-20260203T131600"]
    assert "corrupt" in outbox.incident
    assert put(outbox) > 1_000_000
    assert len(held(outbox)) == 1


def test_what_can_be_read_of_a_broken_file_is_carried_over(config, open_outbox):
    """A file with a few broken pages gives up only what lay there: the rest is sent, stories included."""
    outbox = open_outbox(config)
    for number in range(200):
        put(outbox, f"key-{number:03d}", "new", size=1000)
    outbox.close()
    with Path(config.outbox_file).open("r+b") as file:
        file.seek(4096 * 60)
        file.write(os.urandom(4096 * 25))
    again = open_outbox(config)
    assert len(aside(config)) == 1
    assert 100 <= len(held(again)) < 200
    assert all(again.get(seq).payload.startswith(b"%d:" % seq) for seq in held(again))
    assert put(again) == 201
    assert len(again.unfinished()) >= 100


def test_file_that_breaks_while_in_use(config, open_outbox):
    """When the file goes bad under a running service the message at hand is kept, in a new file."""
    outbox = open_outbox(config)
    for _ in range(50):
        put(outbox, size=2000)
    outbox.close()
    outbox = open_outbox(config)
    with Path(config.outbox_file).open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(4096 * 30))
    seqs = [put(outbox, size=2000) for _ in range(200)]
    assert seqs == list(range(seqs[0], seqs[0] + 200))
    assert set(seqs) <= set(held(outbox))


def test_broken_file_brings_back_nothing_that_was_delivered(config, open_outbox):
    """The memory of the newest messages forgets those that arrived."""
    outbox = open_outbox(config)
    seqs = [put(outbox, size=2000) for _ in range(20)]
    outbox.delivered(seqs[:10])
    with Path(config.outbox_file).open("r+b") as file:
        file.write(os.urandom(4096 * 30))
    later = [put(outbox, size=2000) for _ in range(200)]
    assert held(outbox) == seqs[10:] + later
    assert outbox.incident is not None


def test_newest_messages_are_bounded_in_bytes():
    """What waits for weeks without a broker is not in memory; the oldest are forgotten there first."""
    newest = Newest(max_bytes=1000)
    newest.add(Row(seq, "t", "k", seq, "update", 0.0, b"x" * 300) for seq in range(1, 8))
    assert [row.seq for row in newest.rows()] == [5, 6, 7]
    newest.drop([6, 99])
    newest.add([Row(8, "t", "k", 8, "update", 0.0, b"x" * 300)])
    assert [row.seq for row in newest.rows()] == [5, 7, 8]


KILLED = """
import os, sys
from edge.delivery.outbox import Outbox
from edge.config import DeliveryConfig
from edge.clock import SystemClock
from edge.metrics import Metrics
outbox = Outbox(DeliveryConfig(outbox_file=sys.argv[1]), clock=SystemClock(), metrics=Metrics(SystemClock()))
for number in range(10_000):
    print(outbox.append("t", lambda seq: b"x" * 500, key=str(number), rev=1, phase="new"), flush=True)
"""


def test_killed_process_loses_nothing_it_had_accepted(config, open_outbox):
    """Every number that ``append`` returned before a kill -9 is there afterwards."""
    command = [sys.executable, "-c", KILLED, config.outbox_file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as dying:
        accepted = [dying.stdout.readline() for _ in range(30)]
        dying.kill()
        accepted += list(dying.stdout)
    numbers = {int(line) for line in accepted if line.endswith("\n")}
    outbox = open_outbox(config)
    assert numbers <= set(held(outbox))
    assert len(outbox.unfinished()) >= len(numbers)


@contextmanager
def small_disk(folder: Path, size_kb: int):
    """Mount a file system of its own; only root may."""
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk_loses_nothing(tmp_path, open_outbox, clock):
    """On a full disk the reserve goes first, then messages wait in memory, and all are on disk once there is room."""
    with small_disk(tmp_path / "disk", 1024) as disk:
        config = quick_config(disk)
        outbox = open_outbox(config, reserve_bytes=SMALL_RESERVE_BYTES)
        filler = disk / "log.of.somebody.else"
        filler.write_bytes(b"x" * 500_000)
        faults = set()
        for number in range(600):
            put(outbox, f"key-{number // 2}", ("new", "end")[number % 2], size=1000)
            faults.add((outbox.fault or "")[:12])
        assert held(outbox) == list(range(1, 601))
        assert faults == {"", "disk is full", "disk takes n"}
        assert outbox.depth().in_memory > 100
        outbox.delivered(range(1, 101))
        assert held(outbox) == list(range(101, 601))
        outbox.tend()
        filler.unlink()
        outbox.delivered(range(101, 301))
        outbox.tend()
        assert outbox.depth().in_memory == 0
        assert outbox.fault is None
        outbox.close()
        again = open_outbox(config, reserve_bytes=SMALL_RESERVE_BYTES)
        assert held(again) == list(range(301, 601))
        assert put(again) == 601
        again.close()


def test_numbers_rise_even_over_a_death_on_a_full_disk(tmp_path, open_outbox):
    """A run that dies with messages in memory only leaves a mark: the next run's numbers are above all it gave out."""
    with small_disk(tmp_path / "disk", 1024) as disk:
        config = quick_config(disk)
        outbox = open_outbox(config, reserve_bytes=SMALL_RESERVE_BYTES)
        while outbox.depth().in_memory == 0:
            last = put(outbox, f"key-{outbox.depth().waiting}", "new", size=1000)
        outbox._disk.close()  # the process is gone: nothing is tidied up
        outbox._closed = True
        again = open_outbox(config, reserve_bytes=SMALL_RESERVE_BYTES)
        assert len(held(again)) > 100
        assert put(again) > last
        again.close()


def test_disk_that_is_full_at_start_does_not_keep_the_service_down(tmp_path, open_outbox):
    """With no room for even an empty file messages wait in memory and reach the disk when there is room."""
    with small_disk(tmp_path / "disk", 1024) as disk:
        filler = disk / "log"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(b"x" * 2_000_000)
        config = quick_config(disk)
        outbox = open_outbox(config, reserve_bytes=SMALL_RESERVE_BYTES)
        seqs = [put(outbox) for _ in range(3)]
        assert "delivery.outbox_file" in outbox.fault
        filler.unlink()
        outbox.tend()
        assert (outbox.fault, outbox.depth().in_memory, held(outbox)) == (None, 0, seqs)
        outbox.close()
