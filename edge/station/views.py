"""The shape of every answer of the programming interface; OpenAPI is generated from these and from ``questions``.

Answers are built as plain dictionaries, because most are never looked at by Python again; a test holds each of them
against its model here.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.delivery.wire import About, AlertData, Health
from edge.delivery.wire_sight import SightData


class Answer(BaseModel):
    """What the station says; only its description is ever built, and only when somebody asks for that."""

    model_config = ConfigDict(defer_build=True)


class AlertView(Answer):
    """One alert as the station knows it."""

    node: str
    alert_id: str
    calls: bool = Field(description="nobody has attended to it, or it got louder since")
    louder_again: bool = Field(description="it calls again because its priority rose after somebody attended to it")
    live: bool = Field(description="it goes on, or it calls")
    heard_at: str = Field(description="when the station heard of it first, ISO 8601 UTC, by the station's clock")
    changed_at: str = Field(description="when the station heard of it last: a revision, a picture, the node's answer")
    handled: Literal["open", "acknowledged", "dismissed"]
    handled_by: str | None
    handled_at: str | None
    handled_reason: str | None
    data: AlertData = Field(description="the node's own words; lists leave out members")


class RevisionView(Answer):
    """One revision of an alert, in short."""

    rev: int
    heard_at: str
    phase: str
    count: int
    count_low: int
    count_high: int
    priority: str


class TrailPoint(Answer):
    """Where a group was."""

    rev: int
    at: str = Field(description="when, by the node's clock")
    lat: float
    lon: float


class TrailView(Answer):
    """Where a group has been, oldest first."""

    node: str
    alert_id: str
    points: list[TrailPoint]


class ActionView(Answer):
    """What an operator did."""

    at: str
    who: str
    kind: Literal["acknowledge", "dismiss", "note"]
    text: str | None
    node_answer: Literal["waiting", "done", "over", "refused"] = Field(
        description="what the alert's node said to it; over: the alert had ended there"
    )


class Card(AlertView):
    """One alert whole."""

    revisions: list[RevisionView]
    actions: list[ActionView]
    has_snapshot: bool = Field(description="whether GET .../snapshot gives a picture")


class Page(Answer):
    """One page of history."""

    alerts: list[AlertView]
    next: str | None = Field(description="give it as 'before' for the next page; null at the end")
    count: int = Field(description="how many there are in all")


class SightView(Answer):
    """A node's own word on a camera that cannot see."""

    node: str
    heard_at: str
    data: SightData


class TroubleView(Answer):
    """A camera that is blind or lost, or a node that says nothing."""

    id: int
    node: str
    camera: str | None = Field(description="null: the node itself")
    state: Literal["blind", "offline", "silent"]
    reason: str | None
    began_at: str
    ended_at: str | None
    handled_by: str | None
    handled_at: str | None
    handled_note: str | None


class CameraView(Answer):
    """How a camera stands."""

    camera: str
    state: Literal["ok", "degraded", "blind", "offline", "unknown"]
    reason: str | None


class NodeView(Answer):
    """One node of the registry."""

    node: str
    state: Literal["ok", "degraded", "blind", "offline", "silent"]
    reason: str | None
    loud: bool
    availability: Literal["online", "offline"] | None
    heard_at: str | None = Field(description="when the station last had a word of it")
    first_heard_at: str
    missing_messages: int = Field(description="numbers of its messages that never came and are asked for again")
    lost_messages: int = Field(description="numbers of its messages that it no longer has: they will never come")
    cameras: list[CameraView]
    health: Health | None
    about: About | None


class StationState(Answer):
    """The station itself."""

    time: str
    run: str = Field(description="changes with every start of the station")
    version: str
    broker: Literal["connected", "lost"]
    fault: str | None = Field(description="why nothing can be heard or kept")
    listening_since_s: float | None
    committed: int = Field(description="messages on disk since the start")
    refused: int = Field(description="messages that could not be read since the start")
    base_map: bool = Field(description="whether there is one, at /api/v1/map.pmtiles")


class Live(Answer):
    """All that matters now."""

    station: StationState
    alerts: list[AlertView]
    alerts_in_all: int
    troubles: list[TroubleView]
    nodes: list[NodeView]


class RefusalView(Answer):
    """A message that was refused."""

    at: str
    topic: str
    reason: str


class HealthView(StationState):
    """The station's health, for monitoring."""

    pages: int
    refusals: list[RefusalView]
