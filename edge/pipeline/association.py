"""Which box belongs to which body: gates by distance in standard deviations, then the cheapest assignment.

IoU, the usual measure, is not used: at 2 frames/s a walker 20 px tall moves by more than the width of their own box,
and a jitter of 2 px takes half of the overlap of a far one. Distance over its own expected error works at every rate
and size. Only the few nearest boxes of each body are looked at (``_NEIGHBOURS``), so the cost grows like n log n;
what then hangs together is solved exactly, piece by piece, because one 500 x 500 problem costs far more than 250 of
two bodies each.
"""

import numpy as np
import numpy.typing as npt

from edge.near import fewest, within
from edge.pipeline.assignment import cheapest, pieces

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

_NEIGHBOURS = 6
_GATE_SIGMA = 4.0
_GATE_HEIGHTS = 0.4  # nearer than this is always in reach: a box that jumps is more likely than a second body
_SIZE_PX = 1.0  # standard deviation of a measured height: a fixed part ...
_SIZE_SHARE = 0.08  # ... and a part that grows with the body
_SIZE_COST = 9.0  # no difference costs more: a body bends, and a box is cut by a bush
_SIZE_GATE = 1.1  # e ** 1.1 = three times as tall is another body
_TRUST_COST = 3.0  # an alternative this much worse leaves three quarters of the trust
_BENEFIT = 60.0  # more than any cost inside the gates: a match is always better than none

SETTINGS = (
    *(_NEIGHBOURS, _GATE_SIGMA, _GATE_HEIGHTS, _SIZE_PX, _SIZE_SHARE, _SIZE_COST, _SIZE_GATE, _TRUST_COST, _BENEFIT),
)
"""What the compiled tracker need of this module."""


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
    rows, columns, distance_px = fewest(*within(place_px, gate_px, box_place_px), _NEIGHBOURS)
    size = np.log(box_height_px[columns] / height_px[rows])
    inside = np.abs(size) <= _SIZE_GATE
    rows, columns, distance_px, size = rows[inside], columns[inside], distance_px[inside], size[inside]
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
        distance_px[contested] ** 2 / variance_px2[rows]
        + 2.0 * np.log(relative)
        + np.minimum((size[contested] / size_sigma) ** 2, _SIZE_COST)
    )
    more_rows, more_columns, trust = _assign(rows, columns, cost)
    rows, columns = np.concatenate([taken_rows, more_rows]), np.concatenate([taken_columns, more_columns])
    order = np.argsort(rows)
    return rows[order], columns[order], np.concatenate([np.ones(len(taken_rows)), trust])[order]


def _assign(rows: Indices, columns: Indices, cost: Floats) -> tuple[Indices, Indices, Floats]:
    chosen_rows, chosen_columns, trusts = [], [], []
    for piece in pieces(rows.tolist(), columns.tolist()):
        piece_rows, row_of = np.unique(rows[piece], return_inverse=True)
        piece_columns, column_of = np.unique(columns[piece], return_inverse=True)
        table = np.full((len(piece_rows), len(piece_columns)), np.inf)
        table[row_of, column_of] = cost[piece]
        picked_rows, picked_columns = cheapest(np.where(np.isfinite(table), table - _BENEFIT, 0.0))
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
