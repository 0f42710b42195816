"""Keeps room on the journal's disk: what nobody needs goes, and when that is not enough the oldest frames are thinned."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from telemetry.engine.gaps import gap
from telemetry.engine.health import Health
from telemetry.engine.recorder import Recorder
from telemetry.journal import keeping, thinning
from telemetry.journal.identity import identity
from telemetry.journal.reader import segments
from telemetry.journal.status import Status
from telemetry.plant.schema import JournalEntry

_log = logging.getLogger(__name__)
PERIOD_S: Final = 5.0
TOLD_S: Final = 600.0
"""The disk counts as one that is being thinned for so long after a segment was: the next one is minutes away."""


class Housekeeper:
    """Works on the journal that `recorder` writes. record, synced: of the engine; a gap is on the disk before what it tells of is
    removed."""

    def __init__(
        self,
        recorder: Recorder,
        health: Health,
        entry: JournalEntry,
        record: Callable[[dict[str, Any]], None],
        synced: Callable[[], Awaitable[bool]],
    ) -> None:
        self.recorder, self.health = recorder, health
        self.folder = recorder.journal.folder
        self.keep_s = entry.keep_hours * 3600
        self.low_bytes = int(entry.low_gb * 1e9)
        self._record, self._synced = record, synced
        self._told_until_s = 0.0
        self._told: set[tuple[str, int, int, int]] = set()
        """Gaps that are recorded: segment, step, first and last slot. What could not be thinned then is not told again."""
        self._spent: set[tuple[str, int]] = set()
        """Segments, by name and step, that are done, or cannot be thinned in that step."""
        self._failure = ""

    async def run(self) -> None:
        await asyncio.to_thread(self.recorder.reserve.take)
        while True:
            await self.once()
            await asyncio.sleep(PERIOD_S)

    async def once(self) -> None:
        """One round: removes, thins as long as there is need and something to thin, and says how much room there is. A round that
        fails is told in the log, once; the watch goes on, and a disk that fails is alarmed by what cannot be written."""
        try:
            await asyncio.to_thread(self._remove)
            while (thinned := await asyncio.to_thread(self._thinned)) is not None:
                if not await self._commit(thinned):
                    break
                self.health.thinned += thinned.removed
                _log.warning("the disk is nearly full: of %s every %d. second is kept", thinned.path.name, thinned.step)
                self._told_until_s = time.monotonic() + TOLD_S
            room = await asyncio.to_thread(self._room)
            if room == "low" and time.monotonic() < self._told_until_s:
                room = "thin"
            self.health.room = "full" if self.recorder.frames_held_back else room
            self._failure = ""
        except Exception as error:  # noqa: BLE001 - the last resort is meant to be that wide
            if repr(error) != self._failure:
                self._failure = repr(error)
                _log.warning("the journal's segments cannot be tidied (%s)", error, exc_info=True)

    async def _commit(self, thinned: thinning.Thinned) -> bool:
        """Puts it in place once its gap is on the disk; false, and the segment stays, where the gap does not come there."""
        key = thinned.path.name, thinned.step
        span = (*key, thinned.first_ns, thinned.last_ns)
        if span not in self._told:
            told = gap(None, thinned.first_ns, thinned.last_ns, "disk full")
            self._record({**told, "frames": thinned.removed, "kept_every_s": thinned.step})
            self._told.add(span)
        if self.recorder.waiting or not await self._synced():
            await asyncio.to_thread(thinned.new.unlink)
            return False
        await asyncio.to_thread(thinned.commit)
        self._spent.add(key)
        return True

    def _room(self) -> keeping.Room:
        self.health.look()
        return keeping.room(self.health.free_bytes, self.low_bytes, self.recorder.reserve.size)

    def _stored(self) -> Status:
        """What is in the database, as far as this journal is the one that it was filled from."""
        status = self.health.status
        return Status() if status is None or status.identity != identity(self.folder) else status

    def _checkpoint_s(self) -> float:
        """Of the one before the newest: should that be damaged, a start needs what was written since."""
        for name in ("checkpoint.before", "checkpoint"):
            with suppress(FileNotFoundError):
                return (self.folder / name).stat().st_mtime
        return 0.0

    def _remove(self) -> None:
        stored = self._stored()
        keep_s = self.keep_s if self._room() == "enough" else 0.0
        now_s, checkpoint_s = time.time(), self._checkpoint_s()
        closed = keeping.closed(segments(self.folder, "frames"))
        gone = keeping.frames_to_go(closed, min(stored.frames, stored.rollups), checkpoint_s, now_s, keep_s)
        closed = keeping.closed(segments(self.folder, "events"))
        gone += keeping.events_to_go(closed, stored.events, checkpoint_s, now_s)
        for segment in gone:
            segment.path.unlink()
        for leftover in self.folder.glob("*.thinned"):  # begun by an engine that died over it
            leftover.unlink()

    def _thinned(self) -> thinning.Thinned | None:
        """The next segment to thin, prepared; None where there is no need, nothing left, or no room even for that."""
        if self._room() != "thin":
            return None
        if self.recorder.waiting:
            return None  # so would the gap
        stored = self._stored().frames  # those that only the rollups lack are no gap: they go soon
        closed = keeping.frames_to_thin(keeping.closed(segments(self.folder, "frames")), stored, self._checkpoint_s())
        steps = ((thinning.next_step(segment.path), segment) for segment in closed)
        for step, segment in sorted(
            ((s, x) for s, x in steps if s is not None), key=lambda one: (one[0], one[1].first)
        ):
            if (segment.path.name, step) in self._spent:
                continue
            try:
                prepared = self._prepared(segment.path, step, stored)
            except OSError:
                return None
            if prepared is not None:
                return prepared
            self._spent.add((segment.path.name, step))
        return None

    def _prepared(self, path: Path, step: int, stored: int) -> thinning.Thinned | None:
        """With the reserve's room where there is no other. Raises OSError where that is not enough."""
        try:
            return thinning.prepare(path, step, stored)
        except OSError:
            with self.recorder.reserve.lent() as given:
                if not given:
                    raise
                return thinning.prepare(path, step, stored)
