"""What the database holds of a day that its archive does not: by key, row for row, and never by trust.

Both are in the order of their keys. Rows of the same key are told apart by their order among each other; the rest of a row that
is in both must be equal.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telemetry.archive.form import Table


class Altered(Exception):
    """Rows of the same key differ between database and archive; `count` of them, the first at place `first` of the stored."""

    def __init__(self, count: int, first: int) -> None:
        self.count, self.first = count, first
        super().__init__(f"{count} rows differ")


def unarchived(stored: Table, kept: Table, keys: Sequence[str], ignored: Sequence[str] = ()) -> Table:
    """The rows of `stored` whose `keys` (integers or timestamps) `kept` does not hold. Raises Altered.

    ignored: columns in which a row may differ (a row that was stored again has another time of commit).
    """
    if not kept.num_rows or not stored.num_rows:
        return stored
    columns = [*(_numbers(stored, kept, key) for key in keys)]
    columns.append(np.concatenate([_rank(stored, keys), _rank(kept, keys)]))
    n = stored.num_rows
    side = np.repeat([1, 0], [n, kept.num_rows])  # kept ones first
    order = np.lexsort((side, *reversed(columns)))
    same = np.ones(len(order) - 1, np.bool_)
    for column in columns:
        same &= np.diff(column[order]) == 0
    at = np.flatnonzero(same)
    matched, partner = order[at + 1], order[at] - n
    arranged = np.argsort(matched)
    matched, partner = matched[arranged], partner[arranged]
    compared = [name for name in stored.column_names if name not in ignored]
    _equal(stored.select(compared).take(matched), kept.select(compared).take(partner), matched)
    fresh = np.ones(n, np.bool_)
    fresh[matched] = False
    return stored.filter(pa.array(fresh))


def _numbers(stored: Table, kept: Table, key: str) -> NDArray[np.int64]:
    return np.concatenate([table.column(key).cast(pa.int64()).to_numpy() for table in (stored, kept)])


def _rank(table: Table, keys: Sequence[str]) -> NDArray[np.int64]:
    """How many rows of the same keys stand before each."""
    begins = np.zeros(table.num_rows, np.bool_)
    begins[0] = True
    for key in keys:
        begins[1:] |= np.diff(table.column(key).cast(pa.int64()).to_numpy()) != 0
    places = np.arange(table.num_rows)
    return places - np.maximum.accumulate(np.where(begins, places, 0))


def _equal(stored: Table, kept: Table, places: NDArray[np.int64]) -> None:
    """Raises Altered where they are not equal; which rows, is found by halving."""
    if stored.equals(kept):
        return
    spans, bad = [(0, stored.num_rows)], list[int]()
    while spans:
        first, behind = spans.pop()
        if stored.slice(first, behind - first).equals(kept.slice(first, behind - first)):
            continue
        if behind - first == 1:
            bad.append(first)
        else:
            spans += pairwise((first, (first + behind) // 2, behind))
    raise Altered(len(bad), int(places[min(bad)]))
