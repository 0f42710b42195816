"""The database as the archive sees it: what a day holds, in one snapshot, and which days are archived."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, cast

import psycopg
import pyarrow as pa
from psycopg import sql

from telemetry.archive import chain
from telemetry.archive.form import EVENTS, Table
from telemetry.archive.gathered import Gathered, blocks
from telemetry.archive.manifest import Manifest
from telemetry.archive.place import ArchiveClass, ArchivedDay
from telemetry.errors import Refusal
from telemetry.sql import query

Connection = psycopg.Connection[tuple[object, ...]]
TABLES: Final[dict[ArchiveClass, str]] = {"gmp": "frame", "diagnostic": "frame_diagnostic"}
CHUNK_EVENTS: Final = 20_000
_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a hypertable: all rows with start <= time < end."""

    schema: str
    name: str
    start: datetime
    end: datetime

    @property
    def days(self) -> list[date]:
        """The days (UTC) that it holds a part of."""
        last = (self.end - timedelta(microseconds=1)).astimezone(UTC).date()
        first = self.start.astimezone(UTC).date()
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


@dataclass(frozen=True, slots=True)
class Registered:
    """A row of the table archived_day."""

    archive_class: ArchiveClass
    day: date
    version: int
    manifest_sha256: str
    rows: int
    archived: datetime
    verified: datetime | None
    dropped: datetime | None


def bounds(day: date) -> tuple[datetime, datetime]:
    """Begin and end of a day, UTC."""
    start = datetime.combine(day, time(), UTC)
    return start, start + _DAY


