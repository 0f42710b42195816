"""Archives a day: the day itself, or what came for it since (an addendum)."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from types import TracebackType
from typing import Final, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from telemetry.archive.difference import Altered, unarchived
from telemetry.archive.form import EVENTS, FRAMES, Table
from telemetry.archive.gathered import Gathered, ordered
from telemetry.archive.manifest import Manifest
from telemetry.archive.place import ArchiveClass, ArchivedDay
from telemetry.archive.reading import manifest_of, opened
from telemetry.archive.source import Source
from telemetry.archive.verify import altered_files
from telemetry.archive.writing import Archive, Tally
from telemetry.errors import Refusal

TELL_S: Final = 5.0


class Kept:
    """What the archive holds of a day already, all versions together, to be compared with."""

    def __init__(self, versions: list[ArchivedDay]) -> None:
        self._open = ExitStack()
        self._groups: dict[int, list[tuple[pq.ParquetFile, int]]] = {}
        self._files: list[pq.ParquetFile] = []
        self.rows = 0
        for version in versions:
            manifest = manifest_of(version)
            if not manifest.files or version.deletion.exists():
                continue
            file = self._open.enter_context(opened(version, manifest))
            self._files.append(file)
            self.rows += manifest.rows
            if version.archive_class != "event":
                for group in range(file.num_row_groups):
                    layout = int(file.metadata.row_group(group).column(1).statistics.min)
                    self._groups.setdefault(layout, []).append((file, group))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def frames(self, layout: int) -> Table:
        """All rows of a layout, by time, then received."""
        parts = [file.read_row_group(group, use_threads=False) for file, group in self._groups.get(layout, ())]
        return ordered(pa.concat_tables([_plain(part) for part in parts])) if parts else FRAMES.empty_table()

    def events(self, writer: str, first: int, last: int) -> Table:
        """Events of a writer by number, from `first` to `last`."""
        parts: list[Table] = [EVENTS.empty_table()]
        for file in self._files:
            for group in range(file.num_row_groups):
                told = file.metadata.row_group(group)
                writers, numbers = told.column(0).statistics, told.column(1).statistics
                if writers.min <= writer <= writers.max and numbers.min <= last and numbers.max >= first:
                    table = _plain(file.read_row_group(group, use_threads=False))
                    parts.append(table.filter((pc.field("writer") == writer) & (pc.field("number") >= first)))
        whole = pa.concat_tables(parts).filter(pc.field("number") <= last)
        return whole.sort_by("number").combine_chunks()


class Comparison:
    """The rows of a day in the database beside those in its archive. `stored`: how many the database holds, once all
    were compared."""

    def __init__(self, source: Source, day: ArchivedDay, kept: Kept) -> None:
        self.source, self.day, self.kept = source, day, kept
        self.stored = 0

    def fresh_frames(self, gathered: Gathered, said: Callable[[str], None]) -> Iterator[Table]:
        """What the archive lacks, layout by layout. Raises Refusal where a row is in both and differs."""
        told = time.monotonic()
        layouts = gathered.layouts
        for done, layout in enumerate(layouts):
            if time.monotonic() - told > TELL_S:
                said(f"{self.day}: {done} of {len(layouts)} layouts")
                told = time.monotonic()
            table = gathered.of(layout)
            yield self._fresh(table, self.kept.frames(layout), ("time", "received"), ("committed",))

    def fresh_events(self) -> Iterator[Table]:
        for table in self.source.events(self.day.day):
            numbers = table.column("number")
            kept = self.kept.events(table.column("writer")[0].as_py(), numbers[0].as_py(), numbers[-1].as_py())
            yield self._fresh(table, kept, ("number",), ())

    def _fresh(self, stored: Table, kept: Table, keys: tuple[str, ...], ignored: tuple[str, ...]) -> Table:
        self.stored += stored.num_rows
        try:
            return unarchived(stored, kept, keys, ignored)
        except Altered as altered:
            row = stored.slice(altered.first, 1).to_pylist()[0]
            which = f"event {row['number']} of {row['writer']}" if "number" in row else f"layout {row['layout']}"
            raise Refusal(
                f"The archive of {self.day} and the database differ in {altered.count} rows that both have, the first at "
                f"{row['time']:%Y-%m-%d %H:%M:%S} ({which}): one of the two was altered. Nothing was archived or dropped.",
                "telemetry verify tells whether it is the archive.",
            ) from altered


def archive_day(
    source: Source, archive: Archive, archive_class: ArchiveClass, day: date, said: Callable[[str], None]
) -> tuple[Manifest | None, int]:
    """Archives what the database holds of the day and the archive does not; the manifest, or None where there was nothing new.

    With it comes the number of the day's rows in the database. What was there before is read back first and compared row by
    row. Raises Refusal.
    """
    versions = archive.versions(archive_class, day)
    for version in versions:
        for damage in altered_files(version):
            raise damage
    target = ArchivedDay(archive_class, day, len(versions) + 1, archive.folder)
    archive.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        taken = stack.enter_context(source.snapshot())
        kept = stack.enter_context(Kept(versions))
        comparison = Comparison(source, target, kept)
        layouts = {}
        if archive_class == "event":
            fresh = comparison.fresh_events()
        else:
            _room(source, archive_class, day, archive)
            progress = _Progress(target, said)
            gathered = stack.enter_context(source.frames(archive_class, day, archive.folder, progress.rows))
            known = source.layouts(archive_class)
            layouts = {number: known[number] for number in gathered.layouts}
            fresh = comparison.fresh_frames(gathered, said)
        tally = Tally(None if versions else source.event_before)
        written = None
        first = next(filter(lambda table: table.num_rows, fresh), None)
        if first is not None or not versions:
            tables = _chained([] if first is None else [first], fresh)
            written = archive.put(target, tally, tables, layouts, source.configurations(day))
    for version in versions:
        source.verified(version, taken)
    if written is None:
        return None, comparison.stored
    manifest, digest = written
    source.register(target, manifest, digest, taken)
    size = manifest.files[0].bytes / 1e6 if manifest.files else 0
    said(f"{target}: {manifest.rows} rows, {size:.1f} MB, manifest {manifest.number}")
    return manifest, comparison.stored


class _Progress:
    """Tells now and then how many rows were read."""

    def __init__(self, day: ArchivedDay, said: Callable[[str], None]) -> None:
        self.day, self.said, self._told = day, said, time.monotonic()

    def rows(self, number: int) -> None:
        if time.monotonic() - self._told > TELL_S:
            self.said(f"{self.day}: {number} rows read")
            self._told = time.monotonic()


def _room(source: Source, archive_class: ArchiveClass, day: date, archive: Archive) -> None:
    """Refuses where the disk may not hold the rows put aside and the file."""
    folder = archive.folder
    free, needed = shutil.disk_usage(folder).free, source.frame_bytes(archive_class, day) + archive.spare_bytes
    if free < needed:
        raise Refusal(
            f"Archiving {archive_class} of {day} may take {needed / 1e6:.0f} MB in {folder}, and {free / 1e6:.0f} MB are free.",
            "Free some, or move the archive folder to a larger disk and put a symbolic link in its place.",
        )


def _chained(first: list[Table], rest: Iterator[Table]) -> Iterator[Table]:
    yield from first
    yield from rest


def _plain(table: Table) -> Table:
    """Without the file's metadata, so that tables of several files can be joined."""
    return table.replace_schema_metadata(None)
