"""Bringing a database to the newest schema: once, by whoever comes first, never backward, never by half."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import psycopg
import pytest

from telemetry.database import EmbeddedDatabase
from telemetry.errors import Refusal
from telemetry.historian import upgrade as upgrading
from telemetry.historian.upgrade import upgrade
from telemetry.sql import migrations

NEWEST = migrations()[-1][0]


def upgraded(url: str) -> tuple[int, list[str]]:
    """Upgrades; the migration that the database then has, and what was said."""
    said: list[str] = []
    with psycopg.connect(url, autocommit=True) as connection:
        return upgrade(connection, said.append), said


def done(url: str) -> list[tuple[int, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute("select number, name from migration order by number").fetchall()


def test_migrations_are_numbered_from_1_without_gaps() -> None:
    assert [number for number, _, _ in migrations()] == list(range(1, NEWEST + 1))


def test_an_empty_database_gets_everything_once(plain_database_url: str) -> None:
    number, said = upgraded(plain_database_url)
    assert (number, len(said)) == (NEWEST, NEWEST)
    first = done(plain_database_url)
    assert first == [(number, name) for number, name, _ in migrations()]
    assert upgraded(plain_database_url) == (NEWEST, [])
    assert done(plain_database_url) == first


@pytest.mark.parametrize("before", range(1, NEWEST + 1))
def test_from_every_earlier_version(plain_database_url: str, monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(upgrading, "migrations", lambda: migrations()[:before])
        assert upgraded(plain_database_url)[0] == before
    assert len(upgraded(plain_database_url)[1]) == NEWEST - before
    assert [number for number, _ in done(plain_database_url)] == list(range(1, NEWEST + 1))


def test_several_at_once_apply_each_migration_once(plain_database_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(upgraded, [plain_database_url] * 4))
    assert [number for number, _ in answers] == [NEWEST] * 4
    assert sorted(len(said) for _, said in answers) == [0, 0, 0, NEWEST]


@pytest.mark.parametrize("verb", ["upgrade", "adopt"])
def test_a_database_that_is_away_is_said(verb: str) -> None:
    environment = {**os.environ, "TELEMETRY_DATABASE_URL": "postgresql://telemetry@127.0.0.1:1/none"}
    command = [sys.executable, "-m", "telemetry", "db", verb]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("The database cannot be used (")
    assert "Start the service" in done.stderr and "Traceback" not in done.stderr


def test_a_newer_database_is_refused_and_left_alone(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("insert into migration (number, name) values (9999, 'of the future')")
    before = done(database_url)
    with pytest.raises(Refusal, match=f"migration 9999, this program knows {NEWEST} at most.*Run the newer program"):
        upgraded(database_url)
    assert done(database_url) == before


def test_a_migration_that_fails_leaves_nothing_behind(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken: LiteralString = "create table half (n integer); select 1 / 0;"
    monkeypatch.setattr(upgrading, "migrations", lambda: [*migrations(), (NEWEST + 1, "broken", broken)])
    with pytest.raises(psycopg.errors.DivisionByZero):
        upgraded(database_url)
    assert len(done(database_url)) == NEWEST
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select to_regclass('half')").fetchone() == (None,)


def test_who_may_not_make_the_extension_is_told_the_remedy(
    database_server: EmbeddedDatabase, new_database: Callable[[str, str], str]
) -> None:
    url = new_database("template1", "postgres")
    superuser = f"{database_server.superuser_url.rsplit('/', 1)[0]}/{url.rsplit('/', 1)[1]}"
    with psycopg.connect(superuser) as connection:
        connection.execute("grant create on schema public to telemetry")
    with pytest.raises(Refusal, match=r"no TimescaleDB.*CREATE EXTENSION timescaledb"):
        upgraded(url)
