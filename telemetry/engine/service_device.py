"""The service as a device among the others: what it knows of itself is read each second, alarmed, stored like all else."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from drivers.device import WriteFailed, layouts_of
from drivers.frame import Frame, Scan
from drivers.profile import Profile
from drivers.quality import BAD_WAITING_FOR_INITIAL_DATA

FIGURES: Final[Mapping[str, str]] = {
    "disk_free_gb": "free on the disk of the journal",
    "disk_hours_left": "hours until it is full, at the present rate and with nothing removed",
    "disk_state": "0 enough, 1 low, 2 thinning, 3 full",
    "journal_rate_kb_per_s": "written to the journal",
    "frames_thinned": "frames given up because the disk was full, since the start",
    "frames_unwritten": "frames that found no room, since the start",
    "events_waiting": "events in memory that wait for room",
    "journal_writable": "1 while the journal is written",
    "historian_silent_s": "since the historian was heard",
    "historian_database": "1 while it stores",
    "historian_lag_s": "age of the newest frame stored",
    "records_rejected": "records that the database refused",
    "records_missing": "records in neither journal nor database",
    "bytes_damaged": "bytes of the journal that held no record",
    "rejected_lately": "1 where a record was refused in the last 10 min",
    "lost_lately": "1 where damage or a missing record was noticed in the last 10 min",
    "clock_behind_s": "the machine's clock lies behind the engine's",
    "devices_failed": "devices that do not answer",
    "scan_lateness_ms_p99": "how late scans begin",
}
"""What a tag of protocol `service` may show, and what it is."""
REASON: Final = "historian_reason"
"""The one figure that is a text: why the historian does not store."""


class ServiceDevice:
    """Reads `figures`; never fails, for it is the engine itself."""

    def __init__(
        self,
        device: str,
        profile: Profile,
        figures: Mapping[str, float],
        reason: Callable[[], str | None],
        now: Callable[[], int],
    ) -> None:
        tags = profile.expanded()
        self.name, self.layouts = device, layouts_of(device, tags)
        self._figures, self._reason, self._now = figures, reason, now
        self._names = {f"{device}.{name}": tag.figure or "" for name, tag in tags.items()}
        self._texts = [tag for tag, figure in self._names.items() if figure == REASON]

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def scan(self, slot_ns: int) -> Scan:
        now_ns = self._now()
        reason = self._reason()
        return Scan(
            tuple(self._frame(number, slot_ns, now_ns) for number in range(len(self.layouts))),
            {tag: reason or "" for tag in self._texts},
        )

    def _frame(self, number: int, slot_ns: int, now_ns: int) -> Frame:
        layout = self.layouts[number]
        values = np.array([self._figures.get(self._names[tag], np.nan) for tag in layout.tags])
        unknown = np.isnan(values)
        quality = np.where(unknown, BAD_WAITING_FOR_INITIAL_DATA, 0).astype(np.uint16) if unknown.any() else None
        return Frame(layout, slot_ns, now_ns, values, quality)

    async def write(self, tag: str, value: float) -> float:
        raise WriteFailed(f"{tag} shows how the service is; nothing can be written to it")

    async def probe(self) -> tuple[str, ...]:
        return ()
