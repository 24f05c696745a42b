"""Preparing one camera's frames: gain control, model input and statistics.

16-bit counts are mapped to 8 bits between two percentiles of the frame, linearly or equalised, smoothed over time so that
a hot engine driving by does not make the picture pump. Pictures that are 8-bit already went through the camera's own AGC and
pass unchanged. In both, dead pixels are taken for what lies around them once they were seen twice; stripes of 16-bit
pictures are taken off where that is wanted.
"""

import math
import threading
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from edge.config import PreprocessConfig
from edge.pipeline.preprocess.backend import make_kernels, make_resample
from edge.pipeline.preprocess.columns import ColumnStripes
from edge.pipeline.preprocess.dead import DeadPixels
from edge.pipeline.preprocess.ground import Ground
from edge.pipeline.preprocess.kernels import NO_STRIPES, NONE_DEAD, Exposure, Gain, Grey, Kernels
from edge.pipeline.preprocess.scaling import places, scale_to_fill
from edge.records import Frame, FrameStats, Motion, Pixels

_PADDING = 114  # grey: neither warm nor cold


class Prepared(NamedTuple):
    """What the pipeline sees of one frame. Both pictures are overwritten by the next one.

    Attributes:
        picture: (H, W) uint8, the whole frame after AGC, white-hot; where the model takes it as it is, a view of the
            tensor.
        tensor: (1, 1, h, w) uint8, the picture enlarged by ``scale`` in its upper left corner, sides a multiple of what
            the model wants, the rest grey.
        scale: input pixels per frame pixel.
        stats: what the counts say of the picture's worth.
    """

    picture: Grey
    tensor: Grey
    scale: float
    stats: FrameStats


