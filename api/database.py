"""Asking the database: a pool, and a plain answer when it is away."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow, dict_row
from psycopg_pool import PoolTimeout

from api.problem import Refused
from api.service import Service
from telemetry.sql import query

TOO_LONG = "The database worked at this for a minute and was stopped. Ask for a shorter time, or for less detail."
AWAY = "The database is away. Live values and alarms work; what is recorded meanwhile is stored when it is back."


@asynccontextmanager
async def connection(service: Service) -> AsyncGenerator[psycopg.AsyncConnection[TupleRow]]:
    """A connection for reading. Raises Refused where there is none."""
    try:
        async with service.pool.connection(timeout=2.0) as found:
            yield found
    except psycopg.errors.QueryCanceled as error:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, TOO_LONG) from error
    except (PoolTimeout, psycopg.OperationalError) as error:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, AWAY) from error


async def rows(service: Service, text: LiteralString, given: dict[str, Any]) -> list[dict[str, Any]]:
    """All rows of a small answer."""
    async with connection(service) as found, found.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(text, given)
        return await cursor.fetchall()


async def prepared(fresh: psycopg.AsyncConnection[TupleRow]) -> None:
    """Makes the database stop what takes longer than a minute on this connection, and the connection ready for a first question."""
    await fresh.execute(query("bound statements"))
    with suppress(psycopg.ProgrammingError):  # the historian has not made the tables yet
        await fresh.execute(query("look at every table"))
