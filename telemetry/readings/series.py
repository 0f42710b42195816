"""Series: readings of one tag in the order of time, as arrays; and how parts of it from several places become one."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from telemetry.readings.arrays import NO_TIME

SECOND_US: Final = 1_000_000
MISSING: Final = 0x1_0000
"""Stands among quality codes (16 bits) for a slot in which nothing came: it is none of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """n readings of one tag, by time. All times: int64, microseconds since 1970 (UTC), NO_TIME where there is none.

    value: float64, NaN where Bad. quality: int64, codes of `drivers.quality`, or MISSING. source_us: the device's own time.
    received_us: the engine's. late: read back from a device's buffer.
    """

    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.int64]
    source_us: NDArray[np.int64]
    received_us: NDArray[np.int64]
    late: NDArray[np.bool_]

    @classmethod
    def empty(cls) -> Self:
        none = np.zeros(0, np.int64)
        return cls(none, np.zeros(0), none, none, none, np.zeros(0, np.bool_))

    def __len__(self) -> int:
        return len(self.time_us)

    def at(self, which: slice | NDArray[Any]) -> "Series":
        """Those readings alone: a slice, a mask or positions."""
        return Series(*(getattr(self, field.name)[which] for field in fields(self)))


def union(parts: Sequence[Series]) -> Series:
    """All readings of `parts`, by time; one that lies in two of them (same time, same receipt) once.

    The archive and the database may both hold a day; two layouts may hold a tag, one after the other.
    """
    some = [part for part in parts if len(part)]
    if not some:
        return Series.empty()
    if len(some) == 1:
        return some[0]
    all_of = Series(*(np.concatenate([getattr(part, field.name) for part in some]) for field in fields(Series)))
    ordered = all_of.at(np.lexsort((all_of.received_us, all_of.time_us)))
    repeated = (np.diff(ordered.time_us) == 0) & (np.diff(ordered.received_us) == 0)
    return ordered.at(np.concatenate(([True], ~repeated))) if repeated.any() else ordered


def on_grid(series: Series, period_us: int | None) -> NDArray[np.bool_]:
    """Mask: the readings that count as expected ones. One a slot of `period_us`, the best where several came (a late Good
    one beats the Bad one of the outage); readings between two slots count for nothing. None: each reading is a record of its
    own and counts."""
    if period_us is None:
        return np.ones(len(series), np.bool_)
    on = series.time_us % period_us == 0
    if (np.diff(series.time_us) > 0).all():
        return on
    severity = series.quality >> 14
    order = np.lexsort((-series.received_us, severity, series.time_us))
    times = series.time_us[order]
    on[order[1:][times[1:] == times[:-1]]] = False
    return on


def by_slot(series: Series, period_us: int, start_us: int, end_us: int) -> Series:
    """One reading for each slot in [start_us, end_us), its value NaN and its quality MISSING where none came."""
    first = -(-start_us // period_us)
    slots = np.arange(first, max(first, -(-end_us // period_us)), dtype=np.int64)
    n = len(slots)
    filled = Series(
        slots * period_us,
        np.full(n, np.nan),
        np.full(n, MISSING, np.int64),
        np.full(n, NO_TIME, np.int64),
        np.full(n, NO_TIME, np.int64),
        np.zeros(n, np.bool_),
    )
    came = series.at(on_grid(series, period_us))
    place = came.time_us // period_us - first
    inside = (place >= 0) & (place < n)
    for field in fields(Series):
        getattr(filled, field.name)[place[inside]] = getattr(came, field.name)[inside]
    return filled
