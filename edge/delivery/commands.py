"""What a control room says to a node: receipts, and commands with their replies.

A *receipt* on ``receipt`` lists event ids (``alert_id:rev``) that are stored for good. A *command* on ``cmd/{name}``
says who asks (``requester``) and is answered on ``reply/{requester}``, so that whoever gave it knows that it arrived;
it may come twice, and the second time changes nothing. Everything comes from outside: sizes, types and names are checked
before anything is done, what does not fit is refused and counted, and a refusal quotes nothing of what was sent.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from edge.delivery.wire import (
    HandledState,
    Name,
    Payload,
    Sentence,
    Token,
    UtcTime,
    Who,
    Whole,
    parse_as,
)

MAX_COMMAND_BYTES = 16_384
MAX_RECEIPT_BYTES = 65_536
MAX_RANGES = 64
IDS_IN_A_RECEIPT = 200

CommandName = Literal["acknowledge", "dismiss", "note", "resend"]
Outcome = Literal["done", "over", "refused"]
Numbers = tuple[Whole, Whole]
"""First and last of a run of ``seq``, both included."""
EventKey = tuple[str, int]
"""Alert id and revision."""

_Ranges = Annotated[list[Numbers], Field(min_length=1, max_length=MAX_RANGES)]


class Receipt(Payload):
    """These revisions are stored for good: the node may let go of them."""

    ids: Annotated[
        list[Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}:[0-9]{1,10}$")]],
        Field(min_length=1, max_length=1000),
    ] = Field(description="event ids, alert_id:rev")


class Command(Payload):
    """What every command says."""

    id: Whole = Field(description="of this command, unique for its requester; the reply repeats it")
    requester: Name = Field(description="who asks; the reply goes to reply/{requester}")


class Deed(Command):
    """What every command about an alert says."""

    alert_id: Token = Field(description="which alert")
    who: Who = Field(description="name or desk of the operator")
    at: UtcTime = Field(description="when it was done")


class Acknowledge(Deed):
    """An operator has taken the alert over."""


class Dismiss(Deed):
    """An operator says that the alert is nothing."""

    text: Annotated[str, Field(min_length=1, max_length=300)] = Field(description="why it is nothing, e.g. deer")


class Note(Deed):
    """An operator wants something remembered about the alert."""

    text: Annotated[str, Field(min_length=1, max_length=2000)] = Field(description="what")


class Resend(Command):
    """Send messages again that never came."""

    boot_id: Token = Field(description="of the run whose messages are missing")
    ranges: _Ranges = Field(description="numbers (seq) that are missing: first and last of each run of them")


class Reply(Payload):
    """What became of a command."""

    id: Whole = Field(description="of the command")
    command: CommandName = Field(description="which it was")
    outcome: Outcome = Field(description="done; over: the alert has ended here, or never was; refused")
    reason: Sentence | None = Field(default=None, description="why it was refused")
    resent: Whole | None = Field(default=None, description="to resend: how many messages go out again")
    gone: Annotated[list[Numbers], Field(max_length=1000)] | None = Field(
        default=None, description="to resend: numbers that are no longer here and will never come"
    )


COMMANDS: dict[str, type[Command]] = {
    "acknowledge": Acknowledge,
    "dismiss": Dismiss,
    "note": Note,
    "resend": Resend,
}
STATE_OF: dict[str, HandledState] = {"acknowledge": "acknowledged", "dismiss": "dismissed"}


def parse_receipt(payload: bytes) -> list[EventKey]:
    """Read a receipt.

    Raises:
        ValueError: with a short reason that quotes nothing of the payload.
    """
    return [event_key(name) for name in parse_as(Receipt, payload, MAX_RECEIPT_BYTES).ids]


def event_key(event_id: str) -> EventKey:
    """Take an event's id apart."""
    alert_id, _, rev = event_id.rpartition(":")
    return alert_id, int(rev)


def parse_command(name: str, payload: bytes) -> Command:
    """Read the command of that name; raises ``ValueError`` as ``parse_receipt``."""
    kind = COMMANDS.get(name)
    if kind is None:
        raise ValueError(f"unknown command; known are {', '.join(COMMANDS)}")
    command = parse_as(kind, payload, MAX_COMMAND_BYTES)
    if isinstance(command, Resend) and any(first > last for first, last in command.ranges):
        raise ValueError("ranges: first is above last")
    return command


def parse_reply(payload: bytes) -> Reply:
    """Read a reply; raises ``ValueError`` as ``parse_receipt``."""
    return parse_as(Reply, payload, MAX_RECEIPT_BYTES)


def sender(payload: bytes) -> Command | None:
    """Tell who sent a command that cannot be read, when at least that can be: it deserves an answer."""
    if len(payload) > MAX_COMMAND_BYTES:
        return None
    try:
        return Command.model_validate_json(payload)
    except ValidationError:
        return None


def receipt(ids: Sequence[str]) -> bytes:
    """Write a receipt."""
    return json.dumps({"ids": list(ids)}, separators=(",", ":")).encode()


def command(**told: Any) -> bytes:
    """Write a command; what is ``None`` is left out."""
    known = {key: value for key, value in told.items() if value is not None}
    return json.dumps(known, ensure_ascii=False, separators=(",", ":")).encode()
