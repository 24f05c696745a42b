"""Who is near whom: pairs of points within reach, for a few by a full table and for a crowd by a grid.

The grid's cells are as wide as the farthest reach, so whoever is in reach of a point lies in its own cell or in one of
the eight around it; points are sorted by cell once, and the cost grows like n log n as long as the crowd grows wider and
not denser.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

_DENSE_PAIRS = 2_500  # up to so many pairs a full table is cheaper than a grid


def within(places: Floats, reach_px: Floats, others: Floats) -> tuple[Indices, Indices, Floats]:
    """Find the ``others`` (M, 2) within ``reach_px`` (N,) of each of ``places`` (N, 2).

    Returns:
        Rows of places and of others, and the distance of each pair, (K,) each, ordered by place and then by other.
    """
    if len(places) * len(others) <= _DENSE_PAIRS:
        apart = places[:, None, :] - others[None, :, :]
        distance = np.hypot(apart[..., 0], apart[..., 1])
        rows, columns = np.nonzero(distance <= reach_px[:, None])
        return rows, columns, distance[rows, columns]
    rows, columns = _neighbours(places, others, max(float(reach_px.max()), 1e-9))
    apart = places[rows] - others[columns]
    distance = np.hypot(apart[:, 0], apart[:, 1])
    inside = distance <= reach_px[rows]
    rows, columns, distance = rows[inside], columns[inside], distance[inside]
    order = np.lexsort((columns, rows))
    return rows[order], columns[order], distance[order]


def nearest(places: Floats, reach_px: Floats, others: Floats) -> tuple[Indices, Indices]:
    """Find the nearest of ``others`` (M, 2) within ``reach_px`` (N,) of each of ``places`` (N, 2).

    Returns:
        Rows of the places that have one, and rows of the others, (K,) each, ordered by place.
    """
    rows, columns, distance = within(places, reach_px, others)
    rows, columns, _ = fewest(rows, columns, distance, 1)
    return rows, columns


def fewest(rows: Indices, columns: Indices, distance: Floats, count: int) -> tuple[Indices, Indices, Floats]:
    """Keep for each row the ``count`` pairs of least distance; rows come ordered and stay so."""
    if not len(rows):
        return rows, columns, distance
    order = np.lexsort((columns, distance, rows))
    rows = rows[order]
    starts = np.nonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))[0]
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    kept = rank < count
    return rows[kept], columns[order][kept], distance[order][kept]


def _neighbours(places: Floats, others: Floats, cell_px: float) -> tuple[Indices, Indices]:
    """Pair each place with all that lie in its cell or in one around it."""
    low = np.minimum(places.min(axis=0), others.min(axis=0))
    here = ((places - low) // cell_px).astype(np.int64) + 1
    there = ((others - low) // cell_px).astype(np.int64) + 1
    width = int(max(here[:, 0].max(), there[:, 0].max())) + 2
    key = there[:, 1] * width + there[:, 0]
    order = np.argsort(key, kind="stable")
    key = key[order]
    # three cells side by side are one stretch of the sorted keys: one search each for the rows above, beside and below
    middle = here[:, 1] * width + here[:, 0]
    stretches = (middle[:, None] + np.array((-width, 0, width))).ravel()
    first = np.searchsorted(key, stretches - 1, side="left")
    counts = np.searchsorted(key, stretches + 1, side="right") - first
    rows = np.repeat(np.repeat(np.arange(len(places)), 3), counts)
    offset = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, order[np.repeat(first, counts) + offset]
