"""How the service itself is: its disk, its journal, its historian, its clock, as figures with a name. Read each second.

The figures are what an equipment of protocol `service` shows (`telemetry.engine.service_device`), what /metrics tells, and what
/ready looks at. What nobody has told yet is not among them.
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from telemetry.journal.keeping import Room
from telemetry.journal.status import Status, told

ROOMS: Final[tuple[Room, ...]] = ("enough", "low", "thin", "full")
LATELY_NS: Final = 600 * 10**9
"""A loss is a fresh one for so long: the alarm about it comes, and is seen or acknowledged, and goes."""
_SMOOTH_S: Final = 60.0
_LONGEST_H: Final = 1e5
"""Hours that are as good as for ever."""


@dataclass(slots=True)
class Health:
    """Reads the journal's folder and what others put into it. figures: by name, in the units of their names."""

    folder: Path
    started_s: float
    room: Room = "enough"
    thinned: int = 0
    figures: dict[str, float] = field(default_factory=dict[str, float])
    status: Status | None = None
    free_bytes: int = 0
    _rate: float = 0.0
    _written: int = 0
    _read_s: float = 0.0

    @property
    def reason(self) -> str | None:
        """Why the historian does not store, in plain words; None where it does, or was not heard yet."""
        return None if self.status is None or self.status.database else self.status.reason

    def look(self) -> None:
        """Asks disk and historian. Blocks: call it in a thread. Raises OSError where the folder is not there."""
        disk = os.statvfs(self.folder)
        self.free_bytes = disk.f_bavail * disk.f_frsize
        found = told(self.folder)
        if found is not None:
            self.status = found  # half a file is never there; one that is gone was told before

    def reckon(self, written_bytes: int, now_s: float) -> None:
        """Makes the figures of this moment. written_bytes: by the journal since the start; now_s: monotonic."""
        rate = self._rated(written_bytes, now_s)
        status, wall_ns = self.status, time.time_ns()
        self.figures.update(
            disk_free_gb=self.free_bytes / 1e9,
            disk_hours_left=min(_LONGEST_H, self.free_bytes / max(rate, 1.0) / 3600),
            disk_state=float(ROOMS.index(self.room)),
            journal_rate_kb_per_s=rate / 1e3,
            frames_thinned=float(self.thinned),
            historian_silent_s=now_s - self.started_s if status is None else max(0.0, (wall_ns - status.time_ns) / 1e9),
        )
        if status is not None:
            self.figures.update(
                historian_database=float(status.database),
                historian_lag_s=max(0.0, (wall_ns - status.stored_ns) / 1e9)
                if status.stored_ns
                else now_s - self.started_s,
                records_rejected=float(status.rejected),
                records_missing=float(status.gaps),
                bytes_damaged=float(status.damaged),
                rejected_lately=float(wall_ns - status.rejected_ns < LATELY_NS),
                lost_lately=float(wall_ns - status.lost_ns < LATELY_NS),
            )

    def _rated(self, written_bytes: int, now_s: float) -> float:
        passed_s, self._read_s = now_s - (self._read_s or self.started_s), now_s
        fresh, self._written = written_bytes - self._written, written_bytes
        if passed_s > 0:  # over all of the first minute, then over the last
            share = passed_s / min(_SMOOTH_S, max(now_s - self.started_s, passed_s))
            self._rate += min(1.0, share) * (fresh / passed_s - self._rate)
        return self._rate
