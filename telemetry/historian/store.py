"""Stores blocks of journal records, each in one transaction together with the position behind it (compare-and-set).

Whoever's position is not what the database holds is a zombie, or looks at the wrong journal: it stores nothing. A block that
the database refuses is halved until the culprit stands alone; that one goes to `rejected`, whole, with the reason.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import cast

import psycopg
from psycopg.types.json import Json

from drivers.frame import Frame, Layout
from drivers.quality import NAMES
from telemetry.historian import copy
from telemetry.journal import format as form
from telemetry.plant.model import Plant
from telemetry.sql import query

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Connection = psycopg.Connection[tuple[object, ...]]
Copied = Callable[[Sequence[form.Record]], None]


class NotOurs(Exception):
    """The database's position is not the one this historian stored last: another one is at work."""


def moment(time_ns: int) -> datetime:
    """A UTC datetime (microseconds) of nanoseconds since 1970."""
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


class Store:
    """The database side of one writer's journal."""

    def __init__(self, connection: Connection, writer: str) -> None:
        self.connection, self.writer = connection, writer
        self.rejected = 0
        with connection.transaction():
            rows = [cast("tuple[str, list[str], bool]", row) for row in connection.execute(query("known layouts"))]
        self._layouts = {x.id: x for x in (Layout(device, tuple(tags), record) for device, tags, record in rows)}

    def position(self, stream: form.StreamName) -> int:
        """The number of the last record stored."""
        with self.connection.transaction():
            self.connection.execute(query("first position"), (self.writer, stream))
            row = self.connection.execute(query("position"), (self.writer, stream)).fetchone()
        assert row is not None
        assert isinstance(row[0], int)
        return row[0]

    def frames(self, records: Sequence[form.Record], layouts: dict[int, Layout], before: int) -> None:
        """Stores frame and layout records behind position `before`. Raises NotOurs, psycopg.OperationalError."""
        self._stored("frames", records, before, lambda part: self._copy_frames(part, layouts))

    def events(self, records: Sequence[form.Record], before: int) -> None:
        self._stored("events", records, before, self._copy_events)

    def _stored(self, stream: form.StreamName, records: Sequence[form.Record], before: int, copied: Copied) -> None:
        try:
            with self.connection.transaction():
                self._gaps(stream, [before, *(record.number for record in records)])
                copied(records)
                self._move(stream, before, records[-1].number)
        except (psycopg.OperationalError, psycopg.ProgrammingError):
            raise  # the database is away or full, lacks a table or a privilege: no fault of a record
        except (psycopg.DatabaseError, form.Damaged) as error:
            if len(records) == 1:
                self._reject(stream, records[0], before, str(error))
                return
            middle = len(records) // 2
            self._stored(stream, records[:middle], before, copied)
            self._stored(stream, records[middle:], records[middle - 1].number, copied)

    def _copy_frames(self, records: Sequence[form.Record], layouts: dict[int, Layout]) -> None:
        frames: list[Frame] = []
        fresh: list[Layout] = []
        for record in records:
            if record.kind == form.LAYOUT:
                fresh.append(form.unpack_layout(record.body))
            else:
                number = form.frame_layout(record.body)
                layout = layouts.get(number) or self._layouts.get(number)
                if layout is None:
                    raise form.Damaged("the journal never told this frame's layout")
                frames.append(form.unpack_frame(record, layout)[0])
        for layout in fresh:
            if layout.id not in self._layouts:
                tags = list(layout.tags)
                self.connection.execute(query("add layout"), (layout.id, layout.device, layout.record, tags))
                self.connection.execute(query("add layout tags"), (layout.id, tags))
        if frames:
            with self.connection.cursor().copy(query("copy frames")) as out:
                out.write(copy.encode(frames))
        self._layouts |= {layout.id: layout for layout in fresh}

    def _copy_events(self, records: Sequence[form.Record]) -> None:
        with self.connection.cursor().copy(query("copy events")) as out:
            for record in records:
                previous, data, own = form.unpack_event(record)
                body = record.body[32:].decode()
                kind = data.get("kind")
                out.write_row((self.writer, record.number, moment(record.time_ns), kind, body, previous, own))

    def _move(self, stream: form.StreamName, before: int, number: int) -> None:
        moved = self.connection.execute(query("move position"), (number, self.writer, stream, before))
        if moved.rowcount != 1:
            raise NotOurs(
                f"the database's position of {self.writer} {stream} is not {before}: another historian stores it"
            )

    def _gaps(self, stream: form.StreamName, numbers: Sequence[int]) -> None:
        """Records the numbers that are missing between `numbers`."""
        reason = "not in the journal when it was read"
        for before, number in pairwise(numbers):
            first, last = before + 1, number - 1
            if first <= last:
                _log.error(
                    "%s %s: records %d to %d are in neither journal nor database", self.writer, stream, first, last
                )
                self.connection.execute(query("gap"), (self.writer, stream, first, last, reason))

    def _reject(self, stream: form.StreamName, record: form.Record, before: int, reason: str) -> None:
        _log.error("the database refused record %d of %s %s: %s", record.number, self.writer, stream, reason)
        with self.connection.transaction():
            self._gaps(stream, [before, record.number])
            told = (self.writer, stream, record.number, moment(record.time_ns), reason, record.body)
            self.connection.execute(query("reject"), told)
            self._move(stream, before, record.number)
        self.rejected += 1


def tell_plant(connection: Connection, plant: Plant) -> None:
    """Names and units of all tags, and the names of quality codes, for whoever reads the views."""
    tags = [
        (
            tag.id,
            tag.equipment,
            tag.spec.name.en,
            tag.spec.name.zh,
            tag.spec.unit,
            tag.spec.kind,
            Json({str(k): v.model_dump() for k, v in tag.spec.legend.items()}) if tag.spec.legend else None,
            plant.digest,
        )
        for tag in plant.tags.values()
    ]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(query("tell tag"), tags)
        cursor.executemany(query("tell reason"), list(NAMES.items()))
