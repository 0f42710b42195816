"""What is sent for a question: each reading, one a second, or buckets; and whether these come from readings or from rollups."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Final, Literal

from telemetry.readings.series import SECOND_US

Resolution = Literal["raw", "auto", "1s", "1m", "1h"]
Level = Literal["readings", "minutes", "hours"]
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US
UNIT_US: Final[dict[Level, int]] = {"readings": SECOND_US, "minutes": MINUTE_US, "hours": HOUR_US}
MOST_ROWS: Final = 366 * 24 * 3600
"""What one answer may be asked to hold: a tag's year of seconds."""
FROM_READINGS_US: Final = 2 * DAY_US
"""Up to here `auto` looks at the readings themselves."""
FROM_HOURS_US: Final = 10 * MINUTE_US
"""From this width of a pixel on, `auto` looks at hours: 14 days for 2,000 pixels are 20,000 minutes, each in another page of a
table that is on the disk: 0.4 s, where a month took 1.7."""
FIRST_BLOCKS_US: Final = (5 * MINUTE_US, 55 * MINUTE_US, 2 * HOUR_US)
LONGEST_BLOCK_US: Final = 6 * HOUR_US
"""21,600 seconds: with their text some 10 MB, whatever range is asked for."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_US, _LATEST_US = 0, 230 * 366 * DAY_US
_STEPS: Final[dict[Resolution, int]] = {"raw": SECOND_US, "1s": SECOND_US, "1m": MINUTE_US, "1h": HOUR_US}


class TooMuch(Exception):
    """More was asked for than one answer holds; the message names the remedy."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent of [start_us, end_us), microseconds since 1970.

    form: `readings` as they were stored, `slots` (one row a second, whether something came or not) or `buckets` of
    `width_us`, counted from start_us and made from `level`.
    """

    form: Literal["readings", "slots", "buckets"]
    start_us: int
    end_us: int
    level: Level = "readings"
    width_us: int = 0

    def __str__(self) -> str:
        """For people: raw, 1s, 44s, 5h."""
        if self.form != "buckets":
            return "raw" if self.form == "readings" else "1s"
        unit_us = UNIT_US[self.level]
        return f"{self.width_us // unit_us}{ {'readings': 's', 'minutes': 'm', 'hours': 'h'}[self.level] }"


def microseconds(moment: datetime) -> int:
    """Since 1970; moments before 1970 and after 2200, in which there are no readings, become these."""
    return min(max((moment - _EPOCH) // timedelta(microseconds=1), _EARLIEST_US), _LATEST_US)


def moment(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)


def plan(resolution: Resolution, start: datetime, end: datetime, tags: int, pixels: int, fits: bool) -> Plan:
    """The plan for `tags` tags of [start, end). `fits`: the readings are so few (at most two a pixel) that `auto` sends each.
    Minutes and hours are whole ones: those that the window touches. Raises TooMuch."""
    start_us, end_us = microseconds(start), microseconds(end)
    step_us = _STEPS.get(resolution)
    if step_us is not None:
        _bounded(resolution, (end - start) // timedelta(microseconds=step_us), tags, step_us)
    if resolution == "raw" or (resolution == "auto" and fits):
        return Plan("readings", start_us, end_us)
    if resolution == "1s":
        return Plan("slots", start_us, end_us)
    level: Level = (
        "minutes" if resolution == "1m" else "hours" if resolution == "1h" else _level(start_us, end_us, pixels)
    )
    unit_us = UNIT_US[level]
    start_us, end_us = start_us // unit_us * unit_us, -(-end_us // unit_us) * unit_us
    width_us = unit_us
    if resolution == "auto":
        width_us = max(-(-(end_us - start_us) // (pixels * unit_us)), 1) * unit_us
    return Plan("buckets", start_us, end_us, level, width_us)


def _level(start_us: int, end_us: int, pixels: int) -> Level:
    if end_us - start_us <= FROM_READINGS_US:
        return "readings"
    return "minutes" if (end_us - start_us) / pixels < FROM_HOURS_US else "hours"


def _bounded(resolution: Resolution, rows: int, tags: int, step_us: int) -> None:
    if rows * tags <= MOST_ROWS:
        return
    days = MOST_ROWS * step_us // (DAY_US * tags)
    asked = f"{rows * tags:,} rows of {resolution}" + (f" ({tags} tags)" if tags > 1 else "")
    raise TooMuch(
        f"{asked} are more than one answer holds ({MOST_ROWS:,}). Ask for resolution=auto, which keeps every "
        f"extreme, for a coarser one, or in pieces of at most {days:,} days."
    )


def lengths() -> Iterator[int]:
    """Of the parts in which a window is answered: short ones first, so that first rows do not wait for many."""
    return chain(FIRST_BLOCKS_US, repeat(LONGEST_BLOCK_US))


def blocks(start_us: int, end_us: int, archived: frozenset[int], parts_us: Iterator[int]) -> Iterator[tuple[int, int]]:
    """[start_us, end_us) in parts that are read at once, none longer than `parts_us` says in turn, none over midnight (UTC). A day
    (counted from 1970) that is in `archived` is one part: it lies there in one piece."""
    while start_us < end_us:
        length_us = next(parts_us)
        day = start_us // DAY_US
        midnight_us = (day + 1) * DAY_US
        till_us = min(midnight_us if day in archived else start_us + length_us, midnight_us, end_us)
        yield start_us, till_us
        start_us = till_us


def pieces(start_us: int, end_us: int, width_us: int, parts_us: Iterator[int]) -> Iterator[tuple[int, int]]:
    """[start_us, end_us) in parts of whole buckets of `width_us` from start_us on, about as long as `parts_us` says."""
    while start_us < end_us:
        till_us = min(start_us + max(next(parts_us) // width_us, 1) * width_us, end_us)
        yield start_us, till_us
        start_us = till_us
