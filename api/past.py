"""Asking the past: what every route does that looks at it. Each raises Refused."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from api.database import connection
from api.problem import Refused
from api.service import MOST_AT_ONCE, Service
from telemetry import places
from telemetry.readings.source import Source

MOST_TAGS: Final = 50
"""In one question."""


def check_window(start: datetime, end: datetime) -> None:
    if start.tzinfo is None or end.tzinfo is None:
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY, "Give start and end with their time zone, e.g. 2026-01-31T08:00:00Z."
        )
    if end <= start:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "The end lies before the start (or at it). Exchange them.")


def check_room(service: Service) -> None:
    """Whether one more answer can be made now."""
    if service.readings.answers.locked():
        raise Refused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"{MOST_AT_ONCE} answers about the past are being sent. Ask again in a little while.",
        )


def unit_of(service: Service, tag: str) -> str | None:
    """Its unit; None where it is not configured: it may have been."""
    found = service.plant.tags.get(tag)
    if found is None:
        return None
    if not found.numeric:
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{tag} is a text; its changes are among the events (GET /api/v1/events?kind=text).",
        )
    return found.spec.unit


def source_of(service: Service) -> Source:
    """Database and archive."""
    return Source(partial(lent, service), places.data_folder() / "archive")


@asynccontextmanager
async def lent(service: Service) -> AsyncGenerator[AsyncConnection[TupleRow]]:
    """A connection for one question; only some of the pool's, so that others find one too."""
    async with service.readings.questions, connection(service) as found:
        yield found
