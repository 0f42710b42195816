"""OPC UA read replies decoded in bulk: the DataValues of a ReadResponse as arrays, as plain functions on bytes.

A DataValue (OPC UA Part 6, 5.2.2.17) is a mask of what follows, then the Variant (a type byte and the value, 5.2.2.16), the
status, the source timestamp with its picoseconds, the server timestamp with its picoseconds. Where all values of a reply
have the same mask and type they stand at a fixed stride, and one view of the bytes decodes them all. Otherwise one walk
over masks and types finds where each begins; that walk is remembered, for the next reply most likely has the same shape,
which a comparison of arrays proves. What is neither a number nor a text (arrays, structures) is left to the full decoder.
"""

import struct
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drivers.quality import BAD, BAD_SENSOR_FAILURE, BAD_TYPE_MISMATCH

Bytes = NDArray[np.uint8]

_VALUE, _STATUS, _SOURCE, _SERVER, _SOURCE_PICO, _SERVER_PICO = 1, 2, 4, 8, 16, 32
_NUMPY: Final[dict[int, str]] = {
    1: "u1", 2: "i1", 3: "u1", 4: "<i2", 5: "<u2", 6: "<i4", 7: "<u4", 8: "<i8", 9: "<u8", 10: "<f4", 11: "<f8",
}  # fmt: skip
_WIDTH: Final[dict[int, int]] = {
    0: 0, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 13: 8, 14: 16, 19: 4,
}  # fmt: skip
_BOOLEAN: Final = 1
_TEXT: Final = 12
_LENGTH: Final = struct.Struct("<i")
_EPOCH_TICKS: Final = 116_444_736_000_000_000
"""OPC UA counts 100 ns from 1601."""


class NotPlain(Exception):
    """The reply holds something that only the full decoder knows (or is damaged, which that one will say)."""


@dataclass(frozen=True, slots=True)
class _Form:
    """Where the parts of a DataValue lie, by its mask and type, counted from its mask. -1: it has none."""

    width: int
    kind: int
    status: int
    source: int


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """Where everything lies in a reply of one shape. begins: of each item; keys: mask and type of each; groups: the items of
    each form; texts: begin and length of each text; end: of the last item."""

    begins: NDArray[np.intp]
    keys: NDArray[np.uint16]
    valued: NDArray[np.intp]
    groups: tuple[tuple[_Form, NDArray[np.intp]], ...]
    texts: tuple[tuple[int, int, int], ...]
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """n decoded items. values: float64, NaN where Bad or not a number; quality: uint16; source_ns: int64, 0 where the server
    gives none; texts: by item."""

    values: NDArray[np.float64]
    quality: NDArray[np.uint16]
    source_ns: NDArray[np.int64]
    texts: dict[int, str]


def _form(mask: int, kind: int) -> _Form:
    if mask & ~0x3F or (mask & _VALUE and kind not in _WIDTH):
        raise NotPlain
    at = 1 + (1 + _WIDTH[kind] if mask & _VALUE else 0)
    status = source = -1
    if mask & _STATUS:
        status, at = at, at + 4
    if mask & _SOURCE:
        source, at = at, at + 8
    at += (2 if mask & _SOURCE_PICO else 0) + (8 if mask & _SERVER else 0) + (2 if mask & _SERVER_PICO else 0)
    return _Form(at, kind if mask & _VALUE else 0, status, source)


_FORMS: Final[dict[int, _Form]] = {
    mask | kind << 8: _form(mask, kind) for mask in range(64) for kind in (_WIDTH if mask & _VALUE else (0,))
}
_WIDTHS: Final[dict[int, int]] = {key: form.width for key, form in _FORMS.items()}


