"""From a source's own stamps to times that can be believed: never back, never in the future, never drifting away.

Sources stamp frames on clocks of their own: a driver's monotonic hand, a stream's presentation times, which start
anywhere, wrap, jump at a cut and run a little fast or slow. ``Timeline`` lays them on this machine's monotonic hand,
so that ``Frame.t_s`` goes on growing also after the camera was lost and opened again.
"""

from edge.clock import Clock

_LATE_S = 15.0  # a frame stamped longer ago than this was not kept waiting: its clock stepped
_STEP_S = 1.0  # a stamp this far in the future is a stepped clock; less is jitter
_WINDOW_S = 30.0  # the shortest delay of each window is taken for none: it follows clocks that run slow
_TICK_S = 1e-4  # two frames never have the same time


class Timeline:
    """Places the frames of one camera in time.

    Attributes:
        steps: how often the source's clock was seen to step.
    """

    def __init__(self, clock: Clock) -> None:
        """Start with nothing known of the source's clock."""
        self._clock = clock
        self._offset_s: float | None = None
        self._drifts = True
        self._last_stamp_s = float("-inf")
        self._last_t_s: float | None = None
        self._window_end_s = 0.0
        self._least_delay_s: float | None = None
        self.steps = 0

    def reopened(self, *, same_clock: bool = False) -> None:
        """Forget the source's clock: it was opened again.

        Args:
            same_clock: its stamps are on this machine's own monotonic hand.
        """
        self._offset_s = 0.0 if same_clock else None
        self._drifts = not same_clock
        self._last_stamp_s = float("-inf")
        self._least_delay_s = None

    def place(self, stamp_s: float | None) -> tuple[float, float]:
        """Place a frame that arrives now.

        Args:
            stamp_s: its stamp on the source's clock; ``None`` when it has none.

        Returns:
            ``(t_s, captured_utc_s)``.
        """
        now_s = self._clock.monotonic_s()
        t_s = now_s if stamp_s is None else self._on_our_hand(stamp_s, now_s)
        if self._last_t_s is not None:
            t_s = max(t_s, self._last_t_s + _TICK_S)
        self._last_t_s = t_s
        return t_s, self._clock.utc_s() - (now_s - t_s)

    def _on_our_hand(self, stamp_s: float, now_s: float) -> float:
        if stamp_s == self._last_stamp_s:  # a clock that stands still tells nothing
            return now_s
        if self._offset_s is None:
            self._offset_s = now_s - stamp_s
        ahead_s = stamp_s + self._offset_s - now_s
        stepped = stamp_s < self._last_stamp_s or ahead_s > _STEP_S or ahead_s < -_LATE_S
        self._last_stamp_s = stamp_s
        if stepped:
            self.steps += 1
        if stepped or ahead_s > 0.0:  # nothing is captured after it arrived
            self._offset_s = now_s - stamp_s
        elif self._drifts:
            self._follow_drift(-ahead_s, now_s)
        return min(stamp_s + self._offset_s, now_s)

    def _follow_drift(self, delay_s: float, now_s: float) -> None:
        if self._least_delay_s is None:
            self._least_delay_s, self._window_end_s = delay_s, now_s + _WINDOW_S
        self._least_delay_s = min(self._least_delay_s, delay_s)
        if now_s >= self._window_end_s:
            self._offset_s = (self._offset_s or 0.0) + self._least_delay_s
            self._least_delay_s = None
