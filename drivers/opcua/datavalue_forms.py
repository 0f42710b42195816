"""The forms of an OPC UA DataValue: where value, status and source time lie, by its mask and type (Part 6, 5.2.2.16 and 5.2.2.17).

A key is a DataValue's first two bytes as a number: the mask of what follows, and above it the type of its value.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from drivers.opcua.encoded import WIDTH

VALUE, STATUS, SOURCE = 1, 2, 4
_SERVER, _SOURCE_PICO, _SERVER_PICO = 8, 16, 32
ALL: Final = 0x3F
NUMPY: Final[dict[int, str]] = {
    1: "u1", 2: "i1", 3: "u1", 4: "<i2", 5: "<u2", 6: "<i4", 7: "<u4", 8: "<i8", 9: "<u8", 10: "<f4", 11: "<f8",
}  # fmt: skip
"""Types that are numbers (Part 6, 5.1.2)."""
BOOLEAN: Final = 1
REAL: Final = (10, 11)
TEXT: Final = 12
UNKNOWN: Final = 0
"""As a width: its first two bytes do not tell it."""


@dataclass(frozen=True, slots=True)
class Form:
    """Where the parts of a DataValue lie, counted from its mask. -1: it has none. kind: type of its value, 0 without one."""

    width: int
    kind: int
    status: int
    source: int


def _form(mask: int, kind: int) -> Form:
    at = 1 + (1 + WIDTH[kind] if mask & VALUE else 0)
    status = source = -1
    if mask & STATUS:
        status, at = at, at + 4
    if mask & SOURCE:
        source, at = at, at + 8
    at += (2 if mask & _SOURCE_PICO else 0) + (8 if mask & _SERVER else 0) + (2 if mask & _SERVER_PICO else 0)
    return Form(at, kind if mask & VALUE else 0, status, source)


FORMS: Final[dict[int, Form]] = {
    mask | kind << 8: _form(mask, kind) for mask in range(ALL + 1) for kind in (WIDTH if mask & VALUE else (0,))
}


def _steps() -> list[int]:
    found = [UNKNOWN] * (1 << 16)
    for key, form in FORMS.items():
        if key & VALUE:
            found[key] = form.width
        else:  # the byte behind is no type
            found[key :: 1 << 8] = [form.width] * (1 << 8)
    return found


STEPS: Final = _steps()
"""By key: the width of the DataValue, or UNKNOWN."""


@cache
def record(key: int, lead: int) -> np.dtype[np.void] | None:
    """A numpy record of one DataValue with this mask and type, `lead` bytes before it (4: a handle); None where there is no such
    form. `head` is mask and type."""
    form = FORMS.get(key)
    if form is None:
        return None
    names, formats, offsets = ["mask"], ["u1"], [lead]
    fields = [("handle", "<u4", -4)] if lead else []
    if form.kind in NUMPY:
        fields += [("head", "<u2", 0), ("value", NUMPY[form.kind], 2)]
    if form.status >= 0:
        fields.append(("status", "<u4", form.status))
    if form.source >= 0:
        fields.append(("source", "<i8", form.source))
    for name, dtype, offset in fields:
        names, formats, offsets = [*names, name], [*formats, dtype], [*offsets, lead + offset]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": lead + form.width})