class Decoder:
    """Decodes the replies to one request of `count` nodes; remembers the shape of the last one."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._shape: _Shape | None = None

    def decode(self, results: bytes | memoryview) -> Items:
        """`results`: the encoded array of DataValues (its length first), and what may come behind it. Raises NotPlain."""
        if len(results) < 4 or _LENGTH.unpack_from(results)[0] != self.count:
            raise NotPlain
        found = _uniform(results, self.count)
        if found is not None:
            return found
        data = np.frombuffer(results, np.uint8)
        shape = self._shape
        if shape is None or not _fits(shape, data, results):
            shape = self._shape = _walked(results, self.count)
        return _gathered(shape, data, results, self.count)


@cache
def _record(key: int) -> np.dtype[np.void] | None:
    """A numpy record of one DataValue with this mask and type; None where it holds no number. `head` is mask and type."""
    form, dtype = _FORMS.get(key), _NUMPY.get(key >> 8)
    if form is None or dtype is None:
        return None
    names, formats, offsets = ["head", "value"], ["<u2", dtype], [0, 2]
    if form.status >= 0:
        names, formats, offsets = [*names, "status"], [*formats, "<u4"], [*offsets, form.status]
    if form.source >= 0:
        names, formats, offsets = [*names, "source"], [*formats, "<i8"], [*offsets, form.source]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": form.width})


def _uniform(results: bytes | memoryview, count: int) -> Items | None:
    """All numbers of one mask and type, the usual reply: one view of the bytes and a few passes over arrays. Each numpy call
    costs about a microsecond, as much as decoding 300 values, so there are few. None where the reply is not so."""
    if len(results) < 6 or not results[4] & _VALUE:
        return None
    key = results[4] | results[5] << 8
    record = _record(key)
    if record is None or 4 + record.itemsize * count > len(results):
        return None
    rows = np.frombuffer(results, record, count, 4)
    if (rows["head"] != key).any():
        return None
    values = _numbers(rows["value"], key >> 8)
    fields = record.fields or {}
    status = rows["status"] if "status" in fields else None
    quality = (status >> 16).astype(np.uint16) if status is not None and status.any() else np.zeros(count, np.uint16)
    source_ns = np.zeros(count, np.int64)
    if "source" in fields:
        ticks = rows["source"]
        if (ticks == ticks[0]).all():
            source_ns.fill(_nanoseconds(ticks[:1])[0])
        else:
            source_ns = _nanoseconds(ticks)
    if not np.isfinite(values).all():
        quality[~np.isfinite(values) & (quality < BAD)] = BAD_SENSOR_FAILURE
    if quality.any():
        values[quality >= BAD] = np.nan
    return Items(values, quality, source_ns, {})


def _walked(results: bytes | memoryview, count: int) -> _Shape:
    """The shape of any other reply, by one walk over it: about 0.2 us an item."""
    begins: list[int] = []
    keys: list[int] = []
    texts: list[tuple[int, int, int]] = []
    at, widths = 4, _WIDTHS
    try:
        for item in range(count):
            mask = results[at]
            key = mask | results[at + 1] << 8 if mask & _VALUE else mask
            begins.append(at)
            keys.append(key)
            width = widths.get(key)
            if width is None:
                if key >> 8 != _TEXT or mask & ~0x3F:
                    raise NotPlain
                length = _LENGTH.unpack_from(results, at + 2)[0]
                if length < -1:
                    raise NotPlain
                texts.append((item, at, length))
                width = _form(mask, 0).width + 4 + max(length, 0)
            at += width
    except (IndexError, struct.error) as error:
        raise NotPlain from error
    if at > len(results):
        raise NotPlain
    found = np.array(keys, np.uint16)
    groups: list[tuple[_Form, NDArray[np.intp]]] = []
    for key in np.unique(found):
        form = _FORMS.get(int(key))
        if form is not None:
            groups.append((form, np.flatnonzero(found == key)))
    return _Shape(np.array(begins, np.intp), found, np.flatnonzero(found & _VALUE), tuple(groups), tuple(texts), at)


def _fits(shape: _Shape, data: Bytes, results: bytes | memoryview) -> bool:
    """Whether a reply has this shape: every mask and type where the last one had them, every text as long."""
    if shape.end > len(data) or (data[shape.begins] != shape.keys & 0xFF).any():
        return False
    if (data[shape.begins[shape.valued] + 1] != shape.keys[shape.valued] >> 8).any():
        return False
    return all(_LENGTH.unpack_from(results, at + 2)[0] == length for _, at, length in shape.texts)


def _gathered(shape: _Shape, data: Bytes, results: bytes | memoryview, count: int) -> Items:
    values = np.full(count, np.nan)
    quality = np.zeros(count, np.uint16)
    source_ns = np.zeros(count, np.int64)
    for form, items in shape.groups:
        rows = data[shape.begins[items][:, None] + np.arange(form.width)]
        if form.status >= 0:
            quality[items] = _column(rows, form.status + 2, "<u2")
        if form.source >= 0:
            source_ns[items] = _nanoseconds(_column(rows, form.source, "<i8"))
        dtype = _NUMPY.get(form.kind)
        if dtype is not None:
            values[items] = _numbers(_column(rows, 2, dtype), form.kind)
    texts = _texts(shape, data, results, quality, source_ns)
    bad = np.isnan(values) | (np.abs(values) == np.inf) | (quality >= BAD)
    if bad.any():
        values[bad] = np.nan
        _reasons(shape, texts, bad, quality)
    return Items(values, quality, source_ns, texts)


def _numbers(column: NDArray[Any], kind: int) -> NDArray[np.float64]:
    """As float64; of a Boolean every byte but 0 is true."""
    return (column != 0).astype(np.float64) if kind == _BOOLEAN else column.astype(np.float64)


def _column(rows: Bytes, at: int, dtype: str) -> NDArray[np.generic]:
    width = np.dtype(dtype).itemsize
    return np.ascontiguousarray(rows[:, at : at + width]).view(dtype)[:, 0]


def _nanoseconds(ticks: NDArray[np.generic]) -> NDArray[np.int64]:
    """UTC nanoseconds since 1970, cut to whole microseconds; 0 (no time) and what lies outside 1970..2262 become 0."""
    found = (ticks.astype(np.int64) - _EPOCH_TICKS) // 10
    return np.where((found > 0) & (found < 9_223_372_036_854_775), found, 0) * 1000


def _texts(
    shape: _Shape, data: Bytes, results: bytes | memoryview, quality: NDArray[np.uint16], source_ns: NDArray[np.int64]
) -> dict[int, str]:
    texts: dict[int, str] = {}
    for item, at, length in shape.texts:
        mask = int(data[at])
        form, behind = _form(mask, 0), 4 + max(length, 0)
        if form.status >= 0:
            quality[item] = int.from_bytes(
                results[at + behind + form.status + 2 : at + behind + form.status + 4], "little"
            )
        if form.source >= 0:
            begin = at + behind + form.source
            source_ns[item] = _nanoseconds(np.frombuffer(results, "<i8", 1, begin))[0]
        if length >= 0 and quality[item] < BAD:
            try:
                texts[item] = bytes(results[at + 6 : at + 6 + length]).decode()
            except UnicodeDecodeError as error:
                raise NotPlain from error
    return texts


def _reasons(shape: _Shape, texts: dict[int, str], bad: NDArray[np.bool_], quality: NDArray[np.uint16]) -> None:
    """What is not usable and not called Bad by the server: a number that is none, or something that is no number."""
    unexplained = bad & (quality < BAD)
    for item in texts:
        unexplained[item] = False
    kinds = (shape.keys >> 8) * ((shape.keys & _VALUE) > 0)
    real = (kinds == 10) | (kinds == 11)
    quality[unexplained & real] = BAD_SENSOR_FAILURE
    quality[unexplained & ~real] = BAD_TYPE_MISMATCH
