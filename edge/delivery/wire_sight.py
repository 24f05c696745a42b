"""An alert of its own type: a camera of the node cannot see. Same topic, same envelope, same outbox as a group's alert.

A control room that trusts a camera must learn as surely that it is blind as that somebody passes, so this is a message
that survives an outage, and not only a word in the retained health. ``parse_event`` reads both types of the alert topic.
"""

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from edge.clock import ClockQuality
from edge.delivery.wire import (
    MAX_ALERT_BYTES,
    AlertEvent,
    Handled,
    Name,
    Payload,
    Sentence,
    Token,
    UtcTime,
    Whole,
    encode,
    parse_alert,
    parse_as,
    sentence,
)
from edge.delivery.wire_alert import closing_event
from edge.words import EndReason, Phase, Priority, SightCause

if TYPE_CHECKING:
    from edge.records import SightAlert

_SOURCE = re.compile(r"edge/[a-z0-9-]{1,64}/cam/[a-z0-9-]{1,64}")
_TYPE = re.compile(rb'"type"\s*:\s*"edge\.sight"')


class SightData(Payload):
    """One camera's trouble, whole."""

    alert_id: Token = Field(description="ULID; the same for every revision of one trouble")
    rev: Annotated[int, Field(ge=1, le=2**31)] = Field(description="1, then one more for each revision")
    phase: Phase = Field(description="new, update when state or cause changes, end when the camera sees again")
    seq: Whole = Field(description="rises by one for each message of this node, alerts of groups included")
    boot_id: Token = Field(description="changes with every start of the node's service")
    camera: Name = Field(description="which camera")
    state: Literal["ok", "degraded", "blind", "offline"] = Field(description="how it is now")
    cause: SightCause | None = Field(default=None, description="why, as one word; absent when it is ok")
    reason: Sentence | None = Field(default=None, description="why, for people")
    priority: Priority = Field(description="how loud it should be")
    since: UtcTime = Field(description="since when it could not see")
    clock: ClockQuality = Field(description="how far the node's wall clock can be believed")
    ended: EndReason | None = Field(default=None, description="with phase end: only where the node itself stopped")


class SightEvent(Payload):
    """The CloudEvents envelope around ``SightData``."""

    specversion: Literal["1.0"] = Field(default="1.0", description="of CloudEvents")
    id: Annotated[str, Field(min_length=3, max_length=160)] = Field(description="alert_id:rev; the key to dedupe by")
    source: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="edge/{node}/cam/{camera}")
    type: Literal["edge.sight"] = Field(default="edge.sight", description="of event")
    time: UtcTime = Field(description="when it happened, not when it was sent")
    datacontenttype: Literal["application/json"] = Field(default="application/json", description="of data")
    dataschema: Annotated[str, Field(max_length=200)] = Field(default="edge/v1/sight.json", description="of data")
    data: SightData = Field(description="the camera")

    @property
    def node(self) -> str:
        """The node that raised it."""
        return self.source.split("/")[1]


def sight_event(alert: "SightAlert", *, node: str, seq: int, boot_id: str, clock: ClockQuality) -> bytes:
    """Write one sight alert as it goes over the wire.

    Raises:
        ValueError: the alert holds names that the contract refuses.
    """
    data = SightData(
        alert_id=alert.alert_id,
        rev=alert.rev,
        phase=alert.phase,
        seq=seq,
        boot_id=boot_id,
        camera=alert.camera,
        state=alert.state,
        cause=alert.cause,
        reason=sentence(alert.reason),
        priority=alert.priority,
        since=_moment(alert.since_utc_s),
        clock=clock,
        ended=alert.ended,
    )
    return encode(_enveloped(data, node, _moment(alert.utc_s)))


def parse_sight(payload: bytes) -> SightEvent:
    """Read a sight alert from the wire.

    Raises:
        ValueError: with a short reason that quotes nothing of the payload.
    """
    event = parse_as(SightEvent, payload, MAX_ALERT_BYTES)
    if event.id != f"{event.data.alert_id}:{event.data.rev}":
        raise ValueError("id: is not alert_id:rev")
    if not _SOURCE.fullmatch(event.source):
        raise ValueError("source: is not edge/{node}/cam/{camera}")
    return event


def parse_event(payload: bytes) -> AlertEvent | SightEvent:
    """Read whatever comes on the alert topic; raises ``ValueError`` as ``parse_alert``."""
    return parse_sight(payload) if _is_sight(payload) else parse_alert(payload)


def last_word(
    event: AlertEvent | SightEvent,
    *,
    seq: int,
    boot_id: str,
    utc_s: float,
    reason: EndReason,
    handled: Handled | None = None,
) -> bytes:
    """Write the ``end`` of a story of either type whose last word was ``event``: the run that told it is gone."""
    if isinstance(event, AlertEvent):
        return closing_event(event, seq=seq, boot_id=boot_id, utc_s=utc_s, reason=reason, handled=handled)
    data = event.data.model_copy(
        update={
            "rev": event.data.rev + 1,
            "phase": "end",
            "seq": seq,
            "boot_id": boot_id,
            "reason": f"closed by the node: {reason}",
            "ended": reason,
        }
    )
    return encode(_enveloped(data, event.node, _moment(utc_s)))


def _is_sight(payload: bytes) -> bool:
    """Look for the type without reading everything twice: only a hit is worth a proper look."""
    if len(payload) > MAX_ALERT_BYTES or not _TYPE.search(payload):
        return False
    try:
        told = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("type") == "edge.sight"


def _enveloped(data: SightData, node: str, time: datetime) -> SightEvent:
    return SightEvent(id=f"{data.alert_id}:{data.rev}", source=f"edge/{node}/cam/{data.camera}", time=time, data=data)


def _moment(utc_s: float) -> datetime:
    return datetime.fromtimestamp(round(utc_s, 3), UTC)
