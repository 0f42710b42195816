"""Particle counters: machines that keep records, not registers that hold a value.

A Lighthouse ApexRemote (map 1.44 to 1.50) finishes a record, typically once a minute, and raises NEW DATA in holding 40003
bit 2; **reading input 30001 to 30999 clears that flag**, so one master reads it. A record is known by its timestamp: seen
twice it is the same record. Counts are raw, cumulative by size; the concentration is ours to compute from flow and time:
counts x 35.3147 / (cfm x seconds / 60) per m3. A record with a laser or flow fault is kept as Bad.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pymodbus.client import AsyncModbusTcpClient

from drivers.device import Now
from drivers.frame import Frame, Scan
from drivers.modbus import ModbusDevice
from drivers.profile import Profile, Register
from drivers.quality import BAD_DEVICE_FAILURE, BAD_NO_DATA, GOOD
from drivers.registers import Block

_STATUS: Final = Register(table="holding", address=2)
_FLOW_CFM: Final = Register(table="holding", address=22, scale=0.01)
_RECORD: Final = Block("input", 0, 24, 0)
_NEW_DATA: Final = 1 << 2
_LASER, _FLOW, _OVERFLOW = 1 << 0, 1 << 1, 1 << 2
CUBIC_FEET_PER_M3: Final = 35.3147


class LighthouseCounter(ModbusDevice):
    """Polled state each second, and each finished record once, as a frame at the record's own time."""

    def __init__(self, device: str, profile: Profile, address: str, now: Now) -> None:
        super().__init__(device, profile, address, now)
        self._record = next((x for x in self.layouts if x.record), None)
        self._record_fields = [tag.record for tag in self.tags.values() if tag.record is not None]
        self._last_timestamp = 0

    def extra_registers(self) -> Sequence[Register]:
        return (_STATUS, _FLOW_CFM)

    async def read_on(self, client: AsyncModbusTcpClient, slot_ns: int, scan: Scan, image: NDArray[np.uint16]) -> Scan:
        status = int(image[self._plan.where[-2]])
        flow_cfm = float(image[self._plan.where[-1]]) * _FLOW_CFM.scale
        if self._record is None or not (status & _NEW_DATA or self._last_timestamp == 0):
            return scan
        words = np.array(await self.read_block(client, _RECORD), np.uint16)
        timestamp = _u32(words, 0)
        if timestamp in (0, self._last_timestamp):
            return scan  # no record yet, or the one already taken: no data is not zero
        self._last_timestamp = timestamp
        values, quality = self._fields(words, flow_cfm)
        time_ns = timestamp * 1_000_000_000
        stamps = np.full(len(values), time_ns, np.int64)
        frame = Frame(self._record, time_ns, self.now(), values, quality, stamps)
        return Scan((*scan.frames, frame), scan.texts)

    def _fields(
        self, words: NDArray[np.uint16], flow_cfm: float
    ) -> tuple[NDArray[np.float64], NDArray[np.uint16] | None]:
        sample_s, location, status = _u32(words, 2), _u32(words, 4), _u32(words, 6)
        cubic_metres = flow_cfm * sample_s / 60 / CUBIC_FEET_PER_M3
        values = np.empty(len(self._record_fields))
        quality = np.full(len(values), GOOD, np.uint16)
        for slot, record in enumerate(self._record_fields):
            count = _u32(words, 8 + 2 * (record.channel - 1)) if record.channel else 0
            match record.field:
                case "sample_time":
                    values[slot] = sample_s
                case "location":
                    values[slot] = location
                case "status":
                    values[slot] = status
                case "volume":
                    values[slot] = cubic_metres
                case "count":
                    values[slot] = count
                case "concentration":
                    values[slot] = count / cubic_metres if cubic_metres > 0 else np.nan
            counted = record.field in ("count", "concentration")
            if counted and status & (_LASER | _FLOW | _OVERFLOW):
                quality[slot] = BAD_DEVICE_FAILURE
            elif counted and cubic_metres <= 0:
                quality[slot] = BAD_NO_DATA
        values[quality != GOOD] = np.nan
        return values, quality if quality.any() else None


def _u32(words: NDArray[np.uint16], at: int) -> int:
    return int(words[at]) << 16 | int(words[at + 1])
