"""How probable it is that a followed body is one person, and still there.

What counts: how sure and how steadily the detector saw it (its strength), whether it ever moved from where it was first
seen, how much of it lies on another body, and for how long it has been out of sight. A stone that now and then looks
like a person is weak and never moves; two boxes on one person lie on each other; a body lost behind another may have
gone on under a new number.

The tables are shares of right bodies among 15,000 looks at some 55 simulated clips with the shipped model, smoothed by eye
and rounded; nearly half of the clips are no scenarios of this project (other seeds, lenses, rates and speeds).
"""

import numpy as np
import numpy.typing as npt

from edge.near import within

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_STRENGTH = (0.2, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
_STILL = (0.02, 0.05, 0.09, 0.2, 0.45, 0.93, 0.99, 0.999)  # who has not moved by _STILL_HEIGHTS ...
_MOVED = (0.35, 0.65, 0.7, 0.88, 0.96, 0.98, 0.998, 0.999)  # ... and who has by _MOVED_HEIGHTS
_STILL_HEIGHTS, _MOVED_HEIGHTS = 0.3, 1.0
_ON_ANOTHER = (0.4, 0.5, 0.7, 0.85)  # share of its box that lies on another body
_WEAK_ON_ANOTHER = (1.0, 0.85, 0.65, 0.55)  # below _SURE_STRENGTH ...
_SURE_ON_ANOTHER = (1.0, 0.97, 0.92, 0.92)  # ... and above
_SURE_STRENGTH = 0.8
_HIDDEN_S = (0.3, 0.6, 1.0, 3.0, 10.0, 40.0)
_HIDDEN_ALONE = (1.0, 0.92, 0.85, 0.75, 0.7, 0.65)
_HIDDEN_ON_ANOTHER = (0.9, 0.7, 0.6, 0.5, 0.4, 0.3)

TABLES = (
    *(*_STRENGTH, *_STILL, *_MOVED, _STILL_HEIGHTS, _MOVED_HEIGHTS),
    *(*_ON_ANOTHER, *_WEAK_ON_ANOTHER, *_SURE_ON_ANOTHER, _SURE_STRENGTH),
    *(*_HIDDEN_S, *_HIDDEN_ALONE, *_HIDDEN_ON_ANOTHER),
)
"""All of it, for the compiled tracker."""


def seen_belief(strength: Floats, moved_heights: Floats) -> Floats:
    """Judge bodies by what was seen of them, (N,)."""
    share = np.clip((moved_heights - _STILL_HEIGHTS) / (_MOVED_HEIGHTS - _STILL_HEIGHTS), 0.0, 1.0)
    still, moved = np.interp(strength, _STRENGTH, _STILL), np.interp(strength, _STRENGTH, _MOVED)
    return np.asarray(still + share * (moved - still))


def belief(seen: Floats, strength: Floats, hidden_s: Floats, on_another: Floats) -> Floats:
    """Judge bodies by all that is known, (N,); ``seen`` comes from ``seen_belief``, ``on_another`` from that function."""
    weak = np.interp(on_another, _ON_ANOTHER, _WEAK_ON_ANOTHER)
    sure = np.interp(on_another, _ON_ANOTHER, _SURE_ON_ANOTHER)
    alone = np.interp(hidden_s, _HIDDEN_S, _HIDDEN_ALONE)
    behind = np.interp(hidden_s, _HIDDEN_S, _HIDDEN_ON_ANOTHER)
    in_sight = np.where(strength >= _SURE_STRENGTH, sure, weak)
    return np.asarray(seen * np.where(hidden_s > 0.0, np.where(on_another > _ON_ANOTHER[0], behind, alone), in_sight))


def on_another(place: Floats, size: Floats, there: Flags) -> Floats:
    """Largest share of each body's box that lies on the box of one of those who are ``there``, (N,)."""
    found = np.zeros(len(place))
    those = np.nonzero(there)[0]
    if len(those) < 1 or len(place) < 2:  # noqa: PLR2004 - it takes two
        return found
    half = np.hypot(size[:, 0], size[:, 1]) / 2.0
    rows, others, _ = within(place, half + float(half[those].max()), place[those])
    others = those[others]
    apart = rows != others
    rows, others = rows[apart], others[apart]
    shared = np.minimum((size[rows] + size[others]) / 2.0 - np.abs(place[rows] - place[others]), size[rows])
    share = np.maximum(shared, 0.0).prod(axis=1) / size[rows].prod(axis=1)
    np.maximum.at(found, rows, share)
    return found
