"""What the station says back to nodes: what is on disk, what operators did, and what is missing.

A receipt lists event ids (``alert_id:rev``) that are on disk here. It goes out after every commit, for repeated
messages too, so a receipt that is lost is asked for again by the alert that its node sends again; quality of service 0
is enough. Commands (what operators did, gaps to fill) are said again, ever more rarely, until the node has answered;
over restarts of the station, deeds for a day. A node may hear one twice.
"""

from collections.abc import Iterable, Iterator, Sequence

from edge.delivery import commands
from edge.delivery.commands import IDS_IN_A_RECEIPT, MAX_RANGES, Reply
from edge.delivery.messages import Message
from edge.delivery.mqtt import Link
from edge.delivery.wire import AlertEvent, Topics, iso_utc
from edge.delivery.wire_sight import SightEvent
from edge.station.changes import Changes
from edge.station.deeds import Told
from edge.station.gaps import Run
from edge.station.rows import Heard
from edge.station.store import Gap, Store

TOLD_FOR_S = 86_400.0
_LOOK_EVERY_S = 5.0
_AT_ONCE = 8
_AGAIN_S = 15.0  # doubled with every try
_AGAIN_MAX_S = 900.0
_GRACE_S = 3.0  # a message may be late without being lost
_UNTOLD_READ = 1000
_GAPS_READ = 100
_COMMAND_EXPIRY_S = 30


def receipts(heard: Sequence[Heard]) -> Iterator[Message]:
    """Write the receipts of a committed batch, one or more for each node in it."""
    ids: dict[str, list[str]] = {}
    for one in heard:
        if isinstance(one.body, AlertEvent | SightEvent):
            ids.setdefault(one.node, []).append(one.body.id)
    for node, known in ids.items():
        for start in range(0, len(known), IDS_IN_A_RECEIPT):
            payload = commands.receipt(known[start : start + IDS_IN_A_RECEIPT])
            yield Message(Topics(node).receipt, payload, qos=0, content_type="application/json")


_Key = tuple[object, ...]
"""A node, and what of it."""


class _Pace:
    """When to try what again: soon, then ever more rarely; forgets what is done."""

    def __init__(self) -> None:
        self._tries: dict[_Key, tuple[float, int]] = {}

    def begin(self, key: _Key, due_s: float) -> None:
        """Let something be due at a time, unless it is known already."""
        self._tries.setdefault(key, (due_s, 0))

    def is_due(self, key: _Key, now_s: float) -> bool:
        """Whether it is time for a try; what is not known is due at once."""
        return self._tries.get(key, (now_s, 0))[0] <= now_s

    def tried(self, key: _Key, now_s: float) -> None:
        """Note a try."""
        tries = self._tries.get(key, (now_s, 0))[1]
        self._tries[key] = (now_s + min(_AGAIN_MAX_S, _AGAIN_S * 2.0**tries), tries + 1)

    def keep_only(self, keys: Iterable[_Key]) -> None:
        """Forget everything else."""
        known = set(keys)
        self._tries = {key: value for key, value in self._tries.items() if key in known}

    def forget(self, node: str) -> None:
        """Let everything of a node be due."""
        self._tries = {key: value for key, value in self._tries.items() if key[0] != node}


class Deeds:
    """Carries what operators did over one connection; made anew for each."""

    def __init__(self, store: Store, requester: str) -> None:
        """Read from ``store`` what is still to be told; nodes answer ``requester``."""
        self._store = store
        self._requester = requester
        self._pace = _Pace()
        self._look_s = 0.0

    def tell(self, link: Link, *, now_s: float, now_utc_s: float) -> None:
        """Send what is untold, if it is time to look or somebody ``hurry``-ed."""
        if now_s < self._look_s:
            return
        self._look_s = now_s + _LOOK_EVERY_S
        untold = self._store.untold(since_utc_s=now_utc_s - TOLD_FOR_S, limit=_UNTOLD_READ)
        self._pace.keep_only((told.node, told.number) for told in untold)
        due = [told for told in untold if self._pace.is_due((told.node, told.number), now_s)]
        for told in due[:_AT_ONCE]:
            link.send(_deed(told, self._requester))
            self._pace.tried((told.node, told.number), now_s)
        if len(due) > _AT_ONCE:
            self.hurry()

    def hurry(self) -> None:
        """Look again with the next turn."""
        self._look_s = 0.0

    def is_back(self, node: str) -> None:
        """Tell a node at once that has just come."""
        self._pace.forget(node)
        self.hurry()

    def replied(self, node: str, reply: Reply, utc_s: float) -> Changes:
        """Take a node's answer, heard at ``utc_s``."""
        return self._store.mark_told(node, reply.id, reply.outcome, utc_s=utc_s)


class Resends:
    """Asks nodes over one connection for messages that never came; made anew for each."""

    def __init__(self, store: Store, requester: str) -> None:
        """Read from ``store`` what is missing; nodes answer ``requester``."""
        self._store = store
        self._requester = requester
        self._pace = _Pace()
        self._look_s = 0.0
        self._asked: dict[int, Gap] = {}
        self._number = 0

    def ask(self, link: Link, *, now_s: float) -> None:
        """Ask for what is missing, if it is time to look."""
        if now_s < self._look_s:
            return
        self._look_s = now_s + _LOOK_EVERY_S
        gaps = {(gap.node, gap.boot_id, *gap.missing[:MAX_RANGES]): gap for gap in self._store.gaps(limit=_GAPS_READ)}
        self._pace.keep_only(gaps)
        for key, gap in gaps.items():
            self._pace.begin(key, now_s + _GRACE_S)
            if self._pace.is_due(key, now_s):
                self._pace.tried(key, now_s)
                self._number += 1
                self._asked[self._number] = gap
                link.send(_resend(self._number, gap.node, gap.boot_id, gap.missing, self._requester))
        for number in list(self._asked)[:-_GAPS_READ]:
            del self._asked[number]

    def is_back(self, node: str) -> None:
        """Ask a node soon that has just come."""
        self._pace.forget(node)
        self._look_s = 0.0

    def replied(self, node: str, reply: Reply, _utc_s: float) -> Changes:
        """Take a node's answer: what is gone there is lost, and said to be."""
        gap = self._asked.get(reply.id)
        if gap is None or gap.node != node or reply.outcome != "done" or not reply.gone:
            return Changes()
        return self._store.lose(node, gap.boot_id, reply.gone)


def _deed(told: Told, requester: str) -> Message:
    return _command(
        told.node,
        told.deed,
        commands.command(
            id=told.number,
            requester=requester,
            alert_id=told.alert_id,
            who=told.who,
            at=iso_utc(told.utc_s),
            text=told.text,
        ),
    )


def _resend(number: int, node: str, boot_id: str, missing: list[Run], requester: str) -> Message:
    payload = commands.command(id=number, requester=requester, boot_id=boot_id, ranges=missing[:MAX_RANGES])
    return _command(node, "resend", payload)


def _command(node: str, name: str, payload: bytes) -> Message:
    return Message(Topics(node).command(name), payload, expiry_s=_COMMAND_EXPIRY_S, content_type="application/json")
