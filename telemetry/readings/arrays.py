"""PostgreSQL's arrays as numpy's: a thousand readings arrive as a few arrays, with no Python object per value.

The binary form (PostgreSQL source, array_send): dimensions, a flag for NULLs, the elements' type, length and lower bound
(int32 each), then per element its length (int32) and bytes; all big endian. Arrays without NULLs have a fixed stride.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncCursor
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.rows import TupleRow

EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01, from which PostgreSQL counts, in microseconds since 1970."""
NO_TIME: Final = np.iinfo(np.int64).min
"""Stands for "no such time" among microseconds since 1970; '-infinity' to PostgreSQL."""
_HEAD_BYTES: Final = 20


class _ArrayLoader(Loader):
    """Loads a one-dimensional array without NULLs."""

    format = Format.BINARY
    wire: str
    native: type[np.generic]

    def load(self, data: Buffer) -> NDArray[Any]:
        form = np.dtype([("length", ">i4"), ("item", self.wire)])
        return np.frombuffer(data, form, offset=_HEAD_BYTES)["item"].astype(self.native)


class _Floats(_ArrayLoader):
    wire, native = ">f8", np.float64


class _Integers(_ArrayLoader):
    wire, native = ">i4", np.int64


class _Longs(_ArrayLoader):
    wire, native = ">i8", np.int64


class _Flags(_ArrayLoader):
    wire, native = "?", np.bool_


class _Times(_ArrayLoader):
    """Microseconds since 1970; NO_TIME for '-infinity'."""

    wire, native = ">i8", np.int64

    def load(self, data: Buffer) -> NDArray[np.int64]:
        stamps = super().load(data)
        return np.where(stamps == NO_TIME, NO_TIME, stamps + EPOCH_US)


_LOADERS: Final[Sequence[tuple[str, type[_ArrayLoader]]]] = (
    ("float8", _Floats),
    ("int4", _Integers),
    ("int8", _Longs),
    ("bool", _Flags),
    ("timestamptz", _Times),
)


def as_arrays(cursor: AsyncCursor[TupleRow]) -> AsyncCursor[TupleRow]:
    """The same cursor; arrays come as numpy's from now on (ask in binary). NULLs within one are the asker's to replace."""
    for name, loader in _LOADERS:
        kind = cursor.adapters.types[name]
        cursor.adapters.register_loader(kind.array_oid, loader)
    return cursor
