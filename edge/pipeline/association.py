"""Which box belongs to which body: gates by distance in standard deviations, then the cheapest assignment.

IoU, the usual measure, is not used: at 2 frames/s a walker 20 px tall moves by more than the width of their own box, and
a jitter of 2 px takes half of the overlap of a far one. Distance over its own expected error works at every rate and size.
Only the few nearest boxes of each body are looked at (``_NEIGHBOURS``), so the cost grows like n log n; what then hangs
together is solved exactly, piece by piece, because one 500 x 500 problem costs far more than 250 of two bodies each.
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
_GATE_SIGMA = 3.3
_SIZE_SIGMA = 0.35  # of the logarithm of the height: a body bends, and a box is cut by a bush
_SIZE_GATE = 1.1  # e ** 1.1 = three times as tall is another body
_BENEFIT = 60.0  # more than any cost inside the gates: a match is always better than none


def associate(
    foot_px: Floats,
    variance_px2: Floats,
    height_px: Floats,
    reach_px: Floats,
    boxes_xy: Floats,
    boxes_height_px: Floats,
) -> tuple[Indices, Indices]:
    """Assign boxes to bodies, each to at most one.

    Args:
        foot_px: (N, 2) expected places of the bodies.
        variance_px2: (N,) variance of the difference between the expected and the measured place, one axis.
        height_px: (N,) heights of the bodies.
        reach_px: (N,) farther than this nothing belongs to the body, whatever its variance.
        boxes_xy: (M, 2) measured places.
        boxes_height_px: (M,) measured heights.

    Returns:
        Indices of bodies and of boxes, (K,) each, ordered by body.
    """
    if not len(foot_px) or not len(boxes_xy):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    gate_px = np.minimum(_GATE_SIGMA * np.sqrt(variance_px2), reach_px)
    rows, columns = _near(foot_px, gate_px, boxes_xy)
    offset = foot_px[rows] - boxes_xy[columns]
    distance2 = np.einsum("ij,ij->i", offset, offset)
    size = np.log(boxes_height_px[columns] / height_px[rows])
    inside = (distance2 <= gate_px[rows] ** 2) & (np.abs(size) <= _SIZE_GATE)
    rows, columns, distance2, size = rows[inside], columns[inside], distance2[inside], size[inside]
    # negative log likelihood: without the second term a body whose place is vague would win every box in reach
    relative = variance_px2[rows] / height_px[rows] ** 2
    cost = distance2 / variance_px2[rows] + 2.0 * np.log(relative) + (size / _SIZE_SIGMA) ** 2
    return _assign(rows, columns, cost, len(foot_px), len(boxes_xy))


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
    return rows, nearest[rows, order]


def _assign(rows: Indices, columns: Indices, cost: Floats, n_rows: int, n_columns: int) -> tuple[Indices, Indices]:
    alone = (np.bincount(rows, minlength=n_rows)[rows] == 1) & (np.bincount(columns, minlength=n_columns)[columns] == 1)
    if alone.all():
        return rows, columns
    chosen_rows, chosen_columns = [rows[alone]], [columns[alone]]
    rows, columns, cost = rows[~alone], columns[~alone], cost[~alone]
    for piece in _pieces(rows, columns, n_rows, n_columns):
        piece_rows, row_of = np.unique(rows[piece], return_inverse=True)
        piece_columns, column_of = np.unique(columns[piece], return_inverse=True)
        table = np.zeros((len(piece_rows), len(piece_columns)))
        table[row_of, column_of] = cost[piece] - _BENEFIT
        picked_rows, picked_columns = linear_sum_assignment(table)
        real = table[picked_rows, picked_columns] < 0.0
        chosen_rows.append(piece_rows[picked_rows[real]])
        chosen_columns.append(piece_columns[picked_columns[real]])
    all_rows, all_columns = np.concatenate(chosen_rows), np.concatenate(chosen_columns)
    order = np.argsort(all_rows)
    return all_rows[order], all_columns[order]


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
