"""The specification of preprocessing, in numpy and OpenCV; a native twin must agree with it.

16-bit counts are mapped to 8 bits linearly between two percentiles of the frame, smoothed over time so that a hot
engine driving by does not make the picture pump. Pictures that are 8-bit already went through the camera's own AGC and
pass unchanged. Limits come from a histogram (0.6 ms for 640x512) and not
from a sort (6 ms).
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.config import PreprocessConfig
from edge.records import Frame, Pixels

_COUNTS = 65536
_WHITE = 255.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the model sees of one frame.

    Attributes:
        picture: (H, W) uint8, the whole frame after AGC, white-hot.
        tensor: (1, 1, h, w) uint8, the picture enlarged by ``scale`` in its upper left corner, sides a multiple of what
            the model wants, the rest grey.
        scale: input pixels per frame pixel.
    """

    picture: npt.NDArray[np.uint8]
    tensor: npt.NDArray[np.uint8]
    scale: float


class Preprocessor:
    """AGC and model input for one camera; remembers the limits, and reuses its input tensor from frame to frame."""

    def __init__(
        self,
        config: PreprocessConfig,
        *,
        multiple_px: int = 1,
        fixed_px: tuple[int, int] | None = None,
        scale: float = 1.0,
        black_hot: bool = False,
    ) -> None:
        """Start without limits: the first frame sets them at once.

        Args:
            config: percentiles and smoothing.
            multiple_px: sides of the model's input are multiples of this.
            fixed_px: height and width of a model that takes one size only; the picture is fitted into it.
            scale: enlargement of the picture, where the size is free.
            black_hot: the camera shows warm as dark; the picture is turned over.
        """
        self._config = config
        self._multiple_px = multiple_px
        self._fixed_px = fixed_px
        self._scale = scale
        self._black_hot = black_hot
        self._limits: tuple[float, float] | None = None
        self._limits_t_s = 0.0
        self._tensor: npt.NDArray[np.uint8] = np.zeros((1, 1, 0, 0), np.uint8)

    def apply(self, frame: Frame) -> Prepared:
        """Prepare one frame. The tensor is overwritten by the next call; the picture is not."""
        picture = self._to_8_bits(frame)
        if self._black_hot:
            picture = cv2.bitwise_not(picture).astype(np.uint8, copy=False)
        scale = self._scale_of(*picture.shape)
        return Prepared(picture, self._letterbox(picture, scale), scale)

    def _to_8_bits(self, frame: Frame) -> npt.NDArray[np.uint8]:
        if frame.pixels.dtype == np.uint8:
            return frame.pixels.astype(np.uint8, copy=False)
        if frame.ffc and self._limits is not None:
            low, high = self._limits  # what the shutter shows must not be learnt
        else:
            low, high = self._smoothed(percentiles(frame.pixels, self._config), frame.t_s)
        return map_linear(frame.pixels, low, high)

    def _smoothed(self, limits: tuple[float, float], t_s: float) -> tuple[float, float]:
        if self._limits is None or self._config.smoothing_s == 0.0:
            self._limits = limits
        else:
            weight = -math.expm1(-max(t_s - self._limits_t_s, 0.0) / self._config.smoothing_s)
            low, high = self._limits
            self._limits = (low + weight * (limits[0] - low), high + weight * (limits[1] - high))
        self._limits_t_s = t_s
        return self._limits

    def _scale_of(self, height_px: int, width_px: int) -> float:
        if self._fixed_px is None:
            return self._scale
        return min(self._fixed_px[0] / height_px, self._fixed_px[1] / width_px)

    def _letterbox(self, picture: npt.NDArray[np.uint8], scale: float) -> npt.NDArray[np.uint8]:
        height_px, width_px = picture.shape
        inner_h, inner_w = max(1, round(height_px * scale)), max(1, round(width_px * scale))
        full_h, full_w = self._fixed_px or (
            math.ceil(inner_h / self._multiple_px) * self._multiple_px,
            math.ceil(inner_w / self._multiple_px) * self._multiple_px,
        )
        if self._tensor.shape[2:] != (full_h, full_w):
            self._tensor = np.full((1, 1, full_h, full_w), 114, np.uint8)  # grey: neither warm nor cold
        target = self._tensor[0, 0, :inner_h, :inner_w]
        if (inner_w, inner_h) == (width_px, height_px):
            target[:] = picture
        else:
            target[:] = cv2.resize(picture, (inner_w, inner_h), interpolation=cv2.INTER_LINEAR)
        return self._tensor


def percentiles(pixels: Pixels, config: PreprocessConfig) -> tuple[float, float]:
    """Counts that become black and white: two percentiles of the histogram, at least ``min_span_counts`` apart.

    Args:
        pixels: (H, W) uint16.
        config: the percentiles and the narrowest span; a narrower one is widened about its middle.
    """
    histogram = cv2.calcHist([pixels], [0], None, [_COUNTS], [0, _COUNTS]).ravel()
    cumulative = np.cumsum(histogram, dtype=np.float64)
    below = np.array([config.low_percentile, config.high_percentile]) / 100.0 * pixels.size
    low = float(np.searchsorted(cumulative, below[0], side="right"))  # at 0 %: the smallest count there is, not 0
    high = float(np.searchsorted(cumulative, below[1]))
    missing = config.min_span_counts - (high - low)
    return (low - missing / 2, high + missing / 2) if missing > 0 else (low, high)


def map_linear(pixels: Pixels, low: float, high: float) -> npt.NDArray[np.uint8]:
    """Map counts to 0..255: ``round((counts - low) * 255 / (high - low))``, saturated at both ends.

    The limits are rounded outward to whole counts first; so the subtraction does the lower clip exactly, and a
    few vectorised passes do the job on every OpenCV (the 16-bit ``cv2.LUT`` is missing before 4.14).
    """
    black, white = math.floor(low), math.ceil(high)
    gain = _WHITE / (white - black)
    # numpy, because cv2.subtract takes a picture of 4x1 pixels for a colour
    shifted = np.maximum(pixels, np.uint16(black)) - np.uint16(black) if black > 0 else pixels
    picture: npt.NDArray[np.uint8] = cv2.convertScaleAbs(shifted, alpha=gain, beta=max(-black * gain, 0.0))
    return picture
