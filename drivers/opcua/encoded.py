"""Over what an OPC UA server encoded without decoding it: where a value ends (Part 6, 5.2), whatever it is, as plain functions.

A few bytes can claim to be an array of two thousand million values, or a value within a value within a value. So nothing is built
here, no length is believed that the bytes left cannot hold, and there are bounds to depth and number; what breaks them is Damaged.
"""

import struct
from typing import Final

MOST_NESTED: Final = 100_000
"""Values in arrays and structures of one answer, 0.5 us each; those of a fixed width are passed over at once."""
DEEPEST: Final = 100
"""Values within values, as many as every decoder has to bear (Part 6, 5.2.2.16)."""
WIDTH: Final[dict[int, int]] = {
    0: 0, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 13: 8, 14: 16, 19: 4,
}  # fmt: skip
"""Bytes of a value by its type, where they are always as many (Part 6, 5.1.2)."""
_I32: Final = struct.Struct("<i")
_NODE_ID_WIDTH: Final = {0: 1, 1: 3, 2: 6, 4: 18}
_NODE_ID_TEXTS: Final = (3, 5)
_VARIANT: Final = 24
_RESERVED: Final = range(26, 32)
"""Types that a later edition may give a meaning to: encoded as a ByteString."""


class Damaged(Exception):
    """The bytes are not what they should be, or more than anybody needs; the text says which, for the end of a sentence."""


