"""Tables as Apache Parquet, row group by row group, handed on as they are written."""

from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from telemetry.readings.arrays import NO_TIME
from telemetry.readings.table import Column, Table

ROW_GROUP: Final = 131_072
"""Rows that are gathered before a row group is written: about a day and a half of seconds."""


class Parquet:
    """Writes tables of one form; takes and gives bytes of the file as they come to be."""

    def __init__(self, form: Table) -> None:
        """`form`: a table of that form, whose rows are not looked at."""
        self._schema = pa.schema([pa.field(column.name, _kind(column)) for column in form.columns])
        self._sink = _Sink()
        self._writer = pq.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._rows = 0

    def take(self, table: Table) -> bytes:
        """Adds the table's rows; what there is to send by now."""
        arrays = [_array(column) for column in table.columns]
        self._waiting.append(pa.record_batch(arrays, schema=self._schema))
        self._rows += len(table)
        return self._written() if self._rows >= ROW_GROUP else b""

    def end(self) -> bytes:
        """The rest of the file."""
        rest = self._written()
        self._writer.close()
        return rest + self._sink.taken()

    def _written(self) -> bytes:
        if self._rows:
            self._writer.write_table(pa.Table.from_batches(self._waiting), row_group_size=self._rows)
        self._waiting, self._rows = [], 0
        return self._sink.taken()


class _Sink:
    """A file to pyarrow that remembers only what was not taken yet."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> None:
        self._parts.append(bytes(data))

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What was written is still to be taken."""

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _kind(column: Column) -> Any:
    return {
        "time": pa.timestamp("us", "UTC"),
        "number": pa.float64(),
        "count": pa.int64(),
        "flag": pa.bool_(),
        "word": pa.string(),
    }[column.kind]


def _array(column: Column) -> Any:
    data = column.data
    if column.kind == "time":
        return pa.array(data, pa.int64(), mask=data == NO_TIME).cast(_kind(column))
    if column.kind == "number":
        return pa.array(data, pa.float64(), from_pandas=True)
    if column.kind == "word":
        return pa.DictionaryArray.from_arrays(pa.array(data, pa.int32()), pa.array(column.words, pa.string())).cast(
            pa.string()
        )
    return pa.array(data, _kind(column))
