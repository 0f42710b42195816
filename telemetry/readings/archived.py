"""One tag's readings out of an archived day's Parquet files, as arrays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from drivers.quality import GOOD
from telemetry.archive.reading import ArchiveDamaged, ArchivedDay, rows
from telemetry.readings.arrays import NO_TIME
from telemetry.readings.series import Series

_COLUMNS: Final = ("time", "layout", "received", "late", "source", "quality", "values")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an archived day, and whether it has rows."""

    of: ArchivedDay
    has_rows: bool


def whole(days: Iterable[Iterable[Version]]) -> None:
    """Raises ArchiveDamaged where a file is missing: said before an answer of many days begins, not in the middle of it."""
    for versions in days:
        for version in versions:
            day = version.of
            for path in (day.manifest, day.parquet) if version.has_rows else (day.manifest,):
                if not path.exists() and not day.deletion.exists():
                    raise ArchiveDamaged(path, "is missing")


def archived_series(versions: Iterable[Version], slots: Mapping[int, int], start_us: int, end_us: int) -> list[Series]:
    """Readings of [start_us, end_us) in a day and its addenda; `slots`: which (from 1) of which layouts. Raises ArchiveDamaged,
    which names the file."""
    return [
        _series(batch, slots)
        for version in versions
        if not version.of.deletion.exists()
        for batch in rows(version.of, slots.keys(), start_us * 1000, end_us * 1000, _COLUMNS)
    ]


def _series(batch: Any, slots: Mapping[int, int]) -> Series:
    """The readings of one batch, which is of one layout."""
    slot = slots[batch.column("layout")[0].as_py()]
    n = batch.num_rows
    place = np.full(n, slot - 1)
    source = batch.column("source")
    alone = np.where(_lengths(source) == 1, 0, place)
    return Series(
        batch.column("time").cast(pa.int64()).to_numpy(zero_copy_only=False),
        _items(batch.column("values"), place, pa.float64(), np.nan),
        _items(batch.column("quality"), place, pa.int64(), GOOD),
        _items(source, alone, pa.int64(), NO_TIME),
        batch.column("received").cast(pa.int64()).to_numpy(zero_copy_only=False),
        batch.column("late").to_numpy(zero_copy_only=False),
    )


def _lengths(lists: Any) -> NDArray[np.int64]:
    return np.diff(lists.offsets.to_numpy())


def _items(lists: Any, place: NDArray[np.int64], kind: Any, instead: float) -> NDArray[Any]:
    """From each list the item at `place`; `instead` where the list or the item is null."""
    absent = lists.is_null().to_numpy(zero_copy_only=False)
    if absent.all():
        return np.full(len(lists), instead, kind.to_pandas_dtype())
    items = lists.values.cast(kind).fill_null(pa.scalar(instead, kind)).to_numpy(zero_copy_only=False)
    at = np.where(absent, 0, lists.offsets.to_numpy()[:-1] + place)
    return np.where(absent, np.array(instead, items.dtype), items[at])
