"""What a minute or an hour of one layout comes to: counts by quality, extremes, mean, spread, what was late, what is missing.

Summaries merge (Chan, Golub, LeVeque 1979: mean and M2 of parts give those of the whole), in any order and any portions, so
late data is added to a minute whose frames have long been archived. Two kinds of frames are told apart. Readings that are
*expected* (each second of a polled device, each record of a counter) are counted by quality and make the time-weighted mean,
since each stands for the same time. Changes told between two seconds enter count, extremes, mean and M2 only: a door that was
open for 200 ms shows in the maximum, and makes no second complete.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.quality import BAD, UNCERTAIN

SECOND_NS: Final = 1_000_000_000
Counts = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """Of one layout with n tags; all arrays are (n,).

    expected: readings that should have come; good, uncertain, bad: those that came; late: frames read back from a buffer.
    count: values in low, high, mean and m2, Good and Uncertain alike (m2: sum of squared differences from the mean).
    even: mean of the expected readings alone, each standing for the same time. NaN (m2: 0) where there is no value.
    """

    expected: int
    late: int
    good: Counts
    uncertain: Counts
    bad: Counts
    count: Counts
    low: Values
    high: Values
    mean: Values
    m2: Values
    even: Values


def nothing(expected: int, n: int) -> Summary:
    """Of a time in which nothing came."""
    none, zero = np.full(n, np.nan), np.zeros(n, np.int64)
    return Summary(expected, 0, zero, zero, zero, zero, none, none, none, np.zeros(n), none)


def summarised(values: Values, codes: NDArray[np.uint16] | None, counted: NDArray[np.bool_], late: int) -> Summary:
    """Of k frames. values, codes: (k, n), codes None where all are Good; counted: (k,), those that were expected; late: how many
    of them were. `expected` is set to the frames counted: right for records, the grid's is `slots`."""
    n = values.shape[1]
    taken = ~np.isnan(values)
    if codes is None:
        good = np.full(n, np.count_nonzero(counted), np.int64)
        uncertain = bad = np.zeros(n, np.int64)
    else:
        is_bad, is_good = codes >= BAD, codes < UNCERTAIN
        taken &= ~is_bad
        good = np.count_nonzero(is_good[counted], axis=0).astype(np.int64)
        bad = np.count_nonzero(is_bad[counted], axis=0).astype(np.int64)
        uncertain = np.count_nonzero(counted) - good - bad
    count, mean = _mean(values, taken)
    even = mean if counted.all() else _mean(values, taken & counted[:, None])[1]
    with np.errstate(all="ignore"):
        m2 = (np.where(taken, values - mean, 0.0) ** 2).sum(axis=0)
    present = np.where(taken, values, np.nan)
    return Summary(
        expected=int(np.count_nonzero(counted)),
        late=late,
        good=good,
        uncertain=uncertain,
        bad=bad,
        count=count,
        low=np.fmin.reduce(present, axis=0, initial=np.nan),
        high=np.fmax.reduce(present, axis=0, initial=np.nan),
        mean=mean,
        m2=m2,
        even=even,
    )


def merged(parts: Sequence[Summary]) -> Summary:
    """Of all that is in `parts` (at least one)."""
    if len(parts) == 1:
        return parts[0]
    count = np.stack([part.count for part in parts])
    means = np.stack([part.mean for part in parts])
    seconds = np.stack([part.good + part.uncertain for part in parts])
    low = np.fmin.reduce([part.low for part in parts], axis=0)
    high = np.fmax.reduce([part.high for part in parts], axis=0)
    mean = _weighted(means, count)
    with np.errstate(all="ignore"):
        apart = np.where(count > 0, count * (means - mean) ** 2, 0.0).sum(axis=0)
    return Summary(
        expected=sum(part.expected for part in parts),
        late=sum(part.late for part in parts),
        good=np.sum([part.good for part in parts], axis=0),
        uncertain=np.sum([part.uncertain for part in parts], axis=0),
        bad=np.sum([part.bad for part in parts], axis=0),
        count=count.sum(axis=0),
        low=low,
        high=high,
        mean=np.clip(mean, low, high),
        m2=np.sum([part.m2 for part in parts], axis=0) + apart,
        even=np.clip(_weighted(np.stack([part.even for part in parts]), seconds), low, high),
    )


def slots(start_ns: int, end_ns: int, since_ns: int, until_ns: int | None, period_ns: int = SECOND_NS) -> int:
    """Slots of the grid of `period_ns` in [start, end) from `since_ns` on, before `until_ns` (None: for ever)."""
    first, last = max(start_ns, since_ns), end_ns if until_ns is None else min(end_ns, until_ns)
    return max(0, -(-last // period_ns) + first // -period_ns)


def _mean(values: Values, taken: NDArray[np.bool_]) -> tuple[Counts, Values]:
    """Number and mean by column of what is `taken`; a mean lies between what it is of, whatever rounding says."""
    count = np.count_nonzero(taken, axis=0).astype(np.int64)
    with np.errstate(all="ignore"):
        mean = np.where(taken, values, 0.0).sum(axis=0) / count
        low = np.where(taken, values, np.inf).min(axis=0, initial=np.inf)
        high = np.where(taken, values, -np.inf).max(axis=0, initial=-np.inf)
    return count, np.where(count > 0, np.clip(mean, low, high), np.nan)


def _weighted(means: Values, weights: Counts) -> Values:
    """Mean of `means` (p, n) by `weights` (p, n); NaN where all weigh nothing. Differences from one of them are weighed, not the
    numbers themselves: readings of 1e6 that differ by 1e-6 keep their digits."""
    with np.errstate(all="ignore"):
        present = weights > 0
        middle = np.fmin.reduce(np.where(present, means, np.nan), axis=0)
        beyond = np.where(present, (means - middle) * weights, 0.0).sum(axis=0)
        return middle + beyond / weights.sum(axis=0)
