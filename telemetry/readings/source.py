"""Where readings lie: frames and rollups in the database, days that were dropped from it in the archive. Asked as one."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed, Identifier

from telemetry.archive.reading import ArchivedDay
from telemetry.readings.archived import Version, archived_series, whole
from telemetry.readings.arrays import NO_TIME, as_arrays
from telemetry.readings.buckets import Buckets, gathered, joined
from telemetry.readings.plan import DAY_US, UNIT_US, Level, microseconds, moment
from telemetry.readings.series import SECOND_US, Series, union
from telemetry.sql import query

Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection[TupleRow]]]
"""Lends a connection to the database for one question; what it raises where there is none is the lender's own."""
_TABLES: Final = {"gmp": "frame", "diagnostic": "frame_diagnostic"}
_ROLLUPS: Final[dict[Level, str]] = {"minutes": "rollup_1m", "hours": "rollup_1h"}
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tag lies: its slot (from 1) in a layout, from when on."""

    layout: int
    slot: int
    retention: str
    record: bool
    period_s: float | None
    since_us: int
    until_us: int | None

    @property
    def table(self) -> Identifier:
        return Identifier(_TABLES[self.retention])


@dataclass(frozen=True, slots=True)
class Stored:
    """A tag as the database knows it: its places (none: never read), the oldest first."""

    tag: str
    unit: str
    places: tuple[Place, ...]

    @property
    def since_us(self) -> int | None:
        """From when on readings are expected."""
        return self.places[0].since_us if self.places else None

    @property
    def until_us(self) -> int | None:
        """From when on none are expected any more; None while they are."""
        ends = [place.until_us for place in self.places]
        return None if None in ends else max((end for end in ends if end is not None), default=None)

    @property
    def period_us(self) -> int | None:
        """Between expected readings; None where they come with a device's own records."""
        if not self.places or self.places[-1].record or not self.places[-1].period_s:
            return None
        return round(self.places[-1].period_s * SECOND_US)


@dataclass(frozen=True, slots=True)
class Span:
    """Where readings lie: from the first on up to the last (first_us > last_us: nowhere), and which days (counted from 1970) lie in
    the archive."""

    first_us: int
    last_us: int
    archived: frozenset[int]


Versions = tuple[Version, ...]
"""One archived day and its addenda."""


