"""Whatever is sent, the answer is a problem in plain words, and nothing is done or harmed by it."""

from typing import Any

import psycopg
import pytest

from tests.system.demo import Demo, Refusal

REVERSAL = "L05-ISO.chamber.pressure.reversal"
ACT = f"/api/v1/alarms/{REVERSAL}/acknowledge"
READINGS = "/api/v1/readings?tag=L05-ISO.chamber.pressure"

POSTS: list[tuple[str, Any, int]] = [
    (ACT, {}, 422),
    (ACT, {"occurrence": 0}, 422),
    (ACT, {"occurrence": 2**63}, 422),
    (ACT, {"occurrence": 10**30}, 422),
    (ACT, {"occurrence": 1, "comment": "a\0b"}, 422),
    (ACT, {"occurrence": 1, "occurence": 1}, 422),
    (ACT, [1], 422),
    (ACT, {"occurrence": 1}, 409),
    ("/api/v1/alarms/L05-ISO.nothing/reset", {"occurrence": 1}, 404),
    ("/api/v1/annunciator/silence", {"areas": ["W1"]}, 422),
    ("/api/v1/annunciator/silence", {"area": "W9"}, 404),
    ("/api/v1/annunciator/silence", {"area": "\0"}, 422),
    ("/api/v1/session", {"user": "a\0", "password": "x"}, 422),
    ("/api/v1/session", {"user": "nobody", "password": "x"}, 401),
]
GETS = [
    ("/api/v1/nothing", 404),
    ("/api/v1/tags/L99-ISO.x", 404),
    ("/api/v1/current?tag=L99-ISO.x", 404),
    ("/api/v1/current?equipment=L99-ISO", 404),
    (READINGS + "&start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", 422),
    (READINGS + "&start=2026-01-01T00:00:00&end=2026-01-02T00:00:00", 422),
    (READINGS + "&start=yesterday&end=2026-01-02T00:00:00Z", 422),
    ("/api/v1/readings?tag=L05-HCI.cell01.batch&start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z", 422),
    ("/api/v1/alarms/history?limit=0", 422),
]


@pytest.mark.parametrize(("path", "body", "status"), POSTS)
def test_what_cannot_be_done_is_refused_in_words(demo: Demo, path: str, body: Any, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        demo.ask(path, body, user=None if path.endswith("session") else "operator")
    _is_a_problem(refused.value, status)


@pytest.mark.parametrize(("path", "status"), GETS)
def test_what_does_not_exist_is_said_so(demo: Demo, path: str, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        demo.ask(path)
    _is_a_problem(refused.value, status)


def test_after_all_that_the_record_is_whole(demo: Demo) -> None:
    with psycopg.connect(demo.run("db", "url").strip()) as database:
        assert database.execute("select count(*) from rejected").fetchone() == (0,)
        assert database.execute("select count(*) from journal_gap").fetchone() == (0,)
        database.execute("select * from audit").fetchall()
    assert demo.ask("/ready")["ready"]


def _is_a_problem(refusal: Refusal, status: int) -> None:
    assert refusal.status == status, refusal
    assert refusal.body["status"] == status
    assert len(refusal.body["detail"]) > 8
    assert refusal.body["title"]
