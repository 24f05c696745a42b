"""What stands on the wire, and what is refused when it comes back."""

import json
import math

import pytest
from delivery_scene import BOOT_ID, make_alert
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.delivery.wire import (
    MAX_ALERT_BYTES,
    About,
    CameraHealth,
    Health,
    ModelIdentity,
    OutboxHealth,
    Topics,
    encode,
    iso_utc,
    parse_about,
    parse_alert,
    parse_availability,
    parse_health,
)
from edge.delivery.wire_alert import alert_event, closing_event
from edge.records import Track

MODEL = ModelIdentity(id="thermal-person", version="1.2.0", sha256="ab" * 32)


def event(alert=None, seq=417, **how):
    """Write an alert as the node would."""
    return alert_event(alert or make_alert(), node="node-7", seq=seq, boot_id=BOOT_ID, clock="ntp", model=MODEL, **how)


def alert_of_one(count=1, **track):
    """Make an alert of a group with one member, changed as told."""
    plain = make_alert()
    return plain._replace(group=plain.group._replace(count=count, members=(plain.group.members[0]._replace(**track),)))


def test_alert_reads_as_the_contract_says():
    """One alert, whole: the CloudEvents envelope, the contract's names, fractions with four digits, times in UTC."""
    document = json.loads(event())
    data = document.pop("data")
    assert document == {
        "specversion": "1.0",
        "id": f"{data['alert_id']}:1",
        "source": "edge/node-7/cam/north",
        "type": "edge.group",
        "time": "2026-02-03T13:16:04.512Z",
        "datacontenttype": "application/json",
        "dataschema": "edge/v1/alert.json",
    }
    assert data["box"] == [0.4081, 0.5058, 0.6293, 0.7091]
    assert data["members"] == [
        {"track_id": 12, "box": [0.4081, 0.5486, 0.4315, 0.7091], "score": 0.881, "height_px": 41},
        {"track_id": 13, "box": [0.6075, 0.5058, 0.6293, 0.6654], "score": 0.881, "height_px": 41},
    ]
    assert data["line"] == {"id": "border", "direction": "northward", "crossed": 4}
    assert (data["count"], data["count_low"], data["count_high"], data["count_max"]) == (9, 8, 10, 9)
    assert (data["seq"], data["boot_id"], data["clock"], data["snapshot"]) == (417, BOOT_ID, "ntp", "none")
    assert data["first_seen"] == "2026-02-03T13:16:01.000Z"
    assert data["reasons"] == ["line border crossed northward", "air -8 °C"]


def test_unknown_is_absent():
    """What is not known is left out: no null anywhere, and no key for it."""
    text = event(make_alert(zone=None, crossing=None)).decode()
    data = json.loads(text)["data"]
    assert "null" not in text
    assert not {"zone", "line", "position", "heading_deg", "speed_m_s", "parent", "ended"} & set(data)


def test_first_alert_without_members_is_below_1_kb():
    """The first message of a group fits a satellite modem's packet."""
    document = json.loads(event())
    del document["data"]["members"]
    assert len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()) < 1000


def test_same_alert_gives_the_same_bytes():
    """The bytes depend on the arguments alone, so a replay can be compared byte for byte."""
    assert event() == event()
    assert list(json.loads(event())["data"])[:4] == ["alert_id", "rev", "phase", "seq"]


def test_predicted_boxes_are_cut_at_the_frame():
    """A hidden body's box that has left the picture is written as its visible part."""
    outside = Track(3, "person", (-20.0, 250.0, 5.0, 300.0), 1.2, (0.0, 0.0), 0.0, 1.0, confirmed=True)
    tall = outside._replace(track_id=4, box=(-20.0, -0.1, 900.0, 300.0))
    data = json.loads(event(make_alert(members=(outside, tall))))["data"]
    assert data["box"] == [0.0, 0.0, 1.0, 1.0]
    assert data["members"][0]["box"] == [0.0, 0.9728, 0.0156, 1.0]
    assert data["members"][0]["score"] == 1.0


def test_decoration_beyond_the_contract_is_cut_not_refused():
    """A reason that is too long or one too many never costs the alert itself."""
    alert = make_alert()
    wordy = alert._replace(reasons=("x" * 999, "", *"abc" * 9))
    reasons = json.loads(event(wordy))["data"]["reasons"]
    assert len(reasons) == 16
    assert len(reasons[0]) == 300
    assert parse_alert(event(wordy))


def test_nan_is_never_written():
    """An alert with a number that is none is refused at the source."""
    with pytest.raises(ValueError, match="finite"):
        event(alert_of_one(belief=math.nan))


def test_restart_closes_with_the_next_revision():
    """A story that a dead run left open ends with one more revision, the new boot id, and its last known state."""
    closed = parse_alert(
        closing_event(parse_alert(event()), seq=500, boot_id="boot-2", utc_s=1_770_124_999.0, reason="restarted")
    )
    assert (closed.data.rev, closed.data.phase, closed.data.ended) == (2, "end", "restarted")
    assert (closed.data.seq, closed.data.boot_id, closed.id) == (500, "boot-2", f"{closed.data.alert_id}:2")
    assert iso_utc(closed.time.timestamp()) == "2026-02-03T13:23:19.000Z"
    assert closed.data.count == 9
    assert closed.data.members is None
    assert closed.node == "node-7"


