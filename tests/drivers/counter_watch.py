"""A particle counter's driver watched over many scans: the records, findings and gaps that it gave."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from drivers.device import Device, KeepsRecords
from drivers.frame import Frame, Gap, Scan
from drivers.profile import Profile
from tests.drivers.counter_machines import START_S
from tests.drivers.words import Words, driven, profile, scanned, served

SECOND: Final = 10**9


class Watch:
    """A counter scanned second by second on a grid of its own: the records, findings and gaps that it gave."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.records: list[Frame] = []
        self.gaps: list[Gap] = []
        self.slot_ns = START_S * SECOND
        self.last = Scan(())

    async def scan(self, seconds: int = 1, away_s: int = 0) -> list[Frame]:
        """So many scans, after `away_s` without one; the records that they gave."""
        self.slot_ns += away_s * SECOND
        given: list[Frame] = []
        for _ in range(seconds):
            self.slot_ns += SECOND
            self.last = await self.device.scan(self.slot_ns)
            given += [frame for frame in self.last.frames if frame.layout.record]
            self.gaps += self.last.gaps
        self.records += given
        return given

    async def live(self, true: Callable[[], bool], deadline_s: float = 12.0) -> None:
        """Scans by the real clock until `true()`."""
        began = time.monotonic()
        while not true():
            assert time.monotonic() - began < deadline_s, f"not in time: {self.last.failure}"
            self.last = await self.device.scan(time.time_ns() // SECOND * SECOND)
            self.records += records_in(self.last)
            self.gaps += self.last.gaps
            await asyncio.sleep(0.1)


def minutes(frames: list[Frame]) -> list[int]:
    return [(frame.time_ns // SECOND - START_S) // 60 for frame in frames]


@asynccontextmanager
async def watched(
    words: Words, model: str | Profile = "counter-lighthouse", query: str = "", last: Frame | None = None
) -> AsyncGenerator[Watch]:
    """The driver at `words` (a server that is there already, or one made for this), told the record taken last."""
    whole = profile(model) if isinstance(model, str) else model
    if not words.url:
        async with served(words), watched(words, whole, query, last) as watch:
            yield watch
        words.url = ""
        return
    async with driven(whole, words.url + query, lambda: START_S * SECOND) as device:
        if last is not None:
            assert isinstance(device, KeepsRecords)
            device.resume(last)
        watch = Watch(device)
        await scanned(device, lambda scan: False if scan.failure else watch.records.extend(records_in(scan)) or True)
        yield watch


def records_in(scan: Scan) -> list[Frame]:
    return [frame for frame in scan.frames if frame.layout.record]
