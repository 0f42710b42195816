"""A Modbus server for one device: its four tables, made when they are asked for.

Strict: a request that touches a register which the device does not have is answered with exception 2, and so is a write to
one that cannot be written. A device whose profile allows reading across holes shows 0 there. Devices whose configured addresses
name the same host and port stand behind one address here too, as behind a gateway.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from pymodbus.constants import ExcCodes

from drivers.profile import Register, Table
from simulators.faces.encoding import value_of, words_of, words_of_text
from simulators.faces.face import Device
from simulators.faces.modbus_line import ILLEGAL_FUNCTION, ILLEGAL_VALUE, Framing, Line, exception
from simulators.faces.port import Port
from simulators.physics import Values
from simulators.wire import Wire

_TABLES: Final[Mapping[int, Table]] = {
    1: "coil", 2: "discrete", 3: "holding", 4: "input", 5: "coil", 6: "holding", 15: "coil", 16: "holding",
    22: "holding", 23: "holding",
}  # fmt: skip
_LARGEST_READ: Final[Mapping[int, int]] = {1: 2_000, 2: 2_000, 3: 125, 4: 125}
_COIL_ON: Final = 0xFF00
_BAD: Final = 0x8000
Words = dict[int, int]


class Registers:
    """The device's four tables, and what requests do to them."""

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
                made = words_of_text(register, readings.texts[name])
            else:
                made = words_of(register, float(readings.values[i]), good=readings.quality[i] < _BAD)
            if register.bit is not None:  # several tags share the register
                made = [word | words.get(a, 0) for a, word in enumerate(made, register.address)]
            words.update(enumerate(made, register.address))
        self._prove(table, words)
        self._tell_status(table, words)
        if self._device.profile.server.read_holes and words:
            words = {a: words.get(a, 0) for a in range(min(words), max(words) + 1)}
        return words

    def _prove(self, table: Table, words: Words) -> None:
        """The constants by which the maker proves the order of words."""
        for proof in self._device.profile.proof:
            register = proof.register_
            if register.table == table:
                text = isinstance(proof.equals, str)
                made = words_of_text(register, str(proof.equals)) if text else words_of(register, float(proof.equals))
                words.update(enumerate(made, register.address))

    def _tell_status(self, table: Table, words: Words) -> None:
        """The registers in which the device says how good its values are: the worst that the maker has for a failed sensor."""
        readings = self._device.readings
        for name, tag in self._device.tags.items():
            status, i = tag.status, readings.index.get(name)
            if status is None or status.table != table or i is None:
                continue
            told = status.fine or 0
            if readings.quality[i] >= _BAD:
                bad = [bits for bits, meaning in status.bits.items() if meaning.startswith("Bad")]
                told = bad[-1] if bad else told + 1
            if words.get(status.address, status.fine or 0) == (status.fine or 0):
                words[status.address] = told

    def read(self, table: Table, address: int, count: int) -> list[int] | ExcCodes:
        words = self.image(table)
        try:
            return [words[a] for a in range(address, address + count)]
        except KeyError:
            return ExcCodes.ILLEGAL_ADDRESS

    def write(self, table: Table, address: int, values: Sequence[int]) -> ExcCodes | None:
        """Writes whole tags only, all or nothing."""
        given = dict(enumerate(values, address))
        left = set(given)
        made: list[tuple[str, float]] = []
        for name, _, register in self._tags[table]:
            addresses = range(register.address, register.address + register.words)
            if self._device.tags[name].writable and all(a in given for a in addresses):
                left.difference_update(addresses)
                number = value_of(register, [given[a] for a in addresses])
                limits = self._device.tags[name].range
                if limits is not None and not limits[0] <= number <= limits[1]:
                    return ExcCodes.ILLEGAL_VALUE
                made.append((name, number))
        if left:
            return ExcCodes.ILLEGAL_ADDRESS
        for name, number in made:
            self._device.write(name, number)
        return None

    def answer(self, request: bytes) -> bytes:
        """The PDU that answers the PDU `request`."""
        function = request[0]
        table = _TABLES.get(function)
        if table is None or function == 23:
            return exception(request, ILLEGAL_FUNCTION)
        try:
            return self._read(table, request) if function <= 4 else self._written(table, request)
        except (IndexError, ValueError):
            return exception(request, ILLEGAL_VALUE)

    def _read(self, table: Table, request: bytes) -> bytes:
        first, count = _word(request, 1), _word(request, 3)
        if not 1 <= count <= _LARGEST_READ[request[0]] or len(request) != 5:
            raise ValueError
        found = self.read(table, first, count)
        if not isinstance(found, list):
            return exception(request, int(found))
        packed = _packed(found) if table in ("coil", "discrete") else b"".join(w.to_bytes(2, "big") for w in found)
        return bytes((request[0], len(packed))) + packed

    def _written(self, table: Table, request: bytes) -> bytes:
        """Functions 5, 6, 15, 16 and 22; the answer repeats the request's head."""
        first, given = _word(request, 1), _word(request, 3)
        match request[0]:
            case 5:
                if given not in (0, _COIL_ON):
                    raise ValueError
                values = [int(given == _COIL_ON)]
            case 6:
                values = [given]
            case 15:
                if not 1 <= given <= 1_968 or request[5] != (given + 7) // 8 or len(request) != 6 + request[5]:
                    raise ValueError
                values = [request[6 + k // 8] >> k % 8 & 1 for k in range(given)]
            case 16:
                if not 1 <= given <= 123 or request[5] != 2 * given or len(request) != 6 + request[5]:
                    raise ValueError
                values = [_word(request, 6 + 2 * k) for k in range(given)]
            case _:  # 22: keep the bits of the first mask, set those of the second outside it
                held = self.read(table, first, 1)
                if not isinstance(held, list):
                    return exception(request, int(held))
                values = [held[0] & given | _word(request, 5) & ~given & 0xFFFF]
        refused = self.write(table, first, values)
        if refused is not None:
            return exception(request, int(refused))
        return request[:5] if request[0] in (15, 16) else request


def _word(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]


def _packed(bits: Sequence[int]) -> bytes:
    """Bits as coils are sent: eight in a byte, the first lowest."""
    packed = bytearray((len(bits) + 7) // 8)
    for k, bit in enumerate(bits):
        packed[k // 8] |= (bit != 0) << k % 8
    return bytes(packed)


def place(address: str) -> tuple[str, int]:
    """What a configured address names: the line (all that units behind one gateway share), and the unit there."""
    url = urlsplit(address)
    if url.scheme == "modbus-serial":
        line, _, unit = url.path.rpartition("/")
        return f"{url.scheme}:{line}", int(unit or 1)
    return f"{url.scheme}:{url.netloc}", int(url.path.strip("/") or 1)


def framing(address: str) -> Framing:
    """How the device at a configured address frames: a serial line is shown as RTU over TCP."""
    return "tcp" if urlsplit(address).scheme == "modbus" else "rtu"


class ModbusFace:
    """Serves `device` as the unit that its configured address names, on a line of its own until it joins another's."""

    def __init__(self, device: Device, address: str) -> None:
        self.place, self._number = place(address)
        self.absent = False
        self.registers = self.make_registers(device, self._number)
        server = device.profile.server
        self.line = Line(framing(address), server.connections, server.idle_close_s)
        self.line.units[self._number] = self
        self.wire = self.line.port.wire

    def make_registers(self, device: Device, unit: int) -> Registers:
        return Registers(device, unit)

    def join(self, line: Line) -> bool:
        """Moves to `line`, which other units share; False where the number is taken there. Faults on the wire are then
        this unit's own."""
        if self._number in line.units:
            return False
        for unit in (*line.units.values(), self):
            unit.wire = Wire()
        line.units[self._number] = self
        self.line = line
        return True

    def answer(self, request: bytes) -> bytes:
        return self.registers.answer(request)

    @property
    def port(self) -> Port:
        return self.line.port

    @property
    def url(self) -> str:
        return self.line.url(self._number)

    async def open(self) -> None:
        self.absent = False
        await self.port.open()

    def refuse(self) -> None:
        """Nobody gets in; behind a shared address, the gateway finds this unit no more."""
        if len(self.line.units) > 1:
            self.absent = True
        else:
            self.port.refuse()

    async def close(self) -> None:
        await self.port.close()

    async def stepped(self, values: Values, time_ns: int) -> None:
        """Registers are made when they are read."""
