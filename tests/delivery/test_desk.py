"""Commands to a node: obeyed once, answered each time, and refused without harm when they are hostile."""

import json
from contextlib import suppress

import pytest
from delivery_scene import BOOT_ID, TOPICS, make_alert, quick_config
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.delivery.commands import COMMANDS, parse_command, parse_receipt, parse_reply
from edge.delivery.desk import Desk, read_handled
from edge.delivery.messages import Arrival
from edge.delivery.outbox import Outbox
from edge.delivery.wire_alert import alert_event
from edge.metrics import Metrics

ALERT_ID = make_alert(1).alert_id


class Scene:
    """An outbox with some alerts, and a desk in front of it."""

    def __init__(self, tmp_path, clock) -> None:
        """Open them."""
        self.metrics = Metrics(clock)
        self.outbox = Outbox(quick_config(tmp_path), clock=clock, metrics=self.metrics)
        self.desk = Desk(self.outbox, topics=TOPICS, clock=clock, metrics=self.metrics)

    def raise_alert(self, number=1, rev=1, phase="new", boot_id=BOOT_ID):
        """Put an alert into the outbox."""
        alert = make_alert(number, rev, phase)

        def event(seq):
            handled = read_handled(self.outbox.handled(alert.alert_id))
            return alert_event(alert, node="node-7", seq=seq, boot_id=boot_id, clock="ntp", handled=handled)

        return self.outbox.append(TOPICS.alert, event, key=alert.alert_id, rev=rev, phase=phase)

    def say(self, name, payload, *, retain=False):
        """Give a command; return the reply, if any, and what is to be sent again."""
        told = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        reply, seqs = self.desk.take(Arrival(TOPICS.command("note").replace("note", name), told, 1, 1, retain))
        return (reply.topic, parse_reply(reply.payload)) if reply else (None, None), seqs

    def refused(self):
        """How many were refused."""
        return self.metrics.counters().get("commands_refused", 0)


@pytest.fixture
def scene(tmp_path, clock):
    """Give a desk with its outbox."""
    opened = Scene(tmp_path, clock)
    yield opened
    opened.outbox.close()


def deed(number=1, at="2026-02-03T13:20:00Z", **told):
    """Make a command about the first alert."""
    return {"id": number, "requester": "room", "alert_id": ALERT_ID, "who": "Ada", "at": at, **told}


def last_event(scene):
    """Read the last alert of the outbox."""
    return json.loads(scene.outbox.after(0, 100)[-1].payload)["data"]


def test_an_acknowledgement_stays_with_the_alert(scene):
    """Later revisions say who has it and since when; the end too, and then it is forgotten."""
    scene.raise_alert()
    (topic, reply), _ = scene.say("acknowledge", deed(17))
    assert (topic, reply.id, reply.command, reply.outcome) == ("edge/v1/node-7/reply/room", 17, "acknowledge", "done")
    scene.raise_alert(rev=2, phase="update")
    told = {"state": "acknowledged", "by": "Ada", "at": "2026-02-03T13:20:00.000Z"}
    assert last_event(scene)["handled"] == told
    scene.raise_alert(rev=3, phase="end")
    assert last_event(scene)["handled"] == told
    assert scene.outbox.handled(ALERT_ID) is None


def test_an_acknowledgement_outlives_the_node(scene, tmp_path, clock):
    """It is on disk: the run after a dead one still knows it."""
    scene.raise_alert()
    scene.say("dismiss", deed(text="deer"))
    scene.outbox.close()
    again = Scene(tmp_path, clock)
    kept = read_handled(again.outbox.handled(ALERT_ID))
    assert (kept.state, kept.by, kept.reason) == ("dismissed", "Ada", "deer")
    again.outbox.close()


def test_the_latest_word_counts_and_a_repeated_one_changes_nothing(scene, caplog):
    """Commands come twice and out of order; what was done last stays."""
    scene.raise_alert()
    scene.say("dismiss", deed(2, at="2026-02-03T13:25:00Z", text="deer"))
    caplog.set_level("INFO", "edge")
    (_, reply), _ = scene.say("acknowledge", deed(1, at="2026-02-03T13:20:00Z"))
    scene.say("dismiss", deed(2, at="2026-02-03T13:25:00Z", text="deer"))
    assert reply.outcome == "done"
    assert read_handled(scene.outbox.handled(ALERT_ID)).state == "dismissed"
    assert caplog.records == []


