"""What may be sent and what an answer means, without network or file; and the pauses and the quiet of the log."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.delivery.backoff import Backoff
from edge.delivery.flight import Flight, verdict
from edge.delivery.loglimit import LimitedLog

TOPIC = "edge/v1/node-7/alert"
OK, NOBODY, DENIED, QUOTA, TOO_LARGE = 0x00, 0x10, 0x87, 0x97, 0x95


@pytest.mark.parametrize(
    ("code", "meaning"),
    [(OK, "delivered"), (NOBODY, "nobody"), (DENIED, "unauthorised"), (QUOTA, "busy"), (0x80, "busy"), (0x83, "busy"),
     (0x91, "busy"), (0x90, "unsendable"), (TOO_LARGE, "unsendable"), (0x99, "unsendable")],
)  # fmt: skip
def test_every_reason_code_has_one_meaning(code, meaning):
    """The PUBACK codes of MQTT 5 fall into five kinds."""
    assert verdict(code) == meaning


def send(flight, seq, now_s=0.0):
    """Send a row under a packet number of its own."""
    assert flight.room > 0
    flight.sent(1000 + seq, seq, TOPIC, now_s)
    flight.cursor = max(flight.cursor, seq)


def test_held_topic_lets_one_message_try():
    """After 'nobody is subscribed' all rows of the topic wait; when due the oldest tries, and its success frees all."""
    flight = Flight(window=3, hold_max_s=8.0)
    for seq in (1, 2, 3):
        send(flight, seq)
    for seq in (2, 1, 3):
        assert flight.answered(1000 + seq, NOBODY, 0.0) == ("nobody", seq)
    assert flight.held(4, TOPIC)
    assert flight.retry(0.0) is None
    assert flight.retry(2.0) == 1
    assert flight.retry(2.0) is None
    assert not flight.held(1, TOPIC)
    send(flight, 1, 2.0)
    assert flight.answered(1001, OK, 2.0) == ("delivered", 1)
    assert [flight.retry(2.0) for _ in range(4)] == [2, 3, 4, None]
    assert flight.fault is None


def test_failed_tries_come_less_and_less_often():
    """Each try that is refused again doubles the pause, up to the given longest one."""
    flight = Flight(window=1, hold_max_s=8.0)
    send(flight, 1)
    flight.answered(1001, DENIED, 0.0)
    now_s, pauses_s = 0.0, []
    for _ in range(8):
        due_s = flight.next_due_s()
        pauses_s.append(due_s - now_s)
        now_s = due_s
        assert flight.retry(now_s) == 1
        send(flight, 1, now_s)
        flight.answered(1001, DENIED, now_s)
    assert all(
        0.5 * full_s <= pause_s <= full_s for full_s, pause_s in zip([1, 2, 4, 8, 8, 8, 8, 8], pauses_s, strict=True)
    )


def test_shed_probe_gives_way_to_the_next():
    """When the message that was to try has been given up meanwhile, the next one tries."""
    flight = Flight(window=2, hold_max_s=8.0)
    for seq in (1, 2):
        send(flight, seq)
        flight.answered(1000 + seq, NOBODY, 0.0)
    assert flight.retry(2.0) == 1
    flight.gone(1)
    assert flight.retry(2.0) == 2


def test_unsendable_message_blocks_nobody():
    """A message that the broker will never take is left behind and reported; the others go on."""
    flight = Flight(window=2, hold_max_s=8.0)
    send(flight, 1)
    assert flight.answered(1001, TOO_LARGE, 0.0) == ("unsendable", 1)
    assert not flight.held(2, TOPIC)
    assert "max_packet_size" in flight.fault


def test_refused_state_message_is_a_fault_but_holds_nothing():
    """A birth document that may not be written is reported; alerts still go."""
    flight = Flight(window=2, hold_max_s=8.0)
    flight.sent(7, None, "edge/v1/node-7/about", 0.0)
    assert flight.answered(7, DENIED, 0.0) == ("unauthorised", None)
    assert "edge/v1/node-7/about" in flight.fault
    assert not flight.held(1, TOPIC)


def test_unknown_answer_is_ignored():
    """An answer to a number that was never given means nothing."""
    assert Flight(window=1, hold_max_s=1.0).answered(5, OK, 0.0) is None


@settings(deadline=None)
@given(st.data(), st.integers(1, 8), st.integers(1, 40))
def test_every_row_gets_through_a_moody_broker(data, window, rows):
    """Whatever a broker answers for a while, at most ``window`` are out at once, and all are delivered in the end."""
    flight = Flight(window, hold_max_s=4.0)
    moods = data.draw(st.lists(st.sampled_from([OK, NOBODY, DENIED, QUOTA]), max_size=100))
    out, delivered, now_s = [], [], 0.0
    for _ in range(2000):
        while flight.room:
            seq = flight.retry(now_s)
            if seq is None and flight.cursor < rows:
                seq = flight.cursor = flight.cursor + 1
            if seq is None:
                break
            if not flight.held(seq, TOPIC):
                flight.sent(1000 + seq, seq, TOPIC, now_s)
                out.append(seq)
        assert len(out) == flight.in_flight <= window
        if out:
            seq = out.pop(0)
            meaning, answered = flight.answered(1000 + seq, moods.pop() if moods else OK, now_s)
            assert answered == seq
            delivered += [seq] if meaning == "delivered" else []
        now_s += 0.5
    assert sorted(delivered) == list(range(1, rows + 1))


@given(st.floats(0.01, 3600.0), st.integers(1, 60))
def test_pauses_double_up_to_the_cap_with_jitter(max_s, tries):
    """Every pause lies between half and all of ``min(cap, 2^n)``, and a success starts again."""
    backoff = Backoff(max_s)
    for number in range(tries):
        full_s = min(max_s, min(1.0, max_s) * 2.0**number)
        assert full_s / 2 <= backoff.next_s() <= full_s
    backoff.reset()
    assert backoff.next_s() <= min(1.0, max_s)


def test_same_warning_is_said_once_a_minute(clock, caplog):
    """A warning that repeats is said once a minute, with how often it was kept quiet; another reason is another."""
    log = LimitedLog("test", clock)
    for _ in range(121):
        log.warning("no delivery", why="refused", waiting=3)
        clock.now_s += 1.0
    log.warning("no delivery", why="timed out")
    said = [record.edge_fields for record in caplog.records]
    assert [(fields["why"], fields.get("kept_quiet")) for fields in said] == [
        ("refused", None),
        ("refused", 59),
        ("refused", 59),
        ("timed out", None),
    ]
