"""PostgreSQL's binary rows to Arrow: the table is a row written field by field, as the manual says."""

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.archive.copied import batch

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 10**15)
FLOATS = st.floats(allow_nan=False)


def field(data: bytes | None) -> bytes:
    return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data


def array(kind: str, items: list[Any] | None) -> bytes:
    """One array field: NULL, empty, or with elements of which some may be NULL."""
    if items is None:
        return field(None)
    if not items:
        return field(struct.pack(">iii", 0, 0, 701))
    head = struct.pack(">iiiii", 1, int(None in items), 701, len(items), 1)
    return field(head + b"".join(field(None if item is None else struct.pack(kind, item)) for item in items))


def lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any] | None]:
    return st.none() | st.lists(st.none() | items, max_size=5)


Row = tuple[int, int, int, int, bool, list[Any] | None, list[Any] | None, list[Any]]
ROWS = st.tuples(
    TIMES, st.integers(-(2**63), 2**63 - 1), TIMES, TIMES, st.booleans(), lists(TIMES), lists(st.integers(0, 65535)),
    st.lists(st.none() | FLOATS, max_size=5),
)  # fmt: skip


def packed(row: Row) -> bytes:
    time, layout, received, committed, late, source, quality, values = row
    fixed = b"".join(field(struct.pack(">q", item)) for item in (time, layout, received, committed))
    arrays = array(">q", source) + array(">i", quality) + array(">d", values)
    return struct.pack(">h", 8) + fixed + field(struct.pack(">?", late)) + arrays


def plain(row: Row) -> tuple[Any, ...]:
    time, layout, received, committed, late, source, quality, values = row

    def moment(us: int | None) -> datetime | None:
        return None if us is None else EPOCH + timedelta(microseconds=us)

    stamps = None if source is None else [moment(us) for us in source]
    return moment(time), layout, moment(received), moment(committed), late, stamps, quality, values


@given(st.lists(ROWS, min_size=1, max_size=8))
def test_rows_of_any_form_are_what_was_written(rows: list[Row]) -> None:
    found = batch([packed(row) for row in rows])
    found.validate(full=True)
    assert [tuple(row.values()) for row in found.to_pylist()] == [plain(row) for row in rows]


def test_a_row_of_another_form_is_refused() -> None:
    good = packed((0, 1, 0, 0, False, None, None, [1.0]))
    with pytest.raises(ValueError, match="8 fields"):
        batch([good, b"\0\x07" + good[2:]])
    with pytest.raises(ValueError, match="does not end"):
        batch([good + b"\0"])
