"""Modbus registers to values and back: block planning and decoding in bulk, as plain functions on plain data.

Registers arrive as 16-bit words, high byte first on the wire (Modbus application protocol 1.1b3, 4.2), and stay bytes until
they are decoded: an image is what the device sent, block after block, as an array of ``>u2``. A value of several words may
come in any of four orders, named by where the bytes ABCD of a 32-bit value go: ABCD (big endian), CDAB (words swapped), BADC
(bytes swapped), DCBA (little endian).
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.profile import Register, RegisterType, ServerLimits, Table, WordOrder
from drivers.quality import BAD_SENSOR_FAILURE, GOOD
from drivers.unavailable import NUMPY, bits_of

_WIRE: Final = np.dtype(">u2")
HOLE: Final = 16
"""Registers that are read for nothing at most, where the device allows it, to save a request."""
_LARGEST: Final = 2.0**64
"""Beyond every whole number."""
_DIGIT_SHIFTS: Final = np.arange(0, 32, 4, dtype=np.int64)
_DIGIT_WORTH: Final = 10.0 ** np.arange(8)


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` registers (or coils) from `address` of `table`, to be laid at `offset` of the device's image."""

    table: Table
    address: int
    count: int
    offset: int


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Values of one type and order: `slots` of the frame (n) from `words` of the image (n x words, in the order of `dtype`).

    decimal: each four bits are a digit; truth: whatever is not 0 is 1. shift, mask (n): bits of a packed register, None where
    values are whole. rows, none, asked (k): the rows that have a "not available", its bits, and which count (None: all). Numbers
    that follow each other are kept as a slice."""

    dtype: np.dtype[np.generic]
    bits: np.dtype[np.generic]
    slots: "_Picked"
    words: "_Picked"
    decimal: bool
    truth: bool
    shift: NDArray[np.int64] | None
    mask: NDArray[np.int64] | None
    rows: "_Picked | None"
    none: NDArray[np.generic]
    asked: NDArray[np.generic] | None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How a device is read: its blocks, the size of its image in words, and how values are picked from the image.

    floats: some value may be none, because it is a float on the wire or its scale makes it too large. scale, offset (n): None
    where no value has any.
    where (n): a value's first word in the image; block_of (n): its block."""

    blocks: tuple[Block, ...]
    size: int
    slots: int
    floats: bool
    groups: tuple[_Group, ...]
    scale: NDArray[np.float64] | None
    offset: NDArray[np.float64] | None
    where: tuple[int, ...]
    block_of: NDArray[np.intp]


_Picked = NDArray[np.intp] | slice


def _picked(numbers: NDArray[np.intp]) -> _Picked:
    """What numpy is indexed with: a slice where `numbers` follow each other, which costs it nothing."""
    flat = numbers.ravel()
    run = bool((np.diff(flat) == 1).all()) and len(flat) > 0
    return slice(int(flat[0]), int(flat[-1]) + 1) if run else flat


def plan(registers: Sequence[Register], limits: ServerLimits) -> Plan:
    """Plans to read `registers` (each a slot of the frame, in order) with as few requests as the device's limits allow.

    Neighbouring registers share a request, and a value or a `group` of them is never torn apart. A hole is read across only
    where the profile says that the device allows it (a strict one answers exception 2 for the whole block), and then only
    up to `HOLE` registers.
    """
    blocks: list[Block] = []
    size = 0
    position: dict[tuple[Table, int], int] = {}
    for table in ("coil", "discrete", "holding", "input"):
        largest = limits.coils_per_read if table in ("coil", "discrete") else limits.registers_per_read
        hole = HOLE if limits.read_holes else 0
        start = end = -1
        for first, last in [*sorted(set(_spans(registers, table))), (1 << 20, 1 << 20)]:
            if start >= 0 and (first > end + hole or max(end, last) - start > largest):
                blocks.append(Block(table, start, end - start, size))
                position.update({(table, a): size + a - start for a in range(start, end)})
                size += end - start
                start = -1
            if start < 0:
                start, end = first, last
            end = max(end, last)
    return _picks(registers, tuple(blocks), size, position)


