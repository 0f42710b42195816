"""Values into Modbus registers and back, for the simulators alone: written apart from the drivers', so that the two cannot
share a mistake. A value's bytes are laid out big-endian (A B C D) and then put in the maker's order."""

import math
import struct
from typing import Final

from drivers.profile import Register, RegisterType, WordOrder

_FORMATS: Final[dict[RegisterType, str]] = {
    "bool": ">H", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "uint64": ">Q",
    "float32": ">f", "float64": ">d",
}  # fmt: skip


def words_of(register: Register, value: float, good: bool = True) -> list[int]:
    """The 16-bit words that show `value`, in the order in which a client reads them. A value that is not `good` is shown as the
    maker's not-available value, a float without one as NaN; an integer without one keeps its value, as the device would.
    What is too large for the register stops at its end."""
    kind = _FORMATS[register.type]
    if kind in (">f", ">d"):
        number = (value - register.offset) / register.scale
        if not good:
            number = float(register.not_available[0]) if register.not_available else math.nan
        return _ordered(struct.pack(kind, number), register.order)
    raw = round((value - register.offset) / register.scale)
    if not good and register.not_available:
        raw = register.not_available[0]
    bits = 8 * struct.calcsize(kind)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[1].islower() else (0, (1 << bits) - 1)
    return _ordered(struct.pack(kind, min(max(raw, low), high)), register.order)


def value_of(register: Register, words: list[int]) -> float:
    """The value that a client has written as `words`."""
    raw = b"".join(word.to_bytes(2, "big") for word in words)
    plain = b"".join(word.to_bytes(2, "big") for word in _ordered(raw, register.order))
    return float(struct.unpack(_FORMATS[register.type], plain)[0]) * register.scale + register.offset


def _ordered(plain: bytes, order: WordOrder) -> list[int]:
    """Words of `plain` (big-endian) in `order`; doing it twice undoes it."""
    words = [plain[i : i + 2] for i in range(0, len(plain), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    endian = "little" if order in ("BADC", "DCBA") else "big"
    return [int.from_bytes(word, endian) for word in words]
