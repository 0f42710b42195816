"""What /api/v1/readings answers over a real database: everything, by time, once; gaps shown; extremes kept."""

import csv
import io
import math
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from psycopg_pool import AsyncConnectionPool

from drivers.frame import Layout
from drivers.quality import BAD_TIMEOUT, UNCERTAIN_LAST_USABLE
from telemetry.readings.answer import Answer, Question
from telemetry.readings.source import Source
from tests.historian.reading import DAY, DEVICE, NOON, TAG, Api, executed, reading, run_of, serving, store, told_up_to

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(lambda: database_url, tmp_path) as running:
        yield running


def seconds(rows: list[dict[str, object]]) -> list[float]:
    return [(datetime.fromisoformat(str(row["time"])) - NOON).total_seconds() for row in rows]


async def test_raw_is_every_reading_as_stored_by_time(api: Api, database_url: str) -> None:
    frames = run_of(NOON, [1.5, None, 0.1 + 0.2])
    late = reading(NOON + timedelta(milliseconds=1500), 7.25, UNCERTAIN_LAST_USABLE, late=True, after_s=900)
    store(database_url, [*frames, late])
    rows = await api.rows(NOON, NOON + 3 * SECOND, resolution="raw")
    assert seconds(rows) == [0, 1, 1.5, 2]
    assert [row["value"] for row in rows] == [1.5, None, 7.25, 0.1 + 0.2]
    assert [row["quality"] for row in rows] == ["Good", "Bad", "Uncertain", "Good"]
    assert rows[2] == {
        "time": "2026-03-10T12:00:01.500000Z",
        "tag": TAG,
        "value": 7.25,
        "quality": "Uncertain",
        "reason": "UncertainLastUsableValue",
        "unit": "Pa",
        "source_time": "2026-03-10T12:00:01.500007Z",
        "received_time": "2026-03-10T12:15:01.500000Z",
        "late": True,
    }


async def test_what_a_device_remembers_from_before_its_first_frame_is_read_too(api: Api, database_url: str) -> None:
    remembered = reading(NOON - 2 * HOUR, 9.5, late=True, after_s=7300)
    store(database_url, [*run_of(NOON, [1.0, 2.0]), remembered])
    rows = await api.rows(NOON - 5 * HOUR, NOON + HOUR, resolution="raw")
    assert [(row["value"], row["late"]) for row in rows] == [(9.5, True), (1.0, False), (2.0, False)]
    buckets = await api.rows(NOON - 5 * HOUR, NOON + HOUR, resolution="1h")
    assert [(row["max"], row["count"]) for row in buckets] == [(9.5, 1), (None, 0), (2.0, 2)]


async def test_the_end_is_without_and_a_window_with_nothing_is_an_empty_list(api: Api, database_url: str) -> None:
    assert await api.rows(NOON, NOON + HOUR) == []
    store(database_url, run_of(NOON, [1, 2, 3]))
    assert seconds(await api.rows(NOON + SECOND, NOON + 2 * SECOND, resolution="raw")) == [1]
    assert await api.rows(NOON - HOUR, NOON, resolution="raw") == []
    empty = await api.answer(NOON - HOUR, NOON, format="csv")
    assert empty.text.startswith("time,tag,value,quality,")
    assert empty.text.count("\n") == 1


async def test_csv_and_parquet_hold_the_numbers_of_the_json(api: Api, database_url: str) -> None:
    store(database_url, run_of(NOON, [1 / 3, None, 1e-17, -2.5e300]))
    window = NOON, NOON + 4 * SECOND
    told = await api.rows(*window, resolution="raw")
    text = await api.answer(*window, resolution="raw", format="csv")
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    plain = list(csv.DictReader(io.StringIO(text.text, newline="")))
    assert [float(row["value"]) if row["value"] else None for row in plain] == [row["value"] for row in told]
    assert [row["time"] for row in plain] == [row["time"] for row in told]
    file = await api.answer(*window, resolution="raw", format="parquet")
    table = pq.read_table(io.BytesIO(file.content)).to_pylist()
    assert [row["value"] for row in table] == [row["value"] for row in told]
    assert [row["quality"] for row in table] == ["Good", "Bad", "Good", "Good"]


