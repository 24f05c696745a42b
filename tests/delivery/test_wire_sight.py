"""The alert that a camera cannot see: written, read back, and told apart from a group's."""

import json

import jsonschema
import pytest
from delivery_scene import BOOT_ID, make_alert
from hypothesis import given
from hypothesis import strategies as st

from edge.delivery.asyncapi import json_schemas
from edge.delivery.wire import AlertEvent
from edge.delivery.wire_alert import alert_event
from edge.delivery.wire_sight import SightEvent, last_word, parse_event, parse_sight, sight_event
from edge.records import SightAlert

BLIND = SightAlert(
    alert_id="01JD9000000000000000000001",
    rev=1,
    phase="new",
    camera="north",
    state="blind",
    cause="frozen",
    reason="frozen: the same picture for 4 s or more",
    priority="important",
    since_utc_s=1770124564.5,
    utc_s=1770124574.5,
)


def written(alert: SightAlert = BLIND) -> bytes:
    """Write it as node-7 does."""
    return sight_event(alert, node="node-7", seq=5, boot_id=BOOT_ID, clock="ntp")


def test_it_is_a_cloud_event_of_its_own_type_below_a_kilobyte():
    """Whole state, one envelope, nothing null."""
    told = json.loads(written())
    assert (told["type"], told["source"], told["id"]) == ("edge.sight", "edge/node-7/cam/north", f"{BLIND.alert_id}:1")
    assert (told["data"]["state"], told["data"]["cause"]) == ("blind", "frozen")
    assert told["data"]["since"] == "2026-02-03T13:16:04.500Z"
    assert "ended" not in told["data"]
    assert len(written()) < 1000
    jsonschema.validate(told, json_schemas()["sight.json"])


def test_both_types_of_the_topic_are_read_by_one_function():
    """A reader of the alert topic gets what the message is."""
    group = alert_event(make_alert(), node="node-7", seq=1, boot_id=BOOT_ID, clock="ntp")
    assert isinstance(parse_event(group), AlertEvent)
    assert isinstance(parse_event(written()), SightEvent)
    assert parse_event(json.dumps(json.loads(written()), indent=2).encode()).data == parse_sight(written()).data


def test_a_group_that_quotes_the_other_type_stays_a_group():
    """A reason may hold any words."""
    group = make_alert()
    told = alert_event(
        group._replace(reasons=('"type": "edge.sight"',)), node="node-7", seq=1, boot_id=BOOT_ID, clock="ntp"
    )
    assert isinstance(parse_event(told), AlertEvent)


def test_the_dead_runs_trouble_is_closed():
    """After a restart the trouble of the run before gets its end, with one more revision."""
    end = parse_sight(
        last_word(parse_event(written()), seq=9, boot_id="01JD8NEXT", utc_s=1770124600.0, reason="restarted")
    )
    assert (end.data.phase, end.data.rev, end.data.seq, end.data.ended) == ("end", 2, 9, "restarted")
    group = alert_event(make_alert(), node="node-7", seq=1, boot_id=BOOT_ID, clock="ntp")
    closed = parse_event(
        last_word(parse_event(group), seq=10, boot_id="01JD8NEXT", utc_s=1770124600.0, reason="restarted")
    )
    assert (closed.data.phase, closed.data.ended) == ("end", "restarted")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "x:1"}, "alert_id:rev"),
        ({"source": "edge/node-7"}, "source"),
        ({"data": {"state": "asleep"}}, "data"),
        ({"time": "2026-02-03T13:16:04"}, "time"),
    ],
)
def test_a_forged_one_is_refused(change, words):
    """The reason says where, and quotes nothing."""
    with pytest.raises(ValueError, match=words):
        parse_sight(json.dumps({**json.loads(written()), **change}).encode())


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: b'{"type":"edge.sight"' + text.encode()))
def test_noise_is_refused_in_words(payload):
    """Whatever stands on the topic, the answer is an event or a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        parse_event(payload)
