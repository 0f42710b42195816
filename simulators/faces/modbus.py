"""A Modbus TCP server for one device: framing and function codes by pymodbus, registers made when they are asked for.

Strict: a request that touches a register which the device does not have is answered with exception 2, and so is a write to
one that cannot be written. A device whose profile allows reading across holes shows 0 there.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.profile import Register, Table
from simulators.faces.encoding import value_of, words_of
from simulators.faces.face import Device
from simulators.faces.port import HOST, Port
from simulators.physics import Values

_TABLES: Final[Mapping[int, Table]] = {
    1: "coil", 2: "discrete", 3: "holding", 4: "input", 5: "coil", 6: "holding", 15: "coil", 16: "holding",
    22: "holding", 23: "holding",
}  # fmt: skip
Words = dict[int, int]


class Registers:
    """The device's four tables, as pymodbus asks for them."""

    def __init__(self, device: Device, unit: int) -> None:
        self._device, self._unit = device, unit
        self._tags: dict[Table, list[tuple[str, int | None, Register]]] = {t: [] for t in _TABLES.values()}
        for name, tag in device.tags.items():
            if tag.register_ is not None:
                self._tags[tag.register_.table].append((name, device.readings.index.get(name), tag.register_))
        self._images: dict[Table, tuple[int, Words]] = {}

    def image(self, table: Table) -> Words:
        """All words of `table` by address, as of the device's present readings."""
        version, words = self._images.get(table, (-1, {}))
        if version != self._device.readings.version:
            words = self.encode(table)
            self._images[table] = (self._device.readings.version, words)
        return words

    def encode(self, table: Table) -> Words:
        words: Words = {}
        readings = self._device.readings
        for name, i, register in self._tags[table]:
            if i is None:
                text = readings.texts[name].encode()[: 2 * register.words].ljust(2 * register.words, b"\0")
                made = [int.from_bytes(text[k : k + 2], "big") for k in range(0, len(text), 2)]
            elif register.bit is not None:
                set_ = int(readings.values[i]) << register.bit
                made = [words.get(register.address, 0) | set_]
            else:
                made = words_of(register, float(readings.values[i]), good=readings.quality[i] < 0x8000)
            words.update(enumerate(made, register.address))
        if self._device.profile.server.read_holes and words:
            words = {a: words.get(a, 0) for a in range(min(words), max(words) + 1)}
        return words

    def read(self, table: Table, address: int, count: int) -> list[int] | ExcCodes:
        words = self.image(table)
        try:
            return [words[a] for a in range(address, address + count)]
        except KeyError:
            return ExcCodes.ILLEGAL_ADDRESS

    def write(self, table: Table, address: int, values: Sequence[int]) -> ExcCodes | None:
        """Writes whole tags only, all or nothing."""
        left = dict(enumerate(values, address))
        made: list[tuple[str, float]] = []
        for name, _, register in self._tags[table]:
            addresses = range(register.address, register.address + register.words)
            if self._device.tags[name].writable and all(a in left for a in addresses):
                number = value_of(register, [left.pop(a) for a in addresses])
                limits = self._device.tags[name].range
                if limits is not None and not limits[0] <= number <= limits[1]:
                    return ExcCodes.ILLEGAL_VALUE
                made.append((name, number))
        if left:
            return ExcCodes.ILLEGAL_ADDRESS
        for name, number in made:
            self._device.write(name, number)
        return None

    async def async_getValues(self, device_id: int, func_code: int, address: int, count: int = 1) -> object:
        """pymodbus: what a request reads, or the exception to answer with."""
        self._check(device_id)
        found = self.read(_TABLES[func_code], address, count)
        if isinstance(found, list) and func_code in (1, 2, 5, 15):
            return [bool(word) for word in found]
        return found

    async def async_setValues(
        self, device_id: int, func_code: int, address: int, values: Sequence[int] | Sequence[bool]
    ) -> ExcCodes | None:
        """pymodbus: what a request writes."""
        self._check(device_id)
        return self.write(_TABLES[func_code], address, [int(value) for value in values])

    def _check(self, unit: int) -> None:
        if unit != self._unit:
            raise NoSuchIdException(f"unit {unit} is not behind this address")


class ModbusFace:
    """Serves `device` as the unit that its configured address names."""

    def __init__(self, device: Device, address: str) -> None:
        self._unit = int(urlsplit(address).path.strip("/") or 1)
        self.registers = self.make_registers(device, self._unit)
        self._server: ModbusTcpServer | None = None
        self.port = Port(self._connection, device.profile.server.connections)

    def make_registers(self, device: Device, unit: int) -> Registers:
        return Registers(device, unit)

    @property
    def url(self) -> str:
        return f"modbus://{HOST}:{self.port.number}/{self._unit}"

    async def open(self) -> None:
        if self._server is None:
            nothing = SimDevice(self._unit, simdata=[SimData(0, datatype=DataType.REGISTERS)])
            self._server = ModbusTcpServer(nothing)
            self._server.context = self.registers  # pyright: ignore[reportAttributeAccessIssue] - same two methods
        await self.port.open()

    async def close(self) -> None:
        await self.port.close()

    async def stepped(self, values: Values, time_ns: int) -> None:
        """Registers are made when they are read."""

    def _connection(self) -> asyncio.Protocol:
        assert self._server is not None
        return self._server.handle_new_connection()  # pyright: ignore[reportReturnType] - it is one, by its methods
