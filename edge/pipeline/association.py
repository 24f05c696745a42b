"""Which box belongs to which body: gates by distance in standard deviations, then the cheapest assignment.

IoU, the usual measure, is not used: at 2 frames/s a walker 20 px tall moves by more than the width of their own box,
and a jitter of 2 px takes half of the overlap of a far one. Distance over its own expected error works at every rate
and size. Only the few nearest boxes of each body are looked at (``_NEIGHBOURS``), so the cost grows like n log n;
what then hangs together is solved exactly, piece by piece, because one 500 x 500 problem costs far more than 250 of
two bodies each.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

_NEIGHBOURS = 6
_DENSE_PAIRS = 900  # below this a full table is cheaper than a tree
_GATE_SIGMA = 4.0
_GATE_HEIGHTS = 0.4  # nearer than this is always in reach: a box that jumps is more likely than a second body
_SIZE_PX = 1.0  # standard deviation of a measured height: a fixed part ...
_SIZE_SHARE = 0.08  # ... and a part that grows with the body
_SIZE_COST = 9.0  # no difference costs more: a body bends, and a box is cut by a bush
_SIZE_GATE = 1.1  # e ** 1.1 = three times as tall is another body
_TRUST_COST = 3.0  # an alternative this much worse leaves three quarters of the trust
_BENEFIT = 60.0  # more than any cost inside the gates: a match is always better than none


def associate(
    place_px: Floats, variance_px2: Floats, size_px: Floats, reach_px: Floats, box_place_px: Floats, box_size_px: Floats
) -> tuple[Indices, Indices, Floats]:
    """Assign boxes to bodies, each to at most one.

    Args:
        place_px: (N, 2) expected middles of the bodies.
        variance_px2: (N,) variance of the difference between the expected and the measured place, one axis.
        size_px: (N, 2) expected widths and heights.
        reach_px: (N,) farther than this nothing belongs to the body, whatever its variance.
        box_place_px: (M, 2) measured middles.
        box_size_px: (M, 2) measured widths and heights.

    Returns:
        Indices of bodies and of boxes, (K,) each, ordered by body, and how far each pair is to be trusted, 0 to 1.
    """
    if not len(place_px) or not len(box_place_px):
        return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
    height_px, box_height_px = size_px.max(axis=1), box_size_px.max(axis=1)
    gate_px = np.maximum(_GATE_SIGMA * np.sqrt(variance_px2), _GATE_HEIGHTS * height_px)
    gate_px = np.minimum(gate_px, reach_px)
    rows, columns = _near(place_px, gate_px, box_place_px)
    offset = place_px[rows] - box_place_px[columns]
    distance2 = np.einsum("ij,ij->i", offset, offset)
    size = np.log(box_height_px[columns] / height_px[rows])
    inside = (distance2 <= gate_px[rows] ** 2) & (np.abs(size) <= _SIZE_GATE)
    rows, columns, distance2, size = rows[inside], columns[inside], distance2[inside], size[inside]
    alone = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    if alone.all():
        return rows, columns, np.ones(len(rows))
    contested = ~alone
    taken_rows, taken_columns = rows[alone], columns[alone]
    rows, columns = rows[contested], columns[contested]
    # negative log likelihood: without the second term a body whose place is vague would win every box in reach
    relative = variance_px2[rows] / height_px[rows] ** 2
    size_sigma = _SIZE_SHARE + _SIZE_PX / height_px[rows]
    cost = (
        distance2[contested] / variance_px2[rows]
        + 2.0 * np.log(relative)
        + np.minimum((size[contested] / size_sigma) ** 2, _SIZE_COST)
    )
    more_rows, more_columns, trust = _assign(rows, columns, cost, len(place_px), len(box_place_px))
    rows, columns = np.concatenate([taken_rows, more_rows]), np.concatenate([taken_columns, more_columns])
    order = np.argsort(rows)
    return rows[order], columns[order], np.concatenate([np.ones(len(taken_rows)), trust])[order]


def nearest(places: Floats, others: Floats, count: int) -> tuple[Floats, Indices]:
    """Find the ``count`` (or fewer) nearest of ``others`` (M, 2), at least one, to each of ``places`` (N, 2).

    Returns:
        Distances and indices into ``others``, both (N, count), in no particular order.
    """
    count = min(count, len(others))
    if len(places) * len(others) > _DENSE_PAIRS:
        distance, index = cKDTree(others).query(places, k=range(1, count + 1))
        return np.asarray(distance), np.asarray(index)
    away = np.hypot(*(places[:, None, :] - others[None]).transpose(2, 0, 1))
    index = np.argpartition(away, count - 1, axis=1)[:, :count]
    return np.take_along_axis(away, index, axis=1), index


def _near(places: Floats, gate_px: Floats, boxes: Floats) -> tuple[Indices, Indices]:
    if len(places) * len(boxes) <= _DENSE_PAIRS:
        near = np.abs(places[:, None, :] - boxes[None, :, :]).max(axis=2) <= gate_px[:, None]
        rows, columns = np.nonzero(near)
        return rows, columns
    found = min(_NEIGHBOURS, len(boxes))
    distance, nearest = cKDTree(boxes).query(
        places, k=range(1, found + 1), distance_upper_bound=float(gate_px.max()) + 1e-9
    )
    rows, order = np.nonzero(distance <= gate_px[:, None])
    return rows, np.asarray(nearest)[rows, order]


def _assign(
    rows: Indices, columns: Indices, cost: Floats, n_rows: int, n_columns: int
) -> tuple[Indices, Indices, Floats]:
    chosen_rows, chosen_columns, trusts = [], [], []
    for piece in _pieces(rows, columns, n_rows, n_columns):
        piece_rows, row_of = np.unique(rows[piece], return_inverse=True)
        piece_columns, column_of = np.unique(columns[piece], return_inverse=True)
        table = np.full((len(piece_rows), len(piece_columns)), np.inf)
        table[row_of, column_of] = cost[piece]
        picked_rows, picked_columns = linear_sum_assignment(np.where(np.isfinite(table), table - _BENEFIT, 0.0))
        real = np.isfinite(table[picked_rows, picked_columns])
        picked_rows, picked_columns = picked_rows[real], picked_columns[real]
        chosen_rows.append(piece_rows[picked_rows])
        chosen_columns.append(piece_columns[picked_columns])
        trusts.append(_trust(table, picked_rows, picked_columns))
    return np.concatenate(chosen_rows), np.concatenate(chosen_columns), np.concatenate(trusts)


def _trust(table: Floats, rows: Indices, columns: Indices) -> Floats:
    """How much better each chosen pair is than its best alternative, 0 (a toss-up) to 1, (K,).

    The alternatives are that two bodies exchange their boxes, and that a body which got none is the box's true owner.
    """
    own = table[rows, columns]
    exchanged = table[np.ix_(rows, columns)]
    with np.errstate(invalid="ignore"):
        worse = exchanged + exchanged.T - own[:, None] - own[None, :]
    np.fill_diagonal(worse, np.inf)
    least = np.nan_to_num(worse, nan=np.inf).min(axis=1)
    left_out = np.ones(len(table), np.bool_)
    left_out[rows] = False
    if left_out.any():
        least = np.minimum(least, table[left_out][:, columns].min(axis=0) - own)
    return np.asarray(np.tanh(np.maximum(least, 0.0) / _TRUST_COST))


def _pieces(rows: Indices, columns: Indices, n_rows: int, n_columns: int) -> list[Indices]:
    if len(rows) <= _DENSE_PAIRS // 10:
        return [np.arange(len(rows))]  # one small problem is cheaper than finding out how it falls apart
    size = n_rows + n_columns
    graph = coo_array((np.ones(len(rows), np.int8), (rows, columns + n_rows)), shape=(size, size))
    _, labels = connected_components(graph, directed=False, return_labels=True)
    label = np.asarray(labels)[rows]
    order = np.argsort(label, kind="stable")
    cuts = np.nonzero(np.diff(label[order]))[0] + 1
    return list(np.split(order, cuts))