def _spans(registers: Sequence[Register], table: Table) -> Iterator[tuple[int, int]]:
    """What must be read in one request: first address and the one after the last."""
    groups: dict[str, tuple[int, int]] = {}
    for r in registers:
        first, last = r.address, r.address + r.words
        if r.table != table:
            continue
        if r.group is None:
            yield first, last
        else:
            known = groups.get(r.group, (first, last))
            groups[r.group] = min(known[0], first), max(known[1], last)
    yield from groups.values()


def _picks(
    registers: Sequence[Register], blocks: tuple[Block, ...], size: int, position: dict[tuple[Table, int], int]
) -> Plan:
    members: dict[tuple[RegisterType, WordOrder, bool], list[int]] = defaultdict(list)
    for slot, r in enumerate(registers):
        if r.type != "text":
            members[(r.type, r.order, r.bit is not None)].append(slot)
    where = tuple(position[(r.table, r.address)] for r in registers)
    ends = np.array([block.offset + block.count for block in blocks], np.intp)
    scale = np.array([r.scale for r in registers], np.float64)
    offset = np.array([r.offset for r in registers], np.float64)
    return Plan(
        blocks,
        size,
        len(registers),
        any(r.type in ("float32", "float64") for r in registers)
        or not np.isfinite(_LARGEST * abs(scale) + abs(offset)).all(),
        tuple(_group(*key, slots, registers, where) for key, slots in members.items()),
        scale if (scale != 1).any() else None,
        offset if offset.any() else None,
        where,
        np.searchsorted(ends, np.array(where, np.intp), side="right"),
    )


def _group(
    kind: RegisterType,
    order: WordOrder,
    packed: bool,
    slots: list[int],
    registers: Sequence[Register],
    where: tuple[int, ...],
) -> _Group:
    """BADC is a little-endian value with its words swapped; so two flags cover the four orders."""
    words = np.array([[where[s] + w for w in range(registers[s].words)] for s in slots], np.intp)
    endian = "<" if order in ("BADC", "DCBA") else ">"
    dtype, bits = endian + NUMPY[kind], f"u{NUMPY[kind][1]}"  # bits are compared as they lie, whatever their order
    if order in ("CDAB", "BADC"):
        words = words[:, ::-1]
    none = [
        (row, *b) for row, s in enumerate(slots) for p in registers[s].not_available for b in bits_of(registers[s], p)
    ]
    return _Group(
        np.dtype(dtype),
        np.dtype(bits),
        _picked(np.array(slots, np.intp)),
        _picked(words),
        kind in ("bcd16", "bcd32"),
        kind == "bool",
        np.array([registers[s].bit for s in slots], np.int64) if packed else None,
        np.array([(1 << registers[s].width) - 1 for s in slots], np.int64) if packed else None,
        _picked(np.array([row for row, _, _ in none], np.intp)) if none else None,
        np.array([b for _, b, _ in none], f"{endian}{bits}").view(bits),
        np.array([asked for _, _, asked in none], f"{endian}{bits}").view(bits) if packed else None,
    )


def decode(
    planned: Plan, image: NDArray[np.uint16], refused: Mapping[int, int] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.uint16] | None]:
    """Values (float64, one per slot; 0 for a text) and quality (None when all Good) of an image of `planned.size` words.

    A NaN, an infinity, a digit beyond 9 or a maker's "not available" is Bad, never a number. refused: blocks, by number,
    that the device did not answer, with the quality code of their values.
    """
    wire = image if image.dtype == _WIRE else image.astype(_WIRE)
    values = np.zeros(planned.slots)
    if planned.floats:
        with np.errstate(all="ignore"):  # what overflows is Bad below
            _decode_groups(planned, wire, values)
    elif not _decode_groups(planned, wire, values) and not refused:
        return values, None  # whole numbers are finite
    good = np.isfinite(values)
    if not refused and good.all():
        return values, None
    quality = np.where(good, GOOD, BAD_SENSOR_FAILURE).astype(np.uint16)
    for block, code in (refused or {}).items():
        quality[planned.block_of == block] = code
    values[quality != GOOD] = np.nan
    return values, quality if quality.any() else None


