"""The app: routes, errors, the live socket, the page."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from psycopg_pool import AsyncConnectionPool

from api import live, problem
from api.database import prepared
from api.routes import (
    alarms,
    annunciator,
    calibrations,
    completeness,
    current,
    devices,
    events,
    health,
    interlocks,
    plant,
    readings,
    session,
)
from api.service import Pool, Service
from api.sessions import Sessions
from telemetry.feed.client import Mirror
from telemetry.plant.model import Plant

PAGE = Path(__file__).parent / "static"
RECONNECT_S = 2.0
"""The pool doubles its pause between attempts up to here, then gives up; the next question begins anew, with an attempt at once."""
CONNECT_S = 5
"""Of one attempt, where nobody says no."""


def create(configured: Plant, mirror: Mirror, database_url: Callable[[], str], open_reading: bool) -> FastAPI:
    """The app for one plant. `open_reading`: in the demo, reading needs no session on loopback."""
    pool: Pool = AsyncConnectionPool(
        database_url,
        min_size=1,
        max_size=8,
        open=False,
        kwargs={"autocommit": True, "connect_timeout": CONNECT_S},
        reconnect_timeout=RECONNECT_S,
        max_waiting=100,
        configure=prepared,
    )
    service = Service(
        configured, mirror, pool, Sessions(), open_reading, {alarm.id: alarm for alarm in configured.alarms}
    )
    hub = live.Hub(service)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        mirror.listeners.append(hub.take)
        async with asyncio.TaskGroup() as tasks:
            await pool.open(wait=False)
            running = [tasks.create_task(mirror.run()), tasks.create_task(hub.run())]
            yield
            for task in running:
                task.cancel()
            await pool.close(timeout=2.0)

    app = FastAPI(
        title="telemetry",
        description="Real-time telemetry of a GMP cell-therapy plant.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service, app.state.hub = service, hub
    problem.install(app)
    for module in (
        session,
        plant,
        current,
        devices,
        readings,
        alarms,
        annunciator,
        interlocks,
        events,
        calibrations,
        completeness,
    ):
        app.include_router(module.router, prefix="/api/v1")
    app.include_router(health.router)
    app.include_router(live.router)
    _page(app)
    return app


class Page(StaticFiles):
    """The built page. Its assets carry a hash in their names and never change; the page itself is asked for anew each time."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: MutableMapping[str, Any],
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        for_ever = "assets" in Path(full_path).parts
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if for_ever else "no-cache"
        return response


def _page(app: FastAPI) -> None:
    if (PAGE / "index.html").is_file():
        app.mount("/", Page(directory=PAGE, html=True))
        return

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def missing() -> str:  # pyright: ignore[reportUnusedFunction]
        return "<p>The page has not been built: run <code>make page</code>. The API is at <code>/api/v1</code>.</p>"
