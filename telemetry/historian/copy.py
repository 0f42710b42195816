"""Frames to PostgreSQL's binary COPY format, built by numpy: no Python object per value.

The format (PostgreSQL manual, COPY, binary): per row the number of fields (int16), per field its length (int32, -1 is NULL)
and its bytes; all big endian. An array is: dimensions, a flag for NULLs, the element's type, length, lower bound, then the
elements as fields. Rows of one layout without NULLs are equal in form, so a block of them is one structured array.
"""

import struct
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drivers.frame import Frame

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END: Final = b"\xff\xff"
_FLOAT8, _INT4, _TIMESTAMPTZ = 701, 23, 1184
_EPOCH_US: Final = 946_684_800_000_000  # 2000-01-01, from which PostgreSQL counts
_NULL: Final = struct.pack(">i", -1)


def encode(frames: Sequence[Frame]) -> bytes:
    """The COPY stream (signature, rows, end) of `frames` for frame(time, layout, received, late, source, quality, values)."""
    plain: dict[tuple[int, bool], list[Frame]] = defaultdict(list)
    rows: list[bytes] = [SIGNATURE]
    for frame in frames:
        stamps = _stamps(frame)
        if frame.quality is None and (stamps is None or len(stamps) == 1):
            plain[(frame.layout.id, stamps is not None)].append(frame)
        else:
            rows.append(_row(frame))
    rows.extend(_block(group, sourced) for (_, sourced), group in plain.items())
    rows.append(END)
    return b"".join(rows)


def _stamps(frame: Frame) -> NDArray[np.int64] | None:
    """The source times to store: none where the device gave none (0), one where all are the same, else one each."""
    source_ns = frame.source_ns
    if source_ns is None or not source_ns.any():
        return None
    return source_ns[:1] if (source_ns == source_ns[0]).all() else source_ns


def _microseconds(ns: Any) -> Any:
    return ns // 1000 - _EPOCH_US


def _block(frames: list[Frame], sourced: bool) -> bytes:
    """Rows of one layout, all values Good, one source time for all or none."""
    n = len(frames[0].values)
    source = [("source_length", ">i4"), ("source_head", ">i4", (5,)), ("source_item", ">i4"), ("source", ">i8")]
    form = np.dtype(
        [
            ("fields", ">i2"),
            ("time_length", ">i4"), ("time", ">i8"),
            ("layout_length", ">i4"), ("layout", ">i8"),
            ("received_length", ">i4"), ("received", ">i8"),
            ("late_length", ">i4"), ("late", "i1"),
            *(source if sourced else [("source_length", ">i4")]),
            ("quality_length", ">i4"),
            ("values_length", ">i4"), ("values_head", ">i4", (5,)),
            ("values", np.dtype([("length", ">i4"), ("value", ">f8")]), (n,)),
        ]
    )  # fmt: skip
    rows = np.zeros(len(frames), form)
    rows["fields"] = 7
    for name in ("time_length", "layout_length", "received_length"):
        rows[name] = 8
    rows["time"] = _microseconds(np.array([f.time_ns for f in frames], np.int64))
    rows["layout"] = frames[0].layout.id
    rows["received"] = _microseconds(np.array([f.received_ns for f in frames], np.int64))
    rows["late_length"] = 1
    rows["late"] = np.array([f.late for f in frames], np.int8)
    rows["source_length"] = -1
    if sourced:
        rows["source_length"], rows["source_head"], rows["source_item"] = 32, [1, 0, _TIMESTAMPTZ, 1, 1], 8
        rows["source"] = _microseconds(
            np.array([f.source_ns[0] if f.source_ns is not None else 0 for f in frames], np.int64)
        )
    rows["quality_length"] = -1
    rows["values_length"] = 20 + 12 * n
    rows["values_head"] = [1, 0, _FLOAT8, n, 1]
    rows["values"]["length"] = 8
    rows["values"]["value"] = np.array([f.values for f in frames])
    return rows.tobytes()


def _row(frame: Frame) -> bytes:
    """Any one row."""
    times = struct.pack(
        ">hiqiqiqib",
        7,
        8,
        _microseconds(frame.time_ns),
        8,
        frame.layout.id,
        8,
        _microseconds(frame.received_ns),
        1,
        frame.late,
    )
    source = quality = _NULL
    stamps = _stamps(frame)
    if stamps is not None:
        source = _array(_TIMESTAMPTZ, ">i8", _microseconds(stamps), stamps == 0)
    if frame.quality is not None:
        quality = _array(_INT4, ">i4", frame.quality, np.zeros(len(frame.quality), np.bool_))
    return times + source + quality + _array(_FLOAT8, ">f8", frame.values, np.isnan(frame.values))


def _array(kind: int, dtype: str, items: NDArray[Any], null: NDArray[np.bool_]) -> bytes:
    width = np.dtype(dtype).itemsize
    form = np.dtype([("length", ">i4"), ("item", dtype)])
    cells = np.empty(len(items), form)
    cells["length"] = np.where(null, -1, width)
    cells["item"] = items
    matrix = cells.view(np.uint8).reshape(len(items), 4 + width)
    keep = np.ones(matrix.shape, np.bool_)
    keep[null, 4:] = False
    body = struct.pack(">iiiii", 1, int(null.any()), kind, len(items), 1) + matrix[keep].tobytes()
    return struct.pack(">i", len(body)) + body
