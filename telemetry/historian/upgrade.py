"""Brings a database to the newest schema: numbered migrations, forward only, each in a transaction, one upgrade at a time."""

from collections.abc import Callable

import psycopg

from telemetry.errors import Refusal
from telemetry.historian.columnstore import enable_columnstore
from telemetry.sql import migrations, query


def upgrade(connection: psycopg.Connection[tuple[object, ...]], said: Callable[[str], None]) -> int:
    """Applies what is missing; gives the number of the newest migration. Raises Refusal for a database that is newer than us."""
    known = migrations()
    with connection.transaction():
        connection.execute(query("migration lock"))
        connection.execute(query("create migration table"))
        done = {row[0] for row in connection.execute(query("migrations done"))}
        newer = [number for number in done if isinstance(number, int) and number > known[-1][0]]
        if newer:
            raise Refusal(
                f"The database has migration {max(newer)}, this program knows {known[-1][0]} at most.",
                "Run the newer program that upgraded it.",
            )
        for number, name, text in known:
            if number not in done:
                said(f"database: migration {number}, {name}")
                _apply(connection, text)
                connection.execute(query("migration done"), (number, name))
        enable_columnstore(connection, said)
    return known[-1][0]


def _apply(connection: psycopg.Connection[tuple[object, ...]], text: str) -> None:
    try:
        connection.execute(text.encode())
    except (
        psycopg.errors.UndefinedFile,
        psycopg.errors.FeatureNotSupported,
        psycopg.errors.InsufficientPrivilege,
    ) as error:
        if "timescaledb" not in str(error):
            raise
        raise Refusal(
            f"The database has no TimescaleDB ({str(error).strip().splitlines()[0]}).",
            "Let its administrator run CREATE EXTENSION timescaledb there, or name a TimescaleDB server in TELEMETRY_DATABASE_URL.",
        ) from error
