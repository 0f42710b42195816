"""The historian as a process: follows the journal, stores what is new, comes back when the database does."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psycopg

from drivers.frame import Layout
from telemetry.database import DatabaseError
from telemetry.errors import Refusal
from telemetry.historian.rollups import Rollups
from telemetry.historian.stop import Stop
from telemetry.historian.store import DAMAGED, NOT_READ, NotOurs, Store, tell_plant
from telemetry.historian.telling import Teller
from telemetry.historian.upgrade import upgrade
from telemetry.journal import format as form
from telemetry.journal.identity import identity
from telemetry.journal.reader import Reader, segments
from telemetry.plant.model import Plant

_log = logging.getLogger(__name__)
POLL_S: Final = 0.5
BLOCK_BYTES: Final = 8 << 20
NO_ANSWER: Final = "The database does not answer, or not to this address and password; the historian's log says more."
REMEDY: Final = (
    "Give the service the right TELEMETRY_DATA_DIR or another database; or, where the old journal is lost, stop the service and "
    "let this one go on behind what the database holds: telemetry db adopt"
)


class WrongJournal(Exception):
    """The database was not filled from this journal; nothing is stored."""


class Historian:
    """Stores the journal in `folder` until `stop` is set. `url` gives the database's address anew at each connect: its port may
    have changed."""

    def __init__(
        self, folder: Path, url: Callable[[], str], plant: Plant, stop: Stop, said: Callable[[str], None]
    ) -> None:
        self.folder, self.url, self.plant, self.stop, self.said = folder, url, plant, stop, said
        self.writer = folder.name
        self.diagnostic = [unit.id for unit in plant.equipment if unit.profile.retention == "diagnostic"]
        self.teller = Teller(folder)
        self._damage_told: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        """Until told to stop. A database that is away is waited for; nothing is lost meanwhile, the journal keeps it."""
        wait_s, failing = 0.2, False
        while not self.stop.is_set():
            try:
                with psycopg.connect(self.url(), autocommit=True, connect_timeout=5) as connection:
                    upgrade(connection, self.said)
                    tell_plant(connection, self.plant)
                    store = Store(connection, self.writer, self.diagnostic)
                    positions = self._positions(store)
                    self.said("historian: storing")
                    if failing:
                        _log.warning("the database is back; what it missed is stored from the journal now")
                    wait_s, failing = 0.2, False
                    self._follow(store, *positions)
            except (psycopg.Error, DatabaseError, NotOurs, WrongJournal, Refusal) as error:
                reason = str(error).strip()
                if not failing:
                    _log.warning("the database is not usable (%s); the journal keeps everything meanwhile", reason)
                failing = True
                unheard = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
                self.teller.away(NO_ANSWER if unheard else reason)
                self.stop.wait(wait_s)
                wait_s = min(wait_s * 2, 3.0)

    def _follow(self, store: Store, frames_stored: int, events_stored: int) -> None:
        frames = Reader(self.folder, "frames", frames_stored)
        events = Reader(self.folder, "events", events_stored)
        rollups = Rollups(store.connection, self.writer, self.folder, lambda: store.layouts)
        self._damage_told.clear()
        self.teller.begun(store, frames_stored, events_stored, rollups.position)
        layouts: dict[int, Layout] = {}
        try:
            while not self.stop.is_set():
                began = time.monotonic()
                more = self._frames(store, frames, layouts)
                more |= self._events(store, events)
                more |= rollups.follow(frames.number)
                self.teller.merged(rollups.position)
                self.teller.alive()
                if not more:
                    # A COPY each half second: what a page asks for is there, and the database is not asked without need.
                    self.stop.wait(max(0.0, POLL_S - (time.monotonic() - began)))
        finally:
            frames.close()
            events.close()
            rollups.close()

    def _frames(self, store: Store, reader: Reader, layouts: dict[int, Layout]) -> bool:
        """Stores what is new; true where more may wait."""
        before = reader.number
        records = reader.read(BLOCK_BYTES)
        for record in records:
            if record.kind == form.LAYOUT:
                layout = form.unpack_layout(record.body)
                layouts[layout.id] = layout
        fresh = [record for record in records if record.number > before]
        damaged = self._damaged(store, reader)
        if fresh:
            reader.sync()
            store.frames(fresh, layouts, before, DAMAGED if damaged else NOT_READ, reader.thinned_from)
            newest = fresh[-1]
            self.teller.stored(store, frames=newest.number, stored_ns=newest.time_ns)
        return len(fresh) > 1000

    def _events(self, store: Store, reader: Reader) -> bool:
        before = reader.number
        records = reader.read()
        damaged = self._damaged(store, reader)
        if records:
            reader.sync()
            store.events(records, before, DAMAGED if damaged else NOT_READ)
            self.teller.stored(store, events=records[-1].number)
        return len(records) > 1000

    def _damaged(self, store: Store, reader: Reader) -> bool:
        """Records the damage that was found since the last look; whether there is any."""
        told, size = self._damage_told.get(reader.stream, (0, 0))
        found = reader.damage
        if not found or (len(found), found[-1].size) == (told, size):
            return False
        store.damage(reader.stream, found[max(0, told - 1) :])  # the last one may have grown
        self._damage_told[reader.stream] = len(found), found[-1].size
        self.teller.stored(store)
        return True

    def _positions(self, store: Store) -> tuple[int, int]:
        """Where to go on, in frames and events. A position ahead of the journal is never skipped to, and no journal is mixed with
        another: somebody lost one. Raises WrongJournal."""
        mark = identity(self.folder)
        if mark is None:
            raise WrongJournal(f"no journal has begun in {self.folder} yet; the engine makes it")
        frames, events = (self._position(store, stream) for stream in ("frames", "events"))
        filled_from = store.identity()
        if filled_from not in (None, mark):
            raise WrongJournal(
                f"it was filled from another journal than the one in {self.folder} (mark {filled_from}, this one has {mark})."
                f" {REMEDY}"
            )
        store.take_identity(mark)
        return frames, events

    def _position(self, store: Store, stream: form.StreamName) -> int:
        position = store.position(stream)
        last = self._last(stream)
        if position > last:
            raise WrongJournal(
                f"it holds {self.writer} {stream} up to {position}, the journal in {self.folder} only up to {last}: this is not "
                f"the journal that it was filled from, or its end was lost. {REMEDY}"
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
