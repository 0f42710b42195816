"""The views that strangers use: right over both classes, answered from an index, and each column explained."""

import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import psycopg
import pytest

from drivers.frame import Frame, Layout
from drivers.quality import BAD_TIMEOUT
from telemetry.historian.store import Connection, Store
from telemetry.journal import format as form
from tests.historian.journals import ISOLATOR, NOON, SECOND, WRITER

DAY: Final = 86_400
SERVICE: Final = Layout("SERVICE", ("SERVICE.free", "SERVICE.lag"))


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


def asked(connection: Connection, question: str) -> list[Any]:
    """Rows; of one column, its values."""
    rows = connection.execute(question.encode()).fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]


def stored(connection: Connection, frames: list[Frame]) -> None:
    store = Store(connection, WRITER, {"SERVICE"})
    before = store.position("frames")
    layouts = {frame.layout.id: frame.layout for frame in frames}
    records = [
        form.Record(form.FRAME, n, n, frame.received_ns, form.pack_frame(frame, False))
        for n, frame in enumerate(frames, before + 1)
    ]
    store.frames(records, layouts, before)


def frame(layout: Layout, s: int, value: float, quality: int = 0) -> Frame:
    time_ns, n = NOON + s * SECOND, len(layout.tags)
    codes = np.full(n, quality, np.uint16) if quality else None
    return Frame(layout, time_ns, time_ns + SECOND // 3, np.full(n, np.nan if quality else value), codes)


def test_frames_lie_by_class_and_are_read_as_one(connection: Connection) -> None:
    stored(connection, [frame(ISOLATOR, 0, 1.0), frame(SERVICE, 0, 2.0), frame(SERVICE, 1, 0, BAD_TIMEOUT)])
    assert asked(connection, "select class, device, period_s from layout order by 1") == [
        ("diagnostic", "SERVICE", 1), ("gmp", "L01-ISO", 1),
    ]  # fmt: skip
    assert asked(connection, "select count(*) from frame union all select count(*) from frame_diagnostic") == [1, 2]
    assert asked(connection, "select value, quality from reading where tag = 'SERVICE.lag' order by time") == [
        (2.0, "Good"), (None, "Bad"),
    ]  # fmt: skip
    assert asked(connection, "select tag, value from reading_latest where tag in ('SERVICE.free', 'L01-ISO.fan') order by 1") == [
        ("L01-ISO.fan", 1.0), ("SERVICE.free", None),
    ]  # fmt: skip


def test_a_layout_stays_in_the_class_in_which_its_frames_lie(connection: Connection) -> None:
    stored(connection, [frame(SERVICE, 0, 1.0)])
    again = Store(connection, WRITER)
    last = again.position("frames")
    body = form.pack_frame(frame(SERVICE, 1, 2.0), False)
    again.frames([form.Record(form.FRAME, last + 1, 1, NOON, body)], {SERVICE.id: SERVICE}, last)
    assert asked(connection, "select count(*) from frame_diagnostic") == [2]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.mark.parametrize("view", ["reading", "reading_1m", "reading_1h"])
def test_a_tag_and_a_window_are_answered_from_the_index_of_few_chunks(connection: Connection, view: str) -> None:
    layouts = [Layout(f"L{n:02}-ISO", tuple(f"L{n:02}-ISO.{x}" for x in "abc")) for n in range(20)]
    stored(
        connection,
        [frame(one, day * DAY + s * 60, s) for day in range(8) for one in (*layouts, SERVICE) for s in range(60)],
    )
    for rollup, step in (("rollup_1m", "1 minute"), ("rollup_1h", "1 hour")):
        connection.execute(
            f"insert into {rollup} (time, layout, through, expected, late, min, max, mean, m2)"
            " select t, l.id, 1, 60, 0, '{1,2,3}', '{1,2,3}', '{1,2,3}', '{0,0,0}' from layout l"
            f" cross join generate_series(to_timestamp({NOON // SECOND}), to_timestamp({NOON // SECOND + 20 * DAY}),"
            f" greatest(interval '{step}', interval '20 minutes')) t".encode()
        )
    connection.execute("analyze")
    window = (
        f"time >= to_timestamp({NOON // SECOND + 5 * DAY}) and time < to_timestamp({NOON // SECOND + 5 * DAY + 3000})"
    )
    question = f"select * from {view} where tag = 'L07-ISO.b' and {window}"
    (plan,) = connection.execute(f"explain (format json, analyze) {question}".encode()).fetchone()  # type: ignore[misc]
    looked_at = [node for node in nodes(plan[0]["Plan"]) if str(node.get("Relation Name", "")).startswith("_hyper")]
    read = [node for node in looked_at if node["Actual Loops"] and node["Actual Rows"]]
    assert read and len({node["Relation Name"] for node in looked_at}) <= 4, json.dumps(plan)
    assert all("Index" in node["Node Type"] or "Bitmap" in node["Node Type"] for node in read), json.dumps(plan)
    assert len(asked(connection, question)) == sum(node["Actual Rows"] * node["Actual Loops"] for node in read)


def test_every_table_view_and_column_is_explained(connection: Connection) -> None:
    silent = asked(
        connection,
        "select relname from pg_class where relkind in ('r', 'v') and relnamespace = 'public'::regnamespace"
        " and obj_description(oid, 'pg_class') is null",
    )
    assert silent == []
    unsaid = asked(
        connection,
        "select c.relname || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relkind in ('r', 'v') and c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped"
        " and col_description(a.attrelid, a.attnum) is null order by 1",
    )
    assert unsaid == []


def test_coverage_tells_what_is_hot_and_what_is_archived(connection: Connection) -> None:
    stored(connection, [frame(ISOLATOR, 0, 1.0), frame(ISOLATOR, DAY, 1.0), frame(SERVICE, DAY, 1.0)])
    connection.execute(
        "insert into archived_day (class, day, version, manifest, manifest_sha256, rows, dropped) values"
        " ('gmp', '2026-05-28', 1, 'a', '', 5, null), ('gmp', '2026-05-28', 2, 'b', '', 2, null),"
        " ('gmp', '2026-05-20', 1, 'c', '', 9, now()), ('event', '2026-05-28', 1, 'd', '', 3, null)"
    )
    told = asked(
        connection, "select class, day::text, hot, archived_versions, archived_rows from coverage order by 1, 2"
    )
    assert told == [
        ("diagnostic", "2026-05-29", True, 0, None),
        ("event", "2026-05-28", True, 1, 3),
        ("gmp", "2026-05-20", False, 1, 9),
        ("gmp", "2026-05-28", True, 2, 7),
        ("gmp", "2026-05-29", True, 0, None),
    ]
