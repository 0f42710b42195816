"""A device of the load form as a Modbus unit: its tags as signed input registers, encoded for the whole fleet once a second."""

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulators.faces.modbus_line import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, exception
from simulators.load.fleet import Fleet
from simulators.wire import Wire

NOT_AVAILABLE: Final = -0x8000
"""What the register of a failed sensor holds."""
_READ: Final = struct.Struct(">BHH")
_READ_INPUT: Final = 4
_LARGEST: Final = 125


class FleetRegisters:
    """The registers of the devices `first` onwards of `fleet`, as bytes by device."""

    def __init__(self, fleet: Fleet, first: int) -> None:
        self.fleet, self._first = fleet, first
        self._made = -1
        self._bytes: list[bytes] = []

    def of(self, device: int) -> bytes:
        """All registers of the fleet's device `device`, from address 0, high byte first."""
        if self._made != self.fleet.changes:
            rows = slice(self._first, None)
            words = words_of(self.fleet.values[rows], self.fleet.failed[rows], self.fleet.resolution)
            self._bytes = [row.tobytes() for row in words]
            self._made = self.fleet.changes
        return self._bytes[device - self._first]


def words_of(
    values: NDArray[np.float64], failed: NDArray[np.bool_], resolution: NDArray[np.float64]
) -> NDArray[np.int16]:
    """Signed 16-bit registers (big-endian) of `values` in steps of `resolution`; what is too large stops at the register's end."""
    raw = np.clip(np.rint(values / resolution), -0x7FFF, 0x7FFF)
    raw[failed] = NOT_AVAILABLE
    return raw.astype(">i2")


class LoadUnit:
    """The unit that shows device `device` of the fleet. It knows function 4 and nothing else."""

    def __init__(self, registers: FleetRegisters, device: int) -> None:
        self._registers, self._device = registers, device
        self.wire = Wire()
        self.absent = False

    def answer(self, request: bytes) -> bytes:
        """The PDU that answers the PDU `request`."""
        if request[0] != _READ_INPUT:
            return exception(request, ILLEGAL_FUNCTION)
        if len(request) != _READ.size:
            return exception(request, ILLEGAL_VALUE)
        _, first, count = _READ.unpack(request)
        if not 1 <= count <= _LARGEST:
            return exception(request, ILLEGAL_VALUE)
        found = self._registers.of(self._device)[2 * first : 2 * (first + count)]
        if len(found) != 2 * count:
            return exception(request, ILLEGAL_ADDRESS)
        self._registers.fleet.answered(self._device)
        return bytes((_READ_INPUT, 2 * count)) + found
