"""What all tests share: a data folder for each, one TimescaleDB for the session, and no task left behind by anybody."""

import asyncio
import hashlib
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from telemetry import places
from telemetry.database import EmbeddedDatabase
from telemetry.database.account import database_account
from telemetry.database.errors import NoPackagesError
from telemetry.database.place import ELSEWHERE, SOFTWARE_VARIABLE, find_place
from telemetry.database.software import provide_software
from telemetry.historian.upgrade import upgrade

pytest_plugins = ["tests.foreign.fixtures"]

CACHE = Path(__file__).parents[1] / "build" / "database-software"
PLAIN, SCHEMA = "plain_template", "schema_template"
# Nothing here outlives the session, so nothing needs to survive a power failure; jobs are run by whoever tests them.
SETTINGS = "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\ntimescaledb.max_background_workers = 0\n"
SETTLING = 20
"""Rounds of the event loop within which the end of a test's own tasks must have been dealt with."""


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """TELEMETRY_DATA_DIR: a folder of this test's own; nothing else of the caller's plant is seen."""
    folder = tmp_path / "telemetry-data"
    monkeypatch.setenv("TELEMETRY_DATA_DIR", str(folder))
    for name in ("TELEMETRY_CONFIG", "TELEMETRY_DATABASE_URL", "TELEMETRY_HOST", "TELEMETRY_PORT"):
        monkeypatch.delenv(name, raising=False)
    yield folder
    if folder.exists():
        shutil.rmtree(places.runtime_folder(), ignore_errors=True)


@pytest.fixture(autouse=True)
def no_task_left_behind(request: pytest.FixtureRequest) -> None:
    """Requested first, so that it looks last: after the test's other fixtures have ended."""
    if request.node.get_closest_marker("asyncio") is not None:
        request.getfixturevalue("_tasks_watched")


@pytest.fixture
async def _tasks_watched() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    for _ in range(SETTLING):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        names = ", ".join(sorted(f"{task.get_name()} ({task.get_coro().__qualname__})" for task in left))
        for task in left:
            task.cancel()
        pytest.fail(f"the test left {len(left)} task(s) pending: {names}", pytrace=False)


@pytest.fixture(scope="session")
def database_software() -> Path:
    """The folder of PostgreSQL with TimescaleDB: the environment's, else one that survives between runs, filled when first
    used. Processes that tests start find it by the same variable."""
    named = os.environ.get(SOFTWARE_VARIABLE)
    folder = Path(named).absolute() if named else _cache()
    os.environ[SOFTWARE_VARIABLE] = str(folder)
    try:
        provide_software(folder, print)
    except NoPackagesError as error:
        pytest.skip(str(error))
    return folder


def _cache() -> Path:
    """`CACHE`, or where root's repository is closed to PostgreSQL's account, a folder of the same name by its side."""
    CACHE.parent.mkdir(exist_ok=True)
    account = database_account()
    if account.can_enter(CACHE.parent):
        return CACHE
    name = "telemetry-test-software-" + hashlib.sha256(os.fsencode(CACHE)).hexdigest()[:10]
    return next((place / name for place in ELSEWHERE if account.can_enter(place)), CACHE)


@pytest.fixture(scope="session")
def database_server(database_software: Path) -> Iterator[EmbeddedDatabase]:
    """One server for the whole session, with two templates: TimescaleDB alone, and our newest schema."""
    folder = Path(tempfile.mkdtemp(prefix="telemetry-test-database-"))
    folder.chmod(
        0o755
    )  # PostgreSQL's account, where root runs the tests, enters neither pytest's folders nor this one as made
    server = EmbeddedDatabase(folder, print, database_software)
    try:
        server.prepare()
        (find_place(folder).folder / "local.conf").write_text(SETTINGS, encoding="utf-8")
        server.start()
        _execute(server.superuser_url, f"create database {PLAIN} owner telemetry")
        _execute(_named(server.superuser_url, PLAIN), "create extension if not exists timescaledb")
        _execute(server.superuser_url, f"alter database {PLAIN} allow_connections false")
        _execute(server.superuser_url, f"create database {SCHEMA} template {PLAIN} owner telemetry")
        with psycopg.connect(_named(server.url, SCHEMA), autocommit=True) as connection:
            upgrade(connection, lambda line: None)
        _execute(server.superuser_url, f"alter database {SCHEMA} allow_connections false")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def new_database(database_server: EmbeddedDatabase) -> Callable[[str, str], str]:
    """Makes a database as a copy of another, for an owner, and gives its address for role telemetry."""
    return lambda template, owner: _copied(database_server, template, owner)


@pytest.fixture
def plain_database_url(database_server: EmbeddedDatabase) -> str:
    """The address of a database of this test's own that has TimescaleDB and nothing of ours."""
    return _copied(database_server, PLAIN)


@pytest.fixture
def database_url(database_server: EmbeddedDatabase) -> str:
    """The address of a database of this test's own, at our newest schema."""
    return _copied(database_server, SCHEMA)


@pytest.fixture(scope="module")
def module_database(database_server: EmbeddedDatabase) -> str:
    """The address of a database at our newest schema, for all tests of a file that only look at it."""
    return _copied(database_server, SCHEMA)


_numbers = itertools.count(1)


def _copied(server: EmbeddedDatabase, template: str, owner: str = "telemetry") -> str:
    name = f"test_{next(_numbers)}"
    names = (sql.Identifier(word) for word in (name, template, owner))
    _execute(server.superuser_url, sql.SQL("create database {} template {} owner {}").format(*names))
    return _named(server.url, name)


def _named(url: str, name: str) -> str:
    return f"{url.rsplit('/', 1)[0]}/{name}"


def _execute(url: str, statement: str | sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode() if isinstance(statement, str) else statement)
