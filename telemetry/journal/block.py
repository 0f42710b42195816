"""Frame records as blocks of arrays: all frames of one layout and one form lie in one array, a row each.

A record's body is an image of its arrays (see `format.pack_frame`), so many of them joined are one structured array: 0.7 us a
frame of 50 values, where making a `Frame` of each took 4.5.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.frame import Layout
from telemetry.journal import format as form


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """k frames of one layout of n tags, in the order of the journal; times are UTC nanoseconds.

    number, time_ns, received_ns: int64, (k,). late: all of them are, or none. values: float64, (k, n), NaN where Bad. quality:
    uint16, (k, n), None where all are Good. source_ns: int64, (k, n), or (k, 1) where a frame has one stamp for all values, 0
    for none; None where the device has no clock.
    """

    layout: Layout
    number: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    received_ns: NDArray[np.int64]
    late: bool
    values: NDArray[np.float64]
    quality: NDArray[np.uint16] | None
    source_ns: NDArray[np.int64] | None


def blocks(records: Sequence[form.Record], layouts: Mapping[int, Layout]) -> list[Block]:
    """The frames among `records`. Raises Damaged where one does not fit its layout, or its layout is unknown."""
    alike: dict[tuple[bytes, bytes, int], list[form.Record]] = defaultdict(list)
    for record in records:
        if record.kind == form.FRAME:
            body = record.body
            alike[body[:8], body[16:20], len(body)].append(record)  # layout; flags and count; size
    return [_block(group, layouts) for group in alike.values()]


def _block(records: list[form.Record], layouts: Mapping[int, Layout]) -> Block:
    layout = layouts.get(form.frame_layout(records[0].body))
    if layout is None:
        raise form.Damaged("the journal never told this frame's layout")
    flags = form.frame_flags(records[0], layout)
    frames: NDArray[Any] = np.frombuffer(b"".join([x.body for x in records]), _image(flags, len(layout.tags)))
    names: tuple[str, ...] = frames.dtype.names or ()
    return Block(
        layout,
        np.array([x.number for x in records], np.int64),
        frames["time"],
        np.array([x.time_ns for x in records], np.int64),
        bool(flags & form.LATE),
        frames["values"],
        frames["quality"] if "quality" in names else None,
        frames["source"] if "source" in names else None,
    )


@lru_cache(maxsize=256)
def _image(flags: int, count: int) -> np.dtype[Any]:
    """A packed frame of `count` values as numpy sees it."""
    columns: list[Any] = [("layout", "<u8"), ("time", "<i8"), ("flags", "<u2"), ("count", "<u2")]
    columns.append(("values", "<f8", (count,)))
    if flags & form.QUALITY:
        columns.append(("quality", "<u2", (count,)))
    if flags & (form.SOURCES | form.SOURCE):
        columns.append(("source", "<i8", (count if flags & form.SOURCES else 1,)))
    return np.dtype(columns)
