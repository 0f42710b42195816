"""PostgreSQL's binary COPY of frames to Arrow, in numpy: no Python object per value.

A row (PostgreSQL manual, COPY, binary): the number of fields (int16), then per field its length (int32, -1 is NULL) and its
bytes, all big endian. An array: dimensions, a flag for NULLs, element type, length, lower bound, then its elements as
fields. What lies where in a row follows from the lengths before it, so all rows of a block are walked at once, field by field.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telemetry.archive.form import FRAMES, US, Batch

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END: Final = b"\xff\xff"
_EPOCH_US: Final = 946_684_800_000_000  # 2000-01-01, from which PostgreSQL counts
_HEAD: Final = 20  # bytes of an array before its elements
_TIME, _LAYOUT, _RECEIVED, _COMMITTED, _LATE, _SOURCE = 6, 18, 30, 42, 54, 55


def batch(rows: Sequence[bytes]) -> Batch:
    """A batch of `form.FRAMES` of copied rows: time, layout, received, committed, late, source, quality, values.

    Each of `rows` is one row without the stream's signature and end. Raises ValueError for a row of another form.
    """
    if any(row[:2] != b"\0\x08" for row in rows):
        raise ValueError("a row does not have the 8 fields of a frame")
    data = np.frombuffer(b"".join(rows) + bytes(_HEAD + 12), np.uint8)  # the end is looked at where arrays are NULL
    lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
    starts = np.cumsum(lengths) - lengths
    source, at = _array(data, starts + _SOURCE, ">i8")
    quality, at = _array(data, at, ">i4")
    values, at = _array(data, at, ">f8")
    if not np.array_equal(at, starts + lengths):
        raise ValueError("a row does not end where its last field does")
    columns = [
        _moment(_items(data, starts + _TIME, ">i8")),
        pa.array(_items(data, starts + _LAYOUT, ">i8")),
        _moment(_items(data, starts + _RECEIVED, ">i8")),
        _moment(_items(data, starts + _COMMITTED, ">i8")),
        pa.array(_items(data, starts + _LATE, "i1") != 0),
        source.list(_moment(source.items, source.null)),
        quality.list(pa.array(quality.items, mask=quality.null)),
        values.list(pa.array(values.items, mask=values.null)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=FRAMES)


class _Arrays:
    """One array field of all rows: `items` one behind the other, `null` which of them are NULL."""

    def __init__(self, offsets: NDArray[np.int32], absent: NDArray[np.bool_], items: Any, null: NDArray[np.bool_]):
        self.offsets, self.absent, self.items, self.null = offsets, absent, items, null

    def list(self, items: Any) -> Any:
        """An Arrow list array over `items`; null where the row's field is NULL."""
        return pa.ListArray.from_arrays(pa.array(self.offsets), items, mask=pa.array(self.absent))


def _array(data: NDArray[np.uint8], at: NDArray[np.int64], kind: str) -> tuple[_Arrays, NDArray[np.int64]]:
    """The array fields that begin at `at` (one for each row), and where the fields behind them begin."""
    length = _items(data, at, ">i4").astype(np.int64)
    absent = length < 0
    count = np.where(length > _HEAD, _items(data, at + 4 + 12, ">i4"), 0).astype(np.int64)
    has_null = (_items(data, at + 4 + 4, ">i4") != 0) & (count > 0)
    offsets = np.zeros(len(at) + 1, np.int64)
    np.cumsum(count, out=offsets[1:])
    width = 4 + np.dtype(kind).itemsize
    first = at + 4 + _HEAD
    places = np.repeat(first - width * offsets[:-1], count) + width * np.arange(offsets[-1])
    null = np.zeros(offsets[-1], np.bool_)
    sparse = np.flatnonzero(has_null)
    if len(sparse):
        place, base, counts = first[sparse], offsets[sparse], count[sparse]
        for k in range(counts.max()):
            live = counts > k
            here = place[live]
            empty = _items(data, here, ">i4") < 0
            places[base[live] + k], null[base[live] + k] = here, empty
            place[live] = here + np.where(empty, 4, width)
    items = _items(data, places + np.where(null, 0, 4), kind)
    return _Arrays(offsets.astype(np.int32), absent, items, null), at + 4 + np.maximum(length, 0)


def _items(data: NDArray[np.uint8], at: NDArray[np.int64], kind: str) -> Any:
    """Numbers of the big-endian type `kind` at any offsets, in this machine's order."""
    dtype = np.dtype(kind)
    anywhere = np.ndarray((len(data) - dtype.itemsize + 1,), dtype, data, strides=(1,))
    return anywhere[at].astype(dtype.newbyteorder("="))


def _moment(since_2000_us: NDArray[np.int64], null: NDArray[np.bool_] | None = None) -> Any:
    return pa.array((since_2000_us + _EPOCH_US).view("datetime64[us]"), US, mask=null)
