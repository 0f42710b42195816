"""Stores blocks of journal records, each in one transaction together with the position behind it (compare-and-set).

Whoever's position is not what the database holds is a zombie, or looks at the wrong journal: it stores nothing. A block that
the database refuses is halved until the culprit stands alone; that one goes to `rejected`, whole, with the reason.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import numpy as np
import psycopg
from psycopg.types.json import Json

from drivers.device import layouts_of
from drivers.frame import Layout
from drivers.profile import Retention
from drivers.quality import NAMES
from telemetry.historian import copy
from telemetry.journal import format as form
from telemetry.journal.block import Block, blocks
from telemetry.journal.reader import Damage
from telemetry.plant.model import Plant
from telemetry.sql import query

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Connection = psycopg.Connection[tuple[object, ...]]
Copied = Callable[[Sequence[form.Record]], None]
NOT_READ: Final = "not in the journal when it was read"
DAMAGED: Final = "record damaged"
THINNED: Final = "disk full"
"""Why records are missing, in table journal_gap."""


class NotOurs(Exception):
    """The database's position is not the one this historian stored last: another one is at work."""


def moment(time_ns: int) -> datetime:
    """A UTC datetime (microseconds) of nanoseconds since 1970."""
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


@dataclass(slots=True)
class Known:
    """A layout that the database knows. begun: it has its first frame; until: readings of it are expected no more."""

    layout: Layout
    retention: Retention
    begun: bool
    until: datetime | None


