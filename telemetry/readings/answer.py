"""Answer: what a question about tags and a window gets, as tables, block by block; never more than one block in memory."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Final

import numpy as np

from telemetry.readings.buckets import Buckets, gathered, joined, of_readings, silent, with_silence
from telemetry.readings.plan import (
    FROM_READINGS_US,
    LONGEST_BLOCK_US,
    UNIT_US,
    Level,
    Plan,
    Resolution,
    blocks,
    lengths,
    microseconds,
    pieces,
    plan,
)
from telemetry.readings.series import SECOND_US, Series, by_slot
from telemetry.readings.source import Source, Span, Stored
from telemetry.readings.table import Table, of_buckets, of_series

NOT_YET_US: Final = 2 * SECOND_US
"""A slot is not missing before frames that were received so much later are stored."""
MOST_BUCKETS: Final = 40_000
"""Read at once where an answer has more: a month of minutes."""
_FINER: Final[dict[Level, Level]] = {"hours": "minutes", "minutes": "readings"}


@dataclass(frozen=True, slots=True)
class Question:
    """Which tags (with their units; None: not configured any more), from when to when, and how fine. `pixels`: how many of them
    `auto` may fill."""

    tags: Sequence[tuple[str, str | None]]
    start: datetime
    end: datetime
    resolution: Resolution = "auto"
    pixels: int = 2000


class UnknownTag(Exception):
    """Neither configured nor ever stored; the message is its name."""


@dataclass(frozen=True, slots=True)
class _Found:
    stored: Stored
    span: Span


class Answer:
    """One tag after the other, each by time."""

    def __init__(self, source: Source, chosen: Plan, found: Sequence[_Found], newest_us: int | None) -> None:
        self._source, self.plan, self._found, self._newest_us = source, chosen, found, newest_us

    @classmethod
    async def to(cls, question: Question, source: Source) -> "Answer":
        """Looks where the readings lie. Raises TooMuch, UnknownTag."""
        start_us, end_us = microseconds(question.start), microseconds(question.end)
        few = question.resolution == "auto" and end_us - start_us <= FROM_READINGS_US
        chosen = _planned(question, False)
        found: list[_Found] = []
        for tag, unit in question.tags:
            stored = await source.find(tag, unit)
            if stored is None:
                raise UnknownTag(tag)
            span = await source.span(stored, chosen.start_us, chosen.end_us)
            few = few and await source.at_most(2 * question.pixels, stored, start_us, end_us, span)
            found.append(_Found(stored, span))
        return cls(source, _planned(question, few), found, await source.newest_us())

    async def tables(self) -> AsyncGenerator[Table]:
        """The answer in parts; the first has no rows and tells the columns. Raises ArchiveDamaged."""
        if self.plan.form == "buckets":
            yield of_buckets(silent(np.zeros(0, np.int64)), "", "")
        else:
            yield of_series(Series.empty(), "", "")
        for found in self._found:
            tables = self._in_buckets(found) if self.plan.form == "buckets" else self._one_by_one(found)
            async with aclosing(tables):
                async for table in tables:
                    if len(table):
                        yield table

    async def _one_by_one(self, found: _Found) -> AsyncGenerator[Table]:
        """Readings as they were stored, or one for each slot."""
        stored, span = found.stored, found.span
        slots_us = stored.period_us if self.plan.form == "slots" else None
        from_us, to_us = self._expected(found) if slots_us else (span.first_us, span.last_us + 1)
        for start_us, end_us in blocks(from_us, to_us, span.archived, lengths()):
            series = await self._source.readings(stored, start_us, end_us)
            if slots_us:
                series = by_slot(series, slots_us, start_us, end_us)
            yield of_series(series, stored.tag, stored.unit)

    async def _in_buckets(self, found: _Found) -> AsyncGenerator[Table]:
        stored, width_us = found.stored, self.plan.width_us
        from_us, to_us = self._expected(found)
        from_us = self.plan.start_us + (from_us - self.plan.start_us) // width_us * width_us
        many = repeat(width_us * MOST_BUCKETS)
        parts_us = lengths() if self.plan.level == "readings" else many
        for start_us, till_us in pieces(from_us, to_us, width_us, parts_us):
            end_us = till_us if till_us < to_us else self.plan.end_us
            parts = [part async for part in self._parts(found, self.plan.level, start_us, end_us)]
            buckets = gathered(joined(parts), self.plan.start_us, width_us)
            span = max(start_us, self._expected(found)[0]), min(end_us, to_us)
            yield of_buckets(
                with_silence(buckets, self.plan.start_us, width_us, stored.period_us, *span), stored.tag, stored.unit
            )

    async def _parts(self, found: _Found, level: Level, start_us: int, end_us: int) -> AsyncGenerator[Buckets]:
        """Buckets that together are [start_us, end_us), by time: rolled up where that was done already, before and behind
        it from what is finer."""
        yield silent(np.zeros(0, np.int64))
        if level == "readings":
            span = found.span
            within = max(start_us, span.first_us), min(end_us, span.last_us + 1)
            inside = blocks(*within, span.archived, repeat(LONGEST_BLOCK_US))
            for block in inside:
                series = await self._source.readings(found.stored, *block)
                yield gathered(of_readings(series, found.stored.period_us), self.plan.start_us, self.plan.width_us)
            return
        rolled = self._closed(level, await self._source.rollups(found.stored, level, start_us, end_us))
        from_us, to_us = self._expected(found)
        first_us, behind_us = end_us, end_us
        if rolled is not None:
            first_us, behind_us = int(rolled.time_us[0]), int(rolled.time_us[-1]) + UNIT_US[level]
        if max(start_us, from_us) < first_us:
            async for part in self._parts(found, _FINER[level], start_us, first_us):
                yield part
        if rolled is not None:
            yield rolled
        if behind_us < min(end_us, to_us):
            async for part in self._parts(found, _FINER[level], behind_us, end_us):
                yield part

    def _closed(self, level: Level, rolled: Buckets | None) -> Buckets | None:
        """Those in which nothing is to come; None where there is none."""
        if rolled is not None and self._newest_us is not None:
            rolled = rolled.at(rolled.time_us + UNIT_US[level] <= self._newest_us)
        return rolled if rolled is not None and len(rolled) else None

    def _expected(self, found: _Found) -> tuple[int, int]:
        """From when to when readings of a tag are expected; as far as the database was told."""
        stored, span = found.stored, found.span
        since_us = self.plan.end_us if stored.since_us is None else stored.since_us
        until_us = span.last_us + 1
        if self._newest_us is not None:
            until_us = max(until_us, self._newest_us - NOT_YET_US)
        if stored.until_us is not None:
            until_us = min(until_us, max(stored.until_us, span.last_us + 1))
        return max(self.plan.start_us, min(since_us, span.first_us)), min(self.plan.end_us, until_us)


def _planned(question: Question, few: bool) -> Plan:
    tags = len(question.tags)
    return plan(question.resolution, question.start, question.end, tags, question.pixels, few)
