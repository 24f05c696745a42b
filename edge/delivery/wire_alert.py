"""A group's alert as it is written: from our records to the payload, within the bounds of the contract."""

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from edge.clock import ClockQuality
from edge.delivery.wire import (
    MAX_MEMBERS,
    MAX_REASONS,
    AlertData,
    AlertEvent,
    ErrorEllipse,
    FractionBox,
    Handled,
    LineState,
    Member,
    ModelIdentity,
    Position,
    encode,
    segment,
    sentence,
)
from edge.words import EndReason

if TYPE_CHECKING:
    from edge.places import Placed
    from edge.records import Alert, Box, Track

_FRACTION_DIGITS = 4  # a tenth of a pixel at 640 columns
_SCORE_DIGITS = 3
_DEGREE_DIGITS = 6  # a decimetre


def alert_event(
    alert: "Alert",
    *,
    node: str,
    seq: int,
    boot_id: str,
    clock: ClockQuality,
    model: ModelIdentity | None = None,
    handled: Handled | None = None,
    snapshot: Literal["none", "mqtt"] = "none",
) -> bytes:
    """Write one alert as it goes over the wire; sentences and members beyond the contract's bounds are cut off.

    Raises:
        ValueError: the alert holds NaN or names that the contract refuses.
    """
    group = alert.group
    size = (alert.width_px, alert.height_px)
    crossing = group.crossing
    placed = alert.placed
    captured = _moment(alert.captured_utc_s)
    data = AlertData(
        alert_id=alert.alert_id,
        rev=alert.rev,
        phase=alert.phase,
        seq=seq,
        boot_id=boot_id,
        count=group.count,
        count_low=group.count_low,
        count_high=group.count_high,
        count_max=group.count_max,
        confidence=_score(group.confidence),
        priority=alert.priority,
        reasons=[told for told in map(sentence, alert.reasons) if told][:MAX_REASONS],
        zone=group.zone,
        line=LineState(id=crossing.line, direction=crossing.direction, crossed=crossing.crossed) if crossing else None,
        heading_deg=_direction(placed.heading_deg if placed else None),
        speed_m_s=None if placed is None or placed.speed_m_s is None else round(placed.speed_m_s, 1),
        bearing_deg=_direction(placed.bearing_deg if placed else None),
        box=_fractions(group.box, size),
        members=[_member(track, size) for track in group.members[:MAX_MEMBERS]] or None,
        position=_position(placed) if placed else None,
        first_seen=_moment(alert.first_seen_utc_s),
        last_seen=_moment(alert.last_seen_utc_s),
        captured_at=captured,
        clock=clock,
        camera=alert.camera,
        model=model,
        parent=alert.parent,
        merged_into=alert.merged_into,
        ended=group.ended,
        handled=handled,
        snapshot=snapshot,
    )
    return encode(_enveloped(data, node, captured))


def closing_event(
    previous: AlertEvent, *, seq: int, boot_id: str, utc_s: float, reason: EndReason, handled: Handled | None = None
) -> bytes:
    """Write the ``end`` of a story whose last word was ``previous``: the run that told it is gone.

    The members are left out, because nobody knows where they are now; count, range and times stay as last told.
    """
    data = previous.data.model_copy(
        update={
            "rev": previous.data.rev + 1,
            "phase": "end",
            "seq": seq,
            "boot_id": boot_id,
            "reasons": [f"closed by the node: {reason}"],
            "members": None,
            "ended": reason,
            "handled": handled or previous.data.handled,
        }
    )
    return encode(_enveloped(data, previous.node, _moment(utc_s)))


def _moment(utc_s: float) -> datetime:
    return datetime.fromtimestamp(round(utc_s, 3), UTC)


def _enveloped(data: AlertData, node: str, time: datetime) -> AlertEvent:
    return AlertEvent(
        id=f"{data.alert_id}:{data.rev}", source=f"edge/{segment(node)}/cam/{data.camera}", time=time, data=data
    )


def _position(placed: "Placed") -> Position | None:
    where = placed.position
    if where is None:
        return None
    return Position(
        lat=round(where.lat_deg, _DEGREE_DIGITS),
        lon=round(where.lon_deg, _DEGREE_DIGITS),
        ce_m=round(where.ce_m, 1),
        method=where.method,
        ellipse=ErrorEllipse(
            major_m=round(where.major_m, 1), minor_m=round(where.minor_m, 1), major_deg=round(where.major_deg)
        ),
    )


def _direction(degrees: float | None) -> float | None:
    return None if degrees is None else round(degrees) % 360


def _member(track: "Track", size: tuple[int, int]) -> Member:
    return Member(
        track_id=track.track_id,
        box=_fractions(track.box, size),
        score=_score(track.score),
        height_px=max(0, round(track.height_px)),
    )


def _fractions(box: "Box", size: tuple[int, int]) -> FractionBox:
    """A hidden body's predicted box may leave the picture; the wire knows only what is inside it."""
    width_px, height_px = size
    x0, y0, x1, y1 = box
    return (_fraction(x0 / width_px), _fraction(y0 / height_px), _fraction(x1 / width_px), _fraction(y1 / height_px))


def _fraction(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), _FRACTION_DIGITS) if math.isfinite(value) else value


def _score(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), _SCORE_DIGITS) if math.isfinite(value) else value
