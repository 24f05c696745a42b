"""When the model looks: at every frame with motion, wherever somebody is followed, and now and then all the same.

Inference is nine tenths of what a node spends, and most cameras look at empty ground most of the time. A closed gate must
cost nobody's life, so it closes only when nothing has moved for ``hold_s`` *and* no body is followed, believed or not,
seen or hidden; and even then the model looks every ``look_every_s``. Whoever sits still has been found while coming, or
is found by such a look; from then on a track lives and the gate stays open.
"""

import math

from edge.config import GateConfig
from edge.records import Motion


class MotionGate:
    """The gate of one fixed camera."""

    def __init__(self, config: GateConfig) -> None:
        """Start open, until the background is known."""
        self._config = config
        self._open_until_s: float | None = None
        self._looked_t_s = -math.inf

    def opens(self, motion: Motion, t_s: float, *, followed: bool) -> bool:
        """Decide whether the model looks at this frame.

        Args:
            motion: where the frame differs from the background.
            t_s: when it was captured.
            followed: a body was followed after the frame before.
        """
        if self._open_until_s is None:
            self._open_until_s = t_s + self._config.warm_up_s
        if motion.moving or motion.renewed or followed:
            self._open_until_s = max(self._open_until_s, t_s + self._config.hold_s)
        if t_s > self._open_until_s and t_s - self._looked_t_s < self._config.look_every_s:
            return False
        self._looked_t_s = t_s
        return True
