"""Is the picture worth anything: frozen, covered, saturated, without contrast, out of focus, full of dead pixels, shutter.

A raw thermal picture is never twice the same: the sensor's own noise sees to that. The same 16-bit content again is
therefore a closed shutter (0.5 to 3 s, the tracks wait). An 8-bit stream may have been smoothed and compressed until
stillness repeats itself, so there a repeat is no shutter; only when it lasts is the camera called frozen.

What a covered lens shows is the sensor's noise and nothing else: white noise spans 5.2 of its standard deviations from
the 1st to the 99.8th percentile, the poorest of the real scenes measured 9.7, simulated fog 24. That holds at 16 bits,
where AGC would stretch the noise to a lively picture, as at 8, where the camera has done so already. Between the two
lies thermal crossover: ground and bodies are equally warm, as at dusk and dawn, and people may be there unseen.

Blind means that nobody would be found; degraded, that somebody may be missed. Everything but a repeat must last before
it is told, and must be gone for a while before it is forgotten: a bird in front of the lens is no news.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge.config import SightConfig
from edge.records import Frame, FrameStats, Sight
from edge.words import SightCause, SightState

_FFC_AFTER_S = 0.35  # shorter repeats are a slow sensor in a fast stream (a 9 Hz core sent at 30 frames/s)
_GONE_AFTER_S = 2.0
_SMOOTHING_S = 5.0  # of the sharpness: a face of a rock or a lorry that fills the view is soft for a moment


@dataclass(slots=True)
class _Lasting:
    """Something wrong that counts once it has lasted, and until it has been gone for a while."""

    after_s: float
    since_s: float | None = None
    gone_s: float | None = None
    told: bool = False

    def update(self, *, wrong: bool, t_s: float) -> bool:
        if wrong:
            self.gone_s = None
            self.since_s = t_s if self.since_s is None else self.since_s
            self.told = self.told or t_s - self.since_s >= self.after_s
        elif self.told:
            self.gone_s = t_s if self.gone_s is None else self.gone_s
            if t_s - self.gone_s >= _GONE_AFTER_S:
                self.told, self.since_s = False, None
        else:
            self.since_s = None
        return self.told


class _Finding(NamedTuple):
    """What may be wrong with a picture; the first that lasts is told."""

    cause: SightCause
    state: SightState
    wrong: bool
    reason: str


class SightKeeper:
    """Watches one camera's pictures."""

    def __init__(self, config: SightConfig) -> None:
        """Start with no picture seen."""
        self._config = config
        self._latest = Sight()
        self._changed_t_s = 0.0
        self._shut_since_s: float | None = None
        self._sharpness: float | None = None
        self._sharpness_t_s = 0.0
        lasting_s: dict[SightCause, float] = {
            "covered": config.covered_after_s,
            "saturated": config.covered_after_s,
            "dead-pixels": 0.0,
            "crossover": config.degraded_after_s,
            "defocus": config.degraded_after_s,
        }
        self._lasting = {cause: _Lasting(after_s) for cause, after_s in lasting_s.items()}

    def update(self, frame: Frame, stats: FrameStats) -> Sight:
        """Judge one frame.

        Args:
            frame: as captured; what it says of its own shutter wins over any guess.
            stats: what preprocessing found in its values.
        """
        config, t_s = self._config, frame.t_s
        raw = frame.pixels.dtype == np.uint16
        frozen_s = t_s - self._changed_t_s if stats.repeats else 0.0
        if frozen_s == 0.0:
            self._changed_t_s = t_s
        frozen_after_s = config.frozen_after_s if raw else config.frozen_8bit_after_s
        if frozen_s >= frozen_after_s:
            reason = f"frozen: the same picture for {frozen_after_s:g} s or more"
            return Sight("blind", reason, ffc=raw, cause="frozen")
        guessed = raw and frame.ffc is None and frozen_s >= _FFC_AFTER_S
        if frame.ffc or guessed:
            return self._shut(t_s if not guessed else self._changed_t_s, t_s)
        self._shut_since_s = None
        if not stats.repeats:  # a repeat says nothing new of contrast and focus
            self._latest = self._judged(self._findings(frame, stats), t_s)
        return self._latest

    def _shut(self, since_s: float, t_s: float) -> Sight:
        self._shut_since_s = since_s if self._shut_since_s is None else self._shut_since_s
        if t_s - self._shut_since_s >= self._config.shutter_after_s:
            reason = f"shutter closed for {self._config.shutter_after_s:g} s or more"
            return Sight("blind", reason, ffc=True, cause="shutter")
        return Sight("degraded", "shutter closed for calibration", ffc=True, cause="shutter")

    def _judged(self, findings: list[_Finding], t_s: float) -> Sight:
        told = None
        for finding in findings:
            if self._lasting[finding.cause].update(wrong=finding.wrong, t_s=t_s) and told is None:
                told = finding
        return Sight(told.state, told.reason, cause=told.cause) if told else Sight()

    def _findings(self, frame: Frame, stats: FrameStats) -> list[_Finding]:
        """List what may be wrong, worst first."""
        config = self._config
        clipped = max(stats.share_at_minimum, stats.share_at_maximum)
        # the noise of a sharp scene cannot be told from its edges and is None or 0 there: then nothing is covered
        noises = stats.span / stats.noise if stats.noise else None
        flat = noises is not None and noises < config.covered_span_noises
        dull = stats.contrast_levels < config.min_contrast
        degrees_c = stats.span * frame.radiometry.scale if frame.radiometry.scale is not None else None
        weak = (noises is not None and noises < config.crossover_span_noises) or (
            degrees_c is not None and degrees_c < config.crossover_span_c
        )
        sharpness = self._smoothed(stats.sharpness, frame.t_s)
        dead = stats.dead_pixels / max(frame.pixels.size, 1)
        spans = f"{degrees_c:.1f} degrees" if degrees_c is not None else "little"
        return [
            _Finding("covered", "blind", flat or dull, "covered: the picture holds nothing but noise"),
            _Finding(
                "saturated", "blind", clipped >= config.saturated_share, f"saturated: {clipped:.0%} of the pixels"
            ),
            _Finding("dead-pixels", "degraded", dead >= config.dead_share, f"{stats.dead_pixels} dead pixels"),
            _Finding("crossover", "degraded", weak, f"thermal crossover: the whole scene spans {spans}"),
            _Finding(
                "defocus",
                "degraded",
                sharpness is not None and sharpness < config.min_sharpness,
                "out of focus, or a dirty or wet lens",
            ),
        ]

    def _smoothed(self, sharpness: float | None, t_s: float) -> float | None:
        """Follow the sharpness with a delay, so that one soft picture is no defocus."""
        if sharpness is None:
            return self._sharpness
        if self._sharpness is None:
            self._sharpness = sharpness
        else:
            weight = 1.0 - float(np.exp(-max(t_s - self._sharpness_t_s, 0.0) / _SMOOTHING_S))
            self._sharpness += weight * (sharpness - self._sharpness)
        self._sharpness_t_s = t_s
        return self._sharpness
