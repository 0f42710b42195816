"""Calibrations over HTTP: the app with a real engine behind its feed. What is wrong in a table is told at once, row by row."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create
from telemetry import places
from telemetry.engine.engine import Engine
from telemetry.feed.client import Mirror
from telemetry.feed.messages import Beat
from tests.engine.feeds import ended, serving, until
from tests.engine.small_plant import loaded, small_plant
from tests.engine.test_sensors import PRESSURE, begun

HEAD = "tag,performed,due,certificate,result,note\n"
PATH = "/api/v1/calibrations"


@dataclass
class Api:
    """The api as people meet it. `mirror`: what it knows of the engine."""

    engine: Engine
    mirror: Mirror
    client: httpx.AsyncClient
    tokens: dict[str, str]

    async def __call__(self, path: str, given: Any = None, role: str | None = "engineer", status: int = 200) -> Any:
        """GET, or POST of JSON or of a table; the answer must have this status."""
        headers = {} if role is None else {"authorization": f"Bearer {self.tokens[role]}"}
        if given is None:
            answer = await self.client.get(path, headers=headers)
        elif isinstance(given, dict):
            answer = await self.client.post(path, json=given, headers=headers)
        else:
            answer = await self.client.post(path, content=given, headers={**headers, "content-type": "text/csv"})
        assert answer.status_code == status, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.content


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    folder = tmp_path / "journal"
    folder.mkdir()
    engine = begun(folder, small_plant())
    shown, path = engine.published.snapshot, places.feed_socket()
    mirror = Mirror(path)
    app = create(loaded(), mirror, lambda: "postgresql://127.0.0.1:1/nowhere", open_reading=True)
    syncing = asyncio.create_task(engine.sync_events(), name="sync")
    async with serving(path, engine.execute, lambda n: shown(engine.core, n, engine.clock.now())) as engine.feed:
        beating = asyncio.create_task(_beat(engine), name="beat")
        async with app.router.lifespan_context(app):
            await until(lambda: mirror.connected, "the feed")
            transport = httpx.ASGITransport(app, client=("127.0.0.1", 5))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                sessions = app.state.service.sessions
                permitted = {"engineer": ("calibration.enter",), "viewer": ()}
                tokens = {role: sessions.begin(role, role, rights)[0] for role, rights in permitted.items()}
                yield Api(engine, mirror, client, tokens)
        await ended(beating)
    await ended(syncing)


async def _beat(engine: Engine) -> None:
    while True:
        engine.feed.publish(Beat(n=engine.feed.next, time_ns=engine.clock.now(), stats={}))
        await asyncio.sleep(0.5)


def day(offset: int) -> str:
    return (datetime.now(UTC) + timedelta(days=offset)).date().isoformat()


def act(**given: Any) -> dict[str, Any]:
    usual = {
        "tag": PRESSURE,
        "performed": f"{day(-2)}T08:00:00Z",
        "due": day(300),
        "certificate": "C-1",
        "result": "pass",
    }
    return usual | given


async def shown(api: Api, query: str = "") -> list[dict[str, Any]]:
    """What the api tells, once it has heard what the engine has."""
    await until(lambda: api.mirror.calibrations == api.engine.sensors.calibrations, "the events")
    return await api(f"{PATH}{query}")


async def test_a_calibration_is_entered_by_whoever_is_signed_in_and_shown(api: Api) -> None:
    assert await api(PATH) == []
    answer = await api(PATH, act(note="in the laboratory"))
    assert (answer["tag"], answer["state"], answer["person"]) == (PRESSURE, "valid", "engineer")
    assert await shown(api) == [answer]
    tag = await api(f"/api/v1/tags/{PRESSURE}")
    assert tag["calibration_due"] == answer["due"]
    await api(PATH, act(performed=f"{day(-1)}T08:00:00Z", result="fail"))
    [failed] = await shown(api, "?state=failed")
    assert failed["state"] == "failed" and await shown(api, "?state=valid") == []
    assert (await api(f"/api/v1/tags/{PRESSURE}"))["calibration_due"] == failed["performed"]


async def test_a_day_alone_means_its_end_where_something_is_due(api: Api) -> None:
    answer = await api(PATH, act(performed=day(-3), due=day(0)))
    performed, due = datetime.fromisoformat(answer["performed"]), datetime.fromisoformat(answer["due"])
    assert due - performed == timedelta(days=4), "both in the site's time zone"
    assert answer["state"] == ("valid" if due.timestamp() > time.time() else "past due")


@pytest.mark.parametrize(
    ("given", "status", "says"),
    [
        ({"tag": "L99-ISO.x"}, 404, "no tag L99-ISO.x"),
        ({"tag": "L01-ISO.firmware"}, 422, "no measured tag"),
        ({"performed": "2999-01-01"}, 422, "in the future"),
        ({"due": "2001-01-01"}, 422, "due before it was performed"),
        ({"performed": "yesterday"}, 422, "is no time"),
        ({"result": "perhaps"}, 422, "result"),
        ({"certificate": " "}, 422, "names no certificate"),
        ({"certificate": "a\0"}, 422, "certificate"),
        ({"person": "somebody else"}, 422, "person"),
    ],
)
async def test_what_cannot_be_entered_is_said_in_words(api: Api, given: dict[str, Any], status: int, says: str) -> None:
    problem = await api(PATH, act(**given), status=status)
    assert says in problem["detail"]
    assert api.engine.sensors.calibrations == {}


async def test_who_may_enter(api: Api) -> None:
    assert "calibration.enter" in (await api(PATH, act(), "viewer", 403))["detail"]
    assert "Sign in" in (await api(PATH, act(), None, 401))["detail"]
    assert "calibration.enter" in (await api(f"{PATH}/import", HEAD, "viewer", 403))["detail"]
    assert await api(PATH, role="viewer") == []


# ---- tables


async def test_a_table_goes_in_out_and_in_again(api: Api) -> None:
    rows = (
        f"{PRESSURE},{day(-5)} 08:00Z,{day(360)},C-1,pass,\n"
        f"L01-ISO.fan,{day(-4)}T09:30:15+08:00,{day(300)} 12:00Z,C-2,Fail,\"=belt, worn\"\n"
    )  # fmt: skip
    assert await api(f"{PATH}/import", HEAD + rows) == {"entered": 2, "known": 0}
    fan, pressure = await shown(api)
    assert (fan["tag"], fan["state"], fan["note"]) == ("L01-ISO.fan", "failed", "=belt, worn")
    assert (pressure["tag"], pressure["state"]) == (PRESSURE, "valid")
    table = await api(f"{PATH}?format=csv")
    assert b"# entered by" in table and b"engineer" in table
    assert await api(f"{PATH}/import", table) == {"entered": 0, "known": 2}


async def test_every_mistake_of_a_table_is_told_and_nothing_is_entered(api: Api) -> None:
    rows = [
        f"{PRESSURE},{day(-5)},{day(300)},C-1,pass,",
        f"L01-ISO.presure,{day(-5)},{day(300)},C-1,pass,",
        "",
        f"{PRESSURE},soon,{day(300)},C-1,perhaps,",
        f"{PRESSURE},{day(-5)},{day(-6)},C-1,pass,",
        f"{PRESSURE},{day(-5)},{day(301)},C-2,pass,",
    ]
    problem = await api(f"{PATH}/import", HEAD + "\n".join(rows), status=422)
    told = problem["detail"].splitlines()
    assert told[0] == "Nothing was entered."
    assert [line.split(":", 1)[0] for line in told[1:]] == ["row 3", "row 5", "row 5", "row 6", "row 7"]
    for line, says in zip(told[1:], ("no measured tag", "is no time", "pass nor fail", "before", "row 2"), strict=True):
        assert says in line
    assert api.engine.sensors.calibrations == {}


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (b"", "no calibrations"),
        (HEAD.encode(), "no calibrations"),
        (b"tag,preformed,due,certificate,result\nx,1,1,1,1\n", "Did you mean performed?"),
        (b"\xff\xfe\x00", "CSV"),
        (b"\xff\xffx", "encoding"),
        (HEAD.encode() + b"x,1,1,1,1\n" * 2_001, "more than 2000"),
        (b"x" * 5_000_000, "more than 4 MB"),
    ],
)
async def test_what_is_no_table_is_refused(api: Api, table: bytes, says: str) -> None:
    assert says in (await api(f"{PATH}/import", table, status=422))["detail"]


async def test_without_the_engine_nothing_is_entered_and_without_the_database_there_is_no_history(api: Api) -> None:
    assert "database is away" in (await api(f"{PATH}/history", status=503))["detail"]
    assert "no tag" in (await api(f"{PATH}/history?tag=L99-ISO.x", status=404))["detail"]
    api.mirror.snapshot = None
    assert "not been heard" in (await api(PATH, status=503))["detail"]
    assert "not connected" in (await api(PATH, act(), status=503))["detail"]
