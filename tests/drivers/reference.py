"""What asyncua's own decoder finds in an answer, as Items: the reference for ours."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from drivers.opcua.items import Items, is_overflow
from drivers.quality import BAD, BAD_SENSOR_FAILURE, BAD_TYPE_MISMATCH, GOOD

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Response = TypeVar("_Response")


def fully_decoded(response: type[_Response], body: bytes) -> _Response:
    """Raises ua.UaError for what is damaged."""
    try:
        return struct_from_binary(response, Buffer(body))
    except ua.UaError:
        raise
    except Exception as error:  # asyncua lets out whatever goes wrong within it: struct.error, KeyError
        raise ua.UaError(f"{type(error).__name__}: {error}") from error


def full_items(results: Sequence[ua.DataValue]) -> Items:
    """Items of decoded DataValues, by the same rules as `drivers.opcua.datavalues`."""
    n = len(results)
    values, quality, source_ns = np.full(n, np.nan), np.zeros(n, np.uint16), np.zeros(n, np.int64)
    texts: dict[int, str] = {}
    overflowed: list[int] = []
    for i, result in enumerate(results):
        status = result.StatusCode.value if result.StatusCode is not None else GOOD
        code = status >> 16
        if is_overflow(status):
            overflowed.append(i)
        variant = result.Value
        given: Any = variant.Value if variant is not None else None
        if code < BAD:
            if isinstance(given, bool | int | float):
                if np.isfinite(given):
                    values[i] = float(given)
                else:
                    code = BAD_SENSOR_FAILURE
            elif isinstance(given, str) and variant is not None and variant.VariantType == ua.VariantType.String:
                texts[i] = given.encode(errors="surrogateescape").decode(errors="replace")
            else:
                code = BAD_TYPE_MISMATCH
        quality[i] = code
        source_ns[i] = _nanoseconds(result)
    return Items(values, quality, source_ns, texts, tuple(overflowed))


def _nanoseconds(result: ua.DataValue) -> int:
    """UTC nanoseconds of the source time, to the microsecond; 0 where there is none."""
    if result.SourceTimestamp is None:
        return 0
    stamp: Any = result.SourceTimestamp
    since = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)) - _EPOCH
    found = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return found * 1000 if 0 < found < 9_223_372_036_854_775 else 0
