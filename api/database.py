"""Asking the database: a pool, and a plain answer when it is away."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow, dict_row
from psycopg_pool import PoolTimeout

from api.problem import Refused
from api.service import Service

AWAY = "The database is away. Live values and alarms work; what is recorded meanwhile is stored when it is back."


@asynccontextmanager
async def connection(service: Service) -> AsyncGenerator[psycopg.AsyncConnection[TupleRow]]:
    """A connection for reading. Raises Refused where there is none."""
    try:
        async with service.pool.connection(timeout=2.0) as found:
            yield found
    except (PoolTimeout, psycopg.OperationalError) as error:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, AWAY) from error


async def rows(service: Service, text: LiteralString, given: dict[str, Any]) -> list[dict[str, Any]]:
    """All rows of a small answer."""
    async with connection(service) as found, found.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(text, given)
        return await cursor.fetchall()
