"""Frames through binary COPY into a real TimescaleDB and back by SQL: equal in every bit, also through the views."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.frame import Frame
from drivers.quality import BAD, NAMES, class_of
from telemetry import plant
from telemetry.historian import copy
from telemetry.historian.store import Connection, tell_plant
from telemetry.journal import format as form
from telemetry.journal.block import blocks
from telemetry.sql import query
from tests.historian.journals import COUNTER, ISOLATOR, LATER, NOON, SECOND, frames, good_frame

BASE = Path(__file__).parents[1] / "cases" / "config" / "base"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FRAME = 'select time, layout, received, late, source, quality, "values" from frame order by time'
READING = (
    "select time, tag, value, quality, reason, source_time, received_time, late from reading"
    " where time >= %s and time < %s order by time, tag"
)
LATEST = "select time, tag, value, quality, source_time, received_time from reading_latest order by tag"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to a database that knows two layouts and the names of qualities."""
    with psycopg.connect(database_url) as opened:
        for layout in (ISOLATOR, COUNTER):
            tags = list(layout.tags)
            told = {"id": layout.id, "device": layout.device, "record": layout.record, "tags": tags, "class": "gmp"}
            opened.execute(query("add layout"), told)
            opened.execute(query("add layout tags"), (layout.id, tags))
        opened.cursor().executemany(query("tell reason"), list(NAMES.items()))
        opened.commit()
        yield opened


