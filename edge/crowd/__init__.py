"""Compiled passes over all people of a frame, built when the package was installed and called through ctypes.

Each has a specification in Python that decides alike and runs where nothing was built: that of ``bonds.cpp`` is
``pipeline.bonds``, that of ``company.cpp`` is ``pipeline.company``, that of ``tracker.cpp`` what
``pipeline.compiled_tracker`` names.
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

_VERSION = 8  # of the calls; a library left behind by an older installation must not be used
_WHERE = ctypes.c_void_p
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
    # the settings
    "edge_tracker_new": ((_WHERE,), _WHERE),
    "edge_tracker_free": ((_WHERE,), None),
    # the tracker, the boxes, how many, the scene
    "edge_tracker_step": ((_WHERE, _WHERE, ctypes.c_int, _WHERE), ctypes.c_int),
    "edge_tracker_told": ((_WHERE,), _WHERE),
    "edge_tracker_forget": ((_WHERE,), None),
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