class Store:
    """The database side of one writer's journal. `diagnostic` names the devices whose frames are kept apart, for a shorter time;
    a layout that the database knows stays where its frames lie."""

    def __init__(self, connection: Connection, writer: str, diagnostic: Collection[str] = ()) -> None:
        self.connection, self.writer, self.diagnostic = connection, writer, frozenset(diagnostic)
        self.rejected = 0
        self.lost = 0
        """Pieces of damage and missing records noticed by this one."""
        self._why = NOT_READ
        self._thinned_from: int | None = None
        self._known = self._read_layouts()
        self._received: dict[form.StreamName, datetime | None] = {}
        """When the last record stored of each stream was received."""

    def _read_layouts(self) -> dict[int, Known]:
        with self.connection.transaction():
            rows = self.connection.execute(query("known layouts")).fetchall()
        known: dict[int, Known] = {}
        for row in rows:
            told = cast("tuple[str, list[str], bool, Retention, bool, datetime | None]", row)
            layout = Layout(told[0], tuple(told[1]), told[2])
            known[layout.id] = Known(layout, *told[3:])
        return known

    @property
    def layouts(self) -> dict[int, Layout]:
        """Those that the database knows, by id."""
        return {number: known.layout for number, known in self._known.items()}

    def position(self, stream: form.StreamName) -> int:
        """The number of the last record stored."""
        with self.connection.transaction():
            self.connection.execute(query("first position"), (self.writer, stream))
            row = self.connection.execute(query("position"), (self.writer, stream)).fetchone()
        assert row is not None
        number, self._received[stream] = cast("tuple[int, datetime | None]", row)
        return number

    def identity(self) -> str | None:
        """The mark of the journal that the database was filled from; None where it is not filled yet."""
        with self.connection.transaction():
            row = self.connection.execute(query("journal identity"), (self.writer,)).fetchone()
        return None if row is None else cast("str | None", row[0])

    def take_identity(self, mark: str) -> None:
        """From now on the database is filled from the journal with this mark."""
        with self.connection.transaction():
            self.connection.execute(query("take identity"), (mark, self.writer))

    def damage(self, stream: form.StreamName, damage: Sequence[Damage]) -> None:
        """Records bytes of the journal that hold no record; what is known already is not recorded twice."""
        with self.connection.transaction():
            for one in damage:
                told = (self.writer, stream, one.file, one.offset, one.size, one.reason)
                row = self.connection.execute(query("damage"), told).fetchone()
                if row is not None and row[0]:
                    self.lost += 1
                    _log.error(
                        "%s: %d bytes from byte %d on hold no record: %s", one.file, one.size, one.offset, one.reason
                    )

    def losses(self) -> dict[str, int]:
        """All that was lost, ever: records rejected, bytes damaged, records missing (those given up by thinning not counted)."""
        with self.connection.transaction():
            row = self.connection.execute(query("losses"), {"writer": self.writer, "thinned": THINNED}).fetchone()
        rejected, damaged, gaps = cast("tuple[int, int, int]", row)
        return {"rejected": rejected, "damaged": damaged, "gaps": gaps}

    def frames(
        self,
        records: Sequence[form.Record],
        layouts: dict[int, Layout],
        before: int,
        why: str = NOT_READ,
        thinned_from: int | None = None,
    ) -> None:
        """Stores frame and layout records behind position `before`; `why` is said of numbers that are missing, up to
        `thinned_from`: from there on they were given up. Raises NotOurs, psycopg.OperationalError."""
        self._why, self._thinned_from = why, thinned_from
        self._stored("frames", records, before, lambda part: self._copy_frames(part, layouts))

    def events(self, records: Sequence[form.Record], before: int, why: str = NOT_READ) -> None:
        self._why, self._thinned_from = why, None
        self._stored("events", records, before, self._copy_events)

    def _stored(self, stream: form.StreamName, records: Sequence[form.Record], before: int, copied: Copied) -> None:
        lost = self.lost
        try:
            with self.connection.transaction():
                self._gaps(stream, before, records)
                copied(records)
                self._move(stream, before, records[-1])
            self._received[stream] = moment(records[-1].time_ns)
        except (psycopg.OperationalError, psycopg.ProgrammingError):
            raise  # the database is away or full, lacks a table or a privilege: no fault of a record
        except (psycopg.DatabaseError, form.Damaged) as error:
            self._known = self._read_layouts()  # what was told of layouts was rolled back with the block
            self.lost = lost
            if len(records) == 1:
                self._reject(stream, records[0], before, str(error))
                return
            middle = len(records) // 2
            self._stored(stream, records[:middle], before, copied)
            self._stored(stream, records[middle:], records[middle - 1].number, copied)

    def _copy_frames(self, records: Sequence[form.Record], layouts: dict[int, Layout]) -> None:
        before = len(self._known)
        for record in records:
            if record.kind == form.LAYOUT:
                self._add(form.unpack_layout(record.body))
        found = blocks(records, self.layouts | layouts)
        for block in found:
            self._add(block.layout)
        apart = [self._known[block.layout.id].retention == "diagnostic" for block in found]
        for name, is_asked in (("copy frames", False), ("copy diagnostic frames", True)):
            if chosen := [block for block, is_apart in zip(found, apart, strict=True) if is_apart == is_asked]:
                with self.connection.cursor().copy(query(name)) as out:
                    for portion in copy.encoded(chosen):
                        out.write(portion)
        self._tell_spans(found)
        if len(self._known) > before:
            self.connection.execute(query("analyze layouts"))

    def _add(self, layout: Layout) -> None:
        if layout.id in self._known:
            return
        retention: Retention = "diagnostic" if layout.device in self.diagnostic else "gmp"
        tags = list(layout.tags)
        told = {"id": layout.id, "device": layout.device, "record": layout.record, "tags": tags, "class": retention}
        self.connection.execute(query("add layout"), told)
        self.connection.execute(query("add layout tags"), (layout.id, tags))
        self._known[layout.id] = Known(layout, retention, False, None)

    def _tell_spans(self, found: Sequence[Block]) -> None:
        """From when on readings are expected; and where one that is expected no more still gives some, until when they were."""
        for block in found:
            known = self._known[block.layout.id]
            if block.late or (known.begun and known.until is None):
                continue
            first, last = int(block.time_ns.min()), int(block.time_ns.max())
            self.connection.execute(query("layout since"), {"id": block.layout.id, "time": moment(first)})
            known.begun = True
            if known.until is not None:
                until = moment(last) + timedelta(seconds=1)
                self.connection.execute(query("layout until"), {"id": block.layout.id, "time": until})

    def _copy_events(self, records: Sequence[form.Record]) -> None:
        with self.connection.cursor().copy(query("copy events")) as out:
            for record in records:
                previous, data, own = form.unpack_event(record)
                body = record.body[32:].decode()
                kind = data.get("kind")
                time, beyond = moment(record.time_ns), record.time_ns % 1000
                out.write_row((self.writer, record.number, time, beyond, kind, body, previous, own))

    def _move(self, stream: form.StreamName, before: int, last: form.Record) -> None:
        told = (last.number, moment(last.time_ns), self.writer, stream, before)
        if self.connection.execute(query("move position"), told).rowcount != 1:
            raise NotOurs(
                f"the database's position of {self.writer} {stream} is not {before}: another historian stores it"
            )

    def _gaps(self, stream: form.StreamName, before: int, records: Sequence[form.Record]) -> None:
        """Records the numbers that are missing between `before` and `records`."""
        numbers = np.array([before, *(record.number for record in records)], np.int64)
        for i in np.flatnonzero(np.diff(numbers) > 1).tolist():
            first, last = int(numbers[i]) + 1, int(numbers[i + 1]) - 1
            why = THINNED if self._thinned_from is not None and first >= self._thinned_from else self._why
            if why != THINNED:
                self.lost += last - first + 1
                _log.error(
                    "%s %s: records %d to %d are in neither journal nor database", self.writer, stream, first, last
                )
            after = moment(records[i - 1].time_ns) if i else self._received.get(stream)
            told = (self.writer, stream, first, last, why, after, moment(records[i].time_ns))
            self.connection.execute(query("gap"), told)

    def _reject(self, stream: form.StreamName, record: form.Record, before: int, reason: str) -> None:
        _log.error("the database refused record %d of %s %s: %s", record.number, self.writer, stream, reason)
        with self.connection.transaction():
            self._gaps(stream, before, [record])
            told = (self.writer, stream, record.number, moment(record.time_ns), reason, record.body)
            self.connection.execute(query("reject"), told)
            self._move(stream, before, record)
        self._received[stream] = moment(record.time_ns)
        self.rejected += 1


def tell_plant(connection: Connection, plant: Plant) -> None:
    """Names and units of all tags, the names of quality codes, for whoever reads the views; and which layouts are expected no more,
    because the configuration has them no longer."""
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
    layouts = [x.id for unit in plant.equipment for x in layouts_of(unit.id, unit.profile.expanded())]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(query("retire layouts"), (layouts,))
        cursor.execute(query("expect layouts again"), (layouts,))
        cursor.executemany(query("tell tag"), tags)
        cursor.executemany(query("tell reason"), list(NAMES.items()))
