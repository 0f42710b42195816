"""The record machine of a MET ONE 6000 particle counter (operator manual, appendix A). Register numbers are taken as addresses.

Laid out by the maker's map and not by the profile. 500 to 518 show the last finished sample, 300 to 318 the one under way;
times are packed two numbers to a register. Counts are in the unit of 143 and the mode of 144. Reserved registers read 0,
numbers that the map does not have are exception 2. A written setting (100 to 159) restarts the sample.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

from pymodbus.constants import ExcCodes

from drivers.profile import Table
from simulators.faces.counter import CounterFace, CounterRegisters, Record, halves
from simulators.faces.face import Device
from simulators.faces.modbus import Words
from simulators.physics.counter import M3_PER_FT3

RUN, STOP = 1, 2
COUNTS, PER_FT3, PER_LITRE, PER_M3 = range(4)
LASER_ALARM: Final = 1
_BLOCKS: Final = ((100, 160), (300, 353), (500, 553), (600, 663))


class MetOneRegisters(CounterRegisters):
    """Holding 100 to 159, 300 to 352, 500 to 552, 600 to 662."""

    def __init__(self, device: Device, unit: int, location: int) -> None:
        super().__init__(device, unit, location)
        self.last: Record | None = None
        self.unit, self.differential = COUNTS, False

    def add(self, record: Record) -> None:
        self.last = record

    def encode(self, table: Table) -> Words:
        if table != "holding":
            return {}
        words = {a: 0 for first, end in _BLOCKS for a in range(first, end)}
        hours, rest = divmod(self.sample_s, 3600)
        words |= {100: self._unit, 103: 1, 104: RUN if self.sampling else STOP, 600: 2}
        words |= {106: hours, 107: _pair(*divmod(rest, 60)), 143: self.unit, 144: int(self.differential), 145: 1}
        words |= dict(enumerate(_packed(self.time_s), 112))
        words |= dict(enumerate(_packed(self.time_s), 300))
        words |= {544: 220, 545: 450}
        if self.last is not None:
            words |= dict(enumerate(self._record(self.last), 500))
        return words

    def image(self, table: Table) -> Words:
        return self.encode(table)

    def _record(self, record: Record) -> list[int]:
        hours, rest = divmod(record.sample_s, 3600)
        fine = record.fine - record.coarse if self.differential else record.fine
        drawn_ft3 = record.drawn_ft3()
        per = {
            COUNTS: 1.0,
            PER_FT3: drawn_ft3,
            PER_LITRE: drawn_ft3 * M3_PER_FT3 * 1000,
            PER_M3: drawn_ft3 * M3_PER_FT3,
        }
        counts = [round(count / per[self.unit]) for count in (fine, record.coarse)]
        status = LASER_ALARM * record.laser_failed
        head = [*_packed(record.time_s), hours, _pair(*divmod(rest, 60)), 0]
        return [*head, *halves(round(drawn_ft3 * 100)), *halves(status), *halves(*counts, 0, 0)]

    def write(self, table: Table, address: int, values: Sequence[int]) -> ExcCodes | None:
        written = dict(enumerate(values, address))
        if table != "holding" or not written.keys() <= {104, 143, 144}:
            return ExcCodes.ILLEGAL_ADDRESS
        if written.get(104, RUN) not in (RUN, STOP) or written.get(143, 0) > PER_M3 or written.get(144, 0) > 1:
            return ExcCodes.ILLEGAL_VALUE
        self.unit, self.differential = written.get(143, self.unit), bool(written.get(144, self.differential))
        running = written.get(104, RUN if self.sampling else STOP) == RUN
        self.sample(False)  # any written setting restarts the sample
        self.sample(running)
        return None


def _pair(high: int, low: int) -> int:
    return high << 8 | low


def _packed(time_s: int) -> list[int]:
    """Year; month, day; hour; minute, second."""
    t = datetime.fromtimestamp(time_s, UTC)
    return [t.year, _pair(t.month, t.day), t.hour, _pair(t.minute, t.second)]


class MetOneFace(CounterFace):
    made_of: ClassVar[type[CounterRegisters]] = MetOneRegisters
