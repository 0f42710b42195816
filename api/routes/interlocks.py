"""Interlocks: which are tripped, and their reset."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.problem import PROBLEMS, Refused
from api.service import Permitted, TheService, reader
from api.sessions import Session
from api.shapes import Body, Comment, iso
from telemetry.feed.messages import Command

router = APIRouter(prefix="/interlocks", tags=["interlocks"], responses=PROBLEMS)


class ResetAct(Body):
    comment: Comment | None = None


@router.get("", dependencies=[Depends(reader)])
def interlocks(service: TheService) -> list[dict[str, Any]]:
    """Every row of the cause-and-effect matrix with its state."""
    states = {info.id: info for info in service.mirror.interlocks}
    found: list[dict[str, Any]] = []
    for row in service.plant.interlocks:
        info, entry = states.get(row.id), row.entry
        found.append(
            {
                "id": row.id,
                "equipment": row.equipment,
                "area": row.area,
                "title": entry.title.model_dump(),
                "cause": {
                    "tag": row.cause.id,
                    "kind": entry.cause.kind,
                    "limit": entry.cause.limit,
                    "delay_s": entry.cause.delay_s,
                    "on_bad": entry.cause.on_bad,
                },
                "effects": [{"tag": tag, "value": value} for tag, value, _ in row.effects],
                "reset": entry.reset,
                "tripped": info.tripped if info else None,
                "cause_present": info.cause if info else None,
                "since": iso(info.since_ns) if info else None,
                "confirmed": info.confirmed if info else None,
            }
        )
    return found


@router.post("/{interlock}/reset")
async def reset(
    interlock: str,
    act: ResetAct,
    service: TheService,
    session: Annotated[Session, Depends(Permitted("interlock.reset"))],
) -> dict[str, Any]:
    """Releases a tripped interlock whose cause is healthy. Nothing restarts by itself."""
    if interlock not in {row.id for row in service.plant.interlocks}:
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no interlock {interlock}. GET /api/v1/interlocks lists all.")
    command = Command(id=0, verb="reset-interlock", target=interlock, person=session.user, comment=act.comment)
    await service.act(command)
    return next(row for row in interlocks(service) if row["id"] == interlock)
