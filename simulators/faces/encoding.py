"""Values into Modbus registers and back, for the simulators alone: written apart from the drivers', so that the two cannot
share a mistake. A value's bytes are laid out big-endian (A B C D) and then put in the maker's order."""

import math
import struct
from typing import Final

from drivers.profile import Register, RegisterType, WordOrder

_FORMATS: Final[dict[RegisterType, str]] = {
    "bool": ">H", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "uint64": ">Q",
    "float32": ">f", "float64": ">d", "bcd16": ">H", "bcd32": ">I",
}  # fmt: skip
_EXACT_IN_FLOAT: Final = 1 << 24
"""A maker's "not available" of a float that is a whole number beyond this is meant as its bits."""


def words_of(register: Register, value: float, good: bool = True) -> list[int]:
    """The 16-bit words that show `value`, in the order in which a client reads them. A value that is not `good` is shown as the
    maker's not-available value, a float without one as NaN; an integer without one keeps its value, as the device would.
    What is too large for the register stops at its end. Of packed bits, those beside the value are 0."""
    kind = _FORMATS[register.type]
    size = struct.calcsize(kind)
    raw = (value - register.offset) / register.scale
    if not good and register.not_available:
        plain = _missing(register.not_available[0], kind)
    elif kind in (">f", ">d"):
        plain = struct.pack(kind, raw if good else math.nan)
    elif register.type in ("bcd16", "bcd32"):
        digits = 2 * size
        plain = bytes.fromhex(f"{min(max(round(raw), 0), 10**digits - 1):0{digits}d}")
    elif register.bit is not None:
        mask = (1 << register.width) - 1
        plain = (min(max(round(raw), 0), mask) << register.bit).to_bytes(size, "big")
    else:
        bits = 8 * size
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[1].islower() else (0, (1 << bits) - 1)
        plain = struct.pack(kind, min(max(round(raw), low), high))
    return _ordered(plain, register.order)


def value_of(register: Register, words: list[int]) -> float:
    """The value that a client has written as `words`. Raises ValueError for digits that are none."""
    raw = b"".join(word.to_bytes(2, "big") for word in words)
    plain = b"".join(word.to_bytes(2, "big") for word in _ordered(raw, register.order))
    decimal = register.type in ("bcd16", "bcd32")
    number = int(plain.hex()) if decimal else struct.unpack(_FORMATS[register.type], plain)[0]
    if register.bit is not None:
        number = int(number) >> register.bit & (1 << register.width) - 1
    return float(number) * register.scale + register.offset


def words_of_text(register: Register, text: str) -> list[int]:
    """The words that show `text`, two characters each, ended by NUL where there is room."""
    whole = text.encode()[: 2 * register.words].ljust(2 * register.words, b"\0")
    endian = "little" if register.order in ("BADC", "DCBA") else "big"
    return [int.from_bytes(whole[i : i + 2], endian) for i in range(0, len(whole), 2)]


def _missing(pattern: float, kind: str) -> bytes:
    if kind in (">f", ">d") and abs(pattern) <= _EXACT_IN_FLOAT:
        return struct.pack(kind, pattern)
    size = struct.calcsize(kind)
    return (int(pattern) % (1 << 8 * size)).to_bytes(size, "big")


def _ordered(plain: bytes, order: WordOrder) -> list[int]:
    """Words of `plain` (big-endian) in `order`; doing it twice undoes it."""
    words = [plain[i : i + 2] for i in range(0, len(plain), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    endian = "little" if order in ("BADC", "DCBA") else "big"
    return [int.from_bytes(word, endian) for word in words]
