"""OPC UA DataValues decoded in bulk: those of a ReadResponse or a DataChangeNotification as arrays, as plain functions on bytes.

A DataValue is a mask of what follows, then the Variant (a type byte and the value), the status, the source timestamp with its
picoseconds, the server timestamp with its picoseconds. In a notification the client's handle stands before each (Part 4, 7.25.2).

Where all have the same mask and type they stand at a fixed stride (`drivers.opcua.uniform`). Otherwise one walk from mask to mask
finds where each begins; a reply's walk is remembered, for the next one most likely has the same shape, which a comparison of
arrays proves; where it has not, because other values are Bad today, the walk costs 0.1 us an item. What is neither a number nor
a text (arrays, structures) is passed over (`drivers.opcua.encoded`): it is BadTypeMismatch.
"""

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drivers.opcua.datavalue_forms import (
    ALL,
    FORMS,
    NUMPY,
    REAL,
    SOURCE,
    STATUS,
    STEPS,
    TEXT,
    UNKNOWN,
    VALUE,
    record,
)
from drivers.opcua.encoded import Damaged, Walk, check_end
from drivers.opcua.items import EPOCH_TICKS, LAST_MICROSECOND, Items, is_overflow, nanoseconds, numbers, overflowed
from drivers.opcua.uniform import uniform
from drivers.quality import BAD, BAD_SENSOR_FAILURE, BAD_TYPE_MISMATCH

_LENGTH: Final = struct.Struct("<i")
_U32, _I64 = struct.Struct("<I"), struct.Struct("<q")
MOST_CHANGES: Final = 100_000
"""In one notification: more is no answer to anything that is asked here."""


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """Where everything lies in items of one shape. begins: the mask of each item; keys: mask and type of each; groups: the
    items of each form; texts: item, begin and length of each text; others: item, begin and width of the value of each that is
    neither number nor text; end: of the last item."""

    begins: NDArray[np.intp]
    keys: NDArray[np.uint16]
    valued: NDArray[np.intp]
    groups: tuple[tuple[int, NDArray[np.intp]], ...]
    texts: tuple[tuple[int, int, int], ...]
    others: tuple[tuple[int, int, int], ...]
    end: int


