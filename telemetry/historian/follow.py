"""The historian as a process: follows the journal, stores what is new, comes back when the database does."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg

from drivers.frame import Layout
from telemetry.database import DatabaseError
from telemetry.engine.housekeeping import tell_stored
from telemetry.historian.stop import Stop
from telemetry.historian.store import NotOurs, Store, tell_plant
from telemetry.historian.upgrade import upgrade
from telemetry.journal import format as form
from telemetry.journal.reader import Reader, segments
from telemetry.plant.model import Plant

_log = logging.getLogger(__name__)
POLL_S: Final = 0.5
BLOCK_BYTES: Final = 8 << 20


class Historian:
    """Stores the journal in `folder` until `stop` is set. `url` gives the database's address anew at each connect: its port may
    have changed."""

    def __init__(
        self, folder: Path, url: Callable[[], str], plant: Plant, stop: Stop, said: Callable[[str], None]
    ) -> None:
        self.folder, self.url, self.plant, self.stop, self.said = folder, url, plant, stop, said
        self.writer = folder.name

    def run(self) -> None:
        """Until told to stop. A database that is away is waited for; nothing is lost meanwhile, the journal keeps it."""
        wait_s, failing = 0.2, False
        while not self.stop.is_set():
            try:
                with psycopg.connect(self.url(), autocommit=True, connect_timeout=5) as connection:
                    upgrade(connection, self.said)
                    tell_plant(connection, self.plant)
                    self.said("historian: storing")
                    if failing:
                        _log.warning("the database is back; what it missed is stored from the journal now")
                    wait_s, failing = 0.2, False
                    self._follow(connection)
            except (psycopg.OperationalError, psycopg.ProgrammingError, DatabaseError, NotOurs) as error:
                if not failing:
                    _log.warning(
                        "the database is not usable (%s); the journal keeps everything meanwhile", str(error).strip()
                    )
                failing = True
                self.stop.wait(wait_s)
                wait_s = min(wait_s * 2, 3.0)

    def _follow(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        store = Store(connection, self.writer)
        frames = Reader(self.folder, "frames", self._position(store, "frames"))
        events = Reader(self.folder, "events", self._position(store, "events"))
        layouts: dict[int, Layout] = {}
        try:
            while not self.stop.is_set():
                began = time.monotonic()
                more = self._frames(store, frames, layouts)
                more |= self._events(store, events)
                if not more:
                    # A COPY each half second: what a page asks for is there, and the database is not asked without need.
                    self.stop.wait(max(0.0, POLL_S - (time.monotonic() - began)))
        finally:
            frames.close()
            events.close()

    def _frames(self, store: Store, reader: Reader, layouts: dict[int, Layout]) -> bool:
        """Stores what is new; true where more may wait."""
        before = reader.number
        records = reader.read(BLOCK_BYTES)
        for record in records:
            if record.kind == form.LAYOUT:
                layout = form.unpack_layout(record.body)
                layouts[layout.id] = layout
        fresh = [record for record in records if record.number > before]
        if fresh:
            reader.sync()
            store.frames(fresh, layouts, before)
            tell_stored(self.folder, fresh[-1].number)
        return len(fresh) > 1000

    def _events(self, store: Store, reader: Reader) -> bool:
        before = reader.number
        records = reader.read()
        if records:
            reader.sync()
            store.events(records, before)
        return len(records) > 1000

    def _position(self, store: Store, stream: form.StreamName) -> int:
        """Where to go on. A position ahead of the journal is never skipped to: somebody lost a journal."""
        position = store.position(stream)
        last = self._last(stream)
        if position > last:
            raise psycopg.OperationalError(
                f"it holds {self.writer} {stream} up to {position}, the journal in {self.folder} only up to {last}: this is not "
                "the journal that it was filled from. Give the service the right TELEMETRY_DATA_DIR, or a new database"
            )
        return position

    def _last(self, stream: form.StreamName) -> int:
        found = segments(self.folder, stream)
        if not found:
            return 0
        reader = Reader(self.folder, stream, found[-1][0] - 1)
        for _ in reader.rest():
            pass
        reader.close()
        return reader.number
