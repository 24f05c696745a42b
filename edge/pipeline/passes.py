"""The tracker's passes over its bodies in compiled code, ``edge/crowd/bodies.cpp``.

Each does what the method or function of the same name does in ``bodies``, ``tracker`` and ``belief``, which are its
specification and run where nothing was compiled. They agree but for the last digits of logarithms and exponentials,
which numpy and the C library round differently.
"""

from array import array

import numpy as np

from edge.crowd import Library
from edge.pipeline.bodies import Bodies, Boxes, Flags, Floats, gains


class Passes:
    """The compiled passes with the settings of one tracker."""

    def __init__(self, core: Library, settings: tuple[float, ...]) -> None:
        """Take settings in the order of ``Settings`` in bodies.cpp."""
        self._core = core
        self._settings = array("d", settings)
        self._at_settings = self._settings.buffer_info()[0]

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

    def on_another(self, bodies: Bodies) -> Floats:
        """Do as ``on_another`` for those who are believed and in sight, (N,)."""
        shares = np.empty(len(bodies))
        self._core.edge_bodies_on_another(*_where(bodies), shares.ctypes.data)
        return shares


def _where(bodies: Bodies) -> tuple[int, int, int]:
    rows = bodies.rows
    return rows.ctypes.data, rows.itemsize, len(rows)
