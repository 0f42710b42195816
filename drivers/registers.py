"""Modbus registers to values and back: block planning and decoding in bulk, as plain functions on plain data.

Registers arrive as 16-bit words, high byte first on the wire (Modbus application protocol 1.1b3, 4.2). A value of several
words may come in any of four orders, named by where the bytes ABCD of a 32-bit value go: ABCD (big endian), CDAB (words
swapped), BADC (bytes swapped), DCBA (little endian).
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.profile import Register, RegisterType, ServerLimits, Table, WordOrder
from drivers.quality import BAD_SENSOR_FAILURE, GOOD

_NUMPY: Final[dict[RegisterType, str]] = {
    "int16": ">i2", "uint16": ">u2", "int32": ">i4", "uint32": ">u4", "int64": ">i8", "uint64": ">u8",
    "float32": ">f4", "float64": ">f8",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` registers (or coils) from `address` of `table`, to be laid at `offset` of the device's image."""

    table: Table
    address: int
    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Group:
    """Values of one type and order: `slots` of the frame (n) from `words` of the image (n x words, high word first)."""

    dtype: str
    swap_bytes: bool
    slots: NDArray[np.intp]
    words: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a device is read: its blocks, the size of its image in words, and how values are picked from the image."""

    blocks: tuple[Block, ...]
    size: int
    groups: tuple[_Group, ...]
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    bits: NDArray[np.int64]
    missing: Mapping[int, tuple[int, ...]]
    where: tuple[int, ...]


def plan(registers: Sequence[Register], limits: ServerLimits) -> Plan:
    """Plans to read `registers` (each a slot of the frame, in order) with as few requests as the device's limits allow.

    Neighbouring registers share a request. A hole is read across only where the profile says that the device allows it
    (a strict one answers exception 2 for the whole block), and then only up to 16 registers.
    """
    blocks: list[Block] = []
    size = 0
    position: dict[tuple[Table, int], int] = {}
    for table in ("coil", "discrete", "holding", "input"):
        spans = sorted({(r.address, r.address + r.words) for r in registers if r.table == table})
        largest = limits.coils_per_read if table in ("coil", "discrete") else limits.registers_per_read
        hole = 16 if limits.read_holes else 0
        start = end = -1
        for first, last in [*spans, (1 << 20, 1 << 20)]:
            if start >= 0 and (first > end + hole or last - start > largest):
                blocks.append(Block(table, start, end - start, size))
                position.update({(table, a): size + a - start for a in range(start, end)})
                size += end - start
                start = -1
            if start < 0:
                start, end = first, last
            end = max(end, last)
    return _picks(registers, tuple(blocks), size, position)


def _picks(
    registers: Sequence[Register], blocks: tuple[Block, ...], size: int, position: dict[tuple[Table, int], int]
) -> Plan:
    members: dict[tuple[str, WordOrder], list[int]] = defaultdict(list)
    for slot, r in enumerate(registers):
        if r.type != "text":
            members[(_NUMPY.get(r.type, ">u2"), r.order)].append(slot)
    groups: list[_Group] = []
    for (dtype, order), slots in members.items():
        rows = [
            [position[(registers[s].table, registers[s].address)] + w for w in range(registers[s].words)] for s in slots
        ]
        words = np.array(rows, np.intp)
        if order in ("CDAB", "DCBA"):
            words = words[:, ::-1]
        groups.append(_Group(dtype, order in ("BADC", "DCBA"), np.array(slots, np.intp), np.ascontiguousarray(words)))
    return Plan(
        blocks,
        size,
        tuple(groups),
        np.array([r.scale for r in registers], np.float64),
        np.array([r.offset for r in registers], np.float64),
        np.array([-1 if r.bit is None else r.bit for r in registers], np.int64),
        {slot: r.not_available for slot, r in enumerate(registers) if r.not_available},
        tuple(position[(r.table, r.address)] for r in registers),
    )


def decode(planned: Plan, image: NDArray[np.uint16]) -> tuple[NDArray[np.float64], NDArray[np.uint16] | None]:
    """Values (float64, one per slot) and quality (None when all Good) of an image of `planned.size` words.

    A NaN, an infinity or a maker's "not available" pattern is Bad, never a number.
    """
    values = np.zeros(len(planned.scale))
    raw_bad = np.zeros(len(planned.scale), np.bool_)
    for group in planned.groups:
        words = image[group.words]
        if group.swap_bytes:
            words = words.byteswap()
        values[group.slots] = words.astype(">u2").view(group.dtype)[:, 0]
    for slot, patterns in planned.missing.items():
        if values[slot] in patterns:
            raw_bad[slot] = True
    bits = planned.bits >= 0
    if bits.any():
        values[bits] = (values[bits].astype(np.int64) >> planned.bits[bits]) & 1
    values = values * planned.scale + planned.offset
    bad = raw_bad | ~np.isfinite(values)
    if not bad.any():
        return values, None
    values[bad] = np.nan
    return values, np.where(bad, BAD_SENSOR_FAILURE, GOOD).astype(np.uint16)


def decode_text(planned: Plan, slot: int, register: Register, image: NDArray[np.uint16]) -> str:
    """The text in `register`, two characters a word, ended by the first NUL; what is no UTF-8 becomes a replacement mark."""
    first = planned.where[slot]
    words = image[first : first + register.words]
    raw = (words.byteswap() if register.order in ("BADC", "DCBA") else words).astype(">u2").tobytes()
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip()


def encode(register: Register, value: float) -> list[int]:
    """The words that hold `value` in `register`, in the device's order. Raises ValueError where it does not fit."""
    raw = (value - register.offset) / register.scale
    dtype = np.dtype(_NUMPY.get(register.type, ">u2"))
    if dtype.kind == "f":
        fits = abs(raw) <= float(np.finfo(dtype).max)
    elif fits := math.isfinite(raw):
        raw, bounds = round(raw), np.iinfo(dtype)
        fits = bounds.min <= raw <= bounds.max
    if not fits:
        raise ValueError(f"{value} does not fit into {register.type} at {register.table} {register.address}")
    words = np.array([raw], dtype).view(">u2").astype(np.uint16)
    if register.order in ("CDAB", "DCBA"):
        words = words[::-1]
    if register.order in ("BADC", "DCBA"):
        words = words.byteswap()
    return [int(w) for w in words]
