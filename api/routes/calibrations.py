"""Calibrations: the newest of each tag, all that were entered, and entering them, one or a table. What is past due is Uncertain."""

import time
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from api.database import rows
from api.problem import PROBLEMS, Refused
from api.routes.plant import known_tag
from api.service import Permitted, Service, TheService, reader
from api.sessions import Session
from api.shapes import Body, Comment, Word, iso
from telemetry.errors import Refusal
from telemetry.feed.messages import Command
from telemetry.sensors.calibration_table import calibrations_in, moment, rows_of, zone_of
from telemetry.sensors.calibrations import Calibration, mistake
from telemetry.sql import query
from telemetry.tags.csv_files import csv_bytes, csv_rows

router = APIRouter(prefix="/calibrations", tags=["calibrations"], responses=PROBLEMS)

LARGEST_TABLE = 4 << 20
MOST_NAMED = 100
"""Mistakes named in one answer."""
Enterer = Annotated[Session, Depends(Permitted("calibration.enter"))]


class CalibrationAct(Body):
    """performed, due: ISO 8601, or ``2026-01-31`` alone (its begin for performed, its end for due); without a zone: the site's."""

    tag: Word
    performed: Word
    due: Word
    certificate: Comment
    result: Literal["pass", "fail"]
    note: Comment = ""


class CalibrationState(BaseModel):
    """The calibration that counts for a tag. state: valid, past due, or failed; in the two latter its readings are Uncertain."""

    tag: str
    state: Literal["valid", "past due", "failed"]
    performed: str | None
    due: str | None
    certificate: str
    result: str
    person: str
    note: str


class Entered(BaseModel):
    """entered: calibrations that are new; known: those that were entered before and say the same."""

    entered: int
    known: int


@router.get("", dependencies=[Depends(reader)], response_model=list[CalibrationState])
def calibrations(
    service: TheService,
    tag: Annotated[list[str] | None, Query(description="Only these tags.")] = None,
    state: Literal["valid", "past due", "failed"] | None = None,
    format: Literal["json", "csv"] = "json",
) -> Any:
    """The newest calibration of each tag, straight from the engine: the soonest due first. The csv can be imported."""
    if service.mirror.snapshot is None:
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The engine has not been heard yet. Ask again in a moment.")
    wanted = {known_tag(service, one).id for one in tag or ()}
    now_ns = time.time_ns()
    standing = sorted(service.mirror.calibrations.values(), key=lambda one: (one.past_due_ns, one.tag))
    found = [
        one for one in standing if (not wanted or one.tag in wanted) and (state is None or _state(one, now_ns) == state)
    ]
    if format == "csv":
        headers = {"Content-Disposition": 'attachment; filename="calibrations.csv"'}
        return Response(csv_bytes(rows_of(found)), media_type="text/csv", headers=headers)
    return [_shape(one, now_ns) for one in found]


@router.get("/history", dependencies=[Depends(reader)])
async def history(
    service: TheService, tag: str | None = None, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
) -> list[dict[str, Any]]:
    """Every calibration that was entered, as stored, the newest first."""
    if tag is not None:
        known_tag(service, tag)
    return await rows(service, query("calibrations entered"), {"tag": tag, "limit": limit})


@router.post("")
async def enter(act: CalibrationAct, service: TheService, session: Enterer) -> CalibrationState:
    """Enters one calibration. The person is whoever is signed in."""
    zone = zone_of(service.plant.site.timezone)
    try:
        given = Calibration(
            known_tag(service, act.tag).id,
            moment(act.performed, zone, end_of_day=False),
            moment(act.due, zone, end_of_day=True),
            act.certificate.strip(),
            act.result,
            session.user,
            act.note.strip(),
        )
    except ValueError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    wrong = mistake(given, _measured(service), time.time_ns())
    if wrong is not None:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, wrong)
    await _entered(service, session, [given])
    return _shape(given, time.time_ns())


@router.post(
    "/import",
    openapi_extra={"requestBody": {"content": {"text/csv": {"schema": {"type": "string"}}}, "required": True}},
)
async def import_(request: Request, service: TheService, session: Enterer) -> Entered:
    """Enters a table (CSV: tag, performed, due, certificate, result, note). All rows are checked and every mistake is told;
    with one mistake nothing is entered."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > LARGEST_TABLE:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "The table has more than 4 MB. Divide it.")
    zone = zone_of(service.plant.site.timezone)
    try:
        table = csv_rows(bytes(content), "The table")
    except Refusal as refusal:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{refusal.what} {refusal.remedy}") from refusal
    given, mistakes = calibrations_in(table, session.user, zone, _measured(service), time.time_ns())
    if mistakes:
        more = f"\n... and {len(mistakes) - MOST_NAMED} more." if len(mistakes) > MOST_NAMED else ""
        listed = "\n".join(mistakes[:MOST_NAMED])
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"Nothing was entered.\n{listed}{more}")
    entered = await _entered(service, session, given)
    return Entered(entered=entered, known=len(given) - entered)


async def _entered(service: Service, session: Session, given: list[Calibration]) -> int:
    """How many were new to the engine, which has them on its disk now."""
    data = {"calibrations": [one.data() for one in given]}
    result = await service.act(Command(id=0, verb="calibrate", person=session.user, data=data))
    return int((result.data or {})["entered"])


def _measured(service: Service) -> set[str]:
    return {tag.id for tag in service.plant.tags.values() if tag.numeric}


def _state(one: Calibration, now_ns: int) -> Literal["valid", "past due", "failed"]:
    if one.result == "fail":
        return "failed"
    return "past due" if one.past_due_ns <= now_ns else "valid"


def _shape(one: Calibration, now_ns: int) -> CalibrationState:
    return CalibrationState(
        tag=one.tag,
        state=_state(one, now_ns),
        performed=iso(one.performed_ns),
        due=iso(one.due_ns),
        certificate=one.certificate,
        result=one.result,
        person=one.person,
        note=one.note,
    )
