"""Frames to PostgreSQL's binary COPY format, built by numpy: no Python object per value.

The format (PostgreSQL manual, COPY, binary): per row the number of fields (int16), per field its length (int32, -1 is NULL)
and its bytes; all big endian. An array is: dimensions, a flag for NULLs, the element's type, length, lower bound, then the
elements as fields. Rows of one layout and form are equal in size but for their NULLs, so a block of them is one structured
array, out of which the bytes are cut that a NULL has not.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from telemetry.journal.block import Block

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END: Final = b"\xff\xff"
_FLOAT8, _INT4, _TIMESTAMPTZ = 701, 23, 1184
EPOCH_US: Final = 946_684_800_000_000  # 2000-01-01, from which PostgreSQL counts
_ARRAY_HEAD: Final = 20
_FIELDS: Final = 7


def encoded(blocks: Sequence[Block]) -> Iterator[bytes]:
    """The COPY stream (signature, rows, end) of `blocks` for frame(time, layout, received, late, source, quality, values), in
    portions: the database takes one in while the next is made."""
    yield SIGNATURE
    for block in blocks:
        yield from _rows(block)
    yield END


def _rows(block: Block) -> list[bytes]:
    """The rows of a block; where only some of its frames have a source time, those and the others apart."""
    source = block.source_ns
    if source is None:
        return [_block(block, None, slice(None))]
    stamped = source.any(axis=1)
    if stamped.all():
        return [_block(block, source, slice(None))]
    return [_block(block, source[stamped], stamped), _block(block, None, ~stamped)]


def _block(block: Block, source: NDArray[np.int64] | None, chosen: Any) -> bytes:
    """The rows `chosen`, whose source times are `source`."""
    values = block.values[chosen]
    quality = None if block.quality is None else block.quality[chosen]
    k, n = values.shape
    rows = np.zeros(k, _form(n, 0 if source is None else source.shape[1], quality is not None))
    rows["fields"] = _FIELDS
    for name in ("time_length", "layout_length", "received_length"):
        rows[name] = 8
    rows["time"] = _microseconds(block.time_ns[chosen])
    rows["layout"] = block.layout.id
    rows["received"] = _microseconds(block.received_ns[chosen])
    rows["late_length"], rows["late"] = 1, block.late
    absent: list[tuple[str, NDArray[np.bool_]]] = []
    rows["source_length"] = rows["quality_length"] = -1
    if source is not None:
        absent.append(("source", _put(rows, "source", _TIMESTAMPTZ, _microseconds(source), source == 0)))
    if quality is not None:
        _put(rows, "quality", _INT4, quality, None)
    absent.append(("values", _put(rows, "values", _FLOAT8, values, np.isnan(values))))
    if not any(null.any() for _, null in absent):
        return rows.tobytes()
    keep = np.ones((k, rows.dtype.itemsize), np.bool_)
    for name, null in absent:
        width = rows.dtype[name].itemsize // null.shape[1]
        at = _offset(rows.dtype, name)
        cells = keep[:, at : at + rows.dtype[name].itemsize].reshape(k, null.shape[1], width)
        cells[null, 4:] = False
    return rows.view(np.uint8).reshape(k, -1)[keep].tobytes()


def _put(
    rows: NDArray[Any], name: str, kind: int, items: NDArray[Any], null: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """Fills the array column `name`; gives the mask of what is NULL in it."""
    cells = rows[name]
    width = cells.dtype["item"].itemsize
    nulls = np.zeros(items.shape, np.bool_) if null is None else null
    cells["length"] = np.where(nulls, -1, width) if nulls.any() else width
    cells["item"] = items
    count = nulls.sum(axis=1)
    rows[f"{name}_length"] = _ARRAY_HEAD + (4 + width) * items.shape[1] - width * count
    rows[f"{name}_head"] = [1, 0, kind, items.shape[1], 1]
    rows[f"{name}_head"][:, 1] = count > 0
    return nulls


@lru_cache(maxsize=256)
def _form(n: int, stamps: int, qualities: bool) -> np.dtype[Any]:
    """A row of `n` values without NULLs, with so many source times, with or without qualities."""
    columns: list[Any] = [
        ("fields", ">i2"),
        ("time_length", ">i4"), ("time", ">i8"),
        ("layout_length", ">i4"), ("layout", ">i8"),
        ("received_length", ">i4"), ("received", ">i8"),
        ("late_length", ">i4"), ("late", "i1"),
        *_array("source", ">i8", stamps),
        *_array("quality", ">i4", n if qualities else 0),
        *_array("values", ">f8", n),
    ]  # fmt: skip
    return np.dtype(columns)


def _array(name: str, item: str, count: int) -> list[Any]:
    length = (f"{name}_length", ">i4")
    if not count:
        return [length]
    cell = np.dtype([("length", ">i4"), ("item", item)])
    return [length, (f"{name}_head", ">i4", (5,)), (name, cell, (count,))]


def _offset(form: np.dtype[Any], name: str) -> int:
    fields: Any = form.fields
    return int(fields[name][1])


def _microseconds(ns: NDArray[np.int64]) -> NDArray[np.int64]:
    return ns // 1000 - EPOCH_US
