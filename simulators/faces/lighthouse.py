"""The record machine of a Lighthouse REMOTE or ApexRemote particle counter (register map v1.44 to v1.50).

Laid out by the maker's map and not by the profile, so that a mistake in the profile shows. A finished sample becomes a
record in a buffer and raises NEW DATA (bit 2 of 40003), which any read among 30001 to 30999 clears. 40025 chooses the record
that 30001 onwards show: -1 the last, else 0 for the oldest upwards. Channels 3 to 8 are inactive and show garbage.
"""

from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Final

from pymodbus.constants import ExcCodes

from drivers.profile import Table
from simulators.faces.counter import CounterFace, CounterRegisters, Record, halves
from simulators.faces.face import Device
from simulators.faces.modbus import Words
from simulators.physics.counter import FLOW_CFM

BUFFER: Final = 3_000
RUNNING, SAMPLING, NEW_DATA, DEVICE_ERROR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
LASER, FLOW, SERVICE = 1 << 11, 1 << 12, 1 << 13
RECORD_LASER: Final = 1 << 0
CLEAR_BUFFER, MANUAL_START, MANUAL_STOP, START, STOP = 3, 9, 10, 11, 12
MAP_VERSION: Final = 150
CALIBRATION_S: Final = 300 * 86_400
HOLDING_END, INPUT_END = 48, 999
_GARBAGE: Final = 0xDEAD_BEEF


class LighthouseRegisters(CounterRegisters):
    """Holding 40001 to 40048, input 30001 to 30999."""

    def __init__(self, device: Device, unit: int, location: int) -> None:
        super().__init__(device, unit, location)
        self.buffer: deque[Record] = deque(maxlen=BUFFER)
        self.index = -1
        self.new_data = False
        self.calibration_due_s = 0

    def add(self, record: Record) -> None:
        self.buffer.append(record)
        self.new_data = True
        self.calibration_due_s = self.calibration_due_s or record.time_s + CALIBRATION_S

    def encode(self, table: Table) -> Words:
        if table == "holding":
            return self._holding()
        if table == "input":
            shown = _words(self.buffer[min(self.index, len(self.buffer) - 1)]) if self.buffer else []
            return dict(enumerate(shown + [0] * (INPUT_END - len(shown))))
        return {}

    def image(self, table: Table) -> Words:
        return self.encode(table)  # its state changes by reading and writing, not only with the readings

    def _holding(self) -> Words:
        words = dict.fromkeys(range(HOLDING_END), 0)
        status = RUNNING * self.sampling | SAMPLING * self.sampling | NEW_DATA * self.new_data
        if self.laser_failed:
            status |= LASER | DEVICE_ERROR
        words |= {0: MAP_VERSION, 2: status, 22: round(100 * FLOW_CFM * self.sampling), 23: len(self.buffer)}
        words |= {24: self.index & 0xFFFF, 25: self.location}
        for address, number in ((26, self.time_s), (32, self.sample_s), (46, self.calibration_due_s)):
            words[address], words[address + 1] = halves(number)
        return words

    def read(self, table: Table, address: int, count: int) -> list[int] | ExcCodes:
        found = super().read(table, address, count)
        if table == "input" and isinstance(found, list):
            self.new_data = False
        return found

    def write(self, table: Table, address: int, values: Sequence[int]) -> ExcCodes | None:
        written = dict(enumerate(values, address))
        if table != "holding" or not written.keys() <= {1, 24, 25, 32, 33}:
            return ExcCodes.ILLEGAL_ADDRESS
        index = written.get(24, self.index & 0xFFFF)
        index -= 0x10000 * (index >= 0x8000)
        if not -1 <= index < max(len(self.buffer), 1):
            return ExcCodes.ILLEGAL_VALUE
        sample_s = written.get(32, self.sample_s >> 16) << 16 | written.get(33, self.sample_s & 0xFFFF)
        if not 1 <= sample_s <= 86_400:
            return ExcCodes.ILLEGAL_VALUE
        refused = self._command(written.get(1, 0))
        if refused is None:
            self.index, self.location = index, written.get(25, self.location)
            self.sample_s = sample_s
            self._device.write("counter.sample_s", float(sample_s))
        return refused

    def _command(self, command: int) -> ExcCodes | None:
        match command:
            case 0 | 1 | 7 | 8:
                pass
            case c if c == CLEAR_BUFFER:
                self.buffer.clear()
                self.new_data = False
            case c if c in (MANUAL_START, START, MANUAL_STOP, STOP):
                self.sample(c in (MANUAL_START, START))
            case _:
                return ExcCodes.ILLEGAL_VALUE
        return None


def _words(record: Record) -> list[int]:
    """Input registers 30001 to 30024."""
    status = RECORD_LASER * record.laser_failed
    head = (record.time_s, record.sample_s, record.location, status, record.fine, record.coarse)
    return halves(*head, *[_GARBAGE] * 6)


class LighthouseFace(CounterFace):
    made_of: ClassVar[type[CounterRegisters]] = LighthouseRegisters
