"""Readings as OPC UA DataValues in bulk: a structured numpy array whose bytes are the encoding (OPC UA Part 6, 5.2.2.17).

A value that is well takes as many bytes as its neighbours, so a device's reply, or a whole fleet's, is made by filling four
columns. One failed value breaks the stride: such a device's reply is put together item by item.
"""

import struct
from typing import Any, Final

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from simulators.load.fleet import Fleet

VALUE, STATUS, SOURCE, SERVER = 0x01, 0x02, 0x04, 0x08
_FLOAT: Final = 10
_SENSOR_FAILURE: Final = struct.pack("<I", 0x808C_0000)
_EPOCH_TICKS: Final = 116_444_736_000_000_000
_STAMPS: Final = {
    ua.TimestampsToReturn.Source: SOURCE,
    ua.TimestampsToReturn.Server: SERVER,
    ua.TimestampsToReturn.Both: SOURCE | SERVER,
    ua.TimestampsToReturn.Neither: 0,
}


def stamps_of(asked: ua.TimestampsToReturn) -> int:
    """The bits of a DataValue's mask for the timestamps that a client asks for. Raises KeyError for a choice that is none."""
    return _STAMPS[asked]


def ticks(time_ns: int) -> int:
    """OPC UA time: 100 ns since 1601."""
    return time_ns // 100 + _EPOCH_TICKS


def good_items(
    values: NDArray[np.float64],
    source_ns: NDArray[np.int64],
    stamps: int,
    now_ns: int,
    handles: NDArray[np.uint32] | None = None,
) -> NDArray[Any]:
    """Good DataValues (Float) of `values`, of any shape, with the timestamps `stamps`, one structure each without padding. With
    `handles` before them they are MonitoredItemNotifications (Part 4, 7.25.2)."""
    columns = [("handle", "<u4")] if handles is not None else []
    columns += [("mask", "u1"), ("type", "u1"), ("value", "<f4")]
    columns += [("source", "<i8")] if stamps & SOURCE else []
    columns += [("server", "<i8")] if stamps & SERVER else []
    made = np.empty(values.shape, np.dtype(columns))
    made["mask"], made["type"], made["value"] = VALUE | stamps, _FLOAT, values
    if handles is not None:
        made["handle"] = handles
    if stamps & SOURCE:
        made["source"] = source_ns // 100 + _EPOCH_TICKS
    if stamps & SERVER:
        made["server"] = ticks(now_ns)
    return made


def encoded(
    values: NDArray[np.float64],
    source_ns: NDArray[np.int64],
    failed: NDArray[np.bool_],
    stamps: int,
    now_ns: int,
    handles: NDArray[np.uint32] | None = None,
) -> bytes:
    """The bytes of `good_items`, the `failed` ones as BadSensorFailure without a value."""
    good = good_items(values, source_ns, stamps, now_ns, handles)
    if not failed.any():
        return good.tobytes()
    head, size = 4 if handles is not None else 0, good.dtype.itemsize
    whole = good.tobytes()
    bad_mask = bytes((STATUS | stamps,))
    parts: list[bytes] = []
    for i, bad in enumerate(failed.tolist()):
        item = whole[i * size : (i + 1) * size]
        parts.append(item[:head] + bad_mask + _SENSOR_FAILURE + item[head + 6 :] if bad else item)
    return b"".join(parts)


class FleetItems:
    """The values of the first `devices` of `fleet` with source timestamps, encoded at one stroke once a second."""

    def __init__(self, fleet: Fleet, devices: int) -> None:
        self._fleet, self._devices = fleet, devices
        self._made = -1
        self._items: NDArray[Any] = np.empty(0)

    def of(self, device: int, tags: slice) -> bytes | None:
        """DataValues of these tags of the device; None where a failed one breaks the stride."""
        fleet = self._fleet
        if fleet.failed[device].any():
            return None
        if self._made != fleet.changes:
            rows = slice(0, self._devices)
            self._items = good_items(fleet.values[rows], fleet.source_ns[rows], SOURCE, fleet.time_ns)
            self._made = fleet.changes
        return self._items[device, tags].tobytes()
