"""The slot of one: newest wins, replacements counted, no camera starves."""

import threading

import numpy as np

from edge.capture.slot import Slots
from edge.records import Frame


def frame(camera: str, seq: int) -> Frame:
    """Make a small frame."""
    return Frame(camera, seq, float(seq), 0.0, np.zeros((3, 5), np.uint8))


def test_the_newest_frame_wins():
    """Of three frames put before a take, the last is taken, and two were replaced."""
    slots = Slots(["a"])
    assert [slots.put(frame("a", seq)) for seq in range(3)] == [False, True, True]
    taken = slots.take(0.0)
    assert taken is not None
    assert taken.seq == 2
    assert slots.take(0.0) is None


def test_the_camera_served_longest_ago_is_next():
    """A fast camera cannot starve a slow one."""
    slots = Slots(["fast", "slow"])
    served = []
    for seq in range(6):
        slots.put(frame("fast", seq))
        if seq % 2 == 0:
            slots.put(frame("slow", seq))
        taken = slots.take(0.0)
        assert taken is not None
        served.append(taken.camera)
    assert served == ["fast", "slow", "fast", "slow", "fast", "slow"]


def test_a_waiting_worker_wakes_for_a_frame():
    """A take that waits gets the frame that comes meanwhile."""
    slots = Slots(["a"])
    thread = threading.Timer(0.05, lambda: slots.put(frame("a", 7)))
    thread.start()
    taken = slots.take(10.0)
    thread.join()
    assert taken is not None
    assert taken.seq == 7


def test_over_only_when_closed_and_empty():
    """The last frame of footage is still processed."""
    slots = Slots(["a", "b"])
    slots.put(frame("a", 0))
    slots.close("a")
    slots.close("b")
    assert not slots.over
    assert slots.take(10.0) is not None
    assert slots.over
    assert slots.take(10.0) is None
