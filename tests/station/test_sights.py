"""Sight alerts and snapshots in the store: kept once, bounded, and never unseen; on both databases."""

import json

import pytest
from station_scene import BOOT, CAPTURED, alert_id, heard

from edge.delivery.wire_sight import parse_event
from edge.station import pictures, sights
from edge.station.archive import Archive
from edge.station.pictures import Picture, parse_picture
from edge.station.rows import Heard
from edge.station.store import Store

HEARD_S = 1_770_125_000.0  # some minutes after CAPTURED
JPEG = b"\xff\xd8\xff" + b"x" * 100 + b"\xff\xd9"


def sight(rev=1, phase="new", *, seq=1, number=1, state="blind", time=CAPTURED, clock="ntp", utc_s=HEARD_S):
    """Make a sight alert of camera north as the store takes it."""
    data = {
        "alert_id": alert_id(number), "rev": rev, "phase": phase, "seq": seq, "boot_id": BOOT, "camera": "north",
        "state": state, "priority": "urgent", "since": CAPTURED, "clock": clock,
        **({} if state == "ok" else {"cause": "covered", "reason": "the picture is flat"}),
    }  # fmt: skip
    told = {"specversion": "1.0", "id": f"{alert_id(number)}:{rev}", "source": "edge/node-7/cam/north",
            "type": "edge.sight", "time": time, "datacontenttype": "application/json",
            "dataschema": "edge/v1/sight.json", "data": data}  # fmt: skip
    return Heard("node-7", parse_event(json.dumps(told).encode()), utc_s)


def archive(store: Store) -> Archive:
    """Read the store."""
    return Archive(store.engine, silent_after_s=60.0, forget_alert_after_s=60.0)


def test_a_sight_alert_opens_a_trouble_once_and_its_end_closes_it(store: Store):
    """Repeats change nothing; the list has the last word; numbers count in the ledger with those of groups."""
    assert len(store.take([sight()]).troubles) == 1
    assert store.take([sight()]).troubles == set()
    (trouble,) = archive(store).troubles()
    assert (trouble["camera"], trouble["state"], trouble["reason"]) == ("north", "blind", "the picture is flat")
    assert (trouble["began_at"], trouble["ended_at"]) == (CAPTURED, None)
    store.take([sight(2, "end", seq=2, state="ok", time="2026-02-03T13:20:00.000Z"), heard(9, seq=3)])
    (trouble,) = archive(store).troubles()
    assert trouble["ended_at"] == "2026-02-03T13:20:00.000Z"
    (last,) = sights.latest(store.engine, limit=9)
    assert (last["data"]["rev"], last["data"]["phase"], last["data"]["state"]) == (2, "end", "ok")
    (gap,) = archive(store).gaps("node-7")
    assert (gap["last_seq"], gap["missing_count"]) == (3, 0)


def test_a_trouble_that_is_known_is_not_told_twice(store: Store):
    """While one of that camera is open, from health or an alert, another word on it adds none."""
    store.take([sight()])
    assert store.take([sight(number=2, seq=2)]).troubles == set()
    assert len(archive(store).troubles()) == 1


def test_a_trouble_that_began_and_ended_unheard_calls_all_the_same(store: Store):
    """After an outage the end alone tells that a camera was blind; an unsynchronised clock is not believed."""
    store.take([sight(2, "end", state="ok", time="2026-02-03T13:20:00.000Z", clock="unsynchronised")])
    (trouble,) = archive(store).troubles()
    assert trouble["ended_at"] == trouble["began_at"] == "2026-02-03T13:23:20.000Z"
    assert trouble["handled_by"] is None


def test_a_snapshot_belongs_to_its_alert_and_the_latest_stays(store: Store):
    """One picture an alert; the card says whether there is one."""
    store.take([heard(1)])
    assert archive(store).card(("node-7", alert_id(1)))["has_snapshot"] is False
    for jpeg in (JPEG, JPEG + JPEG):
        changes = store.take([Heard("node-7", Picture("north", alert_id(1).lower(), jpeg), HEARD_S)])
        assert ("node-7", alert_id(1)) in changes.alerts
    assert archive(store).card(("node-7", alert_id(1)))["has_snapshot"] is True
    assert pictures.picture_of(store.engine, "node-7", alert_id(1)) == JPEG + JPEG
    assert pictures.picture_of(store.engine, "node-8", alert_id(1)) is None


def test_snapshots_are_bounded(url: str):
    """Beyond the bound the oldest go."""
    store = Store(url, snapshots_max_mb=0.001)
    for number in range(30):
        store.take([Heard("node-7", Picture("north", f"01jd9{number}", JPEG), HEARD_S + number)])
    kept = [number for number in range(30) if pictures.picture_of(store.engine, "node-7", f"01jd9{number}")]
    assert kept
    assert max(kept) == 29
    assert len(kept) * len(JPEG) <= 1000
    store.close()


@pytest.mark.parametrize("payload", [b"", b"<svg onload=alert(1)>", b"\xff\xd8\xff", JPEG[:-2], JPEG + b"x" * 300_000])
def test_what_is_no_picture_is_refused(payload: bytes):
    """Only JPEG files of a bounded size are taken."""
    with pytest.raises(ValueError, match="snapshot"):
        parse_picture("north", "01jd9", payload)
