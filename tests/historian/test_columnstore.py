"""Frames by columns, where the server has that: smaller, and one tag of a packed day is still read by itself.

The embedded server is of TimescaleDB's Apache edition, which has no columnstore. These tests take a server of the community edition
whose superuser's address TELEMETRY_TEST_COLUMNSTORE_URL gives; a database is made on it and removed.
"""

import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from drivers.frame import Layout
from telemetry.bench import plantlike
from telemetry.historian.store import Connection, Store
from telemetry.historian.upgrade import upgrade
from telemetry.journal.reader import Reader
from telemetry.journal.writer import Writer

SERVER = os.environ.get("TELEMETRY_TEST_COLUMNSTORE_URL")
LAYOUTS = plantlike.layouts(40, 50)
SECONDS = 1800
POINTS = "select time, value from reading where tag = %s and time >= to_timestamp(%s) and time < to_timestamp(%s)"
TAG = "BENCH-0007.value33"
FIRST_S = plantlike.BEGIN_NS // plantlike.SECOND


def stored(connection: Connection, folder: Path, layouts: tuple[Layout, ...], seconds: int) -> None:
    """Through a journal, as always."""
    journal = Writer(folder / "bench", "bench")
    for frames in plantlike.seconds(layouts, plantlike.BEGIN_NS, seconds, seed=1):
        for frame in frames:
            journal.frame(frame, failed=False)
    journal.close()
    store, reader = Store(connection, "bench"), Reader(folder / "bench", "frames", 0)
    by_id = {layout.id: layout for layout in layouts}
    before = store.position("frames")
    while records := [record for record in reader.read(8 << 20) if record.number > before]:
        store.frames(records, by_id, before)
        before = records[-1].number
    reader.close()


def number(connection: Connection, question: str) -> float:
    row = connection.execute(question.encode()).fetchone()
    assert row is not None
    return float(str(row[0]))


@pytest.fixture
def columns() -> Iterator[Connection]:
    """A connection to a new database at our newest schema on the server with columnstore."""
    if SERVER is None:
        pytest.skip(
            "TELEMETRY_TEST_COLUMNSTORE_URL names no server; the embedded one has no columnstore (Apache edition)"
        )
    name = f"telemetry_test_{secrets.token_hex(4)}"
    with psycopg.connect(SERVER, autocommit=True) as maker:
        maker.execute(f"create database {name}".encode())
        try:
            with psycopg.connect(re.sub(r"/[^/]*$", f"/{name}", SERVER), autocommit=True) as connection:
                upgrade(connection, lambda line: None)
                yield connection
        finally:
            maker.execute(f"drop database {name} with (force)".encode())


def test_a_server_without_columnstore_is_upgraded_all_the_same(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert number(connection, "select (current_setting('timescaledb.license') = 'apache')::integer") == 1
        said: list[str] = []
        upgrade(connection, said.append)
        assert said == []


def test_one_upgrade_turns_it_on_and_the_next_leaves_it(columns: Connection) -> None:
    enabled = "select count(*) from timescaledb_information.hypertables where compression_enabled"
    policies = "select count(*) from timescaledb_information.jobs where proc_name = 'policy_compression'"
    assert (number(columns, enabled), number(columns, policies)) == (2, 2)
    said: list[str] = []
    upgrade(columns, said.append)
    assert said == []
    assert (number(columns, enabled), number(columns, policies)) == (2, 2)


def test_a_packed_day_is_small_and_one_tag_is_read_by_itself(columns: Connection, tmp_path: Path) -> None:
    stored(columns, tmp_path, LAYOUTS, SECONDS)
    asked = (TAG, FIRST_S + 100, FIRST_S + 900)
    before = columns.execute(POINTS + " order by time", asked).fetchall()
    assert len(before) == 800
    columns.execute("select compress_chunk(chunk) from show_chunks('frame') as chunk")

    # Nothing was analysed by anybody but us, and no time was given to a server that does so by itself.
    assert columns.execute(POINTS + " order by time", asked).fetchall() == before
    plan = "\n".join(str(row[0]) for row in columns.execute("explain (analyze) " + POINTS, asked).fetchall())
    unpacked = [int(rows) for rows in re.findall(r"DecompressChunk\)[^\n]*?actual time=[^\n]*? rows=(\d+)", plan)]
    assert unpacked, plan
    assert max(unpacked) == 800, "the other layouts' frames were unpacked too:\n" + plan
    took_ms = min(timed_ms(columns, asked) for _ in range(5))
    assert took_ms < 30, plan

    values = len(LAYOUTS) * plantlike.TAGS * SECONDS
    assert number(columns, "select hypertable_size('frame')") / values < 3


def timed_ms(connection: Connection, asked: tuple[str, int, int]) -> float:
    began = time.perf_counter()
    assert len(connection.execute(POINTS, asked).fetchall()) == 800
    return (time.perf_counter() - began) * 1000


def test_late_frames_reach_a_packed_day(columns: Connection, tmp_path: Path) -> None:
    stored(columns, tmp_path, LAYOUTS[:2], 60)
    columns.execute("select compress_chunk(chunk) from show_chunks('frame') as chunk")
    columns.execute(
        'insert into frame (time, layout, received, late, "values")'
        " select time + interval '1 hour', layout, now(), true, \"values\" from frame where layout = %s",
        (LAYOUTS[0].id,),
    )
    assert number(columns, "select count(*) from frame where late") == 60
    columns.execute("select compress_chunk(chunk) from show_chunks('frame') as chunk")
    assert number(columns, "select count(*) from frame") == 180
