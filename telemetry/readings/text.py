"""Tables as JSON and CSV, made a column at a time.

A row as a dict cost 2.5 times as much as this: the numbers and times of a column are written by orjson in one go (the shortest
text that gives the same float back), cut at the commas, and laid between the words that are the same in every row.
"""

import csv
import io
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import numpy as np
import orjson

from telemetry.readings.arrays import NO_TIME
from telemetry.readings.table import Column, Table, names

_OPTIONS: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
MOST_ROWS: Final = 4096
"""Written in one go: a few milliseconds of the event loop."""
_NULL: Final = b"null"


def json_rows(table: Table) -> bytes:
    """The rows as JSON objects with commas between; times in ISO 8601, UTC; null for none."""
    between: list[bytes] = []
    cells: list[list[bytes]] = []
    said = b",\n{"
    for column in table.columns:
        said += orjson.dumps(column.name) + b":"
        word = _constant(column)
        if word is not None:
            said += word + b","
        else:
            between.append(said)
            cells.append(_cells(column))
            said = b","
    return _laid(between, cells, said.removesuffix(b",") + b"}", len(table)).removeprefix(b",\n")


def csv_head(table: Table) -> bytes:
    return (",".join(names(table)) + "\r\n").encode()


def csv_rows(table: Table) -> bytes:
    """The rows as RFC 4180 has them; nothing for none."""
    between: list[bytes] = []
    cells: list[list[bytes]] = []
    said = b""
    for column in table.columns:
        word = _constant(column)
        if word is not None:
            said += _plain(word, column) + b","
        else:
            between.append(said)
            cells.append([_plain(cell, column) for cell in _cells(column)])
            said = b","
    return _laid(between, cells, said.removesuffix(b",") + b"\r\n", len(table))


def pieces(table: Table) -> Iterator[Table]:
    """The table in parts that are written in one go."""
    for first in range(0, len(table), MOST_ROWS):
        yield table.rows(first, MOST_ROWS)


def _laid(between: list[bytes], cells: list[list[bytes]], end: bytes, n: int) -> bytes:
    """What stands between and the cells, in turn, n times."""
    width = 2 * len(cells) + 1
    laid: list[bytes] = [end] * (width * n)
    for i, (said, column) in enumerate(zip(between, cells, strict=True)):
        laid[2 * i :: width] = [said] * n
        laid[2 * i + 1 :: width] = column
    return b"".join(laid)


def _constant(column: Column) -> bytes | None:
    """The JSON of a column that is the same in all rows; None where it differs. Of times, only where there are none."""
    data: Any = column.data
    if column.kind == "word":
        if len(column.words) == 1 or (data == data[0]).all():
            return orjson.dumps(column.words[data[0]])
    elif column.kind == "flag":
        if (data == data[0]).all():
            return orjson.dumps(bool(data[0]))
    elif column.kind == "time" and (data == NO_TIME).all():
        return _NULL
    return None


def _cells(column: Column) -> list[bytes]:
    """The JSON of each of a column's values."""
    data: Any = column.data
    if column.kind == "word":
        words = [orjson.dumps(word) for word in column.words]
        return [words[place] for place in data.tolist()]
    if column.kind != "time":
        return orjson.dumps(np.ascontiguousarray(data), option=_OPTIONS)[1:-1].split(b",")
    absent = data == NO_TIME
    cells = orjson.dumps(np.where(absent, 0, data).view("datetime64[us]"), option=_OPTIONS)[1:-1].split(b",")
    for place in np.flatnonzero(absent).tolist():
        cells[place] = _NULL
    return cells


def _plain(cell: bytes, column: Column) -> bytes:
    """A cell's JSON as CSV has it."""
    if cell == _NULL:
        return b""
    if column.kind == "time":
        return cell[1:-1]
    return _csv_word(cell) if column.kind == "word" else cell


@lru_cache(1024)
def _csv_word(cell: bytes) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([orjson.loads(cell)])
    return out.getvalue().encode()
