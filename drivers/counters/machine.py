"""What counters of all makers share: the layout of their records, the place they watch, the record taken last.

An engine that starts again tells each counter the last record that its journal holds (`resume`). So no record is taken twice,
and those that were finished meanwhile are read back from the device's buffer, as far as that reaches.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.counters.records import (
    SECOND_NS,
    Known,
    Sample,
    clock_finding,
    frame_of,
    is_elsewhere,
    known,
    not_cumulative,
    told_slots,
)
from drivers.device import SCAN_DEADLINE_S, Now
from drivers.fleet import Fleet
from drivers.frame import Frame, Gap, Scan
from drivers.modbus.address import location
from drivers.modbus.device import ModbusDevice, Refused
from drivers.profile import Profile, Register
from drivers.quality import GOOD
from drivers.registers import decode

AWAY_NS: Final = 3_000_000_000
"""Without a scan for so long a counter may have finished anything in between."""


class RecordMachine(ModbusDevice, ABC):
    """A counter at ``modbus://host:port/unit?location=7``: polled each second, and each finished record once, as a frame at the
    record's own time. location: the place it watches; without one any record is taken as of here."""

    def __init__(self, device: str, profile: Profile, address: str, now: Now, fleet: Fleet | None = None) -> None:
        self.model = profile.counter
        super().__init__(device, profile, address, now, fleet)
        try:
            self.here = location(address)
        except ValueError as error:
            raise ValueError(f"{device}: the address {address} {error}") from None
        self._record = next((x for x in self.layouts if x.record), None)
        self._asked = [tag.record for tag in self.tags.values() if tag.record is not None]
        self.slots = told_slots(self._asked)
        self.taken: Known | None = None
        self.until_s = 0.0
        """When this scan has to end, by the event loop's clock."""
        self._last_slot_ns = 0
        self._said: tuple[str, ...] = ()
        self._clock: tuple[float, str] | None = None

    async def scan(self, slot_ns: int, further: bool = True) -> Scan:
        self.until_s = asyncio.get_running_loop().time() + SCAN_DEADLINE_S
        return await super().scan(slot_ns, further)

    async def read_on(self, slot_ns: int, scan: Scan, image: NDArray[np.uint16]) -> Scan:
        away = self._has_been_away(slot_ns)
        if self._record is None or scan.findings:
            return scan  # what the machine itself is polled for was not read
        try:
            return await self.read_records(scan, self.extra(image), away)
        except Refused as refused:
            return replace(scan, findings=(str(refused),))

    @abstractmethod
    async def read_records(self, scan: Scan, extra: NDArray[np.float64], away: bool) -> Scan:
        """`scan` with what the counter has finished. extra: the values of `extra_registers`; away: scans were missed since the last
        one. Raises what `read_block` does."""

    def resume(self, last: Frame) -> None:
        """The last record that was taken before the engine was started again."""
        if last.layout == self._record:
            self.taken = known(last, self.slots)

    def is_taken(self, frame: Frame) -> bool:
        """Whether this is the record that was taken last."""
        return self.taken is not None and known(frame, self.slots).same(self.taken)

    def _has_been_away(self, slot_ns: int) -> bool:
        last, self._last_slot_ns = self._last_slot_ns, slot_ns
        return not 0 <= slot_ns - last <= AWAY_NS

    def extra(self, image: NDArray[np.uint16]) -> NDArray[np.float64]:
        """The values of `extra_registers`, NaN where there is none."""
        return decode(self._plan, image)[0][-len(self.extra_registers()) :]

    def frame(self, sample: Sample, late: bool = False) -> Frame:
        """The frame of a record."""
        assert self._record is not None
        return frame_of(self._record, self._asked, sample, self.here, self.now(), late)

    def judge(self, sample: Sample) -> None:
        """Makes what is wrong with the newest record a finding, which stands until the next one."""
        said: list[str] = []
        if is_elsewhere(sample, self.here):
            said.append(
                f"{self.device}: its last record is of location {sample.location}, but it watches location {self.here}; its "
                "counts are not taken. Set the location at the counter, or in the address of the plant's configuration"
            )
        if sample.fault != GOOD:
            said.append(f"{self.device}: the counts of its last record are not valid: {sample.why}")
        if not_cumulative(self._asked, sample):
            said.append(
                f"{self.device}: it counts more large particles than small ones, which cannot be; compare the channels and the "
                "word order of the profile with the counter's manual"
            )
        self._said = tuple(said)

    def extended(
        self, scan: Scan, frames: Sequence[Frame] = (), gaps: Sequence[Gap] = (), clock_ns: int | None = None
    ) -> Scan:
        """`scan` with the records and gaps found, and with what is to be said about the counter and its clock."""
        if clock_ns is not None:
            self._clock = clock_finding(self.device, (clock_ns - self.now()) / SECOND_NS, self._clock)
        said = self._said if self._clock is None else (*self._said, self._clock[1])
        return replace(scan, frames=(*scan.frames, *frames), findings=(*scan.findings, *said), gaps=(*scan.gaps, *gaps))


def shifted(register: Register, by: int) -> Register:
    """`register` at another address."""
    return register.model_copy(update={"address": register.address + by})
