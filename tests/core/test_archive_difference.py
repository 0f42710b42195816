"""What the database holds and the archive does not: found row by row, in whatever way the two overlap."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.archive.difference import Altered, unarchived

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=12)


def table(rows: list[tuple[int, int]], committed: int = 0) -> pa.Table:
    """Rows in the order of their keys; `value` follows from them."""
    ordered = sorted(rows)
    return pa.table(
        {
            "time": pa.array([a for a, _ in ordered], pa.int64()),
            "received": pa.array([b for _, b in ordered], pa.int64()),
            "committed": pa.array([committed] * len(ordered), pa.int64()),
            "value": pa.array([10 * a + b for a, b in ordered], pa.int64()),
        }
    )


def keys(found: pa.Table) -> list[tuple[int, int]]:
    return list(zip(found.column("time").to_pylist(), found.column("received").to_pylist(), strict=True))


@given(ROWS, ROWS)
def test_what_is_new_is_what_is_left_when_each_kept_row_takes_one_away(
    stored: list[tuple[int, int]], kept: list[tuple[int, int]]
) -> None:
    found = unarchived(table(stored, 5), table(kept, 3), ("time", "received"), ("committed",))
    assert keys(found) == sorted((Counter(stored) - Counter(kept)).elements())
    assert found.column("committed").to_pylist() == [5] * found.num_rows


@given(st.lists(st.integers(0, 30), min_size=1, unique=True), st.data())
def test_rows_that_both_have_and_that_differ_are_counted_and_the_first_is_named(
    times: list[int], data: st.DataObject
) -> None:
    rows = [(time, 0) for time in sorted(times)]
    wrong = data.draw(st.sets(st.integers(0, len(rows) - 1), min_size=1))
    kept = table(rows)
    values = [value + (1 if i in wrong else 0) for i, value in enumerate(kept.column("value").to_pylist())]
    kept = kept.set_column(3, "value", pa.array(values))
    with pytest.raises(Altered, match=f"{len(wrong)} rows differ") as told:
        unarchived(table([*rows, (99, 0)]), kept, ("time", "received"))
    assert (told.value.count, told.value.first) == (len(wrong), min(wrong))


def test_without_an_archive_everything_is_new() -> None:
    stored = table([(1, 1), (2, 2)])
    assert unarchived(stored, table([]), ("time", "received")).equals(stored)
    assert unarchived(table([]), stored, ("time", "received")).num_rows == 0
