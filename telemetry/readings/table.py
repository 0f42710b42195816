"""Table: readings or buckets as named columns, ready to be written in whatever format; one block of an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from drivers.quality import CLASSES, reason_of
from telemetry.readings.buckets import Buckets
from telemetry.readings.series import MISSING, Series

Kind = Literal["time", "number", "count", "flag", "word"]
"""time: int64 microseconds since 1970, NO_TIME for none; number: float64, NaN for none; count: int64; flag: bool; word: places
(int64) in `words`."""
BUCKET_CLASSES: Final = ("Good", "Uncertain", "Bad", "Missing")


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    name: str
    kind: Kind
    data: NDArray[Any]
    words: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.columns[0].data)

    def rows(self, first: int, most: int) -> "Table":
        """At most `most` rows from the row `first` on."""
        cut = slice(first, first + most)
        return Table(tuple(Column(c.name, c.kind, c.data[cut], c.words) for c in self.columns))


def of_series(series: Series, tag: str, unit: str) -> Table:
    """A row for each reading. A slot in which nothing came has the quality Missing."""
    n = len(series)
    codes, place = np.unique(series.quality, return_inverse=True)
    found = [int(code) for code in codes]
    quality = tuple("Missing" if code == MISSING else CLASSES[code >> 14 & 3] for code in found)
    reason = tuple(None if code == MISSING else reason_of(code) for code in found)
    return Table(
        (
            Column("time", "time", series.time_us),
            _same("tag", tag, n),
            Column("value", "number", series.value),
            Column("quality", "word", place, quality),
            Column("reason", "word", place, reason),
            _same("unit", unit, n),
            Column("source_time", "time", series.source_us),
            Column("received_time", "time", series.received_us),
            Column("late", "flag", series.late),
        )
    )


def of_buckets(buckets: Buckets, tag: str, unit: str) -> Table:
    """A row for each bucket. Its quality says whether its mean can be trusted, in the manner of OPC UA Part 13: Good where all
    that was expected came and was Good; Missing where nothing came; Bad where nothing that came has a value; else Uncertain."""
    n = len(buckets)
    came = buckets.good + buckets.uncertain + buckets.bad + buckets.count
    whole = (buckets.uncertain == 0) & (buckets.bad == 0) & (buckets.missing == 0)
    place = np.select([came == 0, buckets.count == 0, whole], [3, 2, 0], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        sd = np.where(buckets.count > 1, np.sqrt(buckets.m2 / (buckets.count - 1)), np.nan)
        complete = np.where(buckets.expected > 0, buckets.good / buckets.expected, np.nan)
    return Table(
        (
            Column("time", "time", buckets.time_us),
            _same("tag", tag, n),
            Column("value", "number", buckets.mean),
            Column("min", "number", buckets.min),
            Column("min_time", "time", buckets.min_us),
            Column("max", "number", buckets.max),
            Column("max_time", "time", buckets.max_us),
            Column("sd", "number", sd),
            Column("time_weighted_mean", "number", buckets.time_weighted_mean),
            Column("count", "count", buckets.count),
            Column("expected", "count", buckets.expected),
            Column("good", "count", buckets.good),
            Column("uncertain", "count", buckets.uncertain),
            Column("bad", "count", buckets.bad),
            Column("missing", "count", buckets.missing),
            Column("late", "count", buckets.late),
            Column("completeness", "number", complete),
            Column("quality", "word", place, BUCKET_CLASSES),
            _same("unit", unit, n),
        )
    )


def _same(name: str, word: str, n: int) -> Column:
    return Column(name, "word", np.zeros(n, np.int64), (word,))


def names(table: Table) -> Sequence[str]:
    return [column.name for column in table.columns]