class Source:
    """`connection` in autocommit mode, with our newest schema."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @contextmanager
    def snapshot(self) -> Generator[datetime]:
        """All questions within see the database as it is now; gives that time."""
        with self.connection.transaction():
            self.connection.execute(query("archive snapshot"))
            yield self._one("now")

    def frames(self, archive_class: ArchiveClass, day: date, folder: Path, told: Callable[[int], None]) -> Gathered:
        """The frames of a day, put aside in `folder`; the caller closes. `told` hears the number of rows so far."""
        start, end = bounds(day)
        table = sql.Identifier(TABLES[archive_class])
        statement = sql.SQL(query("archived frames copy")).format(
            table=table, start=sql.Literal(start), end=sql.Literal(end)
        )
        gathered = Gathered(folder)
        try:
            with self.connection.cursor().copy(statement) as rows:
                for block in blocks(cast("Iterator[bytes]", rows)):
                    gathered.add(block)
                    told(gathered.rows)
        except BaseException:
            gathered.close()
            raise
        return gathered

    def frame_bytes(self, archive_class: ArchiveClass, day: date) -> int:
        """What the day's frames take in the database: more than they ever take outside."""
        start, end = bounds(day)
        row = self.connection.execute(query("size of chunks"), (TABLES[archive_class], end, start)).fetchone()
        return cast("int", row[0]) if row else 0

    def events(self, day: date) -> Iterator[Table]:
        """The events of a day by writer and number, in tables of one writer each. Raises Refusal for an altered one."""
        with self.connection.cursor(name="archived_events") as cursor:
            cursor.execute(query("archived events"), bounds(day))
            rows: list[dict[str, Any]] = []
            for row in cursor:
                event = _event(cast("tuple[Any, ...]", row))
                if rows and (len(rows) >= CHUNK_EVENTS or event["writer"] != rows[-1]["writer"]):
                    yield pa.Table.from_pylist(rows, EVENTS)
                    rows = []
                rows.append(event)
            if rows:
                yield pa.Table.from_pylist(rows, EVENTS)

    def event_before(self, writer: str, number: int) -> int | None:
        """The number of the event before `number`; None where there is none."""
        row = self.connection.execute(query("event before"), (writer, number)).fetchone()
        return cast("int | None", row[0]) if row else None

    def layouts(self, archive_class: ArchiveClass) -> dict[int, dict[str, Any]]:
        """Layout id to what a reader must know of it."""
        found: dict[int, dict[str, Any]] = {}
        for row in self.connection.execute(query("archive layouts"), (archive_class,)):
            number, device, record, kept_as, period_s, since, tags = cast("tuple[Any, ...]", row)
            found[number] = {
                "device": device,
                "record": record,
                "class": kept_as,
                "period_s": period_s,
                "since": since.astimezone(UTC).isoformat() if since else None,
                "tags": tags,
            }
        return found

    def configurations(self, day: date) -> list[str]:
        """Digests of the configurations with which the engine ran on that day."""
        start, end = bounds(day)
        rows = self.connection.execute(query("configurations of a day"), {"start": start, "end": end})
        return [cast("str", row[0]) for row in rows]

    def through(self, archive_class: ArchiveClass) -> datetime | None:
        """The newest time that is stored: whatever the engine took before it is stored too."""
        stream = "events" if archive_class == "event" else "frames"
        row = self.connection.execute(query("stored through"), (stream,)).fetchone()
        return cast("datetime | None", row[0]) if row else None

    def first_day(self, archive_class: ArchiveClass) -> date | None:
        """The oldest day of which the database holds something."""
        if archive_class == "event":
            first = self._one("first event")
            return first.astimezone(UTC).date() if first else None
        chunks = self.chunks(archive_class)
        return chunks[0].days[0] if chunks else None

    def chunks(self, archive_class: ArchiveClass) -> list[Chunk]:
        """Of the class's hypertable, the oldest first."""
        return self.chunks_of(TABLES[archive_class])

    def chunks_of(self, table: str) -> list[Chunk]:
        """Of a hypertable, the oldest first."""
        rows = self.connection.execute(query("chunks"), (table,))
        return [Chunk(*cast("tuple[str, str, datetime, datetime]", row)) for row in rows]

    def late_days(self, since: datetime) -> dict[date, datetime]:
        """Days for which the engine took late data since then, and when it did last."""
        rows = self.connection.execute(query("late days"), (since,))
        return dict(cast("tuple[date, datetime]", row) for row in rows)

    # ---- the table archived_day

    def registered(self) -> list[Registered]:
        return [Registered(*cast("tuple[Any, ...]", row)) for row in self.connection.execute(query("archived days"))]

    def count(self, archive_class: ArchiveClass, day: date) -> int:
        """The frames of a day."""
        start, end = bounds(day)
        statement = sql.SQL(query("count of a day")).format(
            table=sql.Identifier(TABLES[archive_class]), start=sql.Literal(start), end=sql.Literal(end)
        )
        row = self.connection.execute(statement).fetchone()
        return cast("int", row[0]) if row else 0

    def register(
        self, day: ArchivedDay, manifest: Manifest, digest: str, archived: datetime, dropped: bool = False
    ) -> None:
        """dropped: its rows are not in the database (all of them)."""
        told = (
            day.archive_class,
            day.day,
            day.version,
            day.path_in_archive,
            bytes.fromhex(digest),
            manifest.rows,
            archived,
            datetime.now(UTC) if dropped else None,
        )
        self.connection.execute(query("add archived day"), told)

    def verified(self, day: ArchivedDay, at: datetime) -> None:
        self.connection.execute(query("archived day verified"), (at, day.archive_class, day.day, day.version))

    def forget(self, day: ArchivedDay) -> None:
        """Its file was deleted: it is no longer archived."""
        self.connection.execute(query("remove archived day"), (day.archive_class, day.day, day.version))

    def drop(self, archive_class: ArchiveClass, chunk: Chunk, rows: int) -> None:
        """Drops a chunk that holds exactly `rows` rows, and marks its days. Raises Refusal where it holds more by now.

        No row can come while it is counted and dropped: whoever stores late data for it waits. Readers wait only for the drop.
        """
        try:
            self._drop(archive_class, chunk, rows)
        except psycopg.errors.LockNotAvailable as error:
            raise Refusal(
                f"Somebody reads or writes {chunk.schema}.{chunk.name} for long; nothing was dropped.",
                "The next run tries again.",
            ) from error

    def _drop(self, archive_class: ArchiveClass, chunk: Chunk, rows: int) -> None:
        name = sql.Identifier(chunk.schema, chunk.name)
        with self.connection.transaction():
            for statement in query("lock chunk").split(";"):
                self.connection.execute(sql.SQL(statement).format(chunk=name))
            row = self.connection.execute(sql.SQL(query("count chunk")).format(chunk=name)).fetchone()
            if row is None or row[0] != rows:
                raise Refusal(
                    f"Late data came for {chunk.days[0]} while its archive was compared; nothing was dropped.",
                    "The next run archives it and tries again.",
                )
            self.connection.execute(
                sql.SQL(query("drop chunk")).format(
                    table=sql.Literal(TABLES[archive_class]), start=sql.Literal(chunk.start), end=sql.Literal(chunk.end)
                )
            )
            for day in chunk.days:
                self.connection.execute(query("archived day dropped"), (archive_class, day))

    def _one(self, name: str) -> Any:
        row = self.connection.execute(query(name)).fetchone()
        return row[0] if row else None


def _event(row: tuple[Any, ...]) -> dict[str, Any]:
    writer, number, at, beyond, kind, body, previous, own = row
    time_us = (at - _EPOCH) // timedelta(microseconds=1)
    time_ns = chain.time_ns(number, time_us, beyond, body.encode(), previous, own)
    if time_ns is None:
        raise Refusal(
            f"Event {number} of {writer} in the database was altered: it does not fit its own hash.",
            "Find out who did it, and compare it with the journal or a backup. Its day is not archived until it is right again.",
        )
    return {
        "writer": writer,
        "number": number,
        "time": time_ns,
        "kind": kind,
        "body": body,
        "previous": previous,
        "hash": own,
    }
