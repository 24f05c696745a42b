"""When a message is delivered, and when one that waits for its receipt is sent again."""

from edge.delivery.confirmations import AGAIN_MAX_S, Confirmations


def confirmations(confirm="station", settle_s=5.0, receipt_timeout_s=30.0):
    """Make them with round numbers."""
    return Confirmations(confirm, settle_s=settle_s, receipt_timeout_s=receipt_timeout_s)


def again(waiting, from_s, to_s):
    """Let time pass in steps of a second, and list what is to be sent again, and when."""
    found = []
    for now_s in range(int(from_s), int(to_s)):
        while (seq := waiting.overdue(float(now_s))) is not None:
            found.append((seq, now_s))
    return found


def test_a_broker_is_believed_after_a_while():
    """What was confirmed long enough ago is delivered; after a lost connection nothing of the rest is."""
    waiting = confirmations("broker")
    waiting.confirmed([1, 2], 10.0)
    waiting.confirmed([3], 12.0)
    assert waiting.settled(14.0) == []
    assert waiting.settled(16.5) == [1, 2]
    waiting.lost()
    assert waiting.settled(99.0, all_of_them=True) == []


def test_with_a_station_the_broker_delivers_nothing():
    """Only the receipt ends the waiting; it may come before the broker's own word."""
    waiting = confirmations()
    waiting.confirmed([1, 2], 10.0)
    waiting.received([2, 3])
    waiting.confirmed([3], 11.0)
    assert waiting.settled(99.0, all_of_them=True) == []
    assert waiting.waits(1)
    assert not waiting.waits(2)
    assert not waiting.waits(3)
    waiting.received([1])
    assert not waiting.pending


def test_a_lost_connection_does_not_send_again_what_the_station_may_have():
    """What had settled waits on for its receipt; what had not is sent on the next connection."""
    waiting = confirmations()
    waiting.confirmed([1], 10.0)
    waiting.settled(17.0)
    waiting.confirmed([2], 17.0)
    waiting.lost()
    assert waiting.waits(1)
    assert not waiting.waits(2)


def test_a_message_that_was_passed_by_a_later_one_is_sent_again():
    """When a later one got its receipt the earlier one is lost: again after 30 s, then 60 s, then 120 s."""
    waiting = confirmations()
    waiting.confirmed([1], 0.0)
    waiting.confirmed([2], 1.0)
    waiting.settled(10.0, all_of_them=True)
    waiting.received([2])
    assert again(waiting, 10, 29) == []
    sent = again(waiting, 29, 40)
    assert [seq for seq, _ in sent] == [1]
    waiting.confirmed([3], 500.0)
    waiting.settled(510.0, all_of_them=True)
    waiting.received([3])
    assert [seq for seq, _ in again(waiting, 510, 540)] == [1]
    assert waiting.waits(1)


def test_while_the_station_is_away_one_message_looks_for_it():
    """A day without a receipt costs about a hundred messages, not a hundred copies of each that waits."""
    waiting = confirmations()
    waiting.confirmed(range(1, 1001), 0.0)
    waiting.settled(10.0, all_of_them=True)
    tries = again(waiting, 10, 86_400)
    assert {seq for seq, _ in tries} == {1}
    assert 86_400 / AGAIN_MAX_S < len(tries) < 3 * 86_400 / AGAIN_MAX_S
    assert tries[0][1] < 45
    assert "1000 alerts" in waiting.fault(90.0)
    assert "delivery.confirm" in waiting.fault(90.0)
    waiting.received(range(1, 1001))
    assert waiting.fault(99_999.0) is None
    assert again(waiting, 86_400, 90_000) == []
