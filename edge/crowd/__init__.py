"""Compiled passes over all people of a frame, built when the package was installed and called through ctypes.

Each has a specification in Python that decides alike and runs where nothing was built: that of ``bonds.cpp`` is
``pipeline.bonds``, that of ``company.cpp`` is ``pipeline.company``, that of ``bodies.cpp`` what ``pipeline.passes`` names.
With ten people a frame was a hundred calls of numpy, which cost more than what they compute.
"""

import ctypes
import os
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

Library = ctypes.CDLL

FORCED_BY = "EDGE_CROWD"
"""Environment variable; ``reference`` leaves the compiled passes aside (same alerts, several times slower)."""

_VERSION = 5  # of the calls; a library left behind by an older installation must not be used
_WHERE = ctypes.c_void_p
_ROWS = (_WHERE, ctypes.c_ssize_t, ctypes.c_int)
_CALLS = {
    "edge_bonds_new": ((), _WHERE),
    "edge_bonds_free": ((_WHERE,), None),
    # the bonds, the people, how many, elapsed_s, gain of the velocity, the settings
    "edge_bonds_weigh": (
        (_WHERE, _WHERE, ctypes.c_int, ctypes.c_double, ctypes.c_double, _WHERE),
        ctypes.c_int,
    ),
    "edge_bonds_ties": ((_WHERE,), _WHERE),
    "edge_bonds_remembered": ((_WHERE,), ctypes.c_int),
    # the people, how many, the ties, how many, the first of each set
    "edge_company_firsts": ((_WHERE, ctypes.c_int, _WHERE, ctypes.c_int, _WHERE), None),
    # of all three: the bodies' rows, the size of one, how many
    # elapsed_s, share of a hidden body's velocity that is kept, the settings
    "edge_bodies_coast": ((*_ROWS, ctypes.c_double, ctypes.c_double, _WHERE), None),
    # the boxes, how many, the votes, how many kinds, the moment, the settings, who is unseen, which are free
    "edge_bodies_match": (
        (*_ROWS, _WHERE, ctypes.c_int, _WHERE, ctypes.c_int, _WHERE, _WHERE, _WHERE, _WHERE),
        None,
    ),
    # who is unseen, time passed, lost, width and height of the frame, least covered share, who is covered by whom
    "edge_bodies_hide": (
        (*_ROWS, _WHERE, ctypes.c_double, ctypes.c_int, *(ctypes.c_double,) * 3, _WHERE),
        None,
    ),
    # the boxes, how many, heights of a companion, overlap of an echo, which are unclaimed, their velocities
    "edge_bodies_newcomers": (
        (*_ROWS, _WHERE, ctypes.c_int, ctypes.c_double, ctypes.c_double, _WHERE, _WHERE),
        None,
    ),
    # the tables of belief, the numbers told
    "edge_bodies_tell": ((*_ROWS, _WHERE, _WHERE), None),
}


def library() -> Library | None:
    """Give the compiled core; None where it was not built, is of another version, or the environment forbids it."""
    return None if os.environ.get(FORCED_BY) == "reference" else _loaded()


@cache
def _loaded() -> Library | None:
    here = Path(__file__).parent
    built = [path for suffix in EXTENSION_SUFFIXES if (path := here / f"_core{suffix}").is_file()]
    if not built:
        return None
    try:
        found = ctypes.CDLL(str(built[0]))
    except OSError:  # built for another machine
        return None
    if not hasattr(found, "edge_crowd_version") or found.edge_crowd_version() != _VERSION:
        return None
    for name, (takes, gives) in _CALLS.items():
        call = getattr(found, name)
        call.argtypes, call.restype = takes, gives
    return found