def test_what_is_written_can_be_read():
    """Parsing gives back what was written, to the byte."""
    assert encode(parse_alert(event())) == event()


@settings(deadline=None)  # the machine may be busy
@given(count=st.integers(0, 99_999), x=st.floats(-1e6, 1e6), y=st.floats(-1e6, 1e6), confidence=st.floats(-1.0, 2.0))
def test_every_finite_alert_survives_the_round_trip(count, x, y, confidence):
    """Whatever finite numbers the pipeline comes up with, the event is valid and reads back the same."""
    written = event(alert_of_one(count=count, box=(x, y, x + 10.0, y + 20.0), belief=confidence))
    assert encode(parse_alert(written)) == written


def changed(old: bytes, new: bytes) -> bytes:
    """Write an event with one thing wrong."""
    written = event()
    assert old in written
    return written.replace(old, new, 1)


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"data":' * 10_000,
        changed(b'"count":9', b'"count":"9"'),
        changed(b'"count":9', b'"count":true'),
        changed(b'"count":9', b'"count":9.5'),
        changed(b'"count":9', b'"count":-1'),
        changed(b'"count":9', b'"count":null'),
        changed(b'"count":9', b'"count":1' + b"0" * 5000),
        changed(b'"count":9', b'"other":9'),
        changed(b"0.93", b"NaN"),
        changed(b"0.93", b"1e999"),
        changed(b"0.4081", b"1.5"),
        changed(b'"time":"2026-02-03T13:16:04.512Z"', b'"time":1770124564'),
        changed(b'"time":"2026-02-03T13:16:04.512Z"', b'"time":"2026-02-03T13:16:04.512"'),
        changed(b'"time":"2026-02-03T13:16:04.512Z"', b'"time":"9999-12-31T23:59:59-23:00"'),
        changed(b"meadow", b"m" * 1_000_000),
        changed(b"meadow", b"Meadow/+/#"),
        changed(b"edge/node-7/cam", b"edge/../cam"),
        changed(b':1","source', b':2","source'),
        changed(b'"phase":"new"', b'"phase":"gone"'),
        changed(b'"specversion":"1.0"', b'"specversion":"0.3"'),
        changed(b'"zone"', b'"x":' + b"[" * 3000 + b"]" * 3000 + b',"zone"'),
    ],
    ids=lambda hostile: repr(hostile[:24]),
)
def test_hostile_alerts_are_refused_with_a_short_reason(hostile):
    """Wrong types, NaN, deep nesting, megabyte strings: a ``ValueError`` of one short line that quotes nothing."""
    with pytest.raises(ValueError, match=r".") as refusal:
        parse_alert(hostile)
    assert type(refusal.value) is ValueError
    assert len(str(refusal.value)) <= 200
    assert "mmm" not in str(refusal.value)


@settings(deadline=None)  # the machine may be busy
@given(st.binary(max_size=2000))
def test_random_bytes_are_refused(payload):
    """No bytes whatsoever raise anything but ``ValueError``."""
    for parse in (parse_alert, parse_health, parse_about):
        with pytest.raises(ValueError, match=r"."):
            parse(payload)


def test_newer_nodes_are_understood():
    """Keys that this version does not know are ignored: an old station still shows a new node's alerts."""
    assert parse_alert(changed(b'"zone"', b'"mood":"calm","zone"')).data.zone == "meadow"


def test_oversized_is_refused_before_it_is_read():
    """The size is checked first."""
    with pytest.raises(ValueError, match=f"more than the {MAX_ALERT_BYTES} allowed"):
        parse_alert(b" " * (MAX_ALERT_BYTES + 1))


def test_states_survive_the_round_trip():
    """Health, birth and availability read back as they were written."""
    time = parse_alert(event()).time
    health = Health(
        state="degraded",
        reason="nobody is subscribed",
        time=time,
        boot_id=BOOT_ID,
        uptime_s=12.5,
        clock="rtc",
        cameras={"north": CameraHealth(state="blind", reason="covered", fps=8.9, dropped=3)},
        temperatures_c={"cpu": 61.5},
        outbox=OutboxHealth(waiting=3, oldest_s=1.5, shed=0),
        disk_free_mb=1024.0,
    )
    about = About(node="node-7", version="0.1.0", boot_id=BOOT_ID, started=time, cameras=["north"], model=MODEL)
    assert parse_health(encode(health)) == health
    assert parse_about(encode(about)) == about
    assert parse_availability(b"online") == "online"
    with pytest.raises(ValueError, match="neither"):
        parse_availability(b"ONLINE")


def test_topics_are_lower_case_segments():
    """Every topic of a node lies under its own tree; a ULID is written in lower case; anything else is refused."""
    topics = Topics("node-7")
    assert topics.alert == "edge/v1/node-7/alert"
    assert topics.count("north") == "edge/v1/node-7/cam/north/count"
    assert topics.snapshot("north", "01JD9ABC") == "edge/v1/node-7/cam/north/snapshot/01jd9abc"
    assert topics.command("arm") == "edge/v1/node-7/cmd/arm"
    assert topics.reply("room-1") == "edge/v1/node-7/reply/room-1"
    for wrong in ("", "a.b", "a/b", "Node", "#", "+", "é", "x" * 65):
        with pytest.raises(ValueError, match="topic"):
            topics.count(wrong)
