"""Everything that happened, as stored."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from api.database import rows
from api.problem import PROBLEMS
from api.service import TheService, reader
from telemetry.sql import query

router = APIRouter(tags=["events"], responses=PROBLEMS, dependencies=[Depends(reader)])


@router.get("/events")
async def events(
    service: TheService,
    start: datetime | None = None,
    end: datetime | None = None,
    kind: Annotated[
        str | None, Query(description="e.g. alarm, interlock, act, device, device_event, text, engine")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> list[dict[str, Any]]:
    """Events, newest first."""
    return await rows(service, query("events"), {"start": start, "end": end, "kind": kind, "limit": limit})