def moment(time_ns: int) -> datetime:
    """To the microsecond, as the database keeps it."""
    return EPOCH + timedelta(microseconds=time_ns // 1000)


def bits(value: float | None) -> bytes | None:
    return None if value is None else struct.pack("<d", value)


def sources(frame: Frame) -> list[datetime | None]:
    """The source time of each value; None where the device gave none (0)."""
    stamps = [0] * len(frame.values) if frame.source_ns is None else frame.source_ns.tolist()
    return [moment(ns) if ns else None for ns in stamps]


def codes(frame: Frame) -> list[int]:
    return frame.quality.tolist() if frame.quality is not None else [0] * len(frame.values)


def stored(connection: Connection, given_frames: Sequence[Frame]) -> None:
    with connection.cursor().copy(query("copy frames")) as out:
        for portion in copy.encoded(blocks(packed(given_frames), {x.id: x for x in (ISOLATOR, COUNTER)})):
            out.write(portion)


def packed(given_frames: Sequence[Frame]) -> list[form.Record]:
    """As they lie in a journal."""
    each = enumerate(given_frames, 1)
    return [form.Record(form.FRAME, i, i, f.received_ns, form.pack_frame(f, failed=False)) for i, f in each]


def rows(connection: Connection, question: str, *more: Any) -> list[tuple[Any, ...]]:
    with connection.cursor(binary=True) as cursor:
        return cursor.execute(question.encode(), more or None).fetchall()


def frame_row(frame: Frame) -> tuple[Any, ...]:
    """What a row of table frame should say."""
    source: list[datetime | None] | None = sources(frame)
    if not any(source or ()):
        source = None
    elif len(set(source or ())) == 1:
        source = (source or [])[:1]
    values = [None if code >= BAD else bits(v) for v, code in zip(frame.values.tolist(), codes(frame), strict=True)]
    times = moment(frame.time_ns), frame.layout.id, moment(frame.received_ns), frame.late
    return (*times, source, None if frame.quality is None else frame.quality.tolist(), values)


def reading_rows(frame: Frame) -> list[tuple[Any, ...]]:
    """What view reading should say of a frame, by tag."""
    told: list[tuple[Any, ...]] = []
    each = zip(frame.layout.tags, frame.values.tolist(), codes(frame), sources(frame), strict=True)
    for tag, value, code, source in each:
        reason = None if code == 0 else NAMES.get(code, f"code {code}")
        plain = moment(frame.time_ns), tag, None if code >= BAD else bits(value), class_of(code), reason
        told.append((*plain, source, moment(frame.received_ns), frame.late))
    return sorted(told)


def asked(connection: Connection) -> list[tuple[Any, ...]]:
    """Table frame as it is, values as bits."""
    return [(*row[:6], [bits(value) for value in row[6]]) for row in rows(connection, FRAME)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_frames=st.lists(frames(LATER), min_size=1, max_size=10))
def test_what_is_copied_is_read_back_exactly(connection: Connection, given_frames: list[Frame]) -> None:
    # A second each, so that they are told apart; with nanoseconds, which the database cuts off.
    given_frames = [replace(f, time_ns=NOON + i * SECOND + f.time_ns % 1000) for i, f in enumerate(given_frames)]
    stored(connection, given_frames)
    assert asked(connection) == [frame_row(frame) for frame in given_frames]

    found = rows(connection, READING, moment(NOON), moment(NOON + 3600 * SECOND))
    expected = [row for frame in given_frames for row in reading_rows(frame)]
    assert [(*row[:2], bits(row[2]), *row[3:]) for row in found] == expected

    newest = {frame.layout.id: frame for frame in given_frames}
    latest = [(*row[:2], bits(row[2]), *row[3:]) for row in rows(connection, LATEST)]
    told = sorted((row for frame in newest.values() for row in reading_rows(frame)), key=lambda row: row[1])
    assert latest == [(*row[:4], *row[5:7]) for row in told]
    connection.rollback()


@pytest.mark.parametrize("year", [1678, 1969, 1999, 2000, 2261])
def test_times_far_away_are_times(connection: Connection, year: int) -> None:
    time_ns = (datetime(year, 12, 31, 23, 59, 59, 999999, UTC) - EPOCH) // timedelta(microseconds=1) * 1000
    plain = Frame(COUNTER, time_ns, time_ns + 1000, np.array([1.5]), source_ns=np.array([time_ns + 2000]))
    marked = replace(plain, time_ns=time_ns + 5000, quality=np.array([0x4000], np.uint16))
    stored(connection, [plain, marked])
    assert asked(connection) == [frame_row(plain), frame_row(marked)]
    connection.rollback()


def test_a_source_time_of_one_value_is_not_that_of_another(connection: Connection) -> None:
    stored(connection, [replace(good_frame(0), source_ns=np.array([NOON + 7000, 0, NOON + 9000]))])
    found = {row[1]: row[5] for row in rows(connection, READING, moment(NOON), moment(NOON + SECOND))}
    assert [found[tag] for tag in ISOLATOR.tags] == [moment(NOON + 7000), None, moment(NOON + 9000)]


def test_many_frames_of_all_kinds_in_one_copy(connection: Connection) -> None:
    kinds = [
        lambda i: good_frame(i),
        lambda i: good_frame(i, COUNTER),
        lambda i: replace(good_frame(i), source_ns=np.full(3, NOON + i)),
        lambda i: replace(
            good_frame(i), quality=np.array([0, 0x4000, 0x80FF], np.uint16), values=np.array([i, -0.0, np.nan])
        ),
    ]
    many = [kinds[i % 4](i) for i in range(3000)]
    stored(connection, many)
    assert asked(connection) == [frame_row(frame) for frame in many]
    counted = rows(connection, "select tag, count(value), count(*) from reading group by tag order by tag")
    assert counted == [
        ("L01-ISO.fan", 2250, 2250),
        ("L01-ISO.hold", 1500, 2250),
        ("L01-ISO.pressure", 2250, 2250),
        ("L01-PC1.count", 750, 750),
    ]


def test_a_stranger_with_psql_understands_it(connection: Connection) -> None:
    tell_plant(connection, plant.load(BASE))
    named = rows(connection, "select id, name_en, name_zh, unit, kind from tag where id = 'L01-ISO.pressure'")
    assert named == [("L01-ISO.pressure", "Pressure", "压差", "Pa", "float")]
    assert rows(connection, "select legend -> '1' ->> 'zh' from tag where id = 'L01-ISO.fan'") == [("运行",)]
    stored(connection, [good_frame(0)])
    assert rows(connection, "select unit from reading_latest join tag on id = tag where tag = 'L01-ISO.pressure'") == [
        ("Pa",)
    ]
    assert rows(connection, "select unit from reading where tag = 'L01-ISO.pressure'") == [("Pa",)]

    silent = rows(
        connection,
        "select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'p')"
        " and obj_description(c.oid) is null order by 1",
    )
    assert silent == [], "tables and views without a comment"
    own = "'time', 'received', 'committed', 'late', 'source', 'quality', 'values'"
    mute = rows(
        connection,
        f"select attname from pg_attribute where attrelid = 'frame'::regclass and attname in ({own})"
        " and col_description(attrelid, attnum) is null",
    )
    assert mute == [], "columns of frame without a comment"
