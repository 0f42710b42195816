"""What a Modbus device has on the wire, by the definition of the four word orders and `struct`: the oracle for registers."""

import struct
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray

from drivers.profile import RegisterType, Table, WordOrder
from drivers.registers import Plan

ORDERS: Final[tuple[WordOrder, ...]] = get_args(WordOrder)
NUMBERS: Final[dict[RegisterType, str]] = {
    "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q", "float32": "f", "float64": "d",
}  # fmt: skip


def words_of(kind: RegisterType, order: WordOrder, number: float) -> list[int]:
    """The words of a number on the wire, by the definition of the four orders, without numpy."""
    raw = struct.pack(">" + NUMBERS[kind], number)
    pairs = [raw[i : i + 2] for i in range(0, len(raw), 2)]
    if order in ("CDAB", "DCBA"):
        pairs.reverse()
    if order in ("BADC", "DCBA"):
        pairs = [pair[::-1] for pair in pairs]
    return [int.from_bytes(pair, "big") for pair in pairs]


def image_of(planned: Plan, memory: dict[tuple[Table, int], int]) -> NDArray[np.uint16]:
    """What a device with this memory answers to the blocks of the plan."""
    image = np.zeros(planned.size, np.uint16)
    for block in planned.blocks:
        for i in range(block.count):
            image[block.offset + i] = memory.get((block.table, block.address + i), 0xDEAD)
    return image