def test_a_word_on_an_alert_that_is_over_is_answered_so(scene):
    """Neither an ended nor an unknown alert is kept, and both get an answer."""
    scene.raise_alert()
    scene.raise_alert(rev=2, phase="end")
    (_, ended), _ = scene.say("acknowledge", deed())
    (_, unknown), _ = scene.say("note", deed(text="who?") | {"alert_id": "never-was"})
    assert (ended.outcome, unknown.outcome) == ("over", "over")
    assert scene.outbox.handled(ALERT_ID) is None


def test_what_is_missing_is_sent_again_or_said_to_be_gone(scene):
    """Delivered messages of that run go out again; what was given up, and another run's, is named as gone."""
    for number in range(1, 7):
        scene.raise_alert(number, boot_id="another" if number == 5 else BOOT_ID)
    scene.outbox.delivered([1, 2, 3, 5, 6])
    scene.outbox._disk.store.remove([2])
    ask = {"id": 3, "requester": "room", "boot_id": BOOT_ID, "ranges": [[1, 3], [5, 5], [8, 9]]}
    (_, reply), seqs = scene.say("resend", ask)
    assert seqs == [1, 3]
    assert (reply.resent, reply.gone) == (2, [(2, 2), (5, 5), (8, 9)])
    assert [row.seq for row in scene.outbox.after(0, 9)] == [1, 3, 4]


def _deep(levels):
    return b'{"id":1,"requester":"room","x":' + b"[" * levels + b"]" * levels + b"}"


HOSTILE = {
    "a megabyte": b'{"id": 1, "requester": "room", "who": "' + b"x" * 1_000_000 + b'"}',
    "NaN": b'{"id": NaN, "requester": "room"}',
    "deep nesting": _deep(8_000),
    "deeper nesting": _deep(200_000),
    "no JSON": b"\xff\xfe\x00",
    "nothing": b"",
    "a list": b"[]",
    "a huge number": json.dumps(deed(10**30)).encode(),
    "a number for a name": json.dumps(deed() | {"who": 5}).encode(),
    "a topic for a requester": json.dumps(deed() | {"requester": "room/../../alert"}).encode(),
    "a wildcard for a requester": json.dumps(deed() | {"requester": "#"}).encode(),
    "a time without zone": json.dumps(deed(at="2026-02-03T13:20:00")).encode(),
    "a time without end": json.dumps(deed(at="9999-12-31T23:59:59-23:59")).encode(),
    "an id with slashes": json.dumps(deed() | {"alert_id": "../../etc/passwd"}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE)
def test_hostile_commands_are_refused_and_counted(scene, name, payload):
    """None changes anything, none is answered anywhere but in the node's own tree, and what comes next is obeyed."""
    scene.raise_alert()
    (topic, reply), seqs = scene.say(name, payload)
    assert topic in (None, "edge/v1/node-7/reply/room")
    assert reply is None or reply.outcome == "refused"
    assert (seqs, scene.refused(), scene.outbox.handled(ALERT_ID)) == ([], 1, None)
    (_, reply), _ = scene.say("acknowledge", deed())
    assert reply.outcome == "done"


def test_unknown_retained_and_backward_commands_are_refused(scene):
    """A command that nobody knows gets no answer; ranges that run backwards get one in words."""
    scene.raise_alert()
    assert scene.say("reboot", deed()) == ((None, None), [])
    assert scene.say("acknowledge", deed(), retain=True) == ((None, None), [])
    (_, reply), _ = scene.say("resend", {"id": 1, "requester": "room", "boot_id": BOOT_ID, "ranges": [[9, 2]]})
    assert (reply.outcome, reply.reason) == ("refused", "ranges: first is above last")
    assert scene.refused() == 3
    assert scene.outbox.handled(ALERT_ID) is None


def test_a_range_of_everything_costs_no_more_than_what_is_there(scene):
    """Asking for all numbers there are gives a bounded answer at once."""
    for number in range(1, 40):
        scene.raise_alert(number)
    scene.outbox.delivered(range(1, 40))
    ask = {"id": 1, "requester": "room", "boot_id": BOOT_ID, "ranges": [[0, 2**53]]}
    (_, reply), seqs = scene.say("resend", ask)
    assert (len(seqs), reply.gone) == (39, [(0, 0), (40, 2**53)])


@settings(deadline=None, max_examples=300)
@given(name=st.sampled_from([*COMMANDS, "x"]), payload=st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_no_bytes_crash_the_parsers(name, payload):
    """Whatever comes, it is read or refused with a ValueError."""
    for parse in (lambda: parse_command(name, payload), lambda: parse_receipt(payload), lambda: parse_reply(payload)):
        with suppress(ValueError):
            parse()
