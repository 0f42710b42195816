"""What the routes work with: the plant, the mirror of the engine, the database, the sessions."""

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Final

import numpy as np
from fastapi import Depends, Request
from numpy.typing import NDArray
from psycopg_pool import AsyncConnectionPool

from api.problem import Refused
from api.sessions import Session, Sessions
from drivers.quality import BAD_NOT_CONNECTED
from telemetry.feed.client import EngineAway, Mirror
from telemetry.feed.messages import Command, Frame, LayoutInfo, Result
from telemetry.plant.model import Alarm, Plant

Pool = AsyncConnectionPool


MOST_AT_ONCE: Final = 24
MOST_QUESTIONS: Final = 4


class Readings:
    """What answers about the past may take. answers: in the making, each with a block of readings in memory; questions: to the
    database at one time, half of the pool's connections."""

    def __init__(self) -> None:
        self.answers = asyncio.Semaphore(MOST_AT_ONCE)
        self.questions = asyncio.Semaphore(MOST_QUESTIONS)


@dataclass(slots=True)
class Service:
    """One for the life of the app. `open_reading`: in the demo, on loopback, whoever comes may read."""

    plant: Plant
    mirror: Mirror
    pool: Pool
    sessions: Sessions
    open_reading: bool
    alarms: dict[str, Alarm]
    readings: Readings = field(default_factory=Readings)

    async def act(self, command: Command) -> Result:
        """Sends an act to the engine. Raises Refused when it is not done."""
        try:
            result = await self.mirror.send(command)
        except EngineAway as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
        if result.refused is not None:
            raise Refused(HTTPStatus.NOT_FOUND if result.unknown else HTTPStatus.CONFLICT, result.refused)
        return result


def service_of(request: Request) -> Service:
    return request.app.state.service


TheService = Annotated[Service, Depends(service_of)]


def session_of(request: Request, service: TheService) -> Session | None:
    """The session of the bearer token; None without one. Raises Refused for one that is not (or no longer) valid."""
    given = request.headers.get("authorization", "")
    if not given:
        return None
    session = service.sessions.find(given.removeprefix("Bearer ").strip())
    if session is None:
        raise Refused(HTTPStatus.UNAUTHORIZED, "This session has ended. Sign in again.")
    return session


def reader(request: Request, session: Annotated[Session | None, Depends(session_of)], service: TheService) -> None:
    """Whoever may read."""
    local = request.client is not None and request.client.host in ("127.0.0.1", "::1")
    if session is None and not (service.open_reading and local):
        raise Refused(HTTPStatus.UNAUTHORIZED, "Sign in first: POST /api/v1/session with user and password.")


class Permitted:
    """The session of somebody whose role has `permission`."""

    def __init__(self, permission: str) -> None:
        self.permission = permission

    def __call__(self, session: Annotated[Session | None, Depends(session_of)]) -> Session:
        if session is None:
            raise Refused(HTTPStatus.UNAUTHORIZED, "Sign in first: POST /api/v1/session with user and password.")
        if self.permission not in session.permissions:
            said = f"The role {session.role} of {session.user} does not permit {self.permission}."
            raise Refused(HTTPStatus.FORBIDDEN, f"{said} Ask somebody whose role does, or an administrator.")
        return session


def unpacked(
    frame: Frame | None, layout: LayoutInfo, connected: bool
) -> tuple[NDArray[np.float64], NDArray[np.uint16] | None, NDArray[np.int64] | None]:
    """Values, quality (None: all Good) and source times of a frame as it came over the feed; all Bad where there is none."""
    n = len(layout.tags)
    if frame is None or not connected:
        return np.full(n, np.nan), np.full(n, BAD_NOT_CONNECTED, np.uint16), None
    quality = None if frame.quality is None else np.frombuffer(frame.quality, np.uint16)
    source = None if frame.source is None else np.frombuffer(frame.source, np.int64)
    return np.frombuffer(frame.values, np.float64), quality, source
