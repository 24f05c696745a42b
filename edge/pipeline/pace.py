"""Who is too fast to be on foot: a car or a deer at full tilt that the model takes for a person.

Speed is judged in metres a second where the ground is known, else in body heights a second. Only what is sure of it
counts: a pixel is taken for as many metres as it spans *across* the view, where an error of the foot is small, and not
along it, where one pixel may be ten metres. So who comes straight at the camera is thought slower than they are, and
nobody on foot is thought faster. It must last: the velocity of a body just found, or lost behind another, is a guess.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge.config import GroupsConfig
from edge.places import Ground, metres_per_px
from edge.records import Track

_LASTS_S = 0.8  # so long too fast, and it is nobody ...
_SLOW_S = 2.0  # ... until it has not been too fast for so long
_WORTH_A_LOOK_HEIGHTS_S = 1.0  # nothing slower is too fast in metres: even a lorry is no longer than seven of them
_TIGHT_S = 1e-4


@dataclass(slots=True)
class _Rush:
    """Since when a body has been too fast, when it last was, and whether it lasted."""

    since_s: float
    latest_s: float
    lasted: bool = False


class Pace:
    """Watches the speed of one camera's bodies."""

    def __init__(self, config: GroupsConfig) -> None:
        """Start with nobody."""
        self._config = config
        self._rushes: dict[int, _Rush] = {}

    def update(self, tracks: Sequence[Track], t_s: float, ground: Ground | None = None) -> frozenset[int]:
        """Name the tracks that are too fast to be people on foot.

        Args:
            tracks: all of one frame.
            t_s: when it was captured.
            ground: gives metres for a point of the picture; ``None`` where the pose of the camera is unknown.
        """
        rushes = {}
        for track in tracks:
            rush = self._rushes.get(track.track_id)
            if track.last_seen_s == t_s:
                if self._is_too_fast(track, ground):
                    rush = rush or _Rush(t_s, t_s)
                    rush.latest_s = t_s
                    rush.lasted = rush.lasted or t_s - rush.since_s >= _LASTS_S - _TIGHT_S
                elif rush is not None and not rush.lasted:
                    rush = None
            if rush is not None and t_s - rush.latest_s <= _SLOW_S:
                rushes[track.track_id] = rush
        self._rushes = rushes
        return frozenset(one for one, rush in rushes.items() if rush.lasted)

    def _is_too_fast(self, track: Track, ground: Ground | None) -> bool:
        speed_px_s = math.hypot(*track.velocity_px_s)
        tall_px = max(track.box[2] - track.box[0], track.box[3] - track.box[1], 1.0)
        if speed_px_s <= _WORTH_A_LOOK_HEIGHTS_S * tall_px:
            return False
        scale_m = metres_per_px(ground, track.foot_px) if ground is not None else None
        if scale_m is not None:
            return speed_px_s * scale_m > self._config.max_speed_m_s
        return speed_px_s > self._config.max_speed_heights_s * tall_px
