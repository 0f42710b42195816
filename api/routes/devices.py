"""Devices: whether each answers, and what is wrong with it in plain sentences."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from api.problem import PROBLEMS
from api.service import TheService, reader
from api.shapes import iso
from telemetry.feed.messages import Frame

router = APIRouter(tags=["readings"], responses=PROBLEMS, dependencies=[Depends(reader)])


class DeviceState(BaseModel):
    """answers: null where the engine has not asked yet or is not heard. failure: why nothing is read; findings: what is wrong
    though it answers. time: of the newest scan."""

    device: str
    answers: bool | None
    failure: str | None
    findings: list[str]
    time: str | None


@router.get("/devices")
def devices(
    service: TheService,
    unwell: Annotated[bool, Query(description="Only those with a failure or a finding.")] = False,
) -> list[DeviceState]:
    """Every device, as of its newest scan."""
    mirror = service.mirror
    newest: dict[str, Frame] = {}
    for frame in mirror.frames.values() if mirror.connected else ():
        layout = mirror.layouts[frame.layout]
        if not layout.record:  # a record stands until the next one, and says nothing of how its device is now
            known = newest.get(layout.device)
            newest[layout.device] = frame if known is None or frame.received_ns > known.received_ns else known
    states = [_state(unit.id, newest.get(unit.id)) for unit in service.plant.equipment]
    return [state for state in states if state.failure or state.findings] if unwell else states


def _state(device: str, frame: Frame | None) -> DeviceState:
    if frame is None:
        return DeviceState(device=device, answers=None, failure=None, findings=[], time=None)
    return DeviceState(
        device=device,
        answers=frame.failure is None,
        failure=frame.failure,
        findings=frame.findings,
        time=iso(frame.received_ns),
    )
