"""From when to when readings of a layout are expected, and which minutes and hours have to be told of though nothing came.

A gap has a row for each of its minutes, of its whole hours only the hour's where it is longer than `MINUTES_OF_GAP`, and of a gap
longer than `LONGEST_GAP` only its end has any: after a year of standstill a start must not begin with 160 million rows.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from telemetry.historian.rollup import SECOND_NS, Summary, slots

MINUTE_NS: Final = 60 * SECOND_NS
HOUR_NS: Final = 60 * MINUTE_NS
MINUTES_OF_GAP: Final = 24 * 60
LONGEST_GAP: Final = 92 * 24 * 60

Key = tuple[int, int]
"""Layout id, and minute (or hour) since 1970."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is expected of a layout of `n` tags: the slots of the grid from `since_ns` on, before `until_ns` (None: for ever).

    record: it keeps its own time. minute, hour: the last ones that have a row.
    """

    n: int
    record: bool
    since_ns: int | None
    until_ns: int | None
    minute: int | None
    hour: int | None

    def expected(self, start_ns: int, width_ns: int) -> int:
        if self.record or self.since_ns is None:
            return 0
        return slots(start_ns, start_ns + width_ns, self.since_ns, self.until_ns)

    def without_rows(self, last: int | None, closed: int, width_ns: int) -> range:
        """The minutes or hours behind `last`, before `closed`, of which a grid must have rows."""
        if self.record or self.since_ns is None:
            return range(0)
        first = self.since_ns // width_ns
        stop = closed if self.until_ns is None else min(closed, -(-self.until_ns // width_ns))
        hour = HOUR_NS // width_ns
        longest = -(-(closed - LONGEST_GAP * MINUTE_NS // width_ns) // hour) * hour  # from a whole hour on
        return range(max(first, longest, first if last is None else last + 1), stop)


def expecting(of: Summary, span: Span, start_ns: int, width_ns: int) -> Summary:
    """A grid knows what to expect; of records as many as came."""
    return of if span.record else replace(of, expected=span.expected(start_ns, width_ns))


def missing(minutes: Collection[Key], spans: Mapping[int, Span], closed: int) -> Iterator[tuple[int, range]]:
    """Minutes in which nothing came, as runs by layout: those between rows and `closed` that no row is written of."""
    touched: dict[int, list[int]] = {}
    for layout, minute in minutes:
        touched.setdefault(layout, []).append(minute)
    for layout, span in spans.items():
        wanted = span.without_rows(span.minute, closed, MINUTE_NS)
        there = sorted(x for x in touched.get(layout, ()) if x in wanted)
        first = wanted.start
        for minute in (*there, wanted.stop):
            if minute - first > MINUTES_OF_GAP:
                # The rest of its first hour, and the begin of its last: between them the hours are enough.
                yield layout, range(first, -(-first // 60) * 60)
                first = minute // 60 * 60
            yield layout, range(first, minute)
            first = minute + 1
