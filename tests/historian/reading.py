"""A database with stored frames, and the api over it on a real socket, for the tests of readings."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import numpy as np
import psycopg
import uvicorn

from api.app import create
from drivers.frame import Frame, Layout
from drivers.quality import BAD
from telemetry import plant
from telemetry.feed.client import Mirror
from telemetry.historian.store import Store
from telemetry.journal import format as form
from telemetry.plant.model import Plant
from telemetry.sql import query

SECOND: Final = 1_000_000_000
DAY: Final = datetime(2026, 3, 10, tzinfo=UTC)
NOON: Final = DAY + timedelta(hours=12)
TAG: Final = "L05-ISO.chamber.pressure"
DEVICE: Final = Layout("L05-ISO", ("L05-ISO.chamber.temperature", TAG, "L05-ISO.chamber.humidity"))
SLOT: Final = DEVICE.tags.index(TAG)


@cache
def example() -> Plant:
    """The example plant."""
    return plant.load(Path("config"))


def nanoseconds(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000


def reading(
    moment: datetime,
    value: float | None,
    quality: int = 0,
    late: bool = False,
    after_s: float = 0.3,
    layout: Layout = DEVICE,
) -> Frame:
    """A frame whose value of TAG is `value` (None: Bad), the others 1."""
    values = np.ones(len(layout.tags))
    codes = np.zeros(len(layout.tags), np.uint16)
    place = layout.tags.index(TAG)
    values[place] = np.nan if value is None else value
    codes[place] = (quality or BAD) if value is None else quality
    time_ns = nanoseconds(moment)
    received_ns = time_ns + int(after_s * SECOND)
    return Frame(layout, time_ns, received_ns, values, codes if codes.any() else None, np.array([time_ns + 7000]), late)


def run_of(start: datetime, values: Sequence[float | None], step_s: int = 1) -> list[Frame]:
    """One reading after the other."""
    return [reading(start + timedelta(seconds=i * step_s), value) for i, value in enumerate(values)]


def store(url: str, frames: Sequence[Frame], writer: str = "engine-1") -> None:
    """Stores frames as the historian does, in the order given."""
    layouts = {frame.layout.id: frame.layout for frame in frames}
    with psycopg.connect(url, autocommit=True) as connection:
        kept = Store(connection, writer)
        before = kept.position("frames")
        packed = [(form.LAYOUT, form.pack_layout(layout), frames[0].received_ns) for layout in layouts.values()]
        packed += [(form.FRAME, form.pack_frame(frame, False), frame.received_ns) for frame in frames]
        records = [form.Record(kind, n, n, at, body) for n, (kind, body, at) in enumerate(packed, before + 1)]
        kept.frames(records, layouts, before)


class Api:
    """Asks the api over a real socket."""

    def __init__(self, client: httpx.AsyncClient, app: Any, port: int) -> None:
        self.client, self.app, self.port = client, app, port

    @staticmethod
    def path(start: datetime, end: datetime, **more: Any) -> str:
        asked = {"tag": TAG, "start": start.isoformat(), "end": end.isoformat(), **more}
        return "/api/v1/readings?" + urlencode(asked, doseq=True)

    async def answer(self, start: datetime, end: datetime, **more: Any) -> httpx.Response:
        return await self.client.get(self.path(start, end, **more))

    async def rows(self, start: datetime, end: datetime, **more: Any) -> list[dict[str, Any]]:
        found = await self.answer(start, end, **more)
        assert found.status_code == 200, found.text
        return found.json()

    async def problem(self, status: int, start: datetime, end: datetime, **more: Any) -> str:
        """The detail of a refusal, which is a problem as RFC 9457 has it."""
        found = await self.answer(start, end, **more)
        body = found.json()
        assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json"), found.text
        assert body["status"] == status
        return body["detail"]


@asynccontextmanager
async def serving(url: Callable[[], str], folder: Path) -> AsyncIterator[Api]:
    """The api over a database, without an engine."""
    app = create(example(), Mirror(folder / "feed"), url, open_reading=True)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, loop="none", http="httptools", log_level="warning", lifespan="on"))
    running = asyncio.create_task(server.serve([listener]))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            for _ in range(2000):
                if not server.started:
                    await asyncio.sleep(0.01)
            assert server.started
            yield Api(client, app, port)
    finally:
        server.should_exit = True
        await running
        listener.close()


def executed(url: str, statement: str, *given: Any) -> list[Any]:
    """Whatever it gives."""
    with psycopg.connect(url, autocommit=True) as connection:
        done = connection.execute(statement.encode(), given)
        return done.fetchall() if done.description else []


def told_up_to(url: str, moment: datetime) -> None:
    """As if a frame had been stored that was received then."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(query("first position"), ("other", "frames"))
        connection.execute("update journal_position set time = %s where writer = 'other'", (moment,))
