"""Readings and buckets as JSON, CSV and Parquet: every number exactly as it was, no value where there is none."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from drivers.quality import BAD_TIMEOUT, GOOD, UNCERTAIN_LAST_USABLE
from telemetry.readings.arrays import NO_TIME
from telemetry.readings.buckets import gathered, of_readings, with_silence
from telemetry.readings.parquet import ROW_GROUP, Parquet
from telemetry.readings.series import MISSING, SECOND_US, Series
from telemetry.readings.table import Table, of_buckets, of_series
from telemetry.readings.text import MOST_ROWS, csv_head, csv_rows, json_rows, pieces

NOON_US = 1_780_000_000 * SECOND_US
TAG = 'L01-ISO.chamber "A", 甲'


def readings(values: list[float], codes: list[int], source: bool = True) -> Table:
    n = len(values)
    time_us = NOON_US + np.arange(n, dtype=np.int64) * SECOND_US
    stamps = time_us + 123_456 if source else np.full(n, NO_TIME)
    quality = np.array(codes, np.int64)
    came = np.where(quality == MISSING, NO_TIME, time_us + 1)
    read = Series(time_us, np.array(values), quality, stamps, came, np.arange(n) % 2 == 1)
    return of_series(read, TAG, "Pa")


def as_json(*tables: Table) -> list[dict[str, Any]]:
    return json.loads(b"[" + b",".join(json_rows(table) for table in tables) + b"]")


def as_csv(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((csv_head(table) + csv_rows(table)).decode(), newline="")))


def as_parquet(*tables: Table) -> list[dict[str, Any]]:
    writer = Parquet(tables[0])
    data = b"".join([*(writer.take(table) for table in tables), writer.end()])
    return pq.read_table(io.BytesIO(data)).to_pylist()


def test_a_reading_says_what_where_when_and_how_good() -> None:
    rows = as_json(
        readings([40.25, float("nan"), float("nan"), 1.0], [GOOD, BAD_TIMEOUT, MISSING, UNCERTAIN_LAST_USABLE])
    )
    assert rows[0] == {
        "time": "2026-05-28T20:26:40Z",
        "tag": TAG,
        "value": 40.25,
        "quality": "Good",
        "reason": None,
        "unit": "Pa",
        "source_time": "2026-05-28T20:26:40.123456Z",
        "received_time": "2026-05-28T20:26:40.000001Z",
        "late": False,
    }
    assert [(row["value"], row["quality"], row["reason"]) for row in rows[1:]] == [
        (None, "Bad", "BadTimeout"),
        (None, "Missing", None),
        (1.0, "Uncertain", "UncertainLastUsableValue"),
    ]
    assert rows[2]["received_time"] is None
    assert rows[3]["late"]


def test_csv_and_parquet_tell_the_same_as_json() -> None:
    table = readings([40.25, float("nan"), 2.5], [GOOD, BAD_TIMEOUT, GOOD], source=False)
    told = as_json(table)
    plain = [
        {k: "" if v is None else v if isinstance(v, str) else json.dumps(v) for k, v in row.items()} for row in told
    ]
    assert as_csv(table) == plain
    columns = as_parquet(table)
    assert [row["value"] for row in columns] == [row["value"] for row in told]
    assert [row["time"] for row in columns] == [datetime.fromisoformat(row["time"]) for row in told]
    assert columns[0]["time"].tzinfo is not None
    assert columns[0]["received_time"].astimezone(UTC) == datetime.fromisoformat(told[0]["received_time"])
    assert [(row["tag"], row["source_time"], row["late"]) for row in columns] == [
        (TAG, None, False),
        (TAG, None, True),
        (TAG, None, False),
    ]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_every_number_comes_back_bit_for_bit(values: list[float]) -> None:
    table = readings(values, [GOOD] * len(values))
    assert [row["value"] for row in as_json(table)] == values
    assert [float(row["value"]) for row in as_csv(table)] == values
    assert [row["value"] for row in as_parquet(table)] == values


def test_a_long_table_is_written_in_parts_without_a_row_lost_or_doubled() -> None:
    n = 2 * MOST_ROWS + 7
    table = readings(list(np.arange(n, dtype=np.float64)), [GOOD] * n)
    parts = list(pieces(table))
    assert [len(part) for part in parts] == [MOST_ROWS, MOST_ROWS, 7]
    assert [row["value"] for row in as_json(*parts)] == list(range(n))
    assert [row["value"] for row in as_parquet(*parts)] == list(range(n))
    assert list(pieces(readings([], []))) == []
    assert as_parquet(readings([], [])) == []


def test_a_row_group_is_handed_on_when_it_is_full() -> None:
    half = ROW_GROUP // 2
    table = readings([0.5] * half, [GOOD] * half)
    writer = Parquet(table)
    parts = [writer.take(table) for _ in range(5)]
    assert [bool(part) for part in parts[1:]] == [True, False, True, False], "two halves fill one"
    file = pq.ParquetFile(io.BytesIO(b"".join([*parts, writer.end()])))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [2 * half, 2 * half, half]


def test_a_bucket_says_how_complete_it_is_and_is_good_only_where_it_is_whole() -> None:
    codes = np.array([GOOD, GOOD, GOOD, BAD_TIMEOUT, BAD_TIMEOUT, BAD_TIMEOUT, GOOD, UNCERTAIN_LAST_USABLE])
    time_us = NOON_US + np.arange(8, dtype=np.int64) * SECOND_US
    values = np.where(codes == BAD_TIMEOUT, np.nan, np.arange(8.0))
    never = np.full(8, NO_TIME)
    read = Series(time_us, values, codes, never, time_us, np.zeros(8, np.bool_))
    origin, width = NOON_US, 2 * SECOND_US
    buckets = gathered(of_readings(read, SECOND_US), origin, width)
    all_of = with_silence(buckets, origin, width, SECOND_US, NOON_US, NOON_US + 10 * SECOND_US)
    rows = as_json(of_buckets(all_of, TAG, "Pa"))
    assert [row["quality"] for row in rows] == ["Good", "Uncertain", "Bad", "Uncertain", "Missing"]
    assert [row["completeness"] for row in rows] == [1.0, 0.5, 0.0, 0.5, 0.0]
    assert [row["missing"] for row in rows] == [0, 0, 0, 0, 2]
    assert (rows[0]["value"], rows[0]["sd"], rows[0]["max_time"]) == (0.5, 0.5**0.5, "2026-05-28T20:26:41Z")
    assert (rows[4]["value"], rows[4]["min_time"], rows[4]["sd"]) == (None, None, None)
    assert as_parquet(of_buckets(all_of, TAG, "Pa"))[3]["uncertain"] == 1