class Source:
    """Database and archive. Every question is one of bounded size and lends a connection for itself alone, so that nobody who
    reads slowly holds one."""

    def __init__(self, connect: Connect, archive: Path) -> None:
        self._connect, self._archive = connect, archive

    async def find(self, tag: str, unit: str | None) -> Stored | None:
        """Where a tag lies; None for one that is not configured (`unit` None) and was never stored."""
        async with self._connect() as connection:
            cursor = await connection.execute(query("layouts of a tag"), {"tag": tag})
            places = [_place(row) for row in await cursor.fetchall()]
            if unit is None:
                cursor = await connection.execute(query("unit of a stored tag"), {"tag": tag})
                row = await cursor.fetchone()
                if row is None:
                    return None
                unit = str(row[0])
        return Stored(tag, unit, tuple(place for place in places if place is not None))

    async def newest_us(self) -> int | None:
        """Up to when the database has been told; None where nothing came for a day."""
        async with self._connect() as connection:
            row = await (await connection.execute(query("newest stored time"))).fetchone()
        return microseconds(row[0]) if row and isinstance(row[0], datetime) else None

    async def span(self, stored: Stored, start_us: int, end_us: int) -> Span:
        """Where in [start_us, end_us) readings lie. Raises ArchiveDamaged where a file of the archive is missing."""
        archived = await self.archived_days(stored, start_us, end_us)
        await asyncio.to_thread(whole, archived)
        days = frozenset((versions[0].of.day - _EPOCH).days for versions in archived)
        edges = [edge for day in days for edge in (day * DAY_US, (day + 1) * DAY_US - 1)]
        async with self._connect() as connection:
            for place in stored.places:
                given = {"layout": place.layout, "start": moment(start_us), "end": moment(end_us)}
                row = await (await connection.execute(_asked("span of frames", place.table), given)).fetchone()
                edges += [microseconds(edge) for edge in row or () if edge is not None]
        if not edges:
            return Span(end_us, start_us, days)
        return Span(max(start_us, min(edges)), min(end_us - 1, max(edges)), days)

    async def at_most(self, most: int, stored: Stored, start_us: int, end_us: int, span: Span) -> bool:
        """Whether at most `most` readings lie there; a day in the archive counts by its period."""
        count = 0
        for day in span.archived:
            inside_us = min(end_us, (day + 1) * DAY_US) - max(start_us, day * DAY_US)
            count += inside_us // (stored.period_us or SECOND_US)
        async with self._connect() as connection:
            for place in stored.places:
                given = {"layout": place.layout, "start": moment(start_us), "end": moment(end_us), "limit": most + 1}
                row = await (await connection.execute(_asked("count of frames", place.table), given)).fetchone()
                count += cast(int, row[0]) if row else 0
        return count <= most

    async def archived_days(self, stored: Stored, start_us: int, end_us: int) -> list[Versions]:
        """Days that touch [start_us, end_us) and were dropped from the database."""
        classes = sorted({place.retention for place in stored.places})
        given = {"classes": classes, "first": moment(start_us).date(), "last": moment(end_us - 1).date()}
        async with self._connect() as connection:
            cursor = await connection.execute(query("days that lie in the archive alone"), given)
            rows = await cursor.fetchall()
        return [
            tuple(
                Version(ArchivedDay(archive_class, day, version, self._archive), has_rows)
                for version, has_rows in zip(versions, some, strict=True)
            )
            for archive_class, day, versions, some in rows
        ]

    async def readings(self, stored: Stored, start_us: int, end_us: int) -> Series:
        """All readings of [start_us, end_us), by time. Raises ArchiveBroken."""
        parts = [await self._hot(place, start_us, end_us) for place in stored.places]
        # Asked after the frames: a day that was dropped meanwhile is found in the archive, and none falls between.
        slots = {place.layout: place.slot for place in stored.places}
        for versions in await self.archived_days(stored, start_us, end_us):
            parts += await asyncio.to_thread(archived_series, versions, slots, start_us, end_us)
        return union(parts)

    async def _hot(self, place: Place, start_us: int, end_us: int) -> Series:
        row = await self._row(_asked("readings of a layout", place.table), place, start_us, end_us)
        return Series.empty() if row[0] is None else Series(*row)

    async def rollups(self, stored: Stored, level: Level, start_us: int, end_us: int) -> Buckets | None:
        """The minutes or hours of [start_us, end_us) that are rolled up, by time; None where none is."""
        parts: list[Buckets] = []
        for place in stored.places:
            asked = _asked("rollups of a layout", Identifier(_ROLLUPS[level]))
            row = await self._row(asked, place, start_us, end_us)
            if row[0] is not None:
                time_us, expected, good, uncertain, bad, late, count, low, high, mean, m2, weighted = row
                at = np.where(count > 0, time_us, NO_TIME)
                parts.append(
                    Buckets(time_us, expected, good, uncertain, bad, late, count, low, at, high, at, mean, m2, weighted)
                )
        if len(parts) <= 1:
            return parts[0] if parts else None
        both = joined(parts)
        both = both.at(np.argsort(both.time_us, kind="stable"))
        return gathered(both, 0, UNIT_US[level])

    async def _row(self, asked: Composed, place: Place, start_us: int, end_us: int) -> Sequence[Any]:
        given = {"layout": place.layout, "slot": place.slot, "start": moment(start_us), "end": moment(end_us)}
        async with self._connect() as connection, connection.cursor(binary=True) as cursor:
            # Never prepared: which chunks are looked at follows from the times, which a generic plan would not know.
            await as_arrays(cursor).execute(asked, given, prepare=False)
            row = await cursor.fetchone()
            assert row is not None
            return row


def _place(row: TupleRow) -> Place | None:
    layout, slot, retention, record, period_s, until, since = row
    if since is None:
        return None  # told, but no frame of it is stored
    return Place(
        layout, slot, retention, record, period_s, microseconds(since), None if until is None else microseconds(until)
    )


def _asked(name: str, table: Identifier) -> Composed:
    return SQL(query(name)).format(table=table)
