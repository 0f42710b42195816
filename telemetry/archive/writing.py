"""Writes one version of a day: its Parquet file, its signature, and last its manifest, with which it is there.

Each file gets its name only when it is whole and on the disk, so whoever dies in between leaves nothing that counts.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from telemetry.archive import manifest as documents
from telemetry.archive.damage import ArchiveDamaged
from telemetry.archive.digests import file_digest, footer_digest, group_digest
from telemetry.archive.form import EVENTS, FRAMES, LAYOUTS_KEY, Table
from telemetry.archive.manifest import FIRST, Chain, Deletion, File, Manifest
from telemetry.archive.place import ArchiveClass, ArchivedDay, days_in
from telemetry.archive.signing import Signer

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DELTA: Final = "DELTA_BINARY_PACKED"
_ENCODING: Final = {
    "time": _DELTA, "received": _DELTA, "committed": _DELTA, "source.list.element": _DELTA,
    "values.list.element": "BYTE_STREAM_SPLIT",
}  # fmt: skip
_DICTIONARY: Final[Any] = ["layout", "late", "quality.list.element"]
_EVENT_DICTIONARY: Final[Any] = ["writer", "kind"]


class Tally:
    """What is written, counted as it passes: rows, time span, rows by layout, chains by writer.

    before: gives the number of a writer's event before the one given, wherever it lies; with it, numbers that are nowhere
    are counted as missing. Without it (an addendum, which holds single events) none are.
    """

    def __init__(self, before: Callable[[str, int], int | None] | None = None) -> None:
        self._before = before
        self.rows = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self.layouts: dict[str, int] = {}
        self.chains: dict[str, Chain] = {}

    def counted(self, tables: Iterable[Table]) -> Iterator[Table]:
        """The tables that are not empty."""
        for table in tables:
            if not table.num_rows:
                continue
            self.rows += table.num_rows
            self._span(table)
            if "layout" in table.column_names:
                layout = str(table.column("layout")[0].as_py())
                self.layouts[layout] = self.layouts.get(layout, 0) + table.num_rows
            else:
                self._chain(table)
            yield table

    def _span(self, table: Table) -> None:
        times = table.column("time").cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_numpy()
        first, last = int(times.min()), int(times.max())
        self.first_ns = first if self.first_ns is None else min(first, self.first_ns)
        self.last_ns = last if self.last_ns is None else max(last, self.last_ns)

    def _chain(self, table: Table) -> None:
        writer, numbers = table.column("writer")[0].as_py(), table.column("number").to_numpy()
        first, last = int(numbers[0]), int(numbers[-1])
        chain = self.chains.get(writer)
        if chain is None:
            before = self._before(writer, first) if self._before else None
            previous = table.column("previous")[0].as_py().hex()
            chain = self.chains[writer] = Chain(first, last, previous, "", [])
        else:
            before = chain.last
        if self._before is not None:
            for number in numbers.tolist():
                if before is not None and number > before + 1:
                    chain.missing.append((before + 1, number - 1))
                before = number
        chain.last, chain.hash = last, table.column("hash")[-1].as_py().hex()


class Archive:
    """The archive in `folder` as its one writer. `signer` signs what is written. spare_bytes: left free on its disk, which is the
    journal's too: where that has too little, frames give way."""

    def __init__(self, folder: Path, signer: Signer, spare_bytes: int = 0) -> None:
        self.folder, self.signer, self.spare_bytes = folder, signer, spare_bytes
        self._heads: dict[ArchiveClass, tuple[int, str]] = {}

    def versions(self, archive_class: ArchiveClass, day: Any) -> list[ArchivedDay]:
        """The versions of a day, the oldest first."""
        found: list[ArchivedDay] = []
        while (one := ArchivedDay(archive_class, day, len(found) + 1, self.folder)).manifest.exists():
            found.append(one)
        return found

    def put(
        self,
        day: ArchivedDay,
        tally: Tally,
        tables: Iterable[Table],
        layouts: Mapping[int, Mapping[str, Any]],
        configurations: list[str],
    ) -> tuple[Manifest, str]:
        """Writes `tables` (each of one layout or writer: a row group) as `day`; gives the manifest and its SHA-256."""
        day.parquet.parent.mkdir(parents=True, exist_ok=True)
        file = self._parquet(day, tally, tables, layouts)
        number, previous = self._head(day.archive_class)
        before = ArchivedDay(day.archive_class, day.day, day.version - 1, day.folder).manifest
        manifest = Manifest(
            archive_class=day.archive_class,
            day=day.day.isoformat(),
            version=day.version,
            number=number + 1,
            previous=previous,
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            software=f"telemetry {version('telemetry')}",
            signer=self.signer.fingerprint,
            configurations=configurations,
            files=[file] if file else [],
            rows=tally.rows,
            first=_text(tally.first_ns),
            last=_text(tally.last_ns),
            follows=documents.digest(before.read_bytes()) if day.version > 1 else None,
            layouts=tally.layouts,
            chains=tally.chains,
        )
        data = documents.packed(manifest)
        durable(day.signature, self.signer.sign(data))
        durable(day.manifest, data)
        digest = documents.digest(data)
        self._heads[day.archive_class] = (manifest.number, digest)
        return manifest, digest

    def delete(self, day: ArchivedDay, manifest_digest: str, reason: str) -> None:
        """Deletes the day's rows and leaves a signed note of it; the manifest stays, for the chain."""
        note = Deletion(
            archive_class=day.archive_class,
            day=day.day.isoformat(),
            version=day.version,
            manifest=manifest_digest,
            deleted=datetime.now(UTC).isoformat(timespec="seconds"),
            reason=reason,
            signer=self.signer.fingerprint,
        )
        data = documents.packed(note)
        durable(day.deletion_signature, self.signer.sign(data))
        durable(day.deletion, data)
        day.parquet.unlink(missing_ok=True)

    def _parquet(
        self, day: ArchivedDay, tally: Tally, tables: Iterable[Table], layouts: Mapping[int, Mapping[str, Any]]
    ) -> File | None:
        """The file, or None where there are no rows."""
        path, partial = day.parquet, day.parquet.with_name(f"{day.parquet.name}.partial")
        schema = EVENTS if day.archive_class == "event" else FRAMES
        told = {str(number): layout for number, layout in layouts.items()}
        schema = schema.with_metadata({LAYOUTS_KEY: orjson.dumps(told)} if told else None)
        frames = day.archive_class != "event"
        try:
            with pq.ParquetWriter(
                partial,
                schema,
                compression="zstd",
                compression_level=3,
                use_dictionary=_DICTIONARY if frames else _EVENT_DICTIONARY,
                column_encoding=_ENCODING if frames else None,
                write_page_checksum=True,
                write_page_index=True,
            ) as writer:
                for table in tally.counted(tables):
                    writer.write_table(table.cast(schema), row_group_size=table.num_rows)
            if not tally.rows:
                return None
            whole = _digest_on_disk(partial)
            with pq.ParquetFile(partial) as written:
                groups = [group_digest(partial, written.metadata.row_group(n)) for n in range(written.num_row_groups)]
            file = File(path.name, partial.stat().st_size, whole, footer_digest(partial), groups, tally.rows)
            partial.replace(path)
            _sync_folder(path.parent)
        finally:
            partial.unlink(missing_ok=True)
        return file

    def _head(self, archive_class: ArchiveClass) -> tuple[int, str]:
        """Number and SHA-256 of the newest manifest of the class. Raises ArchiveDamaged: behind a manifest that cannot be read
        nothing is added."""
        if archive_class not in self._heads:
            newest = (0, FIRST)
            for day in days_in(self.folder, archive_class):
                data = day.manifest.read_bytes()
                try:
                    number = documents.unpacked(data).number
                except ValueError as error:
                    raise ArchiveDamaged(day.manifest, str(error)) from error
                if number > newest[0]:
                    newest = (number, documents.digest(data))
            self._heads[archive_class] = newest
        return self._heads[archive_class]


def durable(path: Path, data: bytes) -> None:
    """A small file, whole and on the disk, or not at all."""
    new = path.with_name(f"{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _digest_on_disk(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return file_digest(path)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _text(time_ns: int | None) -> str | None:
    return None if time_ns is None else (_EPOCH + timedelta(microseconds=time_ns // 1000)).isoformat()
