"""Readings of the past, streamed: the answer's size does not show in memory."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from psycopg.rows import dict_row

from api.database import connection
from api.problem import PROBLEMS, Refused
from api.routes.plant import known_tag
from api.service import Service, TheService, reader
from telemetry.sql import query

router = APIRouter(tags=["readings"], responses=PROBLEMS, dependencies=[Depends(reader)])

_SCREEN_POINTS = 2000
_WIDTHS = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1)}


@router.get("/readings", response_class=StreamingResponse)
async def readings(
    service: TheService,
    tag: str,
    start: Annotated[datetime, Query(description="From here on, with its time zone (Z for UTC).")],
    end: Annotated[datetime, Query(description="Up to, without.")],
    resolution: Literal["raw", "auto", "1s", "1m", "1h"] = "auto",
    format: Literal["json", "csv"] = "json",
) -> StreamingResponse:
    """One tag's readings by time. ``auto`` sends what a screen can show: beyond 4,000 seconds buckets with mean, min and max."""
    found = known_tag(service, tag)
    if not found.numeric:
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{tag} is a text; its changes are among the events (GET /api/v1/events?kind=text).",
        )
    if start.tzinfo is None or end.tzinfo is None:
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY, "Give start and end with their time zone, e.g. 2026-01-31T08:00:00Z."
        )
    if end <= start:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "The end lies before the start (or at it). Exchange them.")
    given: dict[str, Any] = {"tag": tag, "start": start, "end": end}
    name = "readings"
    width = _WIDTHS.get(resolution)
    if resolution == "auto" and end - start > timedelta(seconds=2 * _SCREEN_POINTS):
        width = timedelta(seconds=-(-(end - start).total_seconds() // _SCREEN_POINTS))
    if width is not None:
        name, given["width"] = "readings in buckets", width
    stream = _rows(service, name, given)
    first = await anext(stream, None)  # a database that is away is said before the answer begins
    if format == "csv":
        return StreamingResponse(_csv(first, stream), media_type="text/csv")
    return StreamingResponse(_json(first, stream), media_type="application/json")


async def _rows(service: Service, name: str, given: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    async with (
        connection(service) as found,
        found.transaction(),
        found.cursor("readings", row_factory=dict_row) as cursor,
    ):
        cursor.itersize = 2000
        await cursor.execute(query(name), given)
        async for row in cursor:
            yield row


async def _json(first: dict[str, Any] | None, stream: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    yield b"["
    if first is not None:
        yield orjson.dumps(first, option=orjson.OPT_UTC_Z)
        async for row in stream:
            yield b",\n" + orjson.dumps(row, option=orjson.OPT_UTC_Z)
    yield b"]"


async def _csv(first: dict[str, Any] | None, stream: AsyncIterator[dict[str, Any]]) -> AsyncIterator[str]:
    if first is None:
        return
    out = io.StringIO()
    table = csv.DictWriter(out, list(first))
    table.writeheader()
    table.writerow(_plain(first))
    async for row in stream:
        table.writerow(_plain(row))
        if out.tell() > 1 << 16:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
