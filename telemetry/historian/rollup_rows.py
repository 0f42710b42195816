"""Rows of `rollup_1m` and `rollup_1h` as PostgreSQL's binary COPY takes them, and as a binary cursor gives them back.

What is the same for all tags, or follows from another column, is not stored (see the comments in migration 2): a minute in
which all came and all were Good holds four arrays, one in which nothing came holds none. Four arrays of 200 tags stay within a
page: 8,760 hours of one tag of such a layout were read in 53 to 63 ms, with the arrays moved out of line in 272 to 421.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import postgres
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from telemetry.historian.copy import END, EPOCH_US, SIGNATURE
from telemetry.historian.rollup import Summary

_FLOAT8, _INT4 = 701, 23
_NULL: Final = struct.pack(">i", -1)
_EMPTY: Final = struct.pack(">iiii", 12, 0, 0, _INT4)
_FIELDS: Final = 14
_HEAD: Final = struct.Struct(">hiqiqiqii")
_ARRAY: Final = struct.Struct(">iiiii")
_LATE: Final = struct.Struct(">ii")
_NOTHING: Final = b"".join((_EMPTY, _NULL, _NULL, _LATE.pack(4, 0), _NULL * 6))


def copied(rows: Sequence[bytes]) -> bytes:
    """The COPY stream of rows."""
    return b"".join((SIGNATURE, *rows, END))


def row(time_us: int, layout: int, through: int, of: Summary) -> bytes:
    """One row. time_us: begin of the minute or hour, microseconds since 1970; through: the last record merged."""
    good, came = of.good, of.good + of.uncertain
    parts = [
        _HEAD.pack(_FIELDS, 8, time_us - EPOCH_US, 8, layout, 8, through, 4, of.expected),
        _NULL if (good == of.expected).all() else _counts(good) if good.any() else _EMPTY,
        _counts(of.uncertain) if of.uncertain.any() else _NULL,
        _counts(of.bad) if of.bad.any() else _NULL,
        _LATE.pack(4, of.late),
    ]
    alike = bool((of.count == came).all())
    parts.append(_NULL if alike else _counts(of.count))
    if of.count.any():
        absent = of.count == 0
        parts += [_values(each, absent) for each in (of.low, of.high, of.mean, of.m2)]
        parts.append(_NULL if alike else _values(of.even, came == 0))
    else:
        parts.append(_NULL * 5)
    return b"".join(parts)


def empty_row(time_us: int, layout: int, through: int, expected: int) -> bytes:
    """The row of a minute or hour in which nothing came."""
    return _HEAD.pack(_FIELDS, 8, time_us - EPOCH_US, 8, layout, 8, through, 4, expected) + _NOTHING


def summary(row: Sequence[Any], n: int) -> Summary:
    """Of the columns from `expected` on, as a cursor of `reading` gives them, of a layout with n tags."""
    expected, good, uncertain, bad, late, count, low, high, mean, m2, even = row
    zero, none = np.zeros(n, np.int64), np.full(n, np.nan)
    good = np.full(n, expected) if good is None else good.astype(np.int64) if len(good) else zero
    uncertain = zero if uncertain is None else uncertain.astype(np.int64)
    count = good + uncertain if count is None else count.astype(np.int64)
    return Summary(
        expected=expected,
        late=late,
        good=good,
        uncertain=uncertain,
        bad=zero if bad is None else bad.astype(np.int64),
        count=count,
        low=none if low is None else low,
        high=none if high is None else high,
        mean=none if mean is None else mean,
        m2=np.zeros(n) if m2 is None else np.where(np.isnan(m2), 0.0, m2),
        even=(none if mean is None else mean) if even is None else even,
    )


def reading(connection: psycopg.Connection[tuple[object, ...]]) -> psycopg.Cursor[tuple[Any, ...]]:
    """A cursor that gives float8[] and int4[] as numpy arrays, NULL within them as NaN."""
    cursor = cast("psycopg.Cursor[tuple[Any, ...]]", connection.cursor(binary=True))
    cursor.adapters.register_loader(postgres.types.get_oid("float8[]"), _Floats)
    cursor.adapters.register_loader(postgres.types.get_oid("int4[]"), _Integers)
    return cursor


class _Floats(Loader):
    """An array of one dimension: a structured array where it holds no NULL, else cell by cell."""

    format = Format.BINARY
    cell: np.dtype[Any] = np.dtype([("length", ">i4"), ("item", ">f8")])
    kind: type = np.float64

    def load(self, data: Buffer) -> NDArray[Any]:
        dimensions, nulls = struct.unpack_from(">ii", data)
        if not dimensions:
            return np.zeros(0, self.kind)
        if not nulls:
            return np.frombuffer(data, self.cell, offset=_ARRAY.size)["item"].astype(self.kind)
        count, at = int.from_bytes(data[12:16], "big"), _ARRAY.size
        found = np.full(count, np.nan)
        for i in range(count):
            length = int.from_bytes(data[at : at + 4], "big", signed=True)
            if length >= 0:
                found[i] = np.frombuffer(data, self.cell["item"], 1, at + 4)[0]
            at += 4 + max(length, 0)
        return found


class _Integers(_Floats):
    cell = np.dtype([("length", ">i4"), ("item", ">i4")])
    kind = np.int64


def _counts(items: NDArray[np.int64]) -> bytes:
    cells = np.empty(len(items), _Integers.cell)
    cells["length"], cells["item"] = 4, items
    return _ARRAY.pack(1, 0, _INT4, len(items), 1).join(
        (struct.pack(">i", _ARRAY.size + cells.nbytes), cells.tobytes())
    )


def _values(items: NDArray[np.float64], absent: NDArray[np.bool_]) -> bytes:
    cells = np.empty(len(items), _Floats.cell)
    absent = absent | np.isnan(items)
    cells["length"], cells["item"] = np.where(absent, -1, 8), items
    body = cells.tobytes()
    if absent.any():
        keep = np.ones((len(items), 12), np.bool_)
        keep[absent, 4:] = False
        body = cells.view(np.uint8).reshape(-1, 12)[keep].tobytes()
    head = _ARRAY.pack(1, int(absent.any()), _FLOAT8, len(items), 1)
    return struct.pack(">i", len(head) + len(body)) + head + body
