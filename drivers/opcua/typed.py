"""Numbers as the data type of an OPC UA node holds them, or not at all: what is written is never rounded to something else."""

import math
import struct
from typing import Final

from asyncua import ua

_WHOLE: Final = {
    ua.VariantType.SByte: (-(2**7), 2**7 - 1),
    ua.VariantType.Byte: (0, 2**8 - 1),
    ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1),
    ua.VariantType.Int32: (-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: (0, 2**32 - 1),
    ua.VariantType.Int64: (-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: (0, 2**64 - 1),
}
_SINGLE: Final = struct.Struct("<f")


def as_type(kind: ua.VariantType, value: float) -> bool | int | float:
    """`value` as Python has it for an OPC UA type; a Float to the nearest that it has. Raises ValueError with the end of a
    sentence (``a Byte holds ..., not 1.6``) for a type that cannot hold it."""
    if kind == ua.VariantType.Boolean:
        if value not in (0, 1):
            raise ValueError(f"a Boolean holds 0 or 1, not {value:.15g}")
        return bool(value)
    if kind in _WHOLE:
        least, most = _WHOLE[kind]
        if not math.isfinite(value) or value != int(value) or not least <= int(value) <= most:
            raise ValueError(f"a {kind.name} holds whole numbers from {least} to {most}, not {value:.15g}")
        return int(value)
    if kind not in (ua.VariantType.Float, ua.VariantType.Double):
        raise ValueError(f"a {kind.name} holds no number: compare the node with the server (`telemetry browse`)")
    if not math.isfinite(value):
        raise ValueError(f"a {kind.name} is to hold a number, not {value:g}")
    if kind == ua.VariantType.Float:
        try:
            return float(_SINGLE.unpack(_SINGLE.pack(value))[0])
        except OverflowError:
            raise ValueError(f"a Float holds no number as large as {value:.15g}") from None
    return float(value)
