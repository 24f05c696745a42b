"""From a camera's state to the alert that it cannot see: ``new`` once it has lasted, ``end`` when the camera sees again.

Pure like the stages, but driven by the program that owns the camera: a camera that sends nothing has no frames to carry
its state through a pipeline. As with groups, the id follows from the boot, the camera and the moment it began.
"""

from dataclasses import dataclass
from typing import Literal

from edge.records import SightAlert
from edge.ulid import ulid
from edge.words import EndReason, SightCause, SightState

State = SightState | Literal["offline"]

_BLIND: frozenset[State] = frozenset({"blind", "offline"})
_SEES_AFTER_S = 2.0  # one good frame between two stalls is not the end of the trouble
_UPDATE_EVERY_S = 5.0


@dataclass(slots=True)
class _Trouble:
    since_s: float
    since_utc_s: float
    told: SightAlert | None = None
    told_s: float = 0.0
    good_since_s: float | None = None


class SightWatch:
    """Tells the control room when one camera cannot see."""

    def __init__(self, camera: str, *, boot_id: str, alert_after_s: float) -> None:
        """Start with a camera that sees."""
        self._camera = camera
        self._boot_id = boot_id
        self._alert_after_s = alert_after_s
        self._troubles = 0
        self._trouble: _Trouble | None = None

    def update(
        self, state: State, cause: SightCause | None, reason: str | None, *, t_s: float, utc_s: float
    ) -> SightAlert | None:
        """Note how the camera is at ``t_s``; at most one alert comes of it."""
        if state not in _BLIND:
            return self._better(state, cause, reason, t_s, utc_s)
        if self._trouble is None:
            self._troubles += 1
            self._trouble = _Trouble(t_s, utc_s)
        trouble = self._trouble
        trouble.good_since_s = None
        if trouble.told is None:
            if t_s - trouble.since_s < self._alert_after_s:
                return None
            alert_id = ulid(trouble.since_utc_s, self._boot_id, self._camera, "sight", self._troubles)
            told = SightAlert(
                alert_id, 1, "new", self._camera, state, cause, reason, "important", trouble.since_utc_s, utc_s
            )
        elif (state, cause) == (trouble.told.state, trouble.told.cause) or t_s - trouble.told_s < _UPDATE_EVERY_S:
            return None
        else:
            told = trouble.told._replace(
                rev=trouble.told.rev + 1,
                phase="update",
                state=state,
                cause=cause,
                reason=reason,
                utc_s=utc_s,
            )
        trouble.told, trouble.told_s = told, t_s
        return told

    def close(self, reason: EndReason, *, utc_s: float) -> SightAlert | None:
        """End an open trouble because the node stops; the camera is as blind as before."""
        trouble, self._trouble = self._trouble, None
        if trouble is None or trouble.told is None:
            return None
        told = trouble.told
        return told._replace(rev=told.rev + 1, phase="end", reason=_ENDINGS[reason], ended=reason, utc_s=utc_s)

    def _better(
        self, state: State, cause: SightCause | None, reason: str | None, t_s: float, utc_s: float
    ) -> SightAlert | None:
        trouble = self._trouble
        if trouble is None:
            return None
        trouble.good_since_s = t_s if trouble.good_since_s is None else trouble.good_since_s
        if t_s - trouble.good_since_s < _SEES_AFTER_S:
            return None
        self._trouble = None
        if trouble.told is None:
            return None
        return trouble.told._replace(
            rev=trouble.told.rev + 1,
            phase="end",
            state=state,
            cause=cause,
            reason=reason or "the camera sees again",
            utc_s=utc_s,
        )


_ENDINGS: dict[EndReason, str] = {
    "left": "gone",
    "merged": "gone",
    "restarted": "the node restarted",
    "stopped": "the node stopped",
}
