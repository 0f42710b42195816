# pyright: reportPrivateUsage=false
"""asyncua's decoder, bounded: no length of an array is believed that the bytes left cannot hold.

asyncua builds as many items as an array claims to have; one of Null has items of no bytes at all, so an answer of 66 bytes would
stop the engine. Every road of asyncua's leads through the functions that are wrapped here, once for the process; what breaks the
bounds is ua.UaError, as other damage is.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary

MOST: Final = 1_000_000
"""What the arrays of one message may hold: a number is one, anything else, as an object of 5 us, ten."""
_OBJECT: Final = 10
_Decode = Callable[[Any], Any]


class _Spent:
    """What has been decoded of the message that is being decoded, told by the bytes that all its buffers share."""

    def __init__(self) -> None:
        self._body, self._spent = b"", 0

    def more(self, body: bytes, cost: int) -> None:
        if self._body is not body:
            self._body, self._spent = body, 0
        self._spent += cost
        if self._spent > MOST:
            raise ua.UaError(f"an answer holds more than {MOST // _OBJECT} structures or {MOST} numbers")


_spent: Final = _Spent()


def bound() -> None:
    """From now on asyncua's decoder is bounded."""
    if hasattr(ua_binary._reshape, "__wrapped__"):
        return
    for name in ("_create_uatype_array_deserializer", "_create_list_deserializer"):
        setattr(ua_binary, name, _checked(getattr(ua_binary, name)))
    ua_binary._reshape = _filled(ua_binary._reshape)
    for made in vars(ua_binary).values():  # what was made before and remembered
        if hasattr(made, "cache_clear"):
            made.cache_clear()


def _checked(make: Callable[[Any], _Decode]) -> Callable[[Any], _Decode]:
    @functools.cache
    def made(of: Any) -> _Decode:
        decode, kind = make(of), getattr(of, "name", "")
        cost = 1 if hasattr(ua_binary.Primitives1, kind) else _OBJECT

        def checked(data: Buffer) -> Any:
            length = ua_binary.Primitives.Int32.unpack(data.copy())
            if length > len(data) or (length > 0 and kind == "Null"):
                raise ua.UaError(f"an array claims to have {length} values in {len(data)} bytes")
            _spent.more(data._data, cost * max(length, 0))
            return decode(data)

        return checked

    return made


def _filled(reshape: Callable[[list[Any], Any], list[Any]]) -> Callable[[list[Any], Any], list[Any]]:
    """Dimensions claim no more values than there are."""

    @functools.wraps(reshape)
    def filled(flat: list[Any], dims: Sequence[int]) -> list[Any]:
        if dims and dims[0] * math.prod(dim or 1 for dim in dims[1:]) > len(flat):
            raise ua.UaError(f"an array of {len(flat)} values claims to have the dimensions {list(dims)}")
        return reshape(flat, dims)

    return filled
