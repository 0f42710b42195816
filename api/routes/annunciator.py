"""Horn and lamps: silence and test. Silencing acknowledges nothing."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from api.problem import PROBLEMS, Refused
from api.service import Permitted, TheService, reader
from api.sessions import Session
from api.shapes import Body, Word, annunciator_shape
from telemetry.feed.messages import Command

router = APIRouter(prefix="/annunciator", tags=["annunciator"], responses=PROBLEMS)


class Where(Body):
    """The area meant; null: all areas."""

    area: Word | None = None


@router.get("", dependencies=[Depends(reader)])
def annunciator(service: TheService) -> dict[str, Any]:
    """Each area's horn and lamp."""
    return annunciator_shape(service)


@router.post("/silence")
async def silence(
    where: Where, service: TheService, session: Annotated[Session, Depends(Permitted("annunciator.silence"))]
) -> dict[str, Any]:
    """Horns off for the alarms that stand now, for two minutes; a new alarm sounds at once."""
    if where.area is not None and where.area not in {entry.area for entry in service.plant.annunciators}:
        raise Refused(
            HTTPStatus.NOT_FOUND, f"There is no annunciator in an area {where.area}. GET /api/v1/annunciator lists all."
        )
    await service.act(Command(id=0, verb="silence", target=where.area or "", person=session.user))
    return annunciator_shape(service)


@router.post("/test")
async def test(
    service: TheService, session: Annotated[Session, Depends(Permitted("annunciator.test"))]
) -> dict[str, Any]:
    """All horns and lamps on for five seconds."""
    await service.act(Command(id=0, verb="test", person=session.user))
    return annunciator_shape(service)
