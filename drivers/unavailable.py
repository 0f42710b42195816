"""What a register holds where there is no value, by its maker's word: as bits that are compared before anything is computed."""

import math
from typing import Final

import numpy as np

from drivers.profile import Register, RegisterType

NUMPY: Final[dict[RegisterType, str]] = {
    "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4", "int64": "i8", "uint64": "u8",
    "float32": "f4", "float64": "f8", "bool": "u2", "bcd16": "u2", "bcd32": "u4",
}  # fmt: skip
"""How numpy calls the types of registers."""


def bits_of(register: Register, pattern: int | float) -> set[tuple[int, int]]:
    """The bits that stand for `pattern` in the register, each with the mask of those that count. Empty: it cannot occur.

    A pattern is the raw number, or its bits. Of decimal digits it is the number where it has as few digits; of packed bits it is
    what these hold where it fits into them, and else the whole register."""
    dtype = np.dtype(NUMPY[register.type])
    size = 8 * dtype.itemsize
    every = (1 << size) - 1
    whole = math.isfinite(pattern) and pattern == int(pattern)
    if register.bit is not None and whole and 0 <= pattern < 1 << register.width:
        return {(int(pattern) << register.bit, (1 << register.width) - 1 << register.bit)}
    if register.type in ("bcd16", "bcd32") and whole and 0 <= pattern < 10 ** (size // 4):
        return {(int(str(int(pattern)), 16), every)}
    found: set[int] = set()
    if whole and -(1 << size - 1) <= pattern < 1 << size and (pattern >= 0 or dtype.kind != "f"):
        found.add(int(pattern) & every)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            found.add(int(np.array([pattern], dtype).view(f"u{dtype.itemsize}")[0]))
    return {(bits, every) for bits in found}
