"""A database for a bench alone: a server of its own in a temporary folder, or a new database on the one that is named."""

import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from telemetry import places
from telemetry.bench.figure import Say
from telemetry.database import EmbeddedDatabase
from telemetry.database.place import find_place
from telemetry.database.postmaster import clean_environment
from telemetry.errors import Refusal


@dataclass(frozen=True, slots=True)
class Scratch:
    """Where it is. psql: the program, with the environment that it is to have; None where there is none."""

    url: str
    psql: Path | None
    environment: dict[str, str]


@contextmanager
def scratch_database(folder: Path, say: Say) -> Generator[Scratch]:
    """As long as the block lasts; nothing of it stays. TELEMETRY_DATABASE_URL names a server on which the user may make databases;
    without it a server is started in `folder`. Raises Refusal, DatabaseError."""
    named = os.environ.get("TELEMETRY_DATABASE_URL")
    if named:
        with _database_on(named) as url:
            found = shutil.which("psql")
            yield Scratch(url, Path(found) if found else None, dict(os.environ))
        return
    folder.mkdir()
    folder.chmod(0o755)
    server = EmbeddedDatabase(folder, say, find_place(places.data_folder()).software)
    try:
        server.prepare()
        yield Scratch(server.start(), server.software.program("psql"), clean_environment())
    finally:
        server.stop()


@contextmanager
def _database_on(url: str) -> Generator[str]:
    name = f"telemetry_bench_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege as error:
            raise Refusal(
                "The user that TELEMETRY_DATABASE_URL names may not make a database, and a bench stores nothing in yours.",
                "Let its administrator run ALTER ROLE ... CREATEDB, or unset it to measure on a server of the bench's own.",
            ) from error
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
