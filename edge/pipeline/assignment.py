"""The cheapest one-to-one choice among pairs: first parted into pieces that have nothing in common, then solved exactly.

What is contested among bodies and boxes falls into pieces of two or three; one 500 x 500 problem costs far more than 250
of two each. The solver is the shortest augmenting path of Kuhn, Munkres and Jonker: thirty lines here save the node a
library of a hundred megabytes and the start the second that it takes to load.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def pieces(rows: Sequence[int], columns: Sequence[int]) -> Iterable[list[int]]:
    """Part pairs into sets that share no row and no column: lists of indices of pairs, ordered by their first."""
    of_row: dict[int, list[int]] = {}
    of_column: dict[int, list[int]] = {}
    for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
        one, other = of_row.get(row), of_column.get(column)
        if one is not None and other is not None and one is not other:
            one, other = (one, other) if len(one) >= len(other) else (other, one)
            one.extend(other)
            for moved in other:
                of_row[rows[moved]] = of_column[columns[moved]] = one
        piece = one if one is not None else other if other is not None else []
        piece.append(index)
        of_row[row] = of_column[column] = piece
    found = {id(piece): sorted(piece) for piece in of_row.values()}
    return sorted(found.values(), key=lambda piece: piece[0])


def cheapest(cost: Floats) -> tuple[Indices, Indices]:
    """Pair rows with columns so that the sum of ``cost`` (R, C), finite, is least; the shorter side is paired completely.

    Returns:
        Rows and columns of the pairs, ordered by row.
    """
    if cost.shape[0] > cost.shape[1]:
        columns, rows = cheapest(cost.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    count, width = cost.shape
    row_price, price = np.zeros(count), np.zeros(width)
    owner = np.full(width, -1)
    for row in range(count):
        column, before = _cheapest_way(cost, row, row_price, price, owner)
        while True:  # everybody on the way moves on by one
            earlier = int(before[column])
            owner[column] = row if earlier < 0 else owner[earlier]
            if earlier < 0:
                break
            column = earlier
    columns = np.nonzero(owner >= 0)[0]
    order = np.argsort(owner[columns])
    return owner[columns][order], columns[order]


def _cheapest_way(
    cost: Floats, row: int, row_price: Floats, price: Floats, owner: Indices
) -> tuple[int, npt.NDArray[np.int64]]:
    """Find the way from ``row`` to a free column on which others move at the least cost, and correct the prices.

    Returns:
        The free column, and for each column the one from which it was reached, -1 for the start.
    """
    width = cost.shape[1]
    least, before, done = np.full(width, np.inf), np.full(width, -1), np.zeros(width, np.bool_)
    visited: list[tuple[int, float]] = []
    column, length = -1, 0.0
    while True:
        now = row if column < 0 else int(owner[column])
        visited.append((now, length))
        reduced = cost[now] - row_price[now] - price + length
        better = ~done & (reduced < least)
        least[better], before[better] = reduced[better], column
        column = int(np.where(done, np.inf, least).argmin())
        length = float(least[column])
        done[column] = True
        if owner[column] < 0:
            break
    for one, so_far in visited:
        row_price[one] += length - so_far
    price[done] -= length - least[done]
    return column, before
