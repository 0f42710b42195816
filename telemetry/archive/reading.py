"""Reads archived days: whichever layouts and time are asked for, a few thousand rows at a time."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from telemetry.archive import manifest as documents
from telemetry.archive import signing
from telemetry.archive.damage import ArchiveDamaged
from telemetry.archive.digests import footer_digest, group_digest
from telemetry.archive.form import Batch
from telemetry.archive.manifest import Manifest
from telemetry.archive.place import ArchiveClass, ArchivedDay, days_in

__all__ = ["ArchiveClass", "ArchiveDamaged", "ArchivedDay", "archived", "manifest_of", "rows"]
BATCH_ROWS: Final = 4096


def archived(folder: Path) -> dict[tuple[ArchiveClass, date], list[ArchivedDay]]:
    """What the archive `folder` holds: by class and day, the versions in order. Expired days are not among them."""
    found: dict[tuple[ArchiveClass, date], list[ArchivedDay]] = defaultdict(list)
    for day in sorted(days_in(folder)):
        if not day.deletion.exists():
            found[(day.archive_class, day.day)].append(day)
    return dict(found)


def manifest_of(day: ArchivedDay) -> Manifest:
    """The manifest, proven by its signature and by the certificate in the archive (integrity, not origin).

    Raises ArchiveDamaged.
    """
    data = _bytes(day.manifest)
    try:
        manifest = documents.unpacked(data)
    except ValueError as error:
        raise ArchiveDamaged(day.manifest, str(error)) from error
    certificate = signing.certificates(day.folder).get(manifest.signer)
    if certificate is None:
        raise ArchiveDamaged(day.manifest, "names a signer whose certificate is not in the archive")
    signing.check(day.manifest, data, _bytes(day.signature), certificate)
    if (manifest.archive_class, manifest.day, manifest.version) != (day.archive_class, str(day.day), day.version):
        raise ArchiveDamaged(
            day.manifest, f"is that of {manifest.archive_class} {manifest.day} version {manifest.version}"
        )
    return manifest


def rows(
    day: ArchivedDay, layouts: Collection[int], start_ns: int, end_ns: int, columns: Sequence[str] | None = None
) -> Iterator[Batch]:
    """The rows of `layouts` with start_ns <= time < end_ns, layout by layout, each in the order of time.

    `columns`: which (of `form.FRAMES`), `time` among them; None for all. At most `BATCH_ROWS` rows lie in memory at once. The
    manifest's signature, the file's footer and each layout that is read are proven against it; raises ArchiveDamaged. Whether
    the rest of the file is as signed, `telemetry verify` tells.
    """
    manifest = manifest_of(day)
    if not manifest.files:
        return
    wanted = set(layouts)
    start_us, end_us = -(-start_ns // 1000), -(-end_ns // 1000)
    with opened(day, manifest) as file:
        for group in range(file.num_row_groups):
            layout, first_us, last_us = _span(file, group)
            if layout in wanted and first_us < end_us and last_us >= start_us:
                if group_digest(day.parquet, file.metadata.row_group(group)) != manifest.files[0].groups_sha256[group]:
                    raise ArchiveDamaged(day.parquet, f"was altered: layout {layout} is not what its manifest says")
                yield from _within(day, file, group, start_us, end_us, columns)


def opened(day: ArchivedDay, manifest: Manifest) -> pq.ParquetFile:
    """Its Parquet file, as long as the manifest says, each page proven when it is read. Raises ArchiveDamaged."""
    path = day.parquet
    try:
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise ArchiveDamaged(path, "is missing") from error
    if size != manifest.files[0].bytes:
        raise ArchiveDamaged(path, f"is {size} bytes long, its manifest says {manifest.files[0].bytes}")
    try:
        if footer_digest(path) != manifest.files[0].footer_sha256:
            raise ArchiveDamaged(path, "was altered: its footer is not what its manifest says")
        return pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ArchiveDamaged(path, f"cannot be read ({_said(error)})") from error


def _within(
    day: ArchivedDay, file: pq.ParquetFile, group: int, start_us: int, end_us: int, columns: Sequence[str] | None
) -> Iterator[Batch]:
    batches = file.iter_batches(BATCH_ROWS, [group], None if columns is None else list(columns), use_threads=False)
    while True:
        try:
            batch = next(batches, None)
        except (OSError, pa.ArrowException) as error:
            raise ArchiveDamaged(day.parquet, f"cannot be read ({_said(error)})") from error
        if batch is None:
            return
        first, behind = np.searchsorted(microseconds(batch.column("time")), (start_us, end_us))
        if behind > first:
            yield batch.slice(first, behind - first)
        if behind < batch.num_rows:
            return


def microseconds(column: Any) -> Any:
    """A timestamp column without nulls as int64."""
    return column.cast(pa.int64()).to_numpy(zero_copy_only=False)


def _span(file: pq.ParquetFile, group: int) -> tuple[int, int, int]:
    """Layout, first and last time (microseconds) of a row group, from its statistics."""
    told = file.metadata.row_group(group)
    by_name = {told.column(i).path_in_schema: told.column(i).statistics for i in range(2)}
    time = by_name["time"]
    return int(by_name["layout"].min), int(time.min_raw), int(time.max_raw)


def _said(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ArchiveDamaged(path, "is missing") from error
