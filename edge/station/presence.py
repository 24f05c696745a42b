"""Whether a node and its cameras can be believed right now: pure, from what was last heard and the time.

A node that says nothing is as bad as one that says it is blind, and its cameras' last words are worth nothing. The
reason is always given in words, because "offline" alone sends somebody out into the snow for nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.delivery.wire import Health

LOUD = frozenset({"blind", "offline", "silent"})
"""States that call an operator."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one camera, or with ``camera`` empty the node itself, stands."""

    camera: str
    state: str
    reason: str | None


def standing(
    *,
    availability: str | None,
    health: Health | None,
    cameras: Sequence[str],
    heard_utc_s: float,
    now_utc_s: float,
    silent_after_s: float,
) -> list[Standing]:
    """Judge a node (first in the list) and each of its cameras.

    Args:
        availability: the broker's word: ``online``, ``offline`` or nothing yet.
        health: the node's own last word about itself.
        cameras: what its birth document names.
        heard_utc_s: when anything was last heard of it.
        now_utc_s: now.
        silent_after_s: how long it may say nothing.
    """
    names = sorted({*cameras, *(health.cameras if health else ())})
    quiet_s = now_utc_s - heard_utc_s
    gone: Standing | None = None
    if availability == "offline":
        gone = Standing("", "offline", "not connected to the broker")
    elif quiet_s > silent_after_s:
        gone = Standing("", "silent", "no word from it although the broker has it connected")
    if gone:
        return [gone, *(Standing(name, "unknown", f"its node is {gone.state}") for name in names)]
    found = [Standing("", health.state if health else "ok", health.reason if health else None)]
    for name in names:
        camera = health.cameras.get(name) if health else None
        if camera is None:
            found.append(Standing(name, "unknown", "no word about it yet"))
        else:
            found.append(Standing(name, camera.state, camera.reason))
    return found


def loud(found: Sequence[Standing]) -> list[Standing]:
    """Pick what an operator must be called for; a node in trouble because of its camera is not told twice."""
    node, cameras = found[0], [one for one in found[1:] if one.state in LOUD]
    if node.state in LOUD and (node.state == "silent" or not cameras):
        return [node, *cameras]
    return cameras