async def test_at_1s_what_was_not_read_is_a_row_and_says_so(api: Api, database_url: str) -> None:
    store(database_url, [*run_of(NOON, [1, 2]), *run_of(NOON + 5 * SECOND, [6])])
    rows = await api.rows(NOON - HOUR, NOON + HOUR, resolution="1s")
    assert [(row["value"], row["quality"]) for row in rows] == [
        (1, "Good"),
        (2, "Good"),
        (None, "Missing"),
        (None, "Missing"),
        (None, "Missing"),
        (6, "Good"),
    ]
    told_up_to(database_url, NOON + timedelta(seconds=10.5))
    rows = await api.rows(NOON, NOON + HOUR, resolution="1s")
    assert [row["quality"] for row in rows[6:]] == ["Missing"] * 3, "a second is missing once later ones are stored"


async def test_a_whole_day_of_seconds_comes_block_by_block_without_a_seam(api: Api, database_url: str) -> None:
    values = [math.sin(i / 100) for i in range(86_400)]
    store(database_url, run_of(DAY, values))
    rows = await api.rows(DAY, DAY + timedelta(days=1), resolution="raw")
    assert [row["value"] for row in rows] == values
    slots = await api.rows(DAY, DAY + timedelta(days=1), resolution="1s")
    assert [row["value"] for row in slots] == values
    few = await api.answer(DAY, DAY + timedelta(days=1), pixels=500)
    assert few.headers["telemetry-resolution"] == "173s"
    buckets = few.json()
    assert len(buckets) == 500
    assert max(bucket["max"] for bucket in buckets) == max(values)
    assert sum(bucket["count"] for bucket in buckets) == 86_400
    assert {bucket["quality"] for bucket in buckets} == {"Good"}


async def test_however_long_the_window_one_block_is_in_memory_at_a_time(database_url: str, tmp_path: Path) -> None:
    store(database_url, run_of(DAY, [float(i) for i in range(60_000)]))
    pool = AsyncConnectionPool(database_url, min_size=1, max_size=1, open=False, kwargs={"autocommit": True})
    lengths: list[int] = []
    async with pool:
        question = Question([(TAG, "Pa")], DAY - timedelta(days=300), DAY + timedelta(days=60), "raw")
        answer = await Answer.to(question, Source(pool.connection, tmp_path))
        async for table in answer.tables():
            lengths.append(len(table))
            assert pool.get_stats()["pool_available"] == 1, "no connection is held while a block is sent"
    assert sum(lengths) == 60_000
    assert max(lengths) <= 6 * 3600
    assert lengths[:3] == [0, 300, 3300]


