"""The store, on SQLite and on PostgreSQL alike."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from station_scene import about, alert_id, health, heard

from edge.delivery import wire
from edge.errors import ConfigError
from edge.station import schema
from edge.station.archive import Archive, Wanted
from edge.station.changes import UnknownAlertError
from edge.station.database import backup, safe_url
from edge.station.rows import Heard
from edge.station.store import Store

KEY = ("node-7", alert_id(1))


def archive(store: Store) -> Archive:
    """Read what a store holds."""
    return Archive(store.engine, silent_after_s=60.0, forget_alert_after_s=3600.0)


def live(store: Store, now_utc_s: float = 1001.0) -> list[dict]:
    """Give the live list."""
    return archive(store).live_alerts(now_utc_s=now_utc_s)[0]


def test_the_latest_revision_is_shown_and_every_one_is_kept(store: Store):
    """A card has the whole story; the list has its latest state."""
    store.take([heard(1, 1, count=3), heard(1, 2, count=9, utc_s=1004.0)])
    (shown,) = live(store)
    assert (shown["data"]["rev"], shown["data"]["count"]) == (2, 9)
    assert (shown["heard_at"], shown["changed_at"]) == ("1970-01-01T00:16:40.000Z", "1970-01-01T00:16:44.000Z")
    assert "members" not in shown["data"]
    card = archive(store).card(KEY)
    assert [one["count"] for one in card["revisions"]] == [3, 9]
    assert len(card["data"]["members"]) == 1


def test_twice_is_as_good_as_once_and_late_changes_nothing(store: Store):
    """A repeated revision adds nothing, and an older one that comes late is kept without taking over."""
    store.take([heard(1, 3, count=7), heard(1, 3, count=7)])
    store.take([heard(1, 3, count=7, utc_s=1009.0), heard(1, 1, count=2)])
    (shown,) = live(store)
    assert (shown["data"]["rev"], shown["data"]["count"]) == (3, 7)
    assert [one["rev"] for one in archive(store).card(KEY)["revisions"]] == [1, 3]


def test_no_node_can_overwrite_the_alert_of_another(store: Store):
    """The same alert id from another node is another alert."""
    store.take([heard(1, 1, count=9), heard(1, 99, node="intruder", count=1)])
    assert {(one["node"], one["data"]["count"]) for one in live(store)} == {("node-7", 9), ("intruder", 1)}


def test_an_alert_stays_live_until_it_is_over_and_attended(store: Store):
    """Neither its end nor an acknowledgement alone takes it off the list."""
    store.take([heard(1, 1)])
    store.act(KEY, "acknowledge", who="Ada", text=None, utc_s=1001.0)
    assert [one["calls"] for one in live(store)] == [False]
    store.take([heard(1, 2, phase="end", ended="left")])
    assert live(store) == []
    store.take([heard(2, 1, seq=2), heard(2, 2, seq=3, phase="end", ended="left")])
    assert [one["calls"] for one in live(store)] == [True]
    store.act(("node-7", alert_id(2)), "dismiss", who="Ada", text="deer", utc_s=1002.0)
    assert live(store) == []
    assert archive(store).card(("node-7", alert_id(2)))["handled_reason"] == "deer"


def test_an_acknowledged_alert_that_gets_louder_calls_again(store: Store):
    """What was acknowledged as routine calls when it turns urgent, even after it ended."""
    store.take([heard(1, 1, priority="routine")])
    store.act(KEY, "acknowledge", who="Ada", text=None, utc_s=1001.0)
    store.take([heard(1, 2, priority="urgent", phase="end", ended="left")])
    (shown,) = live(store)
    assert (shown["calls"], shown["louder_again"]) == (True, True)


def test_what_operators_did_is_kept_once(store: Store):
    """Who, when and what stay with the alert; the same deed again is no second entry."""
    store.take([heard(1, 1)])
    for _ in range(2):
        store.act(KEY, "acknowledge", who="Ada", text=None, utc_s=1001.0)
    store.act(KEY, "note", who="Bo", text="car sent", utc_s=1002.0)
    deeds = archive(store).card(KEY)["actions"]
    assert [(deed["who"], deed["kind"], deed["text"]) for deed in deeds] == [
        ("Ada", "acknowledge", None),
        ("Bo", "note", "car sent"),
    ]
    with pytest.raises(UnknownAlertError):
        store.act(("node-7", "NOBODY"), "note", who="Bo", text="x", utc_s=1.0)


def test_an_acknowledged_alert_without_a_word_leaves_the_list(store: Store):
    """A story whose node never ended it does not stay for ever, unless nobody has looked at it."""
    store.take([heard(1, 1), heard(2, 1, seq=2)])
    store.act(KEY, "acknowledge", who="Ada", text=None, utc_s=1001.0)
    assert [one["alert_id"] for one in live(store, 5000.0)] == [alert_id(2)]


def test_missing_numbers_are_found_and_late_ones_fill_the_hole(store: Store, url: str):
    """Gaps are known per node and start, over a restart of the station, and shown in the registry."""
    store.take([heard(1, 1, seq=5), heard(2, 1, seq=9)])
    other = Store(url)
    other.take([heard(3, 1, seq=7)])
    (gap,) = archive(other).gaps("node-7")
    assert (gap["first_seq"], gap["last_seq"], gap["missing"]) == (5, 9, [[6, 6], [8, 8]])
    (node,) = archive(other).nodes(now_utc_s=1001.0, since_utc_s=0.0)
    assert node["missing_messages"] == 2
    other.close()


def test_the_registry_knows_nodes_by_what_they_said(store: Store):
    """Birth, health and availability make one entry; a retained message does not make a node look alive."""
    store.take([
        Heard("node-7", wire.parse_about(about(cameras=["north", "south"])), 1000.0, retained=True),
        Heard("node-7", "online", 1000.0, retained=True),
    ])  # fmt: skip
    (node,) = archive(store).nodes(now_utc_s=1061.0, since_utc_s=0.0)
    assert node["heard_at"] == "1970-01-01T00:16:40.000Z"  # its clock is ahead of ours: ours counts
    store.take([Heard("node-7", wire.parse_health(health("blind", "covered")), 1060.0)])
    (node,) = archive(store).nodes(now_utc_s=1061.0, since_utc_s=0.0)
    assert {one["camera"]: one["state"] for one in node["cameras"]} == {"north": "blind", "south": "unknown"}
    assert node["about"]["cameras"] == ["north", "south"]


def test_troubles_begin_change_and_end(store: Store):
    """A blind camera is a trouble until it sees again, and stays on the list until somebody acknowledged it."""

    def judge(utc_s: float) -> None:
        store.judge(utc_s=utc_s, listening_since_s=0.0, silent_after_s=60.0)

    store.take([Heard("node-7", wire.parse_health(health("blind", "covered")), 1000.0)])
    judge(1001.0)
    judge(1002.0)
    (trouble,) = archive(store).troubles()
    assert (trouble["camera"], trouble["state"], trouble["reason"]) == ("north", "blind", "covered")
    store.take([Heard("node-7", "offline", 1003.0)])
    judge(1004.0)
    assert {(one["camera"], one["ended_at"]) for one in archive(store).troubles()} == {(None, None), ("north", None)}
    store.take([Heard("node-7", "online", 1005.0), Heard("node-7", wire.parse_health(health()), 1005.0)])
    judge(1006.0)
    assert all(one["ended_at"] for one in archive(store).troubles())
    for one in archive(store).troubles():
        store.acknowledge_trouble(one["id"], who="Ada", note=None, utc_s=1007.0)
    assert archive(store).troubles() == []
    assert len(archive(store).trouble_history(limit=10)) == 2


def test_a_node_that_falls_silent_is_shown_so_on_pages_left_open(store: Store):
    """Silence is no message: the judgement itself tells every page which node stands differently now, and only then."""
    store.take([Heard("node-7", "online", 1000.0), Heard("node-7", wire.parse_health(health()), 1000.0)])
    told = [
        store.judge(utc_s=utc_s, listening_since_s=0.0, silent_after_s=60.0).nodes for utc_s in (1001.0, 1061.0, 1062.0)
    ]
    assert told == [set(), {"node-7"}, set()]


def test_history_goes_page_by_page_without_hole_or_echo(store: Store):
    """Every alert is on exactly one page, newest first, and filters hold."""
    store.take([heard(number, 1, seq=number, utc_s=1000.0 + number // 3, count_max=number) for number in range(1, 26)])
    found, cursor, pages = [], None, 0
    while True:
        page, cursor = archive(store).page(Wanted(), limit=7, before=cursor)
        found += [one["alert_id"] for one in page]
        pages += 1
        if cursor is None:
            break
    assert pages == 4
    assert sorted(found, reverse=True) == found
    assert len(set(found)) == 25
    assert archive(store).count(Wanted(min_count=20)) == 6
    assert archive(store).count(Wanted(priority="urgent")) == 0
    assert archive(store).count(Wanted(from_utc_s=1005.0, to_utc_s=1006.0)) == 3
    assert len(list(archive(store).walk(Wanted(node="node-7", camera="north", handled="open")))) == 25


def test_old_alerts_go_with_all_that_belongs_to_them(store: Store):
    """Retention leaves nothing of an old alert behind and does not touch a young one."""
    store.take([heard(1, 1), heard(2, 1, seq=2, utc_s=9000.0)])
    store.act(KEY, "note", who="Ada", text="x", utc_s=1001.0)
    assert store.expire(before_utc_s=5000.0) == 1
    with store.engine.connect() as connection:
        for table in (schema.alert, schema.revision):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 1
        assert connection.execute(select(func.count()).select_from(schema.action)).scalar() == 0


def test_a_batch_is_kept_whole_or_not_at_all(store: Store):
    """When the database refuses, nothing of the batch is there, and the same batch can come again."""
    good = heard(1, 1, seq=1)
    with pytest.raises(Exception):  # noqa: B017, PT011  # each driver has its own
        store.take([good, heard(2, 1, seq=3), Heard("x" * 65, "online", None)])  # type: ignore[arg-type]
    assert live(store) == []
    store.take([good])
    assert archive(store).gaps("node-7")[0]["missing"] == []


def test_a_database_of_another_version_is_refused(store: Store, url: str):
    """The error names the setting and says what to do."""
    with store.engine.begin() as connection:
        connection.execute(update(schema.meta).values(value="99"))
    with pytest.raises(ConfigError, match=r"store\.url .* another version"):
        Store(url)


def test_a_backup_is_a_whole_database_and_never_overwrites(tmp_path: Path):
    """The copy opens as a store, holds what was committed, and an existing file is left alone."""
    store_url = f"sqlite:///{tmp_path}/station.sqlite"
    store = Store(store_url)
    store.take([heard(1, 1)])
    backup(store_url, tmp_path / "copy.sqlite")
    copy = Store(f"sqlite:///{tmp_path}/copy.sqlite")
    assert len(live(copy)) == 1
    copy.close()
    with pytest.raises(ConfigError, match="exists already"):
        backup(store_url, tmp_path / "copy.sqlite")
    store.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    """Somebody else's file is named, not overwritten."""
    (tmp_path / "x.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 40)
    with pytest.raises(ConfigError, match=r"store\.url"):
        Store(f"sqlite:///{tmp_path}/x.sqlite")


def test_every_commit_is_on_disk(tmp_path: Path):
    """SQLite runs with a write-ahead log and full synchronisation."""
    store = Store(f"sqlite:///{tmp_path}/station.sqlite")
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    store.close()
    assert sqlite3.connect(tmp_path / "station.sqlite").execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_password_in_the_url_is_never_shown():
    """What is written to logs and errors has no secret in it."""
    assert safe_url("postgresql://edge:secret@db/x") == "postgresql://db/x"
