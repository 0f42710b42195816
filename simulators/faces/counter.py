"""What the faces of all particle counters share: finished samples become records, and some stand there before the start."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import parse_qs, urlsplit

import numpy as np

from simulators.faces.face import Device
from simulators.faces.modbus import ModbusFace, Registers
from simulators.physics import Values
from simulators.physics.counter import FLOW_CFM, M3_PER_FT3, SAMPLE_S

BEFORE: Final = 10
"""Records of the time before the start, so that there is a last one."""


@dataclass(frozen=True, slots=True)
class Record:
    """One sample: the time of its end (s since 1970), its length (s), where, whether the laser had failed, and the counts of
    particles of 0.5 and of 5 um and more."""

    time_s: int
    sample_s: int
    location: int
    laser_failed: bool
    fine: int
    coarse: int

    def drawn_ft3(self) -> float:
        return FLOW_CFM * self.sample_s / 60


class CounterRegisters(Registers, ABC):
    """A counter's state beside its readings. `time_s` is its clock."""

    def __init__(self, device: Device, unit: int, location: int) -> None:
        super().__init__(device, unit)
        self.location = location
        sample_time = device.tags.get("sample_time")
        self.sample_s = int(sample_time.setpoint if sample_time and sample_time.setpoint else SAMPLE_S)
        self.sampling = True
        self.laser_failed = False
        self.time_s = 0

    @abstractmethod
    def add(self, record: Record) -> None:
        """A sample is finished."""

    def sample(self, on: bool) -> None:
        """Starts or stops sampling."""
        self.sampling = on
        self._device.write("counter.sampling", float(on))


class CounterFace(ModbusFace):
    """A counter at the location that its configured address names, else one drawn from `seed`."""

    registers: CounterRegisters
    made_of: ClassVar[type[CounterRegisters]]

    def __init__(self, device: Device, address: str, seed: int) -> None:
        named = parse_qs(urlsplit(address).query).get("location")
        self._query = f"?location={named[-1]}" if named else ""
        self._location, self._seed = int(named[-1]) if named else 1 + seed % 200, seed
        super().__init__(device, address)

    def make_registers(self, device: Device, unit: int) -> Registers:
        return self.made_of(device, unit, self._location)

    @property
    def url(self) -> str:
        return super().url + self._query

    async def stepped(self, values: Values, time_ns: int) -> None:
        r = self.registers
        if not r.time_s:
            self._fill(time_ns // 1_000_000_000, values)
        r.time_s = time_ns // 1_000_000_000
        r.laser_failed = bool(values.get("laser"))
        if values.get("sample.done"):
            fine, coarse = int(values["sample.fine"]), int(values["sample.coarse"])
            r.add(Record(r.time_s, r.sample_s, r.location, r.laser_failed, fine, coarse))

    def _fill(self, now_s: int, values: Values) -> None:
        r = self.registers
        rng = np.random.default_rng(self._seed)
        drawn_m3 = FLOW_CFM * M3_PER_FT3 * r.sample_s / 60
        last_s = now_s - int(values["sample.elapsed"])
        for age in range(BEFORE - 1, -1, -1):
            coarse = int(rng.poisson(float(values["air.5um"]) * drawn_m3))
            fine = coarse + int(rng.poisson(float(values["air.0_5um"]) * drawn_m3))
            r.add(Record(last_s - age * r.sample_s, r.sample_s, r.location, False, fine, coarse))


def halves(*numbers: int) -> list[int]:
    """Each 32-bit number as two words, the high one first."""
    return [half for number in numbers for half in (number >> 16 & 0xFFFF, number & 0xFFFF)]
