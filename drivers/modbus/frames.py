"""Modbus on the wire: requests encoded, streams cut into replies, a reply judged against its request. Pure functions on bytes.

Modbus application protocol 1.1b3 (functions), Modbus messaging on TCP/IP 1.0b (the MBAP header: transaction, protocol 0,
length, unit), Modbus over serial line 1.02 (RTU: unit, PDU, CRC-16). The length of an RTU reply is known only from what was
asked, so a stream of them is cut with the request in hand.
"""

import struct
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from pymodbus.framer import FramerRTU

from drivers.profile import Table
from drivers.registers import Block

_READ: Final[dict[Table, int]] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
_TABLES: Final[dict[int, Table]] = {function: table for table, function in _READ.items()}
WRITE_COIL, WRITE_REGISTER, ECHO, WRITE_REGISTERS, MASK_WRITE = 5, 6, 8, 16, 22
LONGEST_PDU: Final = 253
LONGEST_RTU: Final = 256
ACKNOWLEDGE, NO_PATH, NO_ANSWER = 5, 10, 11
NOT_DONE: Final = frozenset((1, 2, 3, 6, 7, NO_PATH))
"""Exceptions after which a write certainly had no effect. Not so 4 (it failed while it did it), 5 (accepted, and not finished yet),
8 (it found its memory damaged) and 11 (the gateway gave up waiting for a unit that may have done it): 1.1b3, 7."""
_EXCEPTIONS: Final = {
    1: "it does not know this function",
    2: "it has no such register; compare the profile with the maker's register map",
    3: "it does not accept this count or value",
    4: "it reports a failure of its own",
    ACKNOWLEDGE: "it accepted it and is still working on it",
    6: "it is busy",
    7: "it cannot do it",
    8: "it found its memory damaged",
    NO_PATH: "the gateway has no path to this unit; check the unit number and the gateway's table",
    NO_ANSWER: "the unit behind the gateway does not answer; check its power, its wiring and its unit number",
}


class Refused(Exception):
    """The device answered, but not with what was asked for: a Modbus exception (`code`), or a reply that does not fit its
    request (`code` 0). The text says what it did, as the rest of a sentence that begins with the device's name."""

    def __init__(self, why: str, code: int = 0) -> None:
        super().__init__(why)
        self.code = code


class Garbage(ConnectionError):
    """What arrives is no Modbus; the connection is not to be trusted any more."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, encoded once. size: bytes of values that a read gives; 0 for a write. what: the act, in words."""

    unit: int
    pdu: bytes
    size: int
    what: str
    mbap: bytes = field(init=False)
    """Its frame on TCP, but for the transaction."""

    def __post_init__(self) -> None:
        head = struct.pack(">HHB", 0, len(self.pdu) + 1, self.unit)
        object.__setattr__(self, "mbap", head + self.pdu)


def read(unit: int, block: Block) -> Request:
    """Asks for one block."""
    size = (block.count + 7) // 8 if block.table in ("coil", "discrete") else 2 * block.count
    pdu = struct.pack(">BHH", _READ[block.table], block.address, block.count)
    span = f"{block.address}" if block.count == 1 else f"{block.address} to {block.address + block.count - 1}"
    return Request(unit, pdu, size, f"read {block.table} {span}")


def table_of(request: Request) -> Table | None:
    """What a read reads; None of anything else."""
    return _TABLES.get(request.pdu[0])


def echo(unit: int, number: int) -> Request:
    """Asks for `number` (16 bits) to be sent back, which touches nothing in the device (function 8, sub-function 0)."""
    return Request(unit, struct.pack(">BHH", ECHO, 0, number), 0, "echo a number")


def write_coil(unit: int, address: int, value: bool) -> Request:
    return Request(unit, struct.pack(">BHH", WRITE_COIL, address, 0xFF00 * value), 0, f"write coil {address}")


def write_registers(unit: int, address: int, words: list[int]) -> Request:
    """Writes words from holding register `address` on; one word alone by function 6, which every device knows."""
    if len(words) == 1:
        pdu = struct.pack(">BHH", WRITE_REGISTER, address, words[0])
    else:
        count = len(words)
        pdu = struct.pack(f">BHHB{count}H", WRITE_REGISTERS, address, count, 2 * count, *words)
    return Request(unit, pdu, 0, f"write holding {address}")