class Decoder:
    """Decodes the replies to one request of `count` nodes; remembers the shape of the last one."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._shape: _Shape | None = None

    def decode(self, results: bytes) -> Items:
        """`results`: the encoded array of DataValues (its length first), and behind it that of diagnostics, the end of
        a ReadResponse. Raises Damaged."""
        answered = _LENGTH.unpack_from(results)[0] if len(results) >= 4 else 0
        if answered != self.count:
            raise Damaged(f"it has {answered} of {self.count} values")
        found = uniform(results, 4, self.count, 0)
        if found is not None:
            items, end = found
        else:
            shape = self._shape
            if shape is None or not _fits(shape, results):
                shape = self._shape = _walked(results, 4, self.count, 0)
            items, end = _gathered(shape, results), shape.end
        check_end(results, end)
        return items


def decode_changes(changes: bytes, at: int, count: int) -> tuple[NDArray[np.uint32], Items, int]:
    """The client handles and items of `count` MonitoredItemNotifications that begin at `at`, and where they end.
    Raises Damaged."""
    if not 0 < count <= MOST_CHANGES or at + 5 * count > len(changes):
        raise Damaged(f"it tells of {count} changes")
    found = uniform(changes, at, count, 4)
    if found is not None:
        items, end = found
        return np.ndarray((count,), "<u4", changes, at, ((end - at) // count,)).astype(np.uint32), items, end
    shape = _walked(changes, at, count, 4)
    handles = _rows(changes, shape.begins - 4, np.dtype("<u4"))
    return handles.astype(np.uint32), _gathered(shape, changes), shape.end


def _walked(results: bytes, at: int, count: int, lead: int) -> _Shape:
    """The shape of any other items, by one walk over them."""
    begins: list[int] = []
    texts: list[tuple[int, int, int]] = []
    others: list[tuple[int, int, int]] = []
    walk = Walk(results, at)
    add, steps, data = begins.append, STEPS, results + b"\0"  # the walk looks one byte behind a mask
    try:
        for item in range(count):
            at += lead
            add(at)
            width = steps[data[at] | data[at + 1] << 8]
            if width == UNKNOWN:
                width = _other_width(walk, item, at, texts, others)
            at += width
    except IndexError as error:
        raise Damaged("it ends within a value") from error
    if at > len(results):
        raise Damaged("it ends within a value")
    places, array = np.array(begins, np.intp), np.frombuffer(data, np.uint8)
    keys = array[places].astype(np.uint16)
    valued = np.flatnonzero(keys & VALUE)
    keys[valued] |= array[places[valued] + 1].astype(np.uint16) << 8
    found = [int(key) for key in np.flatnonzero(np.bincount(keys, minlength=1))]
    groups = tuple((key, np.flatnonzero(keys == key)) for key in found if key in FORMS)
    return _Shape(places, keys, valued, groups, tuple(texts), tuple(others), at)


def _other_width(
    walk: Walk, item: int, at: int, texts: list[tuple[int, int, int]], others: list[tuple[int, int, int]]
) -> int:
    """The width of an item whose first two bytes do not tell it, which is added to `texts` or `others`. Raises Damaged."""
    mask = walk.data[at]
    if mask & ~ALL:
        raise Damaged("a value has an unknown form")
    walk.at = at + 1
    walk.variant()
    width = walk.at - at - 1
    if walk.data[at + 1] == TEXT:
        texts.append((item, at, _LENGTH.unpack_from(walk.data, at + 2)[0]))
    else:
        others.append((item, at, width))
    return FORMS[mask & ~VALUE].width + width


def _fits(shape: _Shape, results: bytes) -> bool:
    """Whether a reply has this shape: every mask and type where the last one had them, every text as long."""
    if shape.end > len(results) or shape.others:
        return False
    data = np.frombuffer(results, np.uint8)
    if (data[shape.begins] != shape.keys & 0xFF).any():
        return False
    if (data[shape.begins[shape.valued] + 1] != shape.keys[shape.valued] >> 8).any():
        return False
    return all(_LENGTH.unpack_from(results, at + 2)[0] == length for _, at, length in shape.texts)


def _rows(data: bytes, begins: NDArray[np.intp], form: np.dtype[Any]) -> NDArray[Any]:
    """Records that begin anywhere: picked whole out of a view that has one at every byte, 5 ns each."""
    width = form.itemsize
    anywhere = np.ndarray((len(data) - width + 1,), np.dtype((np.void, width)), data, 0, (1,))
    return anywhere[begins].view(form)


def _gathered(shape: _Shape, data: bytes) -> Items:
    count = len(shape.begins)
    values, quality, source_ns = np.full(count, np.nan), np.zeros(count, np.uint16), np.zeros(count, np.int64)
    ran_over: list[int] = []
    for key, items in shape.groups:
        form = record(key, 0)
        assert form is not None
        rows = _rows(data, shape.begins[items], form)
        if key & STATUS:
            status = rows["status"]
            quality[items] = status >> 16
            ran_over += items[list(overflowed(status))].tolist()
        if key & SOURCE:
            source_ns[items] = nanoseconds(rows["source"])
        if key & VALUE and key >> 8 in NUMPY:
            values[items] = numbers(rows["value"], key >> 8)
    texts: dict[int, str] = {}
    for item, at, length in shape.texts:
        status, source_ns[item] = _beside(data, at, 5 + max(length, 0))
        quality[item] = status >> 16
        if is_overflow(status):
            ran_over.append(item)
        if length >= 0 and status >> 16 < BAD:
            texts[item] = data[at + 6 : at + 6 + length].decode(errors="replace")
    for item, at, width in shape.others:
        status, source_ns[item] = _beside(data, at, width)
        quality[item] = status >> 16
        if is_overflow(status):
            ran_over.append(item)
    bad = ~np.isfinite(values) | (quality >= BAD)
    if bad.any():
        values[bad] = np.nan
        _explain(shape, texts, bad, quality)
    return Items(values, quality, source_ns, texts, tuple(sorted(ran_over)))


def _beside(data: bytes, at: int, width: int) -> tuple[int, int]:
    """Status and source time of an item that begins at `at` with a value of `width` bytes, its type's included."""
    mask = data[at]
    form, behind = FORMS[mask & ~VALUE], at + width  # as if the mask stood right before what follows the value
    status = _U32.unpack_from(data, behind + form.status)[0] if mask & STATUS else 0
    if not mask & SOURCE:
        return status, 0
    found = (_I64.unpack_from(data, behind + form.source)[0] - EPOCH_TICKS) // 10
    return status, found * 1000 if 0 < found <= LAST_MICROSECOND else 0


def _explain(shape: _Shape, texts: dict[int, str], bad: NDArray[np.bool_], quality: NDArray[np.uint16]) -> None:
    """What is not usable and not called Bad by the server: a number that is none, or something that is no number."""
    unexplained = bad & (quality < BAD)
    for item in texts:
        unexplained[item] = False
    kinds = (shape.keys >> 8) * ((shape.keys & VALUE) > 0)
    real = (kinds == REAL[0]) | (kinds == REAL[1])
    quality[unexplained & real] = BAD_SENSOR_FAILURE
    quality[unexplained & ~real] = BAD_TYPE_MISMATCH
