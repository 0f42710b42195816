"""The rows of a day, layout by layout, though the database gives them in the order in which they came.

A day of 15,000 tags a second is 26 million rows, which lie in the database second by second: asked for layout by layout, it
would read all its pages once for each. So they are read once, in any order, put aside on disk by layout, compressed, and taken
from there. In memory lies one block of rows, or one layout's day.
"""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import pyarrow as pa

from telemetry.archive.copied import END, SIGNATURE, batch
from telemetry.archive.form import FRAMES, Batch, Table

BLOCK_BYTES: Final = 16 << 20
_CODEC: Final = "lz4"
_ORDER: Final = [("time", "ascending"), ("received", "ascending"), ("committed", "ascending")]


def blocks(messages: Iterable[bytes]) -> Iterator[Batch]:
    """Batches of a COPY stream of frames, about `BLOCK_BYTES` each. The server sends one row a message, the signature before
    the first."""
    rows: list[bytes] = []
    size = 0
    for message in messages:
        row = bytes(message).removeprefix(SIGNATURE)
        if not row or row == END:
            continue
        rows.append(row)
        size += len(row)
        if size >= BLOCK_BYTES:
            yield batch(rows)
            rows, size = [], 0
    if rows:
        yield batch(rows)


class Gathered:
    """Rows put aside by layout in a file without a name in `folder`, gone when it is closed."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close
        self._parts: dict[int, list[tuple[int, int, int]]] = defaultdict(list)  # offset, size, size unpacked
        self._end = 0
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def add(self, rows: Batch) -> None:
        """Puts a batch of any layouts aside. Raises OSError where the disk is full."""
        layouts = rows.column("layout").to_numpy()
        order = np.argsort(layouts, kind="stable")
        rows, layouts = rows.take(pa.array(order)), layouts[order]
        starts = np.flatnonzero(np.diff(layouts, prepend=layouts[0] - 1))
        for first, behind in zip(starts, (*starts[1:], len(layouts)), strict=True):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, FRAMES) as stream:
                stream.write_batch(rows.slice(first, behind - first))
            plain = sink.getvalue()
            data = pa.compress(plain, _CODEC)  # as a whole: column by column takes five times as long
            self._file.write(data)
            self._parts[int(layouts[first])].append((self._end, data.size, plain.size))
            self._end += data.size
        self.rows += rows.num_rows

    @property
    def layouts(self) -> list[int]:
        """Which layouts have rows, in the order of their ids."""
        return sorted(self._parts)

    def of(self, layout: int) -> Table:
        """All rows of one layout, by time, then received."""
        parts: list[Table] = []
        for offset, size, plain_size in self._parts.get(layout, ()):
            self._file.seek(offset)
            plain = pa.decompress(self._file.read(size), plain_size, _CODEC)
            parts.append(pa.ipc.open_stream(plain).read_all())
        whole = pa.concat_tables(parts) if parts else FRAMES.empty_table()
        return ordered(whole)


def ordered(rows: Table) -> Table:
    """By time, then received."""
    return rows.sort_by(_ORDER).combine_chunks()
