"""Hashes of files as they lie on the disk."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

_TAIL: Final = 8
"""Bytes behind a Parquet file's footer: its length and ``PAR1``."""


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    total = sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            total.update(part)
    return total.hexdigest()


def group_digest(path: Path, group: Any) -> str:
    """SHA-256 of the bytes of a row group, as its metadata (of pyarrow) tells where they lie."""
    columns = [group.column(n) for n in range(group.num_columns)]
    starts = [column.dictionary_page_offset or column.data_page_offset for column in columns]
    first = min(starts)
    left = max(start + column.total_compressed_size for start, column in zip(starts, columns, strict=True)) - first
    total = sha256()
    with path.open("rb") as file:
        file.seek(first)
        while left > 0 and (part := file.read(min(left, 1 << 20))):
            total.update(part)
            left -= len(part)
    return total.hexdigest()


def footer_digest(path: Path) -> str:
    """SHA-256 of a Parquet file from its footer on. Raises ValueError where it has none."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        length = int.from_bytes(file.read(4), "little") + _TAIL
        if file.read(4) != b"PAR1" or length > size:
            raise ValueError("it does not end as a Parquet file does")
        file.seek(size - length)
        return sha256(file.read()).hexdigest()