async def test_auto_is_raw_while_it_fits_and_a_spike_survives_when_not(api: Api, database_url: str) -> None:
    values: list[float | None] = [20.0] * 3000
    values[1234], values[100] = 99.0, None
    store(database_url, run_of(NOON, values))
    raw = await api.answer(NOON, NOON + HOUR)
    assert (raw.headers["telemetry-resolution"], len(raw.json())) == ("raw", 3000)
    rows = await api.rows(NOON, NOON + HOUR, pixels=10)
    assert len(rows) == 9, "360 s each, up to the last reading"
    spike = rows[1234 // 360]
    assert (spike["max"], spike["max_time"], spike["min"]) == (99.0, "2026-03-10T12:20:34Z", 20.0)
    first = rows[0]
    assert [first[k] for k in ("expected", "good", "bad", "missing", "count")] == [360, 359, 1, 0, 359]
    assert (first["quality"], first["completeness"]) == ("Uncertain", 359 / 360)


async def test_rolled_up_or_not_the_answer_is_the_same(api: Api, database_url: str) -> None:
    values: list[float | None] = [float(i % 97) for i in range(7200)]
    values[500] = None
    frames = [frame for i, frame in enumerate(run_of(NOON, values)) if not 1000 <= i < 1300]
    store(database_url, frames)
    window = NOON, NOON + 2 * HOUR
    told_up_to(database_url, NOON + 3 * HOUR)
    from_frames = await api.rows(*window, resolution="1m")
    assert len(from_frames) == 120
    gap = [row for row in from_frames if row["quality"] == "Missing"]
    assert [row["missing"] for row in gap] == [60] * 4
    executed(database_url, ROLLED.format(minutes="0, 60"), DEVICE.id)
    from_rollups = await api.rows(*window, resolution="1m")
    assert without_times(from_rollups) == without_times(from_frames)
    executed(database_url, "delete from rollup_1m where time < %s or time >= %s", NOON + HOUR / 4, NOON + HOUR)
    mixed = await api.rows(*window, resolution="1m")
    assert without_times(mixed) == without_times(from_frames)
    hours = await api.rows(*window, resolution="1h")
    assert [(row["count"], row["missing"], row["bad"], row["max"]) for row in hours] == [
        (3299, 300, 1, 96),
        (3600, 0, 0, 96),
    ]


ROLLED = """
insert into rollup_1m (time, layout, through, expected, good, uncertain, bad, late, min, max, mean, m2)
select date_trunc('minute', f.time), f.layout, 1, 60,
       array[count(*), count(f.values[2]), count(*)], array[0, 0, 0], array[0, count(*) - count(f.values[2]), 0], 0,
       array[1, min(f.values[2]), 1], array[1, max(f.values[2]), 1], array[1, avg(f.values[2]), 1],
       array[0, coalesce(var_samp(f.values[2]) * (count(f.values[2]) - 1), 0), 0]
from frame f where f.layout = %s group by 1, 2
"""


def without_times(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Without when the extremes were, which a minute does not tell; sums to the last digits."""
    kept = [{k: v for k, v in row.items() if k not in ("min_time", "max_time")} for row in rows]
    return [{k: round(v, 9) if isinstance(v, float) else v for k, v in row.items()} for row in kept]


async def test_a_device_with_records_of_its_own_is_not_said_to_miss_seconds(api: Api, database_url: str) -> None:
    counter = Layout("L05-PC", (TAG,), record=True)
    frames = [reading(NOON + timedelta(minutes=i, milliseconds=250), float(i), layout=counter) for i in range(30)]
    store(database_url, frames)
    rows = await api.rows(NOON, NOON + HOUR, resolution="1s")
    assert [row["value"] for row in rows] == list(range(30))
    buckets = await api.rows(NOON, NOON + HOUR, resolution="1m")
    assert [(row["expected"], row["missing"], row["quality"]) for row in buckets] == [(1, 0, "Good")] * 30


async def test_a_tag_that_moved_to_another_layout_is_one_tag(api: Api, database_url: str) -> None:
    changed = Layout("L05-ISO", (TAG, "L05-ISO.chamber.added"))
    later = [reading(NOON + timedelta(seconds=i), 100.0 + i, layout=changed) for i in range(3, 6)]
    store(database_url, [*run_of(NOON, [0, 1, 2]), *later])
    rows = await api.rows(NOON, NOON + HOUR, resolution="raw")
    assert [row["value"] for row in rows] == [0, 1, 2, 103, 104, 105]
    minute = await api.rows(NOON, NOON + HOUR, resolution="1m")
    assert [(row["expected"], row["good"]) for row in minute] == [(6, 6)]


async def test_diagnostic_frames_are_read_like_others(api: Api, database_url: str) -> None:
    store(database_url, run_of(NOON, [1, 2]))
    executed(database_url, "insert into frame_diagnostic select * from frame")
    executed(database_url, "delete from frame")
    executed(database_url, "update layout set class = 'diagnostic'")
    assert [row["value"] for row in await api.rows(NOON, NOON + HOUR)] == [1, 2]


async def test_several_tags_come_one_after_the_other(api: Api, database_url: str) -> None:
    store(database_url, run_of(NOON, [5, 6]))
    other = "L05-ISO.chamber.temperature"
    rows = await api.rows(NOON, NOON + HOUR, tag=[other, TAG, other])
    assert [(row["tag"], row["value"], row["unit"]) for row in rows] == [
        (other, 1, "°C"),
        (other, 1, "°C"),
        (TAG, 5, "Pa"),
        (TAG, 6, "Pa"),
    ]


async def test_a_tag_of_the_past_that_is_configured_no_more_can_be_read(api: Api, database_url: str) -> None:
    gone = Layout("L99-OLD", (TAG, "L99-OLD.pressure"))
    store(database_url, [reading(NOON, 3.5, layout=gone)])
    executed(
        database_url,
        "insert into tag (id, equipment, name_en, name_zh, unit, kind, digest)"
        " values (%s, 'L99-OLD', 'x', 'x', 'kPa', 'float', 'd')",
        "L99-OLD.pressure",
    )
    rows = await api.rows(NOON, NOON + HOUR, tag="L99-OLD.pressure")
    assert [(row["value"], row["unit"]) for row in rows] == [(1, "kPa")]


async def test_the_reason_of_a_bad_reading_is_said(api: Api, database_url: str) -> None:
    store(database_url, [reading(NOON, None, BAD_TIMEOUT)])
    assert [(row["value"], row["reason"]) for row in await api.rows(NOON, NOON + HOUR)] == [(None, "BadTimeout")]
