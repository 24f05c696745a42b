"""The tracker in compiled code, ``edge/crowd/tracker.cpp``, which keeps the bodies.

It does what ``tracker`` does, with ``bodies``, ``association`` and ``belief``: these are its specification, and run where
nothing was compiled. They agree but for the last digits of logarithms and exponentials, which numpy and the C library
round differently.
"""

import ctypes
import struct
import weakref
from array import array
from collections.abc import Sequence
from typing import Protocol

from edge.config import TrackerConfig
from edge.crowd import Library, library
from edge.pipeline.association import SETTINGS as ASSOCIATION
from edge.pipeline.belief import TABLES
from edge.pipeline.bodies import SETTINGS as BODIES
from edge.pipeline.tracker import SETTINGS as FOLLOWING
from edge.pipeline.tracker import Tracker
from edge.records import CameraShift, Detection, Track

_TOLD = struct.Struct("=q11di??2x")  # ``Told`` in tracker.cpp
_FOUND = 6  # numbers of a box, ``Found`` there


class Follows(Protocol):
    """Follows the bodies of one camera."""

    def update(
        self,
        detections: Sequence[Detection],
        t_s: float,
        shift: CameraShift = ...,
        *,
        ffc: bool = ...,
        width_px: int | None = ...,
        height_px: int | None = ...,
    ) -> tuple[Track, ...]:
        """Take one frame's detections and tell who is there, as ``Tracker.update``."""

    def forget(self) -> None:
        """Follow nobody any more; no id is given twice."""


def make_tracker(config: TrackerConfig, *, start_score: float = 0.0, believe_score: float = 0.0) -> Follows:
    """Begin with nobody: the compiled tracker where it was built, else its specification.

    Args:
        config: the section of the configuration.
        start_score: a detection below this only holds a body that is already followed; the detector's threshold.
        believe_score: a body is believed once the mean of its scores has reached this.
    """
    core = library()
    if core is None:
        return Tracker(config, start_score=start_score, believe_score=believe_score)
    return CompiledTracker(config, core, start_score=start_score, believe_score=believe_score)


class CompiledTracker:
    """The same as ``Tracker``."""

    def __init__(
        self, config: TrackerConfig, core: Library, *, start_score: float = 0.0, believe_score: float = 0.0
    ) -> None:
        """Start with nobody."""
        configured = (
            *(start_score, believe_score, config.hidden_s, config.tentative_s, config.confirm_hits, config.confirm_s),
            *(config.max_speed_heights_s, config.duplicate_overlap),
        )
        settings = array("d", (*BODIES, *ASSOCIATION, *FOLLOWING, *configured, *TABLES))
        self._core = core
        self._tracker = core.edge_tracker_new(settings.buffer_info()[0])
        weakref.finalize(self, core.edge_tracker_free, self._tracker)
        self._kinds: list[str] = []
        self._t_s: float | None = None

    def update(
        self,
        detections: Sequence[Detection],
        t_s: float,
        shift: CameraShift = CameraShift(),  # noqa: B008 - a frozen value
        *,
        ffc: bool = False,
        width_px: int | None = None,
        height_px: int | None = None,
    ) -> tuple[Track, ...]:
        """Take one frame's detections and tell who is there."""
        elapsed_s = 0.0 if self._t_s is None else max(t_s - self._t_s, 0.0)
        self._t_s = t_s
        found, kinds = self._listed(() if ffc else detections), self._kinds
        size_px = (0, 0) if width_px is None or height_px is None else (width_px, height_px)
        dx_px, dy_px, linear, known = shift
        scene = array("d", (t_s, elapsed_s, ffc, *size_px, dx_px, dy_px, *linear, known))
        at_found, numbers = found.buffer_info()
        count = self._core.edge_tracker_step(self._tracker, at_found, numbers // _FOUND, scene.buffer_info()[0])
        told = ctypes.string_at(self._core.edge_tracker_told(self._tracker), count * _TOLD.size) if count else b""
        rows = _TOLD.iter_unpack(told)
        return tuple(
            [
                Track(
                    one,
                    kinds[kind],
                    (x0, y0, x1, y1),
                    score,
                    (x, y),
                    first_s,
                    last_s,
                    confirmed,
                    hidden_s,
                    leaving,
                    sure,
                )
                for one, x0, y0, x1, y1, score, x, y, first_s, last_s, hidden_s, sure, kind, confirmed, leaving in rows
            ]
        )

    def forget(self) -> None:
        """Follow nobody any more; no id is given twice."""
        self._core.edge_tracker_forget(self._tracker)

    def _listed(self, detections: Sequence[Detection]) -> "array[float]":
        """List detections in an order that does not depend on the order given, and append new kinds to the known ones."""
        kinds, rows = self._kinds, list[float]()
        for (left, top, right, bottom), score, kind in sorted(detections):
            if kind not in kinds:
                kinds.append(kind)
            rows += (left, top, right, bottom, score, kinds.index(kind))
        return array("d", rows)
