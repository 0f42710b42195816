"""The end of the minutes: weeks of `rollup_1m` that are older than their retention, once their hours are there.

Their readings lie in the archive, from which minutes of that time are answered; the hours stay for ever.
"""

from typing import Final

import psycopg
from psycopg import sql

from telemetry.archive.source import Chunk, Source
from telemetry.errors import Refusal
from telemetry.sql import query

MINUTES: Final = "rollup_1m"


def drop_minutes(source: Source, chunk: Chunk) -> None:
    """Drops a chunk of minutes, and notes that what comes late for it is for its hours alone. Raises Refusal."""
    name = sql.Identifier(chunk.schema, chunk.name)
    try:
        with source.connection.transaction():
            for statement in query("lock chunk").split(";"):
                source.connection.execute(sql.SQL(statement).format(chunk=name))
            proven(source, chunk)
            source.connection.execute(query("minutes dropped"), (chunk.end,))
            source.connection.execute(
                sql.SQL(query("drop chunk")).format(
                    table=sql.Literal(MINUTES), start=sql.Literal(chunk.start), end=sql.Literal(chunk.end)
                )
            )
    except psycopg.errors.LockNotAvailable as error:
        raise Refusal(
            f"Somebody reads or writes {chunk.schema}.{chunk.name} for long; nothing was dropped.",
            "The next run tries again.",
        ) from error


def proven(source: Source, chunk: Chunk) -> int:
    """The number of rows in a chunk of minutes. Raises Refusal where one is not in its hour."""
    name = sql.Identifier(chunk.schema, chunk.name)
    without, rows = (
        source.connection.execute(sql.SQL(query(asked)).format(chunk=name)).fetchone()
        for asked in ("minutes without hour", "count chunk")
    )
    assert without is not None
    assert rows is not None
    if without[0]:
        raise Refusal(
            f"{without[0]} minutes of the week from {chunk.days[0]} on are in no hour yet, so they stay.",
            "The historian makes the hours while it runs; the next run tries again.",
        )
    return int(str(rows[0]))
