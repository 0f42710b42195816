"""The account of one tag in a window: hours that are full from their rollups, all others slot by slot.

An hour in which every slot came and was Good needs no second look, so a year of a sound tag is 8,760 rows. What is not full is
read from the frames (or the archive), `PORTION_US` at a time, so memory does not follow the window; but `LOOKED_INTO_US` in all at
most: of what lies behind that the numbers are right, from the rollups, and gaps are not listed (`gaps_until_us` tells).
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from telemetry.completeness.causes import causes
from telemetry.completeness.reasons import NOT_LOOKED_INTO
from telemetry.completeness.slots import Account, Cause, counted, gaps_of_records, gaps_of_slots
from telemetry.readings.buckets import Buckets
from telemetry.readings.plan import DAY_US, UNIT_US
from telemetry.readings.series import Series, by_slot
from telemetry.readings.source import Connect, Source, Stored

HOUR_US: Final = UNIT_US["hours"]
PORTION_US: Final = 6 * HOUR_US
SILENT_PORTION_US: Final = 240 * HOUR_US
LOOKED_INTO_US: Final = 31 * DAY_US
RECORDS_US: Final = 400 * DAY_US
"""Of a counter's records so many are read at once at most: a year of one a minute is half a million."""

Kind = Literal["full", "silent", "mixed", "unknown"]


class TooLong(Exception):
    """The window holds more than can be looked at in one answer; the text says what to ask instead."""


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of the window. full: every slot Good; silent: nothing came; mixed: neither; unknown: not rolled up (yet)."""

    start_us: int
    end_us: int
    kind: Kind
    told: tuple[int, int, int, int, int]
    """Of the rollups: expected, good, uncertain, bad, late."""


@dataclass(frozen=True, slots=True)
class Completeness:
    """A tag's account, of the part of the window in which readings were expected (start_us >= end_us: in none of it)."""

    tag: str
    start_us: int
    end_us: int
    account: Account


async def completeness(
    source: Source, connect: Connect, stored: Stored, start_us: int, end_us: int, now_us: int
) -> Completeness:
    """Of [start, end), from the tag's first frame on, up to now. Raises TooLong, ArchiveDamaged."""
    account = Account()
    until_us = stored.until_us
    first_us = end_us if stored.since_us is None else max(start_us, stored.since_us)
    last_us = min(end_us, now_us, end_us if until_us is None else until_us)
    if first_us < last_us:
        known = await causes(connect, stored, first_us, last_us)
        if stored.period_us is None:
            await _records(account, source, stored, first_us, last_us, known)
        else:
            await _slots(account, source, stored, first_us, last_us, known, stored.period_us)
    return Completeness(stored.tag, first_us, last_us, account)


async def _records(
    account: Account, source: Source, stored: Stored, start_us: int, end_us: int, known: Sequence[Cause]
) -> None:
    if end_us - start_us > RECORDS_US:
        raise TooLong(
            f"{stored.tag} comes with its device's own records, which are looked at one by one. Ask for "
            f"{RECORDS_US // DAY_US} days at most at a time."
        )
    series = await source.readings(stored, start_us, end_us)
    gaps = gaps_of_records(series.time_us, series.quality, start_us, end_us, known)
    came, good, uncertain, bad = counted(series.quality)
    lacking = sum(gap.count or 0 for gap in gaps if gap.quality == "Missing")
    account.count(came + lacking, good, uncertain, bad, int(series.late.sum()))
    account.add(gaps)


async def _slots(
    account: Account,
    source: Source,
    stored: Stored,
    start_us: int,
    end_us: int,
    known: Sequence[Cause],
    period_us: int,
) -> None:
    hours = await source.rollups(stored, "hours", start_us // HOUR_US * HOUR_US, end_us)
    left_us = LOOKED_INTO_US
    for portion in portions(hours, start_us, end_us, HOUR_US // period_us):
        expected, good, uncertain, bad, late = portion.told
        if portion.kind == "full":
            account.count(expected, good, uncertain, bad, late)
        elif portion.kind == "mixed" and left_us <= 0:
            account.count(expected, good, uncertain, bad, late)
            account.by_reason[NOT_LOOKED_INTO] += expected - good
            if account.gaps_until_us is None:
                account.gaps_until_us = portion.start_us
        else:
            series = Series.empty()
            if portion.kind != "silent":
                left_us -= portion.end_us - portion.start_us
                series = await source.readings(stored, portion.start_us, portion.end_us)
            await asyncio.to_thread(_look, account, series, portion, known, period_us)


def _look(account: Account, series: Series, portion: Portion, known: Sequence[Cause], period_us: int) -> None:
    slots = by_slot(series, period_us, portion.start_us, portion.end_us)
    account.count(*counted(slots.quality), int(series.late.sum()))
    account.add(gaps_of_slots(slots.time_us, slots.quality, period_us, known))


def portions(hours: Buckets | None, start_us: int, end_us: int, slots_an_hour: int) -> Iterator[Portion]:
    """[start, end) in parts, by time: neighbouring hours of one kind are one part, as large as it may be.

    hours: those that are rolled up. slots_an_hour: what a whole hour must have. The first and the last hour may be cut.
    """
    starts = np.arange(start_us // HOUR_US, -(-end_us // HOUR_US), dtype=np.int64) * HOUR_US
    told = np.zeros((len(starts), 5), np.int64)
    kinds: NDArray[np.int64] = np.full(len(starts), _KINDS.index("unknown"))
    if hours is not None:
        at = (hours.time_us - starts[0]) // HOUR_US
        inside = (at >= 0) & (at < len(starts))
        columns = (hours.expected, hours.good, hours.uncertain, hours.bad, hours.late)
        table = np.stack(columns, axis=1)[inside]
        told[at[inside]] = table
        came = table[:, 1] + table[:, 2] + table[:, 3]
        full = (table[:, 0] == slots_an_hour) & (table[:, 1] == slots_an_hour) & (came == slots_an_hour)
        kinds[at[inside]] = np.select([full, came == 0], [0, 1], 2)
    whole = (starts >= start_us) & (starts + HOUR_US <= end_us)
    kinds[~whole] = _KINDS.index("unknown")
    for kind, group in groupby(range(len(starts)), key=lambda i: int(kinds[i])):
        indices = list(group)
        most = {0: len(indices), 1: SILENT_PORTION_US // HOUR_US}.get(kind, PORTION_US // HOUR_US)
        for i in range(0, len(indices), most):
            part = indices[i : i + most]
            first, last = int(starts[part[0]]), int(starts[part[-1]]) + HOUR_US
            total = told[part].sum(axis=0).tolist()
            yield Portion(max(first, start_us), min(last, end_us), _KINDS[kind], tuple(total))


_KINDS: Final[tuple[Kind, ...]] = ("full", "silent", "mixed", "unknown")
