"""A database as the historian leaves it, for the tests of archive and backup: frames, layouts and events of past days."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg

from drivers.frame import Layout
from telemetry.archive import signing
from telemetry.archive.keeping import Keeping
from telemetry.archive.source import Connection, Source
from telemetry.archive.verify import Report, Verification
from telemetry.archive.writing import Archive
from telemetry.journal.format import ZERO_HASH, event_hash
from telemetry.plant.schema import ClassRetention, Retention

ISOLATOR: Final = Layout("L01-ISO", ("L01-ISO.pressure", "L01-ISO.fan"))
COUNTER: Final = Layout("L01-PC1", ("L01-PC1.count",), record=True)
SERVICE: Final = Layout("SVC", ("SVC.free",))
FIRST: Final = date(2026, 3, 1)
RETENTION: Final = Retention(
    minimum_days=30,
    gmp=ClassRetention(raw_days=5, keep_days=40),
    diagnostic=ClassRetention(raw_days=3, keep_days=10),
    archive_after_days=1,
)


def day(n: int) -> date:
    """Day `n` of the story, from 0."""
    return FIRST + timedelta(days=n)


def noon(n: int) -> datetime:
    return datetime.combine(day(n), datetime.min.time(), UTC) + timedelta(hours=12)


class Stock:
    """Fills a database. Values differ from row to row, some are Bad, some have source times."""

    def __init__(self, url: str) -> None:
        self.connection: Connection = psycopg.connect(url, autocommit=True)
        self.number, self.hash = 0, ZERO_HASH
        for layout, kept_as in ((ISOLATOR, "gmp"), (COUNTER, "gmp"), (SERVICE, "diagnostic")):
            self.connection.execute(
                "insert into layout (id, device, record, tags, class) values (%s, %s, %s, %s, %s)",
                (layout.id, layout.device, layout.record, list(layout.tags), kept_as),
            )
        self.connection.execute(
            "insert into tag (id, equipment, name_en, name_zh, unit, kind, digest) values"
            " ('L01-ISO.pressure', 'L01-ISO', 'Pressure', '压力', 'Pa', 'float', 'd1')"
        )
        self.connection.execute(
            "insert into journal_position (writer, stream, number) values ('engine-1', 'events', 0), ('engine-1', 'frames', 0)"
        )

    def stored(self, stream: str, at: datetime) -> None:
        """The historian has stored what was received up to then."""
        self.connection.execute(
            "update journal_position set time = greatest(time, %s) where writer = 'engine-1' and stream = %s",
            (at, stream),
        )

    def frames(
        self, first: datetime, count: int, layout: Layout = ISOLATOR, late: bool = False, every: float = 1.0
    ) -> None:
        """`count` frames from `first` on."""
        table = "frame_diagnostic" if layout is SERVICE else "frame"
        rows: list[tuple[Any, ...]] = []
        for i in range(count):
            at = first + timedelta(seconds=i * every)
            values: list[float | None] = [float(k) + i / 7 for k in range(len(layout.tags))]
            quality = source = None
            if i % 5 == 1:
                values[0], quality = None, [32768] + [0] * (len(values) - 1)
            if i % 3 == 1:
                source = [at - timedelta(milliseconds=3)]
            if i % 7 == 2:
                source = [at - timedelta(milliseconds=k) if k % 2 == 0 else None for k in range(len(values))]
            rows.append((at, layout.id, at + timedelta(milliseconds=40), late, source, quality, values))
        with self.connection.cursor() as cursor:
            cursor.executemany(
                f'insert into {table} (time, layout, received, late, source, quality, "values")'
                " values (%s, %s, %s, %s, %s::timestamptz[], %s::int[], %s::float8[])",
                rows,
            )
        self.stored("frames", rows[-1][2])

    def event(self, at: datetime, data: dict[str, Any], nanoseconds: int | None = 123) -> None:
        """The next event of the chain; without `nanoseconds` as an old database keeps it."""
        self.number += 1
        body = json.dumps(data, sort_keys=True)
        time_ns = (
            int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000 + (123 if nanoseconds is None else nanoseconds)
        )
        previous, self.hash = self.hash, event_hash(self.hash, self.number, time_ns, body.encode())
        self.connection.execute(
            "insert into event (writer, number, time, nanoseconds, kind, body, previous, hash)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)",
            ("engine-1", self.number, at, nanoseconds, data["kind"], body, previous, self.hash),
        )
        self.stored("events", at)

    def days(self, count: int) -> None:
        """Full days, each with a few rows of everything, and a little of the day after."""
        for n in range(count + 1):
            self.frames(noon(n), 20)
            self.frames(noon(n), 3, COUNTER, every=360)
            self.frames(noon(n), 10, SERVICE)
            self.event(noon(n), {"kind": "engine", "transition": "started", "digest": f"digest {n}"})
            self.event(noon(n) + timedelta(minutes=1), {"kind": "act", "person": "op", "n": n}, None if n == 1 else 77)

    def asked(self, question: str, *given: Any) -> list[Any]:
        """Rows; of one column, its values."""
        rows = self.connection.execute(question.encode(), given).fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]

    def close(self) -> None:
        self.connection.close()


class Keeper:
    """Archives as the service does, on a day of the story; what it has recorded is in `recorded`."""

    def __init__(self, url: str, folder: Path) -> None:
        self.connection: Connection = psycopg.connect(url, autocommit=True)
        self.folder, self.keys = folder / "archive", folder / "keys"
        self.recorded: list[dict[str, Any]] = []
        self.said: list[str] = []

    def on(
        self,
        now: datetime,
        retention: Retention = RETENTION,
        audit: Callable[[dict[str, Any]], None] | None = None,
        allowed: bool = False,
    ) -> Keeping:
        signer = signing.signer(self.keys, self.folder, "tests")
        archive = Archive(self.folder, signer)
        return Keeping(
            Source(self.connection), archive, retention, now, self.said.append, audit or self.recorded.append, allowed
        )

    def all_due(self, now: datetime) -> Keeping:
        """What `telemetry archive --due` does."""
        keeping = self.on(now)
        keeping.register()
        keeping.archive_due()
        keeping.archive_late()
        keeping.drop()
        keeping.drop_minutes()
        keeping.expire()
        return keeping

    def verified(self, path: Path | None = None, anchors: Sequence[Any] = ()) -> Report:
        return Verification(path or self.folder, anchors, lambda line: None).run()

    def close(self) -> None:
        self.connection.close()


def nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000_000


def values_of(batches: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Rows of record batches, as the database's rows look."""
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def flipped(path: Path, at: int) -> None:
    """One bit of one byte turned over."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << int(np.random.default_rng(at).integers(8))
    path.write_bytes(data)
