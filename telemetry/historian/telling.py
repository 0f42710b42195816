"""Tells the engine how the database stands: at each block that is stored, and at least every few seconds."""

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from telemetry.historian.store import Store
from telemetry.journal.identity import identity
from telemetry.journal.status import Status, tell, told

EVERY_S: Final = 2.0


class Teller:
    """Keeps `status.json` in the journal's folder. What was noticed before this start stands in the file that is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.status = replace(told(folder) or Status(), database=False, reason="The historian has just begun.")
        self._told_s = 0.0
        self._losses = (0, 0)

    def begun(self, store: Store, frames: int, events: int, rollups: int) -> None:
        """The database is ours, and stored up to these numbers; the file may be of another one, which was further."""
        self._losses = (0, 0)
        changed = {"frames": frames, "events": events, "rollups": rollups, "identity": identity(self.folder)}
        self._told(database=True, reason=None, **changed, **store.losses())

    def stored(self, store: Store, **changed: Any) -> None:
        """A block is stored: the numbers that have moved, by their names in `Status`."""
        losses = (store.rejected, store.lost)
        if losses != self._losses:
            now_ns = time.time_ns()
            if losses[0] != self._losses[0]:
                changed["rejected_ns"] = now_ns
            if losses[1] != self._losses[1]:
                changed["lost_ns"] = now_ns
            changed |= store.losses()
            self._losses = losses
        self._told(**changed)

    def merged(self, rollups: int) -> None:
        """Frames up to this number are in the rollups too."""
        if rollups != self.status.rollups:
            self._told(rollups=rollups)

    def away(self, reason: str) -> None:
        """The database does not store, for this reason."""
        self._told(database=False, reason=reason)

    def alive(self) -> None:
        """Nothing is new; said every few seconds all the same."""
        if time.monotonic() - self._told_s >= EVERY_S:
            self._told()

    def _told(self, **changed: Any) -> None:
        self._told_s = time.monotonic()
        self.status = replace(self.status, time_ns=time.time_ns(), **changed)
        with suppress(OSError):  # the disk is full, or no journal has begun: it is told the next time
            tell(self.folder, self.status)
