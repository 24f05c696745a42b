"""Closer looks for far, small people: overlapping parts of the picture, each enlarged to the size of the whole input.

A model that finds people of 22 px sees somebody of 12 px only when shown a part of the picture larger. The parts overlap,
so that who stands on a seam is seen whole in one of them; who is too large for that is seen in the look at the whole.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from edge.pipeline.preprocess.backend import make_resample
from edge.pipeline.preprocess.kernels import Grey
from edge.pipeline.preprocess.scaling import places

OVERLAP = 0.2
"""Share of a tile's side that it has in common with the next one."""
_PADDING = 114


class Window(NamedTuple):
    """A part of the picture, pixels."""

    x0: int
    y0: int
    x1: int
    y1: int


class CloseUp(NamedTuple):
    """One part, ready for the model: ``tensor`` (1, 1, h, w) uint8, ``scale`` its pixels per pixel of the frame."""

    tensor: Grey
    scale: float
    window: Window


class CloseUps:
    """The close-ups of one camera; their memory is reused, so each is to be used before the next is asked for."""

    def __init__(self, columns: int, rows: int) -> None:
        """Cut the picture into ``columns`` times ``rows``; one by one is none, since the whole is looked at anyway."""
        self._columns, self._rows = columns, rows
        self._laid: tuple[tuple[int, ...], ...] = ()
        self._cuts: list[tuple[Window, Grey, float, Callable[[Grey, Grey], None]]] = []
        self._tensor: Grey = np.zeros((1, 1, 0, 0), np.uint8)

    def of(
        self, picture: Grey, whole: Grey, *, wants: Callable[[Window], bool] = lambda _window: True
    ) -> Iterator[CloseUp]:
        """Cut and enlarge.

        Args:
            picture: (H, W) uint8, the frame after AGC.
            whole: the model's input for the whole frame, (1, 1, h, w): close-ups have its shape.
            wants: which parts are worth it.
        """
        if self._laid != (picture.shape, whole.shape):
            self._lay_out(picture.shape, whole.shape)
            self._laid = (picture.shape, whole.shape)
        for window, inner, scale, resample in self._cuts:
            if not wants(window):
                continue
            resample(picture[window.y0 : window.y1, window.x0 : window.x1], inner)
            yield CloseUp(self._tensor, scale, window)

    def _lay_out(self, size_px: tuple[int, ...], input_px: tuple[int, ...]) -> None:
        self._tensor = np.full(input_px, _PADDING, np.uint8)
        self._cuts = []
        if self._columns * self._rows == 1:
            return
        spans = [_spans(size_px[1], self._columns), _spans(size_px[0], self._rows)]
        for y0, y1 in spans[1]:
            for x0, x1 in spans[0]:
                scale = min(input_px[2] / (y1 - y0), input_px[3] / (x1 - x0))
                height_px, width_px = round((y1 - y0) * scale), round((x1 - x0) * scale)
                inner = self._tensor[0, 0, :height_px, :width_px]  # all windows have one size, so the rest stays grey
                resample = make_resample(places(y1 - y0, height_px), places(x1 - x0, width_px))
                self._cuts.append((Window(x0, y0, x1, y1), inner, scale, resample))


def _spans(length_px: int, parts: int) -> list[tuple[int, int]]:
    """Lay equal overlapping parts over a length, the first and the last flush with its ends."""
    size_px = min(length_px, round(length_px / (parts - (parts - 1) * OVERLAP)))
    starts = [round(n * (length_px - size_px) / max(parts - 1, 1)) for n in range(parts)]
    return [(start, start + size_px) for start in starts]
