"""The tracker's passes over its bodies in compiled code, ``edge/crowd/bodies.cpp``.

Each does what the method or function of the same name does in ``bodies``, ``tracker`` and ``belief``, which are its
specification and run where nothing was compiled. They agree but for the last digits of logarithms and exponentials,
which numpy and the C library round differently.
"""

from array import array

import numpy as np

from edge.crowd import Library
from edge.pipeline.belief import TABLES
from edge.pipeline.bodies import Bodies, Boxes, Flags, Floats, Indices, gains

Size = tuple[float, float]


class Passes:
    """The compiled passes with the settings of one tracker."""

    def __init__(self, core: Library, settings: tuple[float, ...]) -> None:
        """Take settings in the order of ``Settings`` in bodies.cpp."""
        self._core = core
        self._settings = array("d", settings)
        self._at_settings = self._settings.buffer_info()[0]
        self._tables = array("d", TABLES)
        self._at_tables = self._tables.buffer_info()[0]

    def coast(self, bodies: Bodies, elapsed_s: float) -> None:
        """Do as ``Bodies.coast``."""
        kept = gains(elapsed_s).kept
        self._core.edge_bodies_coast(*_where(bodies), elapsed_s, kept, self._at_settings)

    def match(self, bodies: Bodies, boxes: Boxes, t_s: float, elapsed_s: float) -> tuple[Flags, Flags]:
        """Give boxes to bodies in three rounds; tell which bodies were not seen, and which boxes are left."""
        count, by = len(bodies), gains(elapsed_s)
        left = np.ones(count + len(boxes), np.bool_)
        at_left = left.ctypes.data
        moment = array("d", (t_s, elapsed_s, by.surprise, by.size))
        self._core.edge_bodies_match(
            *(*_where(bodies), boxes.rows.ctypes.data, len(boxes)),
            *(bodies.votes.ctypes.data, bodies.votes.shape[1]),
            *(moment.buffer_info()[0], self._at_settings, at_left, at_left + count),
        )
        return left[:count], left[count:]

    def hide(
        self, bodies: Bodies, unseen: Flags, passed_s: float, size_px: Size, covered_share: float, *, lost: bool
    ) -> Indices:
        """Count the time against those not seen; for each that has just vanished the row of its cover, else -1; (N,)."""
        covers = np.empty(len(bodies), np.intp)
        self._core.edge_bodies_hide(
            *(*_where(bodies), unseen.ctypes.data, passed_s, lost, *size_px, covered_share, covers.ctypes.data)
        )
        return covers

    def newcomers(
        self, bodies: Bodies, boxes: Boxes, unclaimed: Flags, companion_heights: float, duplicate_overlap: float
    ) -> tuple[Indices, Floats]:
        """Do as ``Tracker._newcomers``; ``unclaimed`` is written."""
        velocity = np.empty((len(boxes), 2))
        self._core.edge_bodies_newcomers(
            *(*_where(bodies), boxes.rows.ctypes.data, len(boxes), companion_heights, duplicate_overlap),
            *(unclaimed.ctypes.data, velocity.ctypes.data),
        )
        columns = np.nonzero(unclaimed)[0]
        return columns, velocity[columns]

    def numbers(self, bodies: Bodies) -> Floats:
        """Do as ``Tracker._numbers``; (N, 11)."""
        told = np.empty((len(bodies), 11))
        self._core.edge_bodies_tell(*_where(bodies), self._at_tables, told.ctypes.data)
        return told


def _where(bodies: Bodies) -> tuple[int, int, int]:
    rows = bodies.rows
    return rows.ctypes.data, rows.itemsize, len(rows)
