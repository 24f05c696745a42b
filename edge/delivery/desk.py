"""Where a node takes commands: what they ask for is checked against the outbox, done, and answered.

Runs in the courier's thread. A command that cannot be read or obeyed is counted and, where its sender can be told,
answered; it costs no more than that. Retained commands are refused: they would be obeyed anew with every connection.
"""

import json

from pydantic import ValidationError

from edge.clock import Clock
from edge.delivery.commands import (
    STATE_OF,
    Command,
    CommandName,
    Deed,
    Note,
    Outcome,
    Reply,
    Resend,
    parse_command,
    sender,
)
from edge.delivery.loglimit import LimitedLog
from edge.delivery.messages import Arrival, Message
from edge.delivery.outbox import Outbox
from edge.delivery.wire import Handled, Topics, encode, sentence
from edge.log import get_logger
from edge.metrics import Metrics

_REPLY_EXPIRY_S = 300
_TOLD_GONE = 1000

_log = get_logger(__name__)


class Desk:
    """Obeys the commands of one node."""

    def __init__(self, outbox: Outbox, *, topics: Topics, clock: Clock, metrics: Metrics) -> None:
        """Answer for the node of ``topics`` from its outbox."""
        self._outbox = outbox
        self._topics = topics
        self._metrics = metrics
        self._limited = LimitedLog(__name__, clock)

    def take(self, arrival: Arrival) -> tuple[Message | None, list[int]]:
        """Do what a command asks; return the reply, and the numbers of messages to send again."""
        name = arrival.topic.rpartition("/")[2]
        try:
            if arrival.retain:
                raise ValueError("retained: a command is meant once")  # noqa: TRY301  # the same fate as other bad ones
            command = parse_command(name, arrival.payload)
        except ValueError as error:
            return self._refusal(name, arrival, str(error)), []
        if isinstance(command, Resend):
            return self._resend(command)
        outcome = self._deed(name, command) if isinstance(command, Deed) else "done"
        self._metrics.count("commands_done")
        return self._reply(command, name, outcome), []

    def _deed(self, name: str, command: Deed) -> Outcome:
        text = getattr(command, "text", None)
        told = {"alert_id": command.alert_id, "by": sentence(command.who), "at": command.at.isoformat()}
        if isinstance(command, Note):
            _log.info("note on an alert", **told, text=sentence(text))
            return "done" if self._outbox.has_story(command.alert_id) else "over"
        now = Handled(state=STATE_OF[name], by=command.who, at=command.at, reason=sentence(text))
        before = read_handled(self._outbox.handled(command.alert_id))
        if before is not None and before.at >= now.at:
            return "done"  # it comes again, or late
        if not self._outbox.handle(command.alert_id, encode(now)):
            return "over"
        _log.info(f"alert {now.state}", **told, reason=now.reason)
        return "done"

    def _resend(self, command: Resend) -> tuple[Message, list[int]]:
        found = self._outbox.again(command.ranges, lambda payload: boot_of(payload) == command.boot_id)
        self._metrics.count("commands_done")
        self._metrics.count("delivery_resent", len(found.seqs))
        _log.info(
            "messages asked for again", resent=len(found.seqs), gone=sum(last - first + 1 for first, last in found.gone)
        )
        reply = self._reply(command, "resend", "done", resent=len(found.seqs), gone=found.gone[:_TOLD_GONE] or None)
        return reply, found.seqs

    def _refusal(self, name: str, arrival: Arrival, why: str) -> Message | None:
        self._metrics.count("commands_refused")
        self._limited.warning("command refused", why=why, topic=arrival.topic[:100], bytes=len(arrival.payload))
        asked = sender(arrival.payload)
        if asked is None or name not in _KNOWN or arrival.retain:
            return None
        return self._reply(asked, name, "refused", reason=sentence(why))

    def _reply(
        self,
        command: Command,
        name: str,
        outcome: Outcome,
        *,
        reason: str | None = None,
        resent: int | None = None,
        gone: list[tuple[int, int]] | None = None,
    ) -> Message:
        reply = Reply(id=command.id, command=_KNOWN[name], outcome=outcome, reason=reason, resent=resent, gone=gone)
        return Message(
            self._topics.reply(command.requester),
            encode(reply),
            qos=0,  # whoever misses it asks again
            expiry_s=_REPLY_EXPIRY_S,
            content_type="application/json",
        )


_KNOWN: dict[str, CommandName] = {
    "acknowledge": "acknowledge",
    "dismiss": "dismiss",
    "note": "note",
    "resend": "resend",
}


def read_handled(told: bytes | None) -> Handled | None:
    """Read what the outbox keeps about an alert."""
    if told is None:
        return None
    try:
        return Handled.model_validate_json(told)
    except ValidationError:  # written by another version
        return None


def boot_of(payload: bytes) -> str | None:
    """Tell which run of the node an event belongs to."""
    try:
        return str(json.loads(payload)["data"]["boot_id"])
    except (ValueError, KeyError, TypeError):
        return None
