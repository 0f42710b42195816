"""What cannot be answered is said in words, before the answer begins; and whoever leaves ends the work that was done for them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.service import MOST_AT_ONCE
from tests.historian.reading import DAY, NOON, TAG, Api, executed, run_of, serving, store

HOUR = timedelta(hours=1)
WINDOW = "start=2026-03-10T12:00:00Z&end=2026-03-10T13:00:00Z"
OTHERS = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
WAITING = OTHERS + " and wait_event_type = 'Lock' and state = 'active' and position('layout = 0' in query) = 0"
"""Of questions that somebody asked: a new connection's own look at the tables waits too."""
BUSY = OTHERS + " and state <> 'idle'"


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(lambda: database_url, tmp_path) as running:
        yield running


async def until(url: str, question: str, wanted: Any, what: str) -> None:
    """Waits until the database answers `question` with `wanted`."""
    for _ in range(400):
        if executed(url, question) == [(wanted,)]:
            return
        await asyncio.sleep(0.025)
    assert executed(url, question) == [(wanted,)], what


@pytest.mark.parametrize(
    ("status", "start", "end", "more", "said"),
    [
        (422, NOON, DAY, {}, "end lies before the start"),
        (422, NOON, NOON, {}, "end lies before the start"),
        (422, NOON.replace(tzinfo=None), NOON + HOUR, {}, "time zone"),
        (422, NOON, (NOON + HOUR).replace(tzinfo=None), {}, "time zone"),
        (422, NOON - timedelta(days=3653), NOON, {"resolution": "raw"}, "in pieces of at most 366 days"),
        (422, NOON - timedelta(days=3653), NOON, {"resolution": "1s", "format": "parquet"}, "resolution=auto"),
        (422, NOON, NOON + HOUR, {"pixels": 0}, "pixels"),
        (422, NOON, NOON + HOUR, {"pixels": 10**9}, "pixels"),
        (422, NOON, NOON + HOUR, {"format": "xlsx"}, "format"),
        (422, NOON, NOON + HOUR, {"resolution": "2s"}, "resolution"),
        (422, NOON, NOON + HOUR, {"tag": "L05-HCI.cell01.batch"}, "is a text"),
        (422, NOON, NOON + HOUR, {"tag": []}, "tag"),
        (422, NOON, NOON + HOUR, {"tag": "a\0b"}, "tag"),
        (422, NOON, NOON + HOUR, {"tag": [f"L05-ISO.t{i}" for i in range(51)]}, "tag"),
        (404, NOON, NOON + HOUR, {"tag": "L99-ISO.nothing"}, "There is no tag L99-ISO.nothing"),
        (404, NOON, NOON + HOUR, {"tag": [TAG, "' or 1=1 --"]}, "There is no tag"),
    ],
)
async def test_bad_questions_get_a_problem(
    api: Api, status: int, start: datetime, end: datetime, more: dict[str, Any], said: str
) -> None:
    assert said in await api.problem(status, start, end, **more)


async def test_all_that_can_come_back_stands_in_the_openapi_description(api: Api) -> None:
    described = (await api.client.get("/openapi.json")).json()["paths"]["/api/v1/readings"]["get"]
    answers = described["responses"]
    assert set(answers["200"]["content"]) == {
        "application/json",
        "text/csv; charset=utf-8",
        "application/vnd.apache.parquet",
    }
    assert {"404", "422", "500", "503"} <= set(answers)
    assert all(set(answers[status]["content"]) == {"application/problem+json"} for status in answers if status != "200")
    asked = {parameter["name"]: parameter for parameter in described["parameters"]}
    assert list(asked) == ["tag", "start", "end", "resolution", "format", "pixels"]
    assert all(parameter["description"] for parameter in asked.values())


async def test_ten_thousand_years_at_auto_are_a_screen_like_any_other(api: Api, database_url: str) -> None:
    store(database_url, run_of(NOON, [1, 2, 3]))
    from_year_1 = (
        datetime.fromisoformat("0001-01-01T00:00:00+14:00"),
        datetime.fromisoformat("9999-12-31T23:59:59-12:00"),
    )
    (bucket,) = await api.rows(*from_year_1)
    assert (bucket["count"], bucket["min"], bucket["max"]) == (3, 1, 3)