def _decode_groups(planned: Plan, wire: NDArray[np.uint16], values: NDArray[np.float64]) -> bool:
    """Whether some value is none, by the maker's word for it."""
    missing = False
    for group in planned.groups:
        missing |= _decode_group(group, wire, values)
    if planned.scale is not None:
        values *= planned.scale
    if planned.offset is not None:
        values += planned.offset
    return missing


def _decode_group(group: _Group, wire: NDArray[np.uint16], values: NDArray[np.float64]) -> bool:
    missing = group.decimal
    words = wire[group.words]
    raw = words.view(group.dtype)
    if group.decimal:
        digits = raw.astype(np.int64)[:, None] >> _DIGIT_SHIFTS & 0xF
        numbers = digits @ _DIGIT_WORTH
        numbers[(digits > 9).any(axis=1)] = np.nan
    elif group.shift is not None and group.mask is not None:
        numbers = (raw.astype(np.int64) >> group.shift & group.mask).astype(np.float64)
    else:
        numbers = raw != 0 if group.truth else raw
    if group.rows is not None:
        found = words.view(group.bits)[group.rows]
        none = (found if group.asked is None else np.bitwise_and(found, group.asked)) == group.none
        if none.any():
            numbers = numbers.astype(np.float64)
            numbers[np.arange(len(numbers))[group.rows][none]] = np.nan
            missing = True
    values[group.slots] = numbers
    return missing


def decode_text(planned: Plan, slot: int, register: Register, image: NDArray[np.uint16]) -> str:
    """The text in `register`, two characters a word, ended by the first NUL; what is no UTF-8 becomes a replacement mark."""
    first = planned.where[slot]
    words = image[first : first + register.words].astype(">u2")
    raw = (words.byteswap() if register.order in ("BADC", "DCBA") else words).tobytes()
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip()


def encode(register: Register, value: float) -> list[int]:
    """The words that hold `value` in `register`, in the device's order; of packed bits, with those beside them 0 (`merged` sets
    them among their neighbours). Raises ValueError where it does not fit."""
    raw = (value - register.offset) / register.scale
    dtype = np.dtype(">" + NUMPY[register.type])
    decimal = register.type in ("bcd16", "bcd32")
    if dtype.kind == "f":
        fits = abs(raw) <= float(np.finfo(dtype).max)
    elif fits := math.isfinite(raw):
        raw, bounds = round(raw), np.iinfo(dtype)
        least, most = int(bounds.min), int(bounds.max)
        if decimal:
            most = 10 ** (4 * register.words) - 1
        elif register.bit is not None or register.type == "bool":
            most = (1 << register.width) - 1
        fits = least <= raw <= most
    if not fits:
        raise ValueError(f"{value} does not fit into {register.type} at {register.table} {register.address}")
    if decimal:
        raw = int(str(raw), 16)
    elif register.bit is not None:
        raw = int(raw) << register.bit
    words = np.array([raw], dtype).view(">u2")
    if register.order in ("CDAB", "DCBA"):
        words = words[::-1]
    if register.order in ("BADC", "DCBA"):
        words = words.byteswap()
    return [int(w) for w in words]


def mask_of(register: Register) -> list[int]:
    """The bits of each word, in the device's order, that belong to the packed value."""
    assert register.bit is not None
    whole = register.model_copy(update={"bit": None, "scale": 1.0, "offset": 0.0})
    return encode(whole, (1 << register.width) - 1 << register.bit)


def merged(register: Register, held: Sequence[int], value: float) -> list[int]:
    """The words `held` with the packed `value` set among its neighbours. Raises ValueError where it does not fit."""
    masks = mask_of(register)
    return [h & ~m & 0xFFFF | w for h, m, w in zip(held, masks, encode(register, value), strict=True)]
