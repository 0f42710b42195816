"""Alarms that stand, their history, and the acts upon them. Each act names the occurrence that it means."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from api.database import rows
from api.problem import PROBLEMS, Refused
from api.service import Permitted, Service, TheService, reader
from api.sessions import Session
from api.shapes import Body, Comment, alarm_shape
from telemetry.feed.messages import AlarmInfo, Command
from telemetry.sql import query

router = APIRouter(prefix="/alarms", tags=["alarms"], responses=PROBLEMS)


class AlarmAct(Body):
    """Which occurrence is meant, and why."""

    occurrence: Annotated[int, Field(ge=1, le=10**15)]
    comment: Comment | None = None


@router.get("", dependencies=[Depends(reader)])
def standing(service: TheService) -> list[dict[str, Any]]:
    """Every alarm that is not normal: unacknowledged first, then by priority, then the newest."""
    found = [alarm_shape(service, alarm) for alarm in service.mirror.alarms.values()]
    found.sort(key=lambda a: str(a["raised_time"]), reverse=True)
    found.sort(key=lambda a: (a["acknowledged"], a["priority"]))
    return found


@router.get("/history", dependencies=[Depends(reader)])
async def history(
    service: TheService,
    start: datetime | None = None,
    end: datetime | None = None,
    alarm: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> list[dict[str, Any]]:
    """Every transition, newest first."""
    given = {"start": start, "end": end, "alarm": alarm, "limit": limit}
    return await rows(service, query("alarm history"), given)


@router.post("/{alarm}/acknowledge")
async def acknowledge(
    alarm: str, act: AlarmAct, service: TheService, session: Annotated[Session, Depends(Permitted("alarm.acknowledge"))]
) -> dict[str, Any]:
    """Somebody has seen it. It silences nothing by itself and resets nothing."""
    return await _act(service, "acknowledge", alarm, act, session)


@router.post("/{alarm}/reset")
async def reset(
    alarm: str, act: AlarmAct, service: TheService, session: Annotated[Session, Depends(Permitted("alarm.reset"))]
) -> dict[str, Any]:
    """Releases the latch of an alarm whose cause is gone and which is acknowledged."""
    return await _act(service, "reset", alarm, act, session)


async def _act(service: Service, verb: str, alarm: str, act: AlarmAct, session: Session) -> dict[str, Any]:
    if alarm not in service.alarms:
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no alarm {alarm}.")
    command = Command(
        id=0, verb=verb, target=alarm, occurrence=act.occurrence, person=session.user, comment=act.comment
    )
    await service.act(command)
    return alarm_shape(service, service.mirror.alarms.get(alarm) or _normal(alarm, act.occurrence))


def _normal(alarm: str, occurrence: int) -> AlarmInfo:
    return AlarmInfo(alarm, occurrence, "A", False, False, False, 0, 0, 0, None, None)
