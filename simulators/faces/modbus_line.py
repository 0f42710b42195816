"""A Modbus server of the simulators' own: one address, and the units that answer there; TCP framing, or RTU framing over TCP.

Written apart from the drivers', so that the two cannot share a mistake. Modbus Application Protocol V1.1b3 says what stands
in a request and its answer (function code first, no framing: a PDU), Messaging on TCP/IP V1.0b how TCP frames it (MBAP:
transaction, protocol 0, length, unit), Serial Line V1.02 how RTU does (unit in front, CRC-16 behind).
"""

import asyncio
import struct
from collections.abc import Mapping
from typing import Final, Literal, Protocol, cast

from simulators.faces.port import HOST, Port
from simulators.wire import Wire, reset

Framing = Literal["tcp", "rtu"]
SCHEMES: Final[Mapping[Framing, str]] = {"tcp": "modbus", "rtu": "modbus-rtu"}

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_ANSWER_BEHIND = 1, 2, 3, 11
_MBAP: Final = struct.Struct(">HHHB")
_LARGEST_PDU: Final = 253


class Unit(Protocol):
    """One device on the line."""

    wire: Wire
    absent: bool
    """The gateway finds nobody at this number."""

    def answer(self, request: bytes) -> bytes:
        """The PDU that answers the PDU `request`."""
        ...


def exception(request: bytes, code: int) -> bytes:
    """The PDU that refuses `request`."""
    return bytes((request[0] | 0x80, code))


class Line:
    """Units by number behind one port, each with a wire of its own: one that is silent, slow or gone costs the others nothing.
    A number that nobody has gets exception 11 on TCP, as gateways answer, and silence on RTU, as a bus does."""

    def __init__(self, framing: Framing = "tcp", largest: int | None = None, idle_s: float | None = None) -> None:
        self.framing: Framing = framing
        self.units: dict[int, Unit] = {}
        self.port = Port(self._connection, largest, idle_s)

    def url(self, unit: int) -> str:
        return f"{SCHEMES[self.framing]}://{HOST}:{self.port.number}/{unit}"

    def _connection(self) -> asyncio.Protocol:
        return _TcpConnection(self.units) if self.framing == "tcp" else _RtuConnection(self.units)


class _Connection(asyncio.Protocol):
    def __init__(self, units: Mapping[int, Unit]) -> None:
        self._units = units
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def end(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def send_as(self, wire: Wire, data: bytes) -> None:
        """Answers as the unit's own wire lets it."""
        if not wire.faulty:
            self.send(data)
        elif not wire.silent and self._transport is not None:
            if wire.resets():
                reset(self._transport)
            else:
                asyncio.get_running_loop().call_later(wire.delay_s, self.send, data)


class _TcpConnection(_Connection):
    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        at = 0
        while len(data) - at >= 8:
            transaction, protocol, length, number = _MBAP.unpack_from(data, at)
            if protocol != 0 or not 2 <= length <= _LARGEST_PDU + 1:
                self.end()
                return
            end = at + 6 + length
            if end > len(data):
                break
            request = data[at + 7 : end]
            at = end
            unit = self._units.get(number)
            if unit is None or unit.absent:
                found, wire = exception(request, NO_ANSWER_BEHIND), _GOOD
            else:
                found, wire = unit.answer(request), unit.wire
            self.send_as(wire, _MBAP.pack(transaction, 0, len(found) + 1, number) + found)
        self._rest = data[at:]


_GOOD: Final = Wire()


class _RtuConnection(_Connection):
    def data_received(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= 4:
            length = _rtu_length(self._rest)
            if length is None or len(self._rest) < length:
                return
            frame, self._rest = self._rest[:length], self._rest[length:]
            if crc16(frame[:-2]) != frame[-2:]:
                self._rest = (
                    b""  # on a bus, silence is what separates frames: what follows a damaged one is lost with it
                )
                return
            unit = self._units.get(frame[0])
            if unit is not None and not unit.absent:
                answer = frame[:1] + unit.answer(frame[1:-2])
                self.send_as(unit.wire, answer + crc16(answer))


def _rtu_length(data: bytes) -> int | None:
    """Bytes of the request at the head of `data`, as its function says; None where that is not here yet."""
    match data[1]:
        case 15 | 16:
            return 9 + data[6] if len(data) > 6 else None
        case 22:
            return 10
        case 23:
            return 13 + data[10] if len(data) > 10 else None
        case function:
            return 8 if function <= 6 else len(data)


def crc16(data: bytes) -> bytes:
    """The check of an RTU frame (polynomial 0xA001, low byte first)."""
    check = 0xFFFF
    for byte in data:
        check = check >> 8 ^ _CRC[(check ^ byte) & 0xFF]
    return bytes((check & 0xFF, check >> 8))


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
    return byte


_CRC: Final = tuple(_crc_of(byte) for byte in range(256))
