"""Lighthouse REMOTE and ApexRemote particle counters (MODBUS register map v1.44 to v1.50).

A finished record, typically one a minute, raises NEW DATA (bit 2 of 40003), and **reading input 30001 to 30999 clears that
flag**: so one master reads the counter, and here the flag only says when to look; what is new is told by the records
themselves. They lie in a buffer of 40024 records, of which 40025 chooses the one that 30001 onwards show: 0 the oldest, -1
the last one. After an outage the buffer is read backward to the record taken last (`records.Walk`), as much of it in each scan
as its deadline allows, and then given out oldest first; 40025 is put back to -1 at the end of each such scan.

Counts are raw and cumulative by size, u32, high word first; channels that are not active hold garbage. The flow is a setting
(40023), the same for all records.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.counters.machine import RecordMachine
from drivers.counters.records import CUBIC_FEET_PER_M3, SECOND_NS, Sample, Walk, gap_before, known, u32, volume_m3
from drivers.device import Now
from drivers.fleet import Fleet
from drivers.frame import Frame, Gap, Scan
from drivers.modbus.device import Refused
from drivers.profile import Profile, Register
from drivers.quality import BAD_DEVICE_FAILURE, BAD_OUT_OF_RANGE, BAD_SENSOR_FAILURE, GOOD
from drivers.registers import Block

_STATUS: Final = Register(table="holding", address=2)
_SERIAL: Final = Register(table="holding", address=4, type="uint32")
_FLOW: Final = Register(table="holding", address=22, scale=0.01)
_COUNT: Final = Register(table="holding", address=23)
_INDEX: Final = Register(table="holding", address=24, type="int16")
_CLOCK: Final = Register(table="holding", address=26, type="uint32")
_RECORD: Final = Block("input", 0, 24, 0)
_HOW_MANY: Final = Block("holding", 23, 1, 0)
_NEW_DATA: Final = 1 << 2
_LAST: Final = 0xFFFF
_FAULTS: Final = (
    (1 << 0, BAD_SENSOR_FAILURE, "its laser is out of specification"),
    (1 << 3, BAD_DEVICE_FAILURE, "the instrument reports a malfunction"),
    (1 << 1, BAD_DEVICE_FAILURE, "its flow is out of specification"),
    (1 << 2, BAD_OUT_OF_RANGE, "more particles came than it can count"),
)
"""Bits of a record's status (30007-30008), the worst first. Bits 4 and 5, thresholds, are no fault of the counts."""
_PACE: Final = 2.5
"""A further record is begun where there is time for so many: it, the index put back, and a slower answer than the last."""
GIVEN_OUT: Final = 60
"""Records given out in one scan at most."""


