"""Sets of people who are tied to each other, directly or through others: the shape of a group in one frame.

Somebody vague, hidden or doubted, belongs to a set but holds no two together: where they are is a guess, or whether they
are. Two parts of a group that walk away from each other must not stay one because of a person last seen between them, and
a stone beside the way must not keep who hides there from the others.
"""

import math
from array import array
from collections.abc import Container, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from edge.crowd import Library, library
from edge.records import Track

Ids = npt.NDArray[np.int64]


def together(people: Sequence[Track], ties: Ids, vague: Container[int]) -> list[list[int]]:
    """Join tied people into sets.

    Args:
        people: everybody, ordered by id.
        ties: pairs of ids, (K, 2), the lower first.
        vague: ids of those out of sight or doubted.

    Returns:
        Rows of people, each set ordered, and ordered by their first.
    """
    core = library()
    firsts = _firsts(people, ties.tolist(), vague) if core is None else _compiled_firsts(core, people, ties, vague)
    sets: dict[int, list[int]] = {}
    for row, first in enumerate(firsts):
        sets.setdefault(first, []).append(row)
    return list(sets.values())


def apart_heights(one: Track, other: Track) -> float:
    """Distance between the feet of two people in heights of the taller one."""
    (x, y), (their_x, their_y) = one.foot_px, other.foot_px
    # no hypot: each library rounds its own way, and the compiled twin must decide alike
    apart_px = math.sqrt((x - their_x) * (x - their_x) + (y - their_y) * (y - their_y))
    return apart_px / max(one.height_px, other.height_px, 1.0)


class _Sets:
    """Disjoint sets of ids; each is named by its lowest."""

    def __init__(self, ids: Iterable[int]) -> None:
        self._root = {one: one for one in ids}

    def find(self, one: int) -> int:
        root = self._root
        while root[one] != one:
            root[one] = root[root[one]]
            one = root[one]
        return one

    def join(self, left: int, right: int) -> None:
        first, second = sorted((self.find(left), self.find(right)))
        self._root[second] = first


def _firsts(people: Sequence[Track], ties: Sequence[Sequence[int]], vague: Container[int]) -> list[int]:
    """Name for each person their set, by the id of its first: the specification of ``_compiled_firsts``."""
    by_id = {one.track_id: one for one in people}
    sets = _Sets(by_id)
    beside: dict[int, list[int]] = {}
    loose = []
    for left, right in ties:
        if left in vague and right in vague:
            loose.append((left, right))
        elif left in vague or right in vague:
            one, other = (left, right) if left in vague else (right, left)
            beside.setdefault(one, []).append(other)
        else:
            sets.join(left, right)
    for one, others in sorted(beside.items()):
        _, nearest = min((apart_heights(by_id[one], by_id[other]), other) for other in others)
        sets.join(one, nearest)
    placed = set(beside)
    for left, right in sorted(loose):
        if left not in placed or right not in placed:
            sets.join(left, right)
            if left in placed or right in placed:
                placed.update((left, right))
    return [sets.find(one) for one in by_id]


def _compiled_firsts(core: Library, people: Sequence[Track], ties: Ids, vague: Container[int]) -> list[int]:
    """Do the same in ``edge/crowd/company.cpp``; sets are named by the row of their first."""
    rows: list[float] = []
    for one in people:  # in the order of ``Standing``
        left, top, right, bottom = one.box
        rows += (one.track_id, (left + right) / 2, bottom, bottom - top, one.track_id in vague)
    standing, firsts = array("d", rows), array("i", bytes(4 * len(people)))
    core.edge_company_firsts(
        standing.buffer_info()[0], len(people), ties.ctypes.data, len(ties), firsts.buffer_info()[0]
    )
    return firsts.tolist()