async def test_who_leaves_ends_the_query_and_frees_the_connection(api: Api, database_url: str) -> None:
    store(database_url, run_of(NOON, [1, 2, 3]))
    assert await api.rows(NOON, NOON + HOUR)
    with psycopg.connect(database_url) as holding:
        holding.execute("lock table frame in access exclusive mode")
        request = f"GET {api.path(NOON, NOON + HOUR)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", api.port)) as client:
            client.sendall(request)
            await until(database_url, WAITING, 1, "the query waits")
        await until(database_url, WAITING, 0, "the query was cancelled on the server")
    assert not api.app.state.service.readings.answers.locked()
    assert [row["value"] for row in await api.rows(NOON, NOON + HOUR)] == [1, 2, 3]
    stats = api.app.state.service.pool.get_stats()
    assert (stats["pool_available"], stats.get("requests_waiting", 0)) == (stats["pool_size"], 0)
    assert api.app.state.service.readings.answers._value == MOST_AT_ONCE


async def test_who_does_not_read_holds_no_connection_and_leaves_in_peace(api: Api, database_url: str) -> None:
    store(database_url, run_of(DAY, [float(i) for i in range(40_000)]))
    request = f"GET {api.path(DAY, DAY + 24 * HOUR, resolution='raw')} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    slots = api.app.state.service.readings.answers
    with socket.create_connection(("127.0.0.1", api.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(request)
        assert (await asyncio.to_thread(client.recv, 15)) == b"HTTP/1.1 200 OK"
        await until(database_url, BUSY, 0, "nothing is asked of the database while nobody reads")
        assert slots._value == MOST_AT_ONCE - 1
    for _ in range(400):
        if slots._value < MOST_AT_ONCE:
            await asyncio.sleep(0.025)
    assert slots._value == MOST_AT_ONCE


async def test_too_many_at_once_are_told_to_come_back(api: Api, database_url: str) -> None:
    store(database_url, run_of(NOON, [1, 2, 3]))
    answers = api.app.state.service.readings.answers
    for _ in range(MOST_AT_ONCE):
        await answers.acquire()
    assert "Ask again" in await api.problem(503, NOON, NOON + HOUR)
    for _ in range(MOST_AT_ONCE):
        answers.release()
    assert len(await api.rows(NOON, NOON + HOUR)) == 3


async def test_many_at_once_all_get_their_answer(api: Api, database_url: str) -> None:
    store(database_url, run_of(NOON, [float(i) for i in range(3000)]))
    answers = await asyncio.gather(*(api.rows(NOON, NOON + HOUR, resolution="raw") for _ in range(MOST_AT_ONCE)))
    assert {len(rows) for rows in answers} == {3000}


async def test_a_database_that_is_away_is_a_problem_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        away = f"postgresql://telemetry@127.0.0.1:{nobody.getsockname()[1]}/telemetry?connect_timeout=2"
    async with serving(lambda: away, tmp_path) as api:
        assert "The database is away" in await api.problem(503, NOON, NOON + HOUR)


async def test_a_question_that_takes_too_long_is_stopped(api: Api, database_url: str) -> None:
    store(database_url, run_of(NOON, [1]))
    assert await api.rows(NOON, NOON + HOUR)
    pool = api.app.state.service.pool
    connections = [await pool.getconn() for _ in range(pool.get_stats()["pool_size"])]
    for connection in connections:
        assert (await (await connection.execute("show statement_timeout")).fetchone()) == ("1min",)
        await connection.execute("set statement_timeout = '50ms'")
        await pool.putconn(connection)
    with psycopg.connect(database_url) as holding:
        holding.execute("lock table frame in access exclusive mode")
        assert "was stopped" in await api.problem(503, NOON, NOON + HOUR)
    assert len(await api.rows(NOON, NOON + HOUR)) == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (f"/api/v1/readings?tag={TAG}&{WINDOW}&resolutoin=raw", "Did you mean resolution?"),
        (f"/api/v1/completeness?tag={TAG}&{WINDOW}&resolution=1h", "Known: end, start, tag."),
    ],
)  # fmt: skip
async def test_a_mistyped_parameter_is_refused(api: Api, path: str, said: str) -> None:
    found = await api.client.get(path)
    name = path.rpartition("&" if "&" in path else "?")[2].partition("=")[0]
    assert (found.status_code, found.json()["detail"]) == (422, f"There is no parameter {name!r}. {said}")


async def test_history_is_back_within_seconds_of_the_database_however_long_it_was_away(
    database_url: str, tmp_path: Path
) -> None:
    store(database_url, run_of(NOON, [1.0]))
    attempts: list[float] = []

    def address() -> str:
        attempts.append(asyncio.get_running_loop().time())
        return "postgresql://nobody@127.0.0.1:1/away" if len(attempts) < 9 else database_url

    async with serving(address, tmp_path) as api, asyncio.timeout(15):
        while (found := await api.answer(NOON, NOON + HOUR)).status_code == 503:
            assert "The database is away" in found.json()["detail"]
        assert found.status_code == 200 and len(found.json()) == 1
        apart = [round(after - before, 1) for before, after in pairwise(attempts[:8])]
        assert max(apart) <= 2.5, apart
