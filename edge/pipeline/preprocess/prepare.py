"""Preparing one camera's frames: gain control, model input and statistics.

16-bit counts are mapped to 8 bits linearly between two percentiles of the frame, smoothed over time so that a hot
engine driving by does not make the picture pump. Pictures that are 8-bit already went through the camera's own AGC and
pass unchanged.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.config import PreprocessConfig
from edge.pipeline.preprocess.kernels import Cells, Grey, Kernels, Stretch, Survey
from edge.pipeline.preprocess.reference import ReferenceKernels
from edge.records import Frame, FrameStats

_PADDING = 114  # grey: neither warm nor cold


@dataclass(frozen=True, slots=True)
class Prepared:
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
        scale: float = 1.0,
        black_hot: bool = False,
        kernels: Kernels | None = None,
    ) -> None:
        """Start without limits: the first frame sets them at once.

        Args:
            config: percentiles and smoothing.
            multiple_px: sides of the model's input are multiples of this.
            fixed_px: height and width of a model that takes one size only; the picture is fitted into it.
            scale: enlargement of the picture, where the size is free.
            black_hot: the camera shows warm as dark; the picture is turned over.
            kernels: the passes over the pixels; default: the fastest that this machine has.
        """
        self._config = config
        self._multiple_px = multiple_px
        self._fixed_px = fixed_px
        self._scale = scale
        self._black_hot = black_hot
        self._kernels: Kernels = kernels or ReferenceKernels()
        self._limits: tuple[float, float] | None = None
        self._limits_t_s = 0.0
        self._tensor: npt.NDArray[np.uint8] = np.zeros((1, 1, 0, 0), np.uint8)
        self._picture: npt.NDArray[np.uint8] = np.zeros((0, 0), np.uint8)
        self._cells_before: Cells = np.zeros((0, 0), np.int32)
        self._median_before: int | None = None

    def apply(self, frame: Frame) -> Prepared:
        """Prepare one frame."""
        scale = self._scale_of(frame.height_px, frame.width_px)
        inner = self._inner(frame.height_px, frame.width_px, scale)
        picture = self._lay_out(frame, inner)
        pixels = frame.pixels
        low_share, high_share = self._config.low_percentile / 100, self._config.high_percentile / 100
        survey = self._kernels.survey(pixels, low_share, high_share)
        if pixels.dtype == np.uint8:
            stretch = None
            cells = self._kernels.pass_8_bits(pixels, picture, flip=self._black_hot)
        else:
            stretch = Stretch.between(*self._limits_of(frame, survey))
            cells = self._kernels.levels(pixels, stretch, picture, flip=self._black_hot)
        if inner != picture.shape:
            cv2.resize(picture, inner[::-1], dst=self._tensor[0, 0, : inner[0], : inner[1]])
        return Prepared(picture, self._tensor, scale, self._stats(survey, stretch, cells))

    def _scale_of(self, height_px: int, width_px: int) -> float:
        if self._fixed_px is None:
            return self._scale
        return min(self._fixed_px[0] / height_px, self._fixed_px[1] / width_px)

    def _inner(self, height_px: int, width_px: int, scale: float) -> tuple[int, int]:
        return max(1, round(height_px * scale)), max(1, round(width_px * scale))

    def _lay_out(self, frame: Frame, inner: tuple[int, int]) -> Grey:
        """Give the memory for this frame's picture: inside the tensor, where the model takes it as it is."""
        full = self._fixed_px or (
            math.ceil(inner[0] / self._multiple_px) * self._multiple_px,
            math.ceil(inner[1] / self._multiple_px) * self._multiple_px,
        )
        shape = frame.pixels.shape
        if self._tensor.shape[2:] != full or self._picture.shape != shape:
            self._tensor = np.full((1, 1, *full), _PADDING, np.uint8)
            same = inner == shape
            self._picture = self._tensor[0, 0, : inner[0], : inner[1]] if same else np.empty(shape, np.uint8)
        return self._picture

    def _limits_of(self, frame: Frame, survey: Survey) -> tuple[float, float]:
        if frame.ffc and self._limits is not None:
            return self._limits  # what the shutter shows must not be learnt
        low, high = float(survey.low), float(survey.high)
        missing = self._config.min_span_counts - (high - low)
        if missing > 0:
            low, high = low - missing / 2, high + missing / 2
        if self._limits is not None and self._config.smoothing_s > 0.0:
            weight = -math.expm1(-max(frame.t_s - self._limits_t_s, 0.0) / self._config.smoothing_s)
            before = self._limits
            low, high = before[0] + weight * (low - before[0]), before[1] + weight * (high - before[1])
        self._limits, self._limits_t_s = (low, high), frame.t_s
        return low, high

    def _stats(self, survey: Survey, stretch: Stretch | None, cells: Cells) -> FrameStats:
        repeats = self._cells_before.shape == cells.shape and np.array_equal(self._cells_before, cells)
        if not repeats:
            if self._cells_before.shape != cells.shape:
                self._cells_before = np.empty_like(cells)
            np.copyto(self._cells_before, cells)
        jump = 0 if self._median_before is None else survey.median - self._median_before
        self._median_before = survey.median
        total, squares = self._kernels.spread(stretch)
        mean = total / survey.samples
        noise, sharpness = _noise_and_sharpness(survey)
        return FrameStats(
            repeats=repeats,
            median=float(survey.median),
            jump=float(jump),
            span=float(survey.high - survey.low),
            contrast_levels=math.sqrt(max(squares / survey.samples - mean * mean, 0.0)),
            share_at_minimum=survey.at_minimum / survey.samples,
            share_at_maximum=survey.at_maximum / survey.samples,
            noise=noise,
            sharpness=sharpness,
        )


def _noise_and_sharpness(survey: Survey) -> tuple[float | None, float | None]:
    """Judge noise and focus by how the squared difference grows with the distance d between two pixels.

    White noise adds the same to every distance, edges add in proportion to d, and what is out of focus in proportion to
    d squared (while d is smaller than the blur). So the noise is what is left when the straight line through d = 1 and
    d = 2 is followed back to 0, and the growth from 1 to 2, over a seventh of the growth from 1 to 8, is 1 for sharp
    edges and 1/3 for a blur, whatever the noise.
    """
    if not all(survey.step_pixels):
        return None, None
    one, two, eight = (step / pixels for step, pixels in zip(survey.steps, survey.step_pixels, strict=True))
    noise = math.sqrt(max(2 * one - two, 0.0) / 2)
    growth = eight - one
    if growth <= max(noise * noise, 1.0):
        return noise, None  # nothing in sight that could be sharp
    return noise, min(max(7 * (two - one) / growth, 0.0), 1.0)
