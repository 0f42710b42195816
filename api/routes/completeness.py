"""What is missing: of each tag and window how many readings were expected, came, were Good, and every gap with its reason."""

import time
from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders

from api.parameters import known_parameters
from api.past import MOST_TAGS, check_room, check_window, lent, source_of, unit_of
from api.problem import PROBLEMS, Refused
from api.service import Service, TheService, reader
from api.shapes import Word
from api.streamed import Streamed
from telemetry.archive.reading import ArchiveDamaged
from telemetry.completeness.answer import Completeness, TooLong, completeness
from telemetry.readings.plan import microseconds, moment

router = APIRouter(tags=["readings"], responses=PROBLEMS, dependencies=[Depends(reader), Depends(known_parameters)])


class Gap(BaseModel):
    """Readings that are not Good, one after the other, for one reason: from `start` on, up to `end`. `count`: how many; null where
    nobody can tell. `code`: OPC UA's name of the quality; null where nothing came."""

    start: datetime
    end: datetime
    count: int | None
    quality: Literal["Missing", "Uncertain", "Bad"]
    reason: str
    code: str | None


class Account(BaseModel):
    """One tag. `start` and `end`: the part of the window in which readings were expected, from the tag's first one on, up to now;
    both null where it lies outside. `reasons`: how many were not Good, by reason. `gaps_until`: gaps behind it are not listed, ask
    for them again from there; null where all are."""

    tag: str
    start: datetime | None
    end: datetime | None
    expected: int
    good: int
    uncertain: int
    bad: int
    missing: int
    late: int
    completeness: float | None
    reasons: dict[str, int]
    gaps: list[Gap]
    gaps_until: datetime | None


_ANSWER: dict[int | str, dict[str, Any]] = {200: {"model": list[Account], "description": "One tag after the other."}}


@router.get("/completeness", response_class=Streamed, responses=_ANSWER)
async def of_tags(
    service: TheService,
    tag: Annotated[
        list[Word], Query(description=f"One tag, or up to {MOST_TAGS}.", min_length=1, max_length=MOST_TAGS)
    ],
    start: Annotated[datetime, Query(description="From here on, with its time zone (Z for UTC).")],
    end: Annotated[datetime, Query(description="Up to, without.")],
) -> Streamed:
    """What came of what was expected, and what did not, with each gap's begin, end and reason."""
    check_window(start, end)
    check_room(service)
    tags = list(dict.fromkeys(tag))
    for one in tags:
        unit_of(service, one)
    return Streamed(partial(_parts, service, tags, start, end), "application/json")


async def _parts(
    service: Service, tags: list[str], start: datetime, end: datetime, _: MutableHeaders
) -> AsyncGenerator[bytes]:
    """The answer's bytes. Raises Refused."""
    source = source_of(service)
    before = b"["
    async with service.readings.answers:
        try:
            for tag in tags:
                stored = await source.find(tag, "" if tag in service.plant.tags else None)
                if stored is None:
                    raise Refused(
                        HTTPStatus.NOT_FOUND,
                        f"There is no tag {tag}, and none was ever stored. GET /api/v1/tags lists all.",
                    )
                now_us = time.time_ns() // 1000
                found = await completeness(
                    source, partial(lent, service), stored, microseconds(start), microseconds(end), now_us
                )
                yield before + orjson.dumps(_shape(found), option=orjson.OPT_UTC_Z)
                before = b",\n"
        except TooLong as error:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        except ArchiveDamaged as error:
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error
    yield b"]"


def _shape(found: Completeness) -> dict[str, Any]:
    account, is_expected = found.account, found.start_us < found.end_us
    return {
        "tag": found.tag,
        "start": moment(found.start_us) if is_expected else None,
        "end": moment(found.end_us) if is_expected else None,
        "expected": account.expected,
        "good": account.good,
        "uncertain": account.uncertain,
        "bad": account.bad,
        "missing": account.missing,
        "late": account.late,
        "completeness": account.good / account.expected if account.expected else None,
        "reasons": dict(account.by_reason),
        "gaps": [
            {
                "start": moment(gap.start_us),
                "end": moment(gap.end_us),
                "count": gap.count,
                "quality": gap.quality,
                "reason": gap.reason,
                "code": gap.code,
            }
            for gap in account.gaps
        ],
        "gaps_until": None if account.gaps_until_us is None else moment(account.gaps_until_us),
    }