class LighthouseCounter(RecordMachine):
    """Polled state each second, and each finished record once."""

    def __init__(self, device: str, profile: Profile, address: str, now: Now, fleet: Fleet | None = None) -> None:
        super().__init__(device, profile, address, now, fleet)
        self._look = True
        self._walk: Walk | None = None
        self._due: deque[Frame] = deque()
        self._held: int | None = None
        self._serial = 0
        self._sample_s = 0.0
        self._record_s = 0.0
        self._flow_cfm = profile.counter.flow_l_min / 1000 * CUBIC_FEET_PER_M3

    def extra_registers(self) -> Sequence[Register]:
        return (_STATUS, _SERIAL, _FLOW, _COUNT, _INDEX, _CLOCK)

    async def read_records(self, scan: Scan, extra: NDArray[np.float64], away: bool) -> Scan:
        status, serial, flow_cfm, count, index, clock_s = extra.tolist()
        gaps = self._exchanged(int(serial))
        if flow_cfm > 0:
            self._flow_cfm = flow_cfm
        if away:
            self._walk = None
        self._look |= away or bool(int(status) & _NEW_DATA) or count != self._held
        try:
            if index != -1:  # of a walk that was broken off
                await self.write_registers(_INDEX.address, [_LAST])
            if self._walk is not None:
                await self._walk_back(self._walk, gaps, at_least=1)
            elif self._look and not self._due:
                await self._newest(away, gaps)
        except BaseException:  # also where the buffer was cleared under our hands: begin again
            self._walk, self._look = None, True
            raise
        # Received now, as far as those who take them are concerned: their clock never runs backward.
        given = [replace(self._due.popleft(), received_ns=self.now()) for _ in range(min(len(self._due), GIVEN_OUT))]
        return self.extended(scan, given, gaps, int(clock_s) * SECOND_NS)

    def _exchanged(self, serial: int) -> list[Gap]:
        """Where another counter was put in, its buffer is of another place: only its newest record and those after it are taken."""
        before, self._serial = self._serial, serial
        if not before or serial == before or self.taken is None:
            return []
        taken, self.taken, self._walk = self.taken, None, None
        reason = (
            f"{self.device}: another counter was put in, serial number {serial} in place of {before}; what the one before still "
            "held was not read"
        )
        return [Gap(taken.time_ns, self.now(), reason)]

    async def _newest(self, away: bool, gaps: list[Gap]) -> None:
        """Takes the newest record, or begins the walk to those before it."""
        began_s = asyncio.get_running_loop().time()
        sample = self._sample(await self.read_block(_RECORD))
        count = int((await self.read_block(_HOW_MANY))[0])
        self._record_s = asyncio.get_running_loop().time() - began_s  # a record of the walk takes two requests too
        before, self._held = self._held, count
        self._look = False
        if sample is None:
            return  # the buffer is empty: no data is not zero
        self.judge(sample)
        newest = self.frame(sample)
        if self.taken is None:
            self._give([newest])
            return
        since_s = (newest.time_ns - self.taken.time_ns) / SECOND_NS
        if not away and before is not None and count == before + 1 and 0 < since_s < 2 * sample.sample_s:
            self._give([newest])  # one more, and no room for another between: the buffer need not be walked
            return
        walk = Walk(newest, count, self.taken, self.slots, before)
        if walk.reached:
            return
        self._walk = walk
        await self._walk_back(walk, gaps, at_least=0)

    async def _walk_back(self, walk: Walk, gaps: list[Gap], at_least: int) -> None:
        """As many records of the walk as this scan has time for, by what the last one took."""
        loop = asyncio.get_running_loop()
        try:
            while not walk.done and (at_least > 0 or loop.time() + _PACE * self._record_s < self.until_s):
                began_s, at_least = loop.time(), at_least - 1
                await self.write_registers(_INDEX.address, [walk.next])
                sample = self._sample(await self.read_block(_RECORD))
                if sample is None:
                    raise Refused(f"{self.device}: its buffer was cleared while it was read")
                walk.add(self.frame(sample, late=True))
                self._record_s = loop.time() - began_s
        except Refused as refused:
            if not walk.alone:
                await self.write_registers(_INDEX.address, [_LAST])
                raise
            # Its records before the newest are out of reach; that must not keep the newest from us.
            self._finish(walk, gaps, f"{self.device}: its earlier records cannot be read back ({refused})")
            return
        await self.write_registers(_INDEX.address, [_LAST])  # not after a timeout: the next scan does it then
        if walk.done:
            self._finish(walk, gaps)

    def _finish(self, walk: Walk, gaps: list[Gap], why: str = "") -> None:
        found = walk.frames()
        if found and not walk.reached and self.taken is not None:
            gap = gap_before(self.device, self.taken.time_ns, found[0], self._sample_s)
            gaps += [replace(gap, reason=why or gap.reason)] if gap else []
        self._walk, self._look = None, True  # what was finished meanwhile is looked for in the next scan
        self._give(found)

    def _give(self, found: list[Frame]) -> None:
        if found:
            self._due.extend(found)
            self.taken = known(found[-1], self.slots)

    def _sample(self, words: NDArray[np.uint16]) -> Sample | None:
        """The record in `words` (30001 to 30024); None where there is none."""
        time_s, sample_s, status = u32(words, 0), u32(words, 2), u32(words, 6)
        if time_s == 0:
            return None
        self._sample_s = float(sample_s)
        set_ = [fault for fault in _FAULTS if status & fault[0]]
        return Sample(
            time_ns=time_s * SECOND_NS,
            sample_s=sample_s,
            volume_m3=volume_m3(self._flow_cfm, sample_s),
            counts=tuple(float(u32(words, 8 + 2 * channel)) for channel in range(self.model.channels)),
            location=u32(words, 4),
            status=status,
            fault=set_[0][1] if set_ else GOOD,
            why=" and ".join(why for _, _, why in set_),
        )
