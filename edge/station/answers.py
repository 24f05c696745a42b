"""What the station says back to a node: that its alerts are on disk, and what operators did about them.

A receipt lists event ids (``alert_id:rev``) that are on disk here. It goes out after every commit, for repeated
messages too, so a receipt that is lost is asked for again by the alert that its node sends again; quality of service 0
is enough. What operators did goes to ``cmd/acknowledge``, ``cmd/dismiss`` and ``cmd/note`` until the broker has taken it
for a subscriber, over restarts of the station, for a day. A node may hear it twice: ``id`` tells.
"""

import json
from collections.abc import Iterator, Sequence

from edge.delivery.mqtt import Answer, Link, Message
from edge.delivery.wire import AlertEvent, Topics, iso_utc
from edge.station.store import Heard, Store, Told

TOLD_FOR_S = 86_400.0
_AT_ONCE = 8
_AGAIN_S = 30.0
_COMMAND_EXPIRY_S = 30
_IDS_IN_A_RECEIPT = 200


def receipts(heard: Sequence[Heard]) -> Iterator[Message]:
    """Write the receipts of a committed batch, one or more for each node in it."""
    ids: dict[str, list[str]] = {}
    for one in heard:
        if isinstance(one.body, AlertEvent):
            ids.setdefault(one.node, []).append(one.body.id)
    for node, known in ids.items():
        for start in range(0, len(known), _IDS_IN_A_RECEIPT):
            content = {"ids": known[start : start + _IDS_IN_A_RECEIPT]}
            yield Message(Topics(node).receipt, json.dumps(content).encode(), qos=0, content_type="application/json")


class Deeds:
    """Carries what operators did over one connection; made anew for each."""

    def __init__(self, store: Store) -> None:
        """Read from ``store`` what is still to be told."""
        self._store = store
        self._on_way: dict[int, int] = {}  # packet number -> action
        self._due_s = 0.0

    def tell(self, link: Link, *, now_s: float, now_utc_s: float) -> None:
        """Send what is untold, if it is time to look or somebody ``hurry``-ed."""
        if self._on_way or now_s < self._due_s:
            return
        self._due_s = now_s + _AGAIN_S
        for told in self._store.untold(since_utc_s=now_utc_s - TOLD_FOR_S, limit=_AT_ONCE):
            self._on_way[link.send(_command(told))] = told.number

    def hurry(self) -> None:
        """Look again with the next turn."""
        self._due_s = 0.0

    def answered(self, answers: Sequence[Answer]) -> None:
        """Take the broker's answers; anything but a plain success is tried again later."""
        done = [number for one in answers if (number := self._on_way.pop(one.mid, None)) is not None and one.code == 0]
        if done:
            self._store.mark_told(done)
            self._due_s = 0.0 if not self._on_way else self._due_s  # there may be more


def _command(told: Told) -> Message:
    content = {"id": told.number, "alert_id": told.alert_id, "who": told.who, "at": iso_utc(told.utc_s)}
    if told.text is not None:
        content["text"] = told.text
    return Message(
        Topics(told.node).command(told.deed),
        json.dumps(content, ensure_ascii=False).encode(),
        expiry_s=_COMMAND_EXPIRY_S,
        content_type="application/json",
    )
