"""Readings of the past, streamed: the answer's size does not show in memory."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders

from api.parameters import known_parameters
from api.past import MOST_TAGS, check_room, check_window, source_of, unit_of
from api.problem import PROBLEMS, Refused, told
from api.service import Service, TheService, reader
from api.shapes import Word
from api.streamed import Streamed
from telemetry.archive.reading import ArchiveDamaged
from telemetry.readings.answer import Answer, Question, UnknownTag
from telemetry.readings.parquet import Parquet
from telemetry.readings.plan import Resolution, TooMuch
from telemetry.readings.table import Table
from telemetry.readings.text import csv_head, csv_rows, json_rows, pieces

_PROBLEMS = {**PROBLEMS, 500: told("A file of the archive is damaged or missing; the detail names it.")}
router = APIRouter(tags=["readings"], responses=_PROBLEMS, dependencies=[Depends(reader), Depends(known_parameters)])

Format = Literal["json", "csv", "parquet"]
_MEDIA: Final[dict[Format, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


class Reading(BaseModel):
    """One reading (resolution raw and 1s, and auto where all fit)."""

    time: datetime
    tag: str
    value: float | None
    quality: Literal["Good", "Uncertain", "Bad", "Missing"]
    reason: str | None
    unit: str
    source_time: datetime | None
    received_time: datetime | None
    late: bool


class Bucket(BaseModel):
    """What happened from `time` on until the next bucket (resolution 1m and 1h, and auto where not all fit).

    `value` is the mean of what was Good or Uncertain; `min` and `max` are the extremes and when they were, to the minute or hour
    where the bucket was made of these. `completeness` is good / expected. `quality`: Good where all expected came and was Good;
    Missing where nothing came; Bad where nothing that came has a value; else Uncertain.
    """

    time: datetime
    tag: str
    value: float | None
    min: float | None
    min_time: datetime | None
    max: float | None
    max_time: datetime | None
    sd: float | None
    time_weighted_mean: float | None
    count: int
    expected: int
    good: int
    uncertain: int
    bad: int
    missing: int
    late: int
    completeness: float | None
    quality: Literal["Good", "Uncertain", "Bad", "Missing"]
    unit: str


_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "model": list[Reading] | list[Bucket],
        "description": "By time, one tag after the other. The header Telemetry-Resolution says what it is: raw, 1s, or the width "
        "of a bucket, e.g. 44s or 5h.",
        "content": {_MEDIA["csv"]: {}, _MEDIA["parquet"]: {}},
    }
}


@router.get("/readings", response_class=Streamed, responses=_ANSWER)
async def readings(
    service: TheService,
    tag: Annotated[
        list[Word], Query(description=f"One tag, or up to {MOST_TAGS}.", min_length=1, max_length=MOST_TAGS)
    ],
    start: Annotated[datetime, Query(description="From here on, with its time zone (Z for UTC).")],
    end: Annotated[datetime, Query(description="Up to, without.")],
    resolution: Annotated[
        Resolution,
        Query(
            description="raw: as stored. 1s: a row for each second, Missing where nothing came. 1m, 1h: whole minutes and hours. "
            "auto: raw where it fits a screen, else buckets that keep every extreme."
        ),
    ] = "auto",
    format: Annotated[Format, Query(description="Numbers are exact in each.")] = "json",
    pixels: Annotated[
        int, Query(description="auto: the width of the screen; buckets at most.", ge=1, le=20_000)
    ] = 2000,
) -> Streamed:
    """Readings by time, from database and archive as one."""
    check_window(start, end)
    check_room(service)
    tags = [(one, unit_of(service, one)) for one in dict.fromkeys(tag)]
    question = Question(tags, start, end, resolution, pixels)
    return Streamed(partial(_parts, service, question, format), _MEDIA[format])


async def _parts(
    service: Service, question: Question, format: Format, headers: MutableHeaders
) -> AsyncGenerator[bytes]:
    """The answer's bytes. Raises Refused."""
    async with service.readings.answers:
        try:
            answer = await Answer.to(question, source_of(service))
            headers["Telemetry-Resolution"] = str(answer.plan)
            async with aclosing(answer.tables()) as tables, aclosing(_WRITERS[format](tables)) as parts:
                async for part in parts:
                    yield part
        except TooMuch as error:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        except UnknownTag as error:
            raise Refused(
                HTTPStatus.NOT_FOUND, f"There is no tag {error}, and none was ever stored. GET /api/v1/tags lists all."
            ) from error
        except ArchiveDamaged as error:
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error


async def _json(tables: AsyncGenerator[Table]) -> AsyncGenerator[bytes]:
    before = b"["
    async for table in tables:
        for piece in pieces(table):
            yield before + json_rows(piece)
            before = b",\n"
    yield b"[]" if before == b"[" else b"]"


async def _csv(tables: AsyncGenerator[Table]) -> AsyncGenerator[bytes]:
    head = b""
    async for table in tables:
        if not len(table):
            head = csv_head(table)
        for piece in pieces(table):
            yield head + csv_rows(piece)
            head = b""
    yield head


async def _parquet(tables: AsyncGenerator[Table]) -> AsyncGenerator[bytes]:
    writer: Parquet | None = None
    async for table in tables:
        if writer is None:
            writer = Parquet(table)
        else:
            yield await asyncio.to_thread(writer.take, table)
    if writer is not None:
        yield await asyncio.to_thread(writer.end)


_WRITERS: Final[dict[Format, Callable[[AsyncGenerator[Table]], AsyncGenerator[bytes]]]] = {
    "json": _json,
    "csv": _csv,
    "parquet": _parquet,
}