class Walk:
    """A walk over `data` from `at`; each step goes behind one value. Raises Damaged."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        self._left = MOST_NESTED

    def over(self, count: int) -> None:
        self.at += count
        if self.at > len(self.data):
            raise Damaged("it ends within a value")

    def byte(self) -> int:
        self.over(1)
        return self.data[self.at - 1]

    def count(self) -> int:
        """A length, 0 where there is none; not more than the bytes that are left."""
        self.over(4)
        found = _I32.unpack_from(self.data, self.at - 4)[0]
        if not -1 <= found <= len(self.data) - self.at:
            raise Damaged("a length is beyond its end")
        return max(found, 0)

    def text(self) -> None:
        """A String, ByteString or XmlElement."""
        self.over(self.count())

    def texts(self) -> None:
        for _ in range(self._several()):
            self.text()

    def node_id(self) -> None:
        """A NodeId or ExpandedNodeId."""
        form = self.byte()
        kind = form & 0x3F
        if kind in _NODE_ID_TEXTS:
            self.over(2)
            self.text()
        elif kind in _NODE_ID_WIDTH:
            self.over(_NODE_ID_WIDTH[kind])
        else:
            raise Damaged("a node id has an unknown form")
        if form & 0x80:
            self.text()
        if form & 0x40:
            self.over(4)

    def extension_object(self) -> None:
        self.node_id()
        form = self.byte()
        if form > 2:
            raise Damaged("a structure has an unknown form")
        if form:
            self.over(4)
            length = _I32.unpack_from(self.data, self.at - 4)[0]
            if length < 0:
                raise Damaged("a structure has no length")
            self.over(length)

    def diagnostic_info(self) -> None:
        for _ in range(DEEPEST):
            mask = self.byte()
            if mask & 0x80:
                raise Damaged("a diagnostic has an unknown form")
            self.over(4 * (mask & 0xF).bit_count())
            if mask & 0x10:
                self.text()
            if mask & 0x20:
                self.over(4)
            if not mask & 0x40:
                return
        raise Damaged("its values lie too deep within each other")

    def diagnostics(self) -> None:
        """An array of DiagnosticInfos, the end of most answers."""
        for _ in range(self._several()):
            self.diagnostic_info()

    def data_value(self, depth: int) -> None:
        mask = self.byte()
        if mask & 0xC0:
            raise Damaged("a value has an unknown form")
        if mask & 1:
            self.variant(depth)
        self.over(sum(width for bit, width in ((2, 4), (4, 8), (8, 8), (16, 2), (32, 2)) if mask & bit))

    def variant(self, depth: int = 0) -> None:
        if depth > DEEPEST:
            raise Damaged("its values lie too deep within each other")
        form = self.byte()
        kind = form & 0x3F
        if form & 0x80:
            self._array(kind, depth)
        elif kind == _VARIANT:
            raise Damaged("a value lies within a value that is no array")
        else:
            self._value(kind, depth)
        if form & 0x40:
            if not form & 0x80:
                raise Damaged("a single value has dimensions")
            self.over(4 * self.count())

    def _array(self, kind: int, depth: int) -> None:
        length = self.count()
        if kind in WIDTH:
            if length and not WIDTH[kind]:
                raise Damaged("an array has values of no size")
            self.over(length * WIDTH[kind])
            return
        self._spend(length)
        for _ in range(length):
            self._value(kind, depth)

    def _value(self, kind: int, depth: int) -> None:
        match kind:
            case _ if kind in WIDTH:
                self.over(WIDTH[kind])
            case 12 | 15 | 16:
                self.text()
            case 17 | 18:
                self.node_id()
            case 20:
                self.over(2)
                self.text()
            case 21:
                mask = self.byte()
                for bit in (1, 2):
                    if mask & bit:
                        self.text()
            case 22:
                self.extension_object()
            case 23:
                self.data_value(depth + 1)
            case 24:
                self.variant(depth + 1)
            case 25:
                self.diagnostic_info()
            case _ if kind in _RESERVED:
                self.text()
            case _:
                raise Damaged("a value has an unknown type")

    def _several(self) -> int:
        length = self.count()
        self._spend(length)
        return length

    def _spend(self, length: int) -> None:
        self._left -= length
        if self._left < 0:
            raise Damaged(f"it holds more than {MOST_NESTED} values within values")


_NO_DIAGNOSTICS: Final = (b"\0\0\0\0", b"\xff\xff\xff\xff")
_RESPONSE: Final = struct.Struct("<BBHqIIBi3s")
"""A response up to its parameters: type id (4 bytes), header (time, handle, result, no diagnostics, no strings, nothing more)."""
_FAULT: Final = 397
_HEADER: Final = struct.Struct("<qII")
_TYPE_IDS: Final = {0: struct.Struct("<xB"), 1: struct.Struct("<xxH"), 2: struct.Struct("<xxxI")}
"""Numeric node ids by form, with the number alone; a type of the standard is of namespace 0."""


class Refused(Exception):
    """The server answered with an error. code: the whole StatusCode, uint32."""

    def __init__(self, code: int) -> None:
        super().__init__(f"0x{code:08X}")
        self.code = code


def parameters_of(body: bytes, kind: int) -> int:
    """Where the parameters of a response of `kind` (the number of its encoding) begin. Raises Refused where it is a fault or
    has an error as its result, Damaged where it is anything else."""
    if len(body) >= _RESPONSE.size:
        form, namespace, found, _, _, result, diagnostics, strings, more = _RESPONSE.unpack_from(body)
        if (form, namespace, found, result, diagnostics, more) == (1, 0, kind, 0, 0, b"\0\0\0") and strings in (-1, 0):
            return _RESPONSE.size
    walk = Walk(body, 0)
    found = type_id(walk)
    walk.over(_HEADER.size)
    result = _HEADER.unpack_from(body, walk.at - _HEADER.size)[2]
    if found == _FAULT or (found == kind and result >> 30 > 1):
        raise Refused(result)
    if found != kind:
        raise Damaged(f"it is of type {found}, not {kind}")
    walk.diagnostic_info()
    walk.texts()
    walk.extension_object()
    return walk.at


def check_end(data: bytes, at: int) -> None:
    """Raises Damaged where from `at` anything but an array of DiagnosticInfos is the end of `data`."""
    if data[at:] in _NO_DIAGNOSTICS:
        return
    walk = Walk(data, at)
    walk.diagnostics()
    if walk.at != len(data):
        raise Damaged("it goes on behind its end")


def type_id(walk: Walk) -> int | None:
    """The number of a node id of the standard, and goes behind it; None where it is not of the standard."""
    begin = walk.at
    walk.node_id()
    form = walk.data[begin]
    if form not in _TYPE_IDS or (form and any(walk.data[begin + 1 : begin + 1 + form])):
        return None
    return int(_TYPE_IDS[form].unpack_from(walk.data, begin)[0])