def mask_write(unit: int, address: int, mask: int, bits: int) -> Request:
    """Sets the bits of holding register `address` that are 1 in `mask` to those of `bits`, the others untouched."""
    pdu = struct.pack(">BHHH", MASK_WRITE, address, ~mask & 0xFFFF, bits & mask)
    return Request(unit, pdu, 0, f"write holding {address}")


def values_of(request: Request, unit: int, pdu: bytes) -> bytes:
    """The bytes of values in the reply `pdu` (of a write: none). Raises Refused for whatever is not the reply to `request`."""
    if unit != request.unit:
        raise Refused(f"answered as unit {unit} instead of {request.unit} when asked to {request.what}")
    asked = request.pdu[0]
    if len(pdu) == 2 and pdu[0] == asked | 0x80:
        why = _EXCEPTIONS.get(pdu[1], "it gives no reason that Modbus knows")
        raise Refused(f"refused to {request.what}: {why} (exception {pdu[1]})", pdu[1])
    if pdu[0] != asked:
        raise Refused(f"answered function {pdu[0]} instead of {asked} when asked to {request.what}")
    if request.size:
        if len(pdu) != request.size + 2 or pdu[1] != request.size:
            raise Refused(f"answered {len(pdu) - 2} instead of {request.size} bytes when asked to {request.what}")
        return pdu[2:]
    # Of one register or coil only function and address: what is held after it may be another value, and the read-back tells.
    length, echoed = (5, 5) if asked in (ECHO, WRITE_REGISTERS) else (len(request.pdu), 3)
    if len(pdu) != length or pdu[:echoed] != request.pdu[:echoed]:
        raise Refused(f"answered something else than the echo when asked to {request.what}")
    return b""


def words_of(block: Block, values: bytes) -> bytes:
    """The words of a block's image: registers as they came, coils a word each."""
    if block.table in ("holding", "input"):
        return values
    bits = np.unpackbits(np.frombuffer(values, np.uint8), count=block.count, bitorder="little")
    return bits.astype(">u2").tobytes()


class MbapStream:
    """Cuts what arrives over TCP into replies, however the network has cut it."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        """The replies that are complete now: transaction, unit, PDU. Raises Garbage for what cannot be Modbus."""
        if self._rest:
            data = self._rest + data
        found: list[tuple[int, int, bytes]] = []
        at = 0
        while len(data) - at >= 7:
            transaction, protocol, length, unit = struct.unpack_from(">HHHB", data, at)
            if protocol != 0 or not 3 <= length <= LONGEST_PDU + 1:
                raise Garbage(
                    f"sends what is no Modbus (protocol {protocol}, length {length}); that may be another service's port"
                )
            if len(data) - at < 6 + length:
                break
            found.append((transaction, unit, data[at + 7 : at + 6 + length]))
            at += 6 + length
        self._rest = data[at:]
        return found


def rtu(request: Request) -> bytes:
    """The frame of `request` on a serial line."""
    frame = bytes((request.unit,)) + request.pdu
    return frame + _crc(frame)


def line_s(request: Request, baud: int) -> float:
    """Seconds that a request and its reply take on a serial line, 11 bits a byte."""
    asked = len(request.pdu) + 3
    return 11 * (asked + (request.size + 5 if request.size else asked)) / baud


def rtu_reply(request: Request, data: bytes) -> bytes | None:
    """The PDU of the reply to `request` among `data`, whatever the noise around it; None: not complete yet, or damaged."""
    unit, asked = request.unit, request.pdu[0]
    for at in range(len(data) - 4):
        if data[at] != unit or data[at + 1] & 0x7F != asked:
            continue
        if data[at + 1] & 0x80:
            end = at + 5
        elif request.size:
            end = at + 5 + data[at + 2]
        else:
            end = at + 1 + (5 if asked == WRITE_REGISTERS else len(request.pdu)) + 2
        if end <= len(data) and _crc(data[at : end - 2]) == data[end - 2 : end]:
            return data[at + 1 : end - 2]
    return None


def _crc(data: bytes) -> bytes:
    return FramerRTU.compute_CRC(data).to_bytes(2, "big")
