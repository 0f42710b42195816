"""Signing in and out."""

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from api.problem import PROBLEMS, Refused
from api.service import TheService, session_of
from api.sessions import Session
from api.shapes import Body, Word, iso
from telemetry.feed.client import EngineAway
from telemetry.feed.messages import Command
from telemetry.people import users

router = APIRouter(prefix="/session", tags=["session"], responses=PROBLEMS)


class Credentials(Body):
    user: Word
    password: Annotated[str, Field(max_length=1000)]


class SessionAnswer(BaseModel):
    token: str
    user: str
    role: str
    permissions: tuple[str, ...]
    expires_time: str


@router.post("")
async def begin(credentials: Credentials, service: TheService) -> SessionAnswer:
    """Signs a person in; the token goes into the header ``Authorization: Bearer``."""
    user = await asyncio.to_thread(users.signed_in, credentials.user, credentials.password)
    await _told(service, credentials.user, "refused" if user is None else "signed in")
    if user is None:
        raise Refused(
            HTTPStatus.UNAUTHORIZED, "User name and password do not fit together. Try again, or ask an administrator."
        )
    token, session = service.sessions.begin(user.name, user.role, service.plant.roles.get(user.role, ()))
    return SessionAnswer(
        token=token,
        user=session.user,
        role=session.role,
        permissions=session.permissions,
        expires_time=iso(int(session.expires_s * 1e9)) or "",
    )


@router.delete("", status_code=204)
async def end(request: Request, service: TheService, session: Annotated[Session | None, Depends(session_of)]) -> None:
    """Signs out."""
    if session is not None:
        service.sessions.end(request.headers["authorization"].removeprefix("Bearer ").strip())
        await _told(service, session.user, "signed out")


async def _told(service: TheService, person: str, transition: str) -> None:
    """Records it; a person may sign in while the engine is away, to see what there is to see."""
    try:
        await service.mirror.send(
            Command(id=0, verb="record", person=person, data={"kind": "session", "transition": transition})
        )
    except EngineAway:
        return
