"""The record machine of a Particle Measuring Systems Airnet II, IsoAir 310P or MiniCapt (Modbus map version 1.00).

Laid out by the maker's map and not by the profile. Finished samples queue up; 30212 to 30232 show the oldest, clearing coil 2
drops it, coil 3 drops all. An empty queue shows zeros. Anything not in the map is exception 2; spare coils take any write and
stay 0; a written holding register makes a new configuration and stops the sampling.
"""

import struct
from collections import deque
from collections.abc import Sequence
from typing import ClassVar, Final

from pymodbus.constants import ExcCodes

from drivers.profile import Table
from simulators.faces.counter import CounterFace, CounterRegisters, Record, halves
from simulators.faces.face import Device
from simulators.faces.modbus import Words
from simulators.physics.counter import FLOW_CFM

QUEUE: Final = 3_000
COLLECT, AVAILABLE, CLEAR, RESET, GREEN, RED, ALARM, FLOATS = range(8)
COILS: Final = 32
LASER_GOOD, FLOW_GOOD, HARDWARE_GOOD = 1, 2, 4
IDLE, SAMPLING, ERROR = 0, 1, 3
FLOW_POWER, VOLUME_POWER = 2, 5
_DATA: Final = 200


class AirnetRegisters(CounterRegisters):
    """Coils 1 to 32, input 30001 to 30016 and 30201 to 30232 (two channels), holding 40001 to 40005."""

    def __init__(self, device: Device, unit: int, location: int) -> None:
        super().__init__(device, unit, location)
        self.queue: deque[Record] = deque(maxlen=QUEUE)
        self.set = [0] * COILS

    def add(self, record: Record) -> None:
        self.queue.append(record)

    def encode(self, table: Table) -> Words:
        match table:
            case "coil":
                return dict(enumerate(self._coils()))
            case "input":
                product = [int.from_bytes(b"AirnetII 310    "[i : i + 2], "big") for i in range(0, 16, 2)]
                config = [100, 105, *product, FLOW_POWER, VOLUME_POWER, *self._number(FLOW_CFM, 100), 2, 0]
                return dict(enumerate(config)) | dict(enumerate(self._data(), _DATA))
            case "holding":
                return dict(enumerate([*halves(self.time_s), self.sample_s, 0, 0]))
            case "discrete":
                return {}

    def image(self, table: Table) -> Words:
        return self.encode(table)

    def _coils(self) -> list[int]:
        coils = [*self.set[:8], *[0] * (COILS - 8)]
        coils[COLLECT], coils[AVAILABLE] = int(self.sampling), int(bool(self.queue))
        coils[CLEAR] = coils[RESET] = coils[ALARM] = 0
        return coils

    def _data(self) -> list[int]:
        calibrated = [11, 22, 2025]
        serial = [int.from_bytes(b"0123456789ABCDEF"[i : i + 2], "big") for i in range(0, 16, 2)]
        status = sum(bit << i for i, bit in enumerate(self._coils()[:8]))
        state = ERROR if self.laser_failed else SAMPLING if self.sampling else IDLE
        head = [*calibrated, *serial, *halves(status), state, len(self.queue)]
        if not self.queue:
            return [*head, *[0] * 11, 0, 0, *[0] * 4]
        record = self.queue[0]
        good = FLOW_GOOD | HARDWARE_GOOD | (0 if record.laser_failed else LASER_GOOD)
        drawn = (self._number(FLOW_CFM, 10**FLOW_POWER), self._number(record.drawn_ft3(), 10**VOLUME_POWER))
        sample = [*halves(record.time_s), *self._number(record.sample_s, 100), *halves(good), *drawn[0], *drawn[1]]
        return [*head, *sample, 0, 2, 0, *halves(record.fine, record.coarse)]

    def _number(self, number: float, multiplied: int) -> list[int]:
        """A value as the float mode shows it (coil 8)."""
        if self.set[FLOATS]:
            return halves(int.from_bytes(struct.pack(">f", number), "big"))
        return halves(round(number * multiplied))

    def write(self, table: Table, address: int, values: Sequence[int]) -> ExcCodes | None:
        written = dict(enumerate(values, address))
        if table == "holding" and written.keys() <= set(range(5)):
            self.sample(False)
            return None
        if table != "coil" or not written.keys() <= set(range(COILS)):
            return ExcCodes.ILLEGAL_ADDRESS
        for coil, value in written.items():
            self._write_coil(coil, value)
        return None

    def _write_coil(self, coil: int, value: int) -> None:
        if coil == COLLECT:
            self.sample(bool(value))
        elif coil == AVAILABLE and not value and self.queue:
            self.queue.popleft()
        elif coil == CLEAR and value:
            self.queue.clear()
        elif coil in (GREEN, RED, FLOATS):
            self.set[coil] = int(bool(value))


class AirnetFace(CounterFace):
    made_of: ClassVar[type[CounterRegisters]] = AirnetRegisters
