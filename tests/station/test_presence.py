"""Whether a node and its cameras can be believed."""

from station_scene import health

from edge.delivery.wire import parse_health
from edge.station.presence import Standing, loud, standing


def judged(**given):
    """Judge a healthy node with one camera; ``given`` replaces what is known."""
    known = {
        "availability": "online",
        "health": parse_health(health()),
        "cameras": ["north"],
        "heard_utc_s": 1000.0,
        "now_utc_s": 1010.0,
        "silent_after_s": 60.0,
    }
    return standing(**(known | given))


def test_a_healthy_node_calls_nobody():
    """All is ok, and nothing is loud."""
    found = judged()
    assert [one.state for one in found] == ["ok", "ok"]
    assert loud(found) == []


def test_a_blind_camera_is_loud_once():
    """The camera calls; its node, which is blind only because of it, does not call a second time."""
    found = judged(health=parse_health(health("blind", "covered")))
    assert loud(found) == [Standing("north", "blind", "covered")]


def test_a_node_that_is_gone_is_loud_and_its_cameras_are_unknown():
    """What a lost node last said about its cameras is worth nothing."""
    node, camera = judged(availability="offline")
    assert (node.state, camera.state) == ("offline", "unknown")
    assert loud([node, camera]) == [node]


def test_a_node_without_a_word_is_silent():
    """Connected or not, silence beyond the limit is loud."""
    node, camera = judged(now_utc_s=1060.1)
    assert (node.state, camera.state) == ("silent", "unknown")
    assert [one.state for one in loud([node, camera])] == ["silent"]


def test_a_camera_that_only_the_birth_document_names_is_unknown():
    """No word about a camera is not 'ok'."""
    assert [one.state for one in judged(health=None)] == ["ok", "unknown"]
