"""Puts a backup into an empty data folder: proven first, and taken away again where it does not succeed."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psycopg

from telemetry.backup import contents
from telemetry.backup.contents import Contents
from telemetry.backup.programs import command, refusal
from telemetry.database import EmbeddedDatabase
from telemetry.errors import Refusal
from telemetry.historian.upgrade import upgrade
from telemetry.sql import migrations, query

Said = Callable[[str], None]
Connection = psycopg.Connection[tuple[object, ...]]


def restore(folder: Path, data: Path, keys: Path | None, said: Said) -> Contents:
    """Puts the backup in `folder` into the data folder `data`, and its database into the embedded server, or the one that
    TELEMETRY_DATABASE_URL names. Raises Refusal."""
    left = sorted(path.name for path in data.iterdir())
    if left:
        raise Refusal(
            f"The data folder {data} is not empty: it holds {', '.join(left[:5])}.",
            "Set TELEMETRY_DATA_DIR to a new folder: a restore never replaces a plant.",
        )
    said("reading the backup: every file is proven first")
    told = contents.proven(folder)
    known = migrations()[-1][0]
    if told.migration > known:
        raise Refusal(
            f"The backup's database has migration {told.migration}, this program knows {known} at most.",
            "Restore it with the newer program that made it.",
        )
    _room(folder, told, data)
    try:
        _files(folder, data, keys, said)
        _database(folder, told, data, said)
    except BaseException as error:
        said("taking away what was begun")
        for path in data.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if isinstance(error, OSError):
            raise Refusal(
                f"The backup cannot be restored into {data} ({error.strerror or error}); nothing of it is left there.",
                "Free space, or choose another TELEMETRY_DATA_DIR.",
            ) from error
        raise
    return told


def _files(folder: Path, data: Path, keys: Path | None, said: Said) -> None:
    if keys is not None:
        said("putting the keys back")
        try:
            with tarfile.open(keys) as tar:
                tar.extractall(data, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise Refusal(
                f"{keys} is no file of keys ({error}).", "Name the file that the backup wrote beside itself."
            ) from error
        (data / "keys").chmod(0o700)
    for name in contents.FOLDERS:
        if (folder / name).exists():
            said(f"putting the {name} back")
            shutil.copytree(folder / name, data / name)
    if (data / "journal").exists():
        (data / "journal").chmod(0o700)


def _database(folder: Path, told: Contents, data: Path, said: Said) -> None:
    with _server(data, said) as (url, embedded):
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            _fit(connection, told)
            connection.execute(query("before restore"))
        said("restoring the database")
        options = ["--exit-on-error"] if embedded else ["--exit-on-error", "--no-owner", "--no-privileges"]
        line, environment = command("pg_restore", url, [*options, str(folder / contents.DUMP)])
        done = subprocess.run(line, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(query("after restore"))
            if done.returncode != 0:
                raise refusal("pg_restore", done, done.stderr)
            connection.execute(query("analyze"))
    with _server(data, said, as_owner=True) as (url, _), psycopg.connect(url, autocommit=True) as connection:
        upgrade(connection, said)


@contextmanager
def _server(data: Path, said: Said, as_owner: bool = False) -> Generator[tuple[str, bool]]:
    """The address of the server to restore into, and whether it is the embedded one."""
    given = os.environ.get("TELEMETRY_DATABASE_URL")
    if given:
        yield given, False
        return
    database = EmbeddedDatabase(data, said, anew=True)
    try:
        url = database.start()
        yield url if as_owner else database.superuser_url, True
    finally:
        database.stop()


def _fit(connection: Connection, told: Contents) -> None:
    """The server is empty and of the version that was dumped: TimescaleDB's own tables fit only that one."""
    row = connection.execute(query("restore target")).fetchone()
    assert row is not None
    available, used = cast("tuple[str | None, bool]", row)
    if used:
        raise Refusal(
            "The database that TELEMETRY_DATABASE_URL names holds a plant already.", "Name an empty database."
        )
    if available != told.timescaledb:
        raise Refusal(
            f"The backup's database has TimescaleDB {told.timescaledb}, this server has {available or 'none'}.",
            "Restore with the version that it was made with (TELEMETRY_DATABASE_SOFTWARE names a folder of the embedded software, "
            "TELEMETRY_DATABASE_URL another server), and let the newer one upgrade it after that.",
        )
    connection.execute(query("extension"))


def _room(folder: Path, told: Contents, data: Path) -> None:
    needed = sum(file.bytes * (4 if file.path == contents.DUMP else 1) for file in told.files)
    free = shutil.disk_usage(data).free
    if free < needed:
        raise Refusal(
            f"The restored plant may take {needed / 1e6:.0f} MB, and {data} has {free / 1e6:.0f} MB free.",
            "Set TELEMETRY_DATA_DIR to a folder on a larger disk.",
        )
