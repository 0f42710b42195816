"""The benches of the historian, small: they end, compare what they stored, leave nothing behind, and notice a difference.

What they measure here says nothing; `telemetry bench store` and `telemetry bench drain` do that."""

from pathlib import Path

import psycopg
import pytest

from telemetry.bench import drain, plantlike, store
from telemetry.bench.figure import Outcome
from telemetry.bench.scratch import Scratch, scratch_database
from telemetry.database import EmbeddedDatabase
from telemetry.errors import Refusal
from telemetry.historian.upgrade import upgrade


@pytest.fixture(autouse=True)
def server(database_server: EmbeddedDatabase, monkeypatch: pytest.MonkeyPatch) -> EmbeddedDatabase:
    """The session's server is the one that the benches are pointed at, as its superuser."""
    monkeypatch.setenv("TELEMETRY_DATABASE_URL", database_server.superuser_url)
    monkeypatch.setattr(store, "ROUNDS", 2)
    return database_server


def databases(server: EmbeddedDatabase) -> set[str]:
    with psycopg.connect(server.superuser_url) as connection:
        return {row[0] for row in connection.execute("select datname from pg_database").fetchall()}


def figures(outcome: Outcome) -> dict[str, float]:
    return {figure.name: figure.ours for figure in outcome.figures}


def test_store_compares_what_both_stored_and_leaves_nothing(server: EmbeddedDatabase) -> None:
    before, said = databases(server), list[str]()
    outcome = store.run(0.01, said.append)
    found = figures(outcome)
    assert found["values compared equal"] == 2 * 20 * plantlike.DEVICES * plantlike.TAGS
    assert found["bytes of a value, without columnstore"] < 13
    assert found["values through journal and COPY"] > 0
    assert len(outcome.not_run) == 1 and "Apache edition" in outcome.not_run[0]
    assert any("one row per reading" in line for line in said)
    assert databases(server) == before


def test_a_reading_that_differs_is_no_result(tmp_path: Path) -> None:
    with (
        scratch_database(tmp_path / "unused", lambda line: None) as scratch,
        psycopg.connect(scratch.url, autocommit=True) as connection,
    ):
        upgrade(connection, lambda line: None)
        connection.execute(store.query("bench row table"))
        layouts, begin_ns = plantlike.layouts(), plantlike.BEGIN_NS
        file = store._rows_file(tmp_path / "rows.bin", layouts, begin_ns, 2, seed=5)
        store._ours(tmp_path / "bench-5", connection, layouts, begin_ns, 2, seed=5)
        store._rows(Scratch(scratch.url, None, {}), connection, file)
        assert store._compared(connection, begin_ns, 2) == 2 * 300 * 50
        # One value that is another; a value that is missing; values at each other's place, so that number and sum are right.
        for wrong in (
            "update bench_row set value = value + 0.01 where tag = 12",
            "delete from bench_row where tag = 12",
            "update bench_row set tag = 25 - tag where tag in (12, 13)",
        ):
            with connection.transaction(force_rollback=True):
                connection.execute(wrong.encode())
                with pytest.raises(RuntimeError, match="what is stored differs"):
                    store._compared(connection, begin_ns, 2)
        assert store._compared(connection, begin_ns, 2) == 2 * 300 * 50


def test_who_may_not_make_a_database_is_told_what_to_do(
    server: EmbeddedDatabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TELEMETRY_DATABASE_URL", server.url)
    with (
        pytest.raises(Refusal, match="CREATEDB"),
        scratch_database(tmp_path / "unused", lambda line: None),
    ):
        pass


def test_drain_stores_an_outage_and_what_came_meanwhile(server: EmbeddedDatabase) -> None:
    before = databases(server)
    outcome = drain.run(0.1, lambda line: None)
    found = figures(outcome)
    assert found["frames compared: as many, each once, sums equal"] >= 30 * plantlike.DEVICES
    assert found["seconds of data stored in a second, beside live data"] > 0
    assert found["memory of the historian, most"] < drain.MEMORY_MIB
    assert databases(server) == before