class Preprocessor:
    """AGC, model input and statistics for one camera; remembers the limits, and reuses its memory."""

    def __init__(
        self,
        config: PreprocessConfig,
        *,
        multiple_px: int = 1,
        fixed_px: tuple[int, int] | None = None,
        scale: float | Literal["auto"] = 1.0,
        black_hot: bool = False,
        watch: bool = False,
        motion: bool = False,
        make: Callable[..., Kernels] = make_kernels,
    ) -> None:
        """Start without limits: the first frame sets them at once.

        Args:
            config: percentiles and smoothing.
            multiple_px: sides of the model's input are multiples of this.
            fixed_px: height and width of a model that takes one size only; the picture is fitted into it.
            scale: enlargement of the picture, where the size is free; "auto": what ``scale_to_fill`` gives.
            black_hot: the camera shows warm as dark; the picture is turned over.
            watch: sum cells, for what needs the frame before: ``stats.repeats``.
            motion: keep a background too, for ``moved``; needs ``watch``.
            make: makes the kernels; default: the fastest that this machine has.
        """
        self._smoothing_s = config.smoothing_s
        self._multiple_px = multiple_px
        self._fixed_px = fixed_px
        self._scale = scale
        gain = Gain(
            config.low_percentile / 100,
            config.high_percentile / 100,
            config.min_span_counts,
            flip=black_hot,
            plateau_share=config.plateau_share if config.agc == "plateau" else None,
        )
        self._kernels = make(gain, watch=watch)
        self._dead = DeadPixels() if watch else None
        self._correct_dead = config.correct_dead_pixels
        self._correct_stripes = config.correct_stripes
        self._stripes: ColumnStripes | None = None
        self._was_shut = False
        self._learnt_t_s = 0.0
        self._lock = threading.Lock()  # compiled code would write beyond memory that another thread lays out anew
        self._shape: tuple[int, ...] = (0, 0)
        self._dtype: np.dtype[Any] | None = None
        self._zoom = 1.0
        self._tensor: Grey = np.zeros((1, 1, 0, 0), np.uint8)
        self._picture: Grey = np.zeros((0, 0), np.uint8)
        self._inner: Grey | None = None
        self._resample: Callable[[Grey, Grey], None] | None = None
        self._median_before: int | None = None
        self._ground = Ground(self._kernels) if motion else None

    def apply(self, frame: Frame) -> Prepared:
        """Prepare one frame.

        Raises:
            ValueError: its pixels are not (H, W) of uint8 or of uint16 in the machine's byte order, or there are none.
        """
        with self._lock:
            return self._apply(frame)

    def _apply(self, frame: Frame) -> Prepared:
        if frame.pixels.shape != self._shape or frame.pixels.dtype != self._dtype:
            _check(frame.pixels)
            self._dtype = frame.pixels.dtype
            if self._dead is not None:
                self._dead = DeadPixels()
            self._stripes = ColumnStripes() if self._correct_stripes and self._dtype == np.uint16 else None
            if frame.pixels.shape != self._shape:
                self._lay_out(frame.height_px, frame.width_px)
        learn = not frame.ffc  # what the shutter shows must not be learnt
        exposure = self._kernels.expose(frame.pixels, self._picture, weight=self._weight(frame.t_s), learn=learn)
        if learn:
            self._learnt_t_s = frame.t_s
        if self._inner is not None and self._resample is not None:
            self._resample(self._picture, self._inner)
        self._look_for_faults(frame, exposure)
        return Prepared(self._picture, self._tensor, self._zoom, self._stats(exposure))

    def _look_for_faults(self, frame: Frame, exposure: Exposure) -> None:
        opened, self._was_shut = self._was_shut and not frame.ffc, bool(frame.ffc)
        # a picture that repeats says nothing new, and mending it otherwise than before would make it another one
        if frame.ffc or exposure.repeats:
            return
        changed = False
        if self._dead is not None:
            changed = self._dead.look(frame.pixels, frame.t_s) and self._correct_dead
        if self._stripes is not None:
            if opened:
                self._stripes.restart()
            changed |= self._stripes.look(frame.pixels, frame.t_s)
        if changed:
            dead = self._dead.spots if self._dead is not None and self._correct_dead else NONE_DEAD
            self._kernels.mend(dead, NO_STRIPES if self._stripes is None else self._stripes.stripes)

    def moved(self, frame: Frame, *, ffc: bool) -> Motion | None:
        """Tell where the frame that was just prepared differs from the background, and learn it.

        Args:
            frame: the same.
            ffc: the camera shows its shutter, by its own word or by the look of the picture.

        Returns:
            None while the shutter is closed, and where no background is kept.

        Raises:
            ValueError: it is of another size than the frame that was prepared last.
        """
        if self._ground is None:
            return None
        with self._lock:
            return self._ground.update(frame, ffc=ffc)

    def _weight(self, t_s: float) -> float:
        if self._smoothing_s == 0.0:
            return 1.0
        return -math.expm1(-max(t_s - self._learnt_t_s, 0.0) / self._smoothing_s)

    def _lay_out(self, height_px: int, width_px: int) -> None:
        """Take memory for frames of another size; the picture lies in the tensor where the model takes it as it is."""
        scale = self._scale_of(height_px, width_px)
        inner_h, inner_w = max(1, round(height_px * scale)), max(1, round(width_px * scale))
        full = self._fixed_px or (
            math.ceil(inner_h / self._multiple_px) * self._multiple_px,
            math.ceil(inner_w / self._multiple_px) * self._multiple_px,
        )
        self._shape, self._zoom = (height_px, width_px), scale
        self._tensor = np.full((1, 1, *full), _PADDING, np.uint8)
        inner = self._tensor[0, 0, :inner_h, :inner_w]
        as_it_is = inner.shape == self._shape
        self._picture = inner if as_it_is else np.empty(self._shape, np.uint8)
        self._inner = None if as_it_is else inner
        self._resample = None if as_it_is else make_resample(places(height_px, inner_h), places(width_px, inner_w))

    def _scale_of(self, height_px: int, width_px: int) -> float:
        if self._fixed_px is None:
            if self._scale == "auto":
                return scale_to_fill(height_px, width_px, self._multiple_px)
            return self._scale
        return min(self._fixed_px[0] / height_px, self._fixed_px[1] / width_px)

    def _stats(self, exposure: Exposure) -> FrameStats:
        jump = 0 if self._median_before is None else exposure.median - self._median_before
        self._median_before = exposure.median
        samples = exposure.samples
        mean = exposure.levels_sum / samples
        noise, sharpness = _noise_and_sharpness(exposure)
        return FrameStats(
            repeats=exposure.repeats,
            median=float(exposure.median),
            jump=float(jump),
            span=float(exposure.high - exposure.low),
            contrast_levels=math.sqrt(max(exposure.levels_squares / samples - mean * mean, 0.0)),
            share_at_minimum=exposure.at_minimum / samples,
            share_at_maximum=exposure.at_maximum / samples,
            dead_pixels=0 if self._dead is None else len(self._dead.spots),
            noise=noise,
            sharpness=sharpness,
        )


def _check(pixels: Pixels) -> None:
    if pixels.ndim != 2 or pixels.size == 0 or pixels.dtype not in (np.uint8, np.uint16):  # noqa: PLR2004
        raise ValueError(
            f"pixels must be (H, W) uint8 or uint16 with one pixel at least, not {pixels.shape} {pixels.dtype}"
        )


def _noise_and_sharpness(exposure: Exposure) -> tuple[float | None, float | None]:
    """Judge noise and focus by how the squared difference grows with the distance d between two pixels.

    White noise adds the same to every distance, edges add in proportion to d, and what is out of focus in proportion to
    d squared (while d is smaller than the blur). So the noise is what is left when the straight line through d = 1 and
    d = 2 is followed back to 0, and the growth from 1 to 2, over a seventh of the growth from 1 to 8, is 1 for sharp
    edges and 1/3 for a blur, whatever the noise.
    """
    if not all(exposure.step_pixels):
        return None, None
    one, two, eight = (step / pixels for step, pixels in zip(exposure.steps, exposure.step_pixels, strict=True))
    noise = math.sqrt(max(2 * one - two, 0.0) / 2)
    growth = eight - one
    if growth <= max(noise * noise, 1.0):
        return noise, None  # nothing in sight that could be sharp
    return noise, min(max(7 * (two - one) / growth, 0.0), 1.0)
