"""When the model looks: at every frame with motion, wherever somebody is followed, and now and then all the same.

Inference is nine tenths of what a node spends, and most cameras look at empty ground most of the time. A closed gate must
cost nobody's life, so it closes only when nothing has moved for ``hold_s`` *and* no body is followed, seen or hidden,
that is believed or was first seen just now; and even then the model looks every ``look_every_s``. Whoever sits still has
been found while coming, or is found by such a look; from then on a track lives and the gate stays open. Where a large view
is looked at in parts, the same holds for each part.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.config import GateConfig
from edge.records import MOTION_TILE_PX, Motion, Track

_LASTS_S = 0.1  # two frames of a slow camera; noise that a fast one smooths over time fills several
_TIGHT_S = 1e-4


class MotionGate:
    """The gate of one fixed camera."""

    def __init__(self, config: GateConfig) -> None:
        """Start open, until the background is known."""
        self._config = config
        self._open_until_s: float | None = None
        self._warm_until_s = -math.inf
        self._looked_t_s = -math.inf
        self._looked_at_all_t_s = -math.inf
        self._moved_t_s: npt.NDArray[np.float64] = np.full((0, 0), -math.inf)
        self._begun_t_s = self._moved_t_s
        self._all = True

    def opens(self, motion: Motion, t_s: float, *, followed: bool) -> bool:
        """Decide whether the model looks at this frame.

        Args:
            motion: where the frame differs from the background.
            t_s: when it was captured.
            followed: a body was followed after the frame before.
        """
        if self._open_until_s is None:
            self._open_until_s = t_s + self._config.warm_up_s
            self._warm_until_s = self._open_until_s
        if self._moved_t_s.shape != motion.tiles.shape:
            self._moved_t_s = np.full(motion.tiles.shape, -math.inf)
            self._begun_t_s = np.full(motion.tiles.shape, -math.inf)
        lasts = motion.moving > 0 and self._lasts(motion.tiles, t_s)
        if lasts or motion.renewed or followed:
            self._open_until_s = max(self._open_until_s, t_s + self._config.hold_s)
        rests = t_s > self._open_until_s and t_s - self._looked_t_s < self._config.look_every_s
        if rests and not motion.moving:
            return False
        self._looked_t_s = t_s
        due = t_s - self._looked_at_all_t_s >= self._config.look_every_s
        self._all = due or motion.renewed or t_s <= self._warm_until_s
        if self._all:
            self._looked_at_all_t_s = t_s
        return True

    def _lasts(self, tiles: npt.NDArray[np.uint8], t_s: float) -> bool:
        """Note where something moves, and tell whether it goes on, or is larger than a cell.

        One cell now and then, here and there, is the noise of a sensor with twenty thousand of them: looked at in that
        frame, but nothing to wait for, or at 30 frames/s one spark in a second would keep the gate open.
        """
        moves = tiles > 0
        begins = moves & (t_s - self._moved_t_s > self._config.hold_s)
        self._begun_t_s[begins] = t_s
        self._moved_t_s[moves] = t_s
        return bool((moves & ((tiles > 1) | (t_s - self._begun_t_s > _LASTS_S - _TIGHT_S))).any())

    def wants(self, window: tuple[int, int, int, int], t_s: float, tracks: Sequence[Track]) -> bool:
        """Decide whether a part of a frame that the gate opens for is looked at.

        Args:
            window: x0, y0, x1, y1 of the part, pixels of the frame.
            t_s: of the frame.
            tracks: who was followed after the frame before.
        """
        x0, y0, x1, y1 = window
        if self._all or any(
            box[0] < x1 and box[2] > x0 and box[1] < y1 and box[3] > y0 for box in (track.box for track in tracks)
        ):
            return True
        tiles = self._moved_t_s[
            y0 // MOTION_TILE_PX : -(-y1 // MOTION_TILE_PX), x0 // MOTION_TILE_PX : -(-x1 // MOTION_TILE_PX)
        ]
        return bool((tiles >= t_s - self._config.hold_s).any())
