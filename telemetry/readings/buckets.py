"""Buckets: what happened in equal stretches of time. Extremes are kept with their times: no spike is ever averaged away.

Means and M2 (the sum of squared differences from the mean) of parts merge exactly: T. F. Chan, G. H. Golub, R. J. LeVeque,
"Updating formulae and a pairwise algorithm for computing sample variances", 1979. A reading is the bucket of itself alone, so
readings, rolled-up minutes and rolled-up hours all go one way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from drivers.quality import BAD, UNCERTAIN
from telemetry.readings.arrays import NO_TIME
from telemetry.readings.series import Series, on_grid

_LAST: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """n buckets of one tag, by time; microseconds since 1970 (UTC).

    expected, good, uncertain, bad: int64, of the expected readings; what is neither is missing. late: frames read back.
    count: int64, the values (Good and Uncertain) in min, max, mean and m2, those between two slots included. min_us, max_us:
    when the extremes were (NO_TIME where there is no value); of a rolled-up bucket, the begin of the minute or hour.
    time_weighted_mean: over expected readings alone. Statistics are NaN without a value.
    """

    time_us: NDArray[np.int64]
    expected: NDArray[np.int64]
    good: NDArray[np.int64]
    uncertain: NDArray[np.int64]
    bad: NDArray[np.int64]
    late: NDArray[np.int64]
    count: NDArray[np.int64]
    min: NDArray[np.float64]
    min_us: NDArray[np.int64]
    max: NDArray[np.float64]
    max_us: NDArray[np.int64]
    mean: NDArray[np.float64]
    m2: NDArray[np.float64]
    time_weighted_mean: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.time_us)

    def at(self, which: slice | NDArray[Any]) -> "Buckets":
        """Those buckets alone: a slice, a mask or positions."""
        return Buckets(*(getattr(self, field.name)[which] for field in fields(self)))

    @property
    def missing(self) -> NDArray[np.int64]:
        return np.maximum(self.expected - self.good - self.uncertain - self.bad, 0)


def silent(time_us: NDArray[np.int64]) -> Buckets:
    """Buckets at these times in which nothing came and nothing was expected."""
    none, nothing, never = (
        np.zeros(len(time_us), np.int64),
        np.full(len(time_us), np.nan),
        np.full(len(time_us), NO_TIME),
    )
    return Buckets(
        time_us, none, none, none, none, none, none, nothing, never, nothing, never, nothing, nothing, nothing
    )


def joined(parts: Sequence[Buckets]) -> Buckets:
    """One after the other."""
    return Buckets(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Buckets)))


def of_readings(series: Series, period_us: int | None) -> Buckets:
    """Each reading as the bucket of itself; `period_us` between expected readings, None where each is a record of its own."""
    counted, valued = on_grid(series, period_us), ~np.isnan(series.value)
    time_us = np.where(valued, series.time_us, NO_TIME)
    return Buckets(
        series.time_us,
        counted.astype(np.int64),
        (counted & (series.quality < UNCERTAIN)).astype(np.int64),
        (counted & (series.quality >= UNCERTAIN) & (series.quality < BAD)).astype(np.int64),
        (counted & (series.quality >= BAD)).astype(np.int64),
        series.late.astype(np.int64),
        valued.astype(np.int64),
        series.value,
        time_us,
        series.value,
        time_us,
        series.value,
        np.where(valued, 0.0, np.nan),
        np.where(counted, series.value, np.nan),
    )


def gathered(parts: Buckets, origin_us: int, width_us: int) -> Buckets:
    """`parts` (by time) merged into buckets of `width_us`, counted from `origin_us`; those in which nothing is are left out."""
    if not len(parts):
        return parts
    place = (parts.time_us - origin_us) // width_us
    starts = np.flatnonzero(np.concatenate(([True], np.diff(place) != 0)))
    of = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(place))))

    def summed(what: NDArray[Any]) -> NDArray[Any]:
        return np.add.reduceat(what, starts)

    count = summed(parts.count)
    low, high = np.fmin.reduceat(parts.min, starts), np.fmax.reduceat(parts.max, starts)
    mean = np.clip(_quotient(summed(_or_zero(parts.mean) * parts.count), count), low, high)
    apart = _or_zero(parts.mean - mean[of])
    m2 = summed(_or_zero(parts.m2) + parts.count * apart * apart)
    weight = np.where(np.isnan(parts.time_weighted_mean), 0, parts.good + parts.uncertain)
    return Buckets(
        origin_us + place[starts] * width_us,
        summed(parts.expected),
        summed(parts.good),
        summed(parts.uncertain),
        summed(parts.bad),
        summed(parts.late),
        count,
        low,
        _first_time(parts.min == low[of], parts.min_us, starts),
        high,
        _first_time(parts.max == high[of], parts.max_us, starts),
        mean,
        np.where(count > 0, m2, np.nan),
        _quotient(summed(_or_zero(parts.time_weighted_mean) * weight), summed(weight)),
    )


def with_silence(
    buckets: Buckets, origin_us: int, width_us: int, period_us: int | None, since_us: int, until_us: int
) -> Buckets:
    """Every bucket that touches [since_us, until_us), those in which nothing came too, and what was expected in each: a slot
    each `period_us`. None: nobody knows when a record must come, so what came is what was expected."""
    if period_us is None or until_us <= since_us:
        return buckets
    first, last = (since_us - origin_us) // width_us, (until_us - 1 - origin_us) // width_us
    begin = origin_us + np.arange(first, last + 1, dtype=np.int64) * width_us
    lacking = begin[~np.isin(begin, buckets.time_us)]
    buckets = joined([buckets, silent(lacking)])
    buckets = buckets.at(np.argsort(buckets.time_us, kind="stable"))
    low, high = np.maximum(buckets.time_us, since_us), np.minimum(buckets.time_us + width_us, until_us)
    slots = np.maximum(-(-high // period_us) + (-low) // period_us, 0)
    came = buckets.good + buckets.uncertain + buckets.bad
    return replace(buckets, expected=np.maximum(slots, came))


def _or_zero(what: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(what), 0.0, what)


def _quotient(above: NDArray[Any], below: NDArray[np.int64]) -> NDArray[np.float64]:
    """NaN where `below` is 0."""
    return np.where(below > 0, above / np.maximum(below, 1), np.nan)


def _first_time(is_it: NDArray[np.bool_], time_us: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first of `time_us` where `is_it`, in each group that begins at `starts`; NO_TIME where there is none."""
    first = np.minimum.reduceat(np.where(is_it, time_us, _LAST), starts)
    return np.where(first == _LAST, NO_TIME, first)
