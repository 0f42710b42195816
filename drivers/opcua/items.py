"""Items: what OPC UA DataValues become, and how numbers, times and statuses do, as arrays."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drivers.opcua.datavalue_forms import BOOLEAN
from drivers.quality import BAD, BAD_TYPE_MISMATCH

EPOCH_TICKS: Final = 116_444_736_000_000_000
"""1970; OPC UA counts 100 ns from 1601."""
LAST_MICROSECOND: Final = 9_223_372_036_854_774
"""Since 1970: the last whose nanoseconds are an int64, in 2262."""
_EPOCH, _TEN, _THOUSAND = np.array(EPOCH_TICKS), np.array(10), np.array(1000)
"""As arrays: from a number numpy makes one at each call, 0.3 us."""
_ONE, _LAST = np.uint64(1), np.uint64(LAST_MICROSECOND)
_OVERFLOW_MASK, _OVERFLOW = 0x0C80, 0x0480
"""Of a status (Part 4, 7.39): its lower half tells of a DataValue (bits 10 and 11 are 01), and the queue in the server ran over."""


@dataclass(slots=True, eq=False)
class Items:
    """n decoded items. values: float64, NaN where Bad or not a number; quality: uint16; source_ns: int64, 0 where the server
    gives none; texts: by item; overflowed: those that tell that values before them were lost in the server's queue."""

    values: NDArray[np.float64]
    quality: NDArray[np.uint16]
    source_ns: NDArray[np.int64]
    texts: dict[int, str]
    overflowed: tuple[int, ...] = ()


def judge_kinds(quality: NDArray[np.uint16], texts: Iterable[int], numbers: int) -> None:
    """Of items that are to be `numbers` numbers and behind them texts, what is the other is BadTypeMismatch; in place.
    quality: uint16, an item each; texts: which items are texts."""
    given = np.zeros(len(quality), np.bool_)
    given[list(texts)] = True
    given[numbers:] ^= True
    quality[given & (quality < BAD)] = BAD_TYPE_MISMATCH


def numbers(column: NDArray[Any], kind: int) -> NDArray[np.float64]:
    """As float64; of a Boolean every byte but 0 is true."""
    if kind == BOOLEAN:
        return (column != 0).astype(np.float64)
    with np.errstate(invalid="ignore"):  # a signalling NaN of 32 bits is no reason for a warning, it is Bad
        return column.astype(np.float64)


def is_overflow(status: int) -> bool:
    """Whether a status says that values before this one were lost in the server's queue."""
    return status & _OVERFLOW_MASK == _OVERFLOW


def overflowed(status: NDArray[Any]) -> tuple[int, ...]:
    ran_over = (status & _OVERFLOW_MASK) == _OVERFLOW
    return tuple(np.flatnonzero(ran_over).tolist()) if np.count_nonzero(ran_over) else ()


def nanoseconds(ticks: NDArray[Any], near: bool = False) -> NDArray[np.int64]:
    """UTC nanoseconds since 1970, cut to whole microseconds; 0 (no time) and what lies outside 1970..2262 become 0. near: they
    are known to lie inside."""
    found = np.subtract(ticks, _EPOCH)
    found //= _TEN
    if not near and np.count_nonzero(found.view(np.uint64) - _ONE >= _LAST):
        found[(found <= 0) | (found > LAST_MICROSECOND)] = 0
    found *= _THOUSAND
    return found
