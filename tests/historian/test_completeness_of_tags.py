"""What /api/v1/completeness answers: of each tag what came of what was expected, and every gap with its reason."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import psycopg
import pytest

from drivers.frame import Frame, Layout
from drivers.quality import BAD, BAD_SENSOR_FAILURE, BAD_TIMEOUT, UNCERTAIN_LAST_USABLE
from telemetry.completeness import answer
from telemetry.historian import rollups as following
from telemetry.historian.store import DAMAGED, Store
from telemetry.journal import format as form
from telemetry.journal.writer import Writer
from tests.historian.journals import WRITER, read
from tests.historian.keeping import kept
from tests.historian.reading import DEVICE, NOON, SECOND, TAG, Api, executed, nanoseconds, reading, serving

COUNTER: Final = Layout("L01-PC1", ("L01-PC1.record.count_0_5um",), record=True)
OTHER: Final = Layout("L04-ISO", ("L04-ISO.chamber.pressure",))
HOUR: Final = timedelta(hours=1)


def second(s: float) -> datetime:
    return NOON + timedelta(seconds=s)


def told(moment: str) -> float:
    """Seconds after noon."""
    return (datetime.fromisoformat(moment) - NOON).total_seconds()


@pytest.fixture
async def api(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setattr(following, "SILENT_S", -1.0)
    async with serving(lambda: database_url, tmp_path) as running:
        yield running


class Journal:
    """What the engine wrote, and all of it in the database with its minutes and hours."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.writer = url, folder, Writer(folder, WRITER)

    def seconds(self, first: int, last: int, value: float | None = 1.0, quality: int = 0) -> None:
        for s in range(first, last):
            self.writer.frame(reading(second(s), value, quality), failed=False)

    def record(self, s: float, late_s: int = 0) -> None:
        time_ns = nanoseconds(second(s))
        frame = Frame(COUNTER, time_ns, time_ns + (1 + late_s) * SECOND, np.array([1.0]), late=late_s > 0)
        self.writer.frame(frame, failed=False)

    def gap(self, device: str | None, first: float, last: float, reason: str) -> None:
        first_ns, last_ns = nanoseconds(second(first)), nanoseconds(second(last))
        data = {"kind": "gap", "device": device, "first_ns": first_ns, "last_ns": last_ns, "reason": reason}
        self.writer.event(last_ns + SECOND, data)

    def kept(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            keeping = kept(connection, self.folder)
            position = keeping.store.position("events")
            if events := [x for x in read(self.folder, "events", position) if x.number > position]:
                keeping.store.events(events, position)


@pytest.fixture
def journal(database_url: str, tmp_path: Path) -> Journal:
    return Journal(database_url, tmp_path / "journal")


async def asked(api: Api, first: datetime, last: datetime, **more: Any) -> httpx.Response:
    window = {"tag": TAG, "start": first.isoformat(), "end": last.isoformat(), **more}
    return await api.client.get("/api/v1/completeness", params=window)


async def account(api: Api, first: float, last: float, tag: str = TAG) -> dict[str, Any]:
    found = await asked(api, second(first), second(last), tag=tag)
    assert found.status_code == 200, found.text
    (one,) = found.json()
    return one


def numbers(of: dict[str, Any]) -> tuple[int, ...]:
    return tuple(of[name] for name in ("expected", "good", "uncertain", "bad", "missing", "late"))


def gaps(of: dict[str, Any]) -> list[tuple[float, float, int | None, str, str]]:
    return [(told(x["start"]), told(x["end"]), x["count"], x["quality"], x["reason"]) for x in of["gaps"]]


async def test_a_day_with_everything_that_happens(api: Api, journal: Journal) -> None:
    journal.seconds(10, 1800)
    journal.seconds(1800, 1860, None, BAD_TIMEOUT)
    journal.seconds(1860, 4200)
    journal.seconds(4200, 4500, quality=UNCERTAIN_LAST_USABLE)
    journal.seconds(4500, 7200)
    journal.gap(None, 7200, 7499, "engine stopped")
    journal.seconds(7500, 10_807)
    journal.seconds(10_808, 12_600)
    journal.gap("L05-ISO", 12_590, 12_604, "clock stepped")
    journal.gap(None, 12_000, 13_000, "engine held up")
    journal.seconds(12_605, 12_700)
    journal.seconds(12_700, 12_701, None, BAD_SENSOR_FAILURE)
    journal.seconds(12_701, 18_000)
    journal.kept()
    day = await account(api, -3600, 18_000)
    assert gaps(day) == [
        (1800, 1860, 60, "Bad", "device lost"),
        (4200, 4500, 300, "Uncertain", "sensor frozen"),
        (7200, 7500, 300, "Missing", "engine stopped"),
        (10_807, 10_808, 1, "Missing", "not recorded"),
        (12_600, 12_605, 5, "Missing", "clock stepped"),
        (12_700, 12_701, 1, "Bad", "sensor failed"),
    ]
    assert numbers(day) == (17_990, 17_990 - 667, 300, 61, 306, 0)
    assert (told(day["start"]), told(day["end"]), day["gaps_until"]) == (10, 18_000, None)
    assert day["reasons"] == {
        "device lost": 60, "sensor frozen": 300, "engine stopped": 300, "not recorded": 1, "clock stepped": 5, "sensor failed": 1,
    }  # fmt: skip
    assert day["gaps"][0]["code"] == "BadTimeout" and day["gaps"][2]["code"] is None
    assert day["completeness"] == (17_990 - 667) / 17_990


async def test_hours_that_are_full_are_not_looked_into(api: Api, journal: Journal, database_url: str) -> None:
    journal.seconds(0, 4 * 3600 + 100)
    journal.kept()
    executed(database_url, "delete from frame where time >= '2026-03-10 13:00Z' and time < '2026-03-10 15:00Z'")
    assert numbers(await account(api, 0, 4 * 3600)) == (14_400, 14_400, 0, 0, 0, 0), "the hours say that they are full"
    executed(database_url, "delete from rollup_1h")
    assert gaps(await account(api, 0, 4 * 3600)) == [(3600, 10_800, 7200, "Missing", "not recorded")]
    assert numbers(await account(api, 3000, 4000)) == (1000, 600, 0, 0, 400, 0), "an hour that is cut is looked into"


async def test_gaps_go_on_over_hours_and_what_is_silent_costs_no_reading(api: Api, journal: Journal) -> None:
    journal.seconds(0, 100)
    journal.gap(None, 100, 30 * 86_400 - 1, "engine stopped")
    journal.seconds(30 * 86_400, 30 * 86_400 + 4000)
    journal.kept()
    month = await account(api, 0, 30 * 86_400 + 4000)
    assert gaps(month) == [(100, 30 * 86_400, 30 * 86_400 - 100, "Missing", "engine stopped")]
    assert numbers(month) == (30 * 86_400 + 4000, 4100, 0, 0, 30 * 86_400 - 100, 0)


async def test_beyond_what_is_looked_into_the_numbers_are_right(
    api: Api, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in range(12):
        journal.seconds(hour * 3600, hour * 3600 + 3590)
    journal.seconds(12 * 3600, 12 * 3600 + 70)
    journal.kept()
    monkeypatch.setattr(answer, "LOOKED_INTO_US", answer.HOUR_US)
    half = await account(api, 0, 12 * 3600)
    assert numbers(half) == (43_200, 43_080, 0, 0, 120, 0)
    assert len(half["gaps"]) == 6 and told(half["gaps_until"]) == 6 * 3600
    assert half["reasons"] == {"not recorded": 60, "not looked into": 60}
    rest = await account(api, 6 * 3600, 12 * 3600)
    assert len(rest["gaps"]) == 6 and rest["gaps_until"] is None


async def test_what_is_not_stored_yet_is_not_said_to_be_lost(api: Api, journal: Journal, database_url: str) -> None:
    journal.seconds(0, 100)
    journal.kept()
    executed(database_url, "update layout set since = now() - interval '1 hour'")
    now = datetime.now(UTC)
    found = await asked(api, now - HOUR / 2, now + HOUR)
    (one,) = found.json()
    assert one["reasons"] == {"not stored yet": one["expected"]}
    assert 1790 < one["expected"] < 1830, "nothing is expected of the future"


async def test_what_the_journal_lost_and_what_was_refused_says_so(api: Api, journal: Journal) -> None:
    journal.seconds(0, 200)
    records = read(journal.folder, "frames")
    spoilt = records[171]
    records[171] = form.Record(spoilt.kind, spoilt.number, spoilt.order, spoilt.time_ns, spoilt.body[:-1])
    with psycopg.connect(journal.url, autocommit=True) as connection:
        store = Store(connection, WRITER)
        store.frames([*records[:101], *records[121:]], {DEVICE.id: DEVICE}, store.position("frames"), DAMAGED)
    assert gaps(await account(api, 0, 200)) == [
        (100, 120, 20, "Missing", "record damaged"),
        (170, 171, 1, "Missing", "record refused"),
    ]


async def test_a_lost_record_of_a_second_in_which_other_devices_were_stored_says_so(api: Api, journal: Journal) -> None:
    """Its neighbours in the journal were received after the second began for which it was scanned."""
    for s in range(100):
        time_ns = nanoseconds(second(s))
        others = [Frame(OTHER, time_ns, time_ns + after_ms * 10**6, np.ones(1)) for after_ms in (200, 240)]
        for frame in (others[0], reading(second(s), 1.0, after_s=0.22), others[1]):
            journal.writer.frame(frame, failed=False)
    frames = [x.number for x in read(journal.folder, "frames") if x.kind == form.FRAME]
    records = [x for x in read(journal.folder, "frames") if x.number != frames[50 * 3 + 1]]
    with psycopg.connect(journal.url, autocommit=True) as connection:
        store = Store(connection, WRITER)
        store.frames(records, {x.id: x for x in (DEVICE, OTHER)}, store.position("frames"), DAMAGED)
    assert gaps(await account(api, 0, 100)) == [(50, 51, 1, "Missing", "record damaged")]
    assert gaps(await account(api, 49, 50.1)) == [(50, 51, 1, "Missing", "record damaged")], (
        "a window that ends between"
    )
    executed(journal.url, "delete from journal_gap")
    executed(journal.url, "delete from frame where time = '2026-03-10 12:01:39Z' and layout = %s", DEVICE.id)
    assert gaps(await account(api, 90, 100)) == [(99, 100, 1, "Missing", "not stored yet")]


async def test_records_have_their_own_rhythm(api: Api, journal: Journal) -> None:
    for minute in range(120):
        if minute not in (30, 31, 32, 70):
            journal.record(minute * 60 + 7)
    journal.record(32 * 60 + 7, late_s=6000)
    journal.gap("L01-PC1", 1800, 1900, "its buffer ran over")
    journal.kept()
    found = await account(api, 0, 7200, COUNTER.tags[0])
    assert numbers(found) == (120, 117, 0, 0, 3, 1)
    assert [(count, quality, reason) for _, _, count, quality, reason in gaps(found)] == [
        (2, "Missing", "its buffer ran over"),
        (1, "Missing", "no record came"),
    ]


async def test_a_year_of_a_sound_tag_is_read_from_its_hours(api: Api, journal: Journal, database_url: str) -> None:
    journal.seconds(0, 10)
    journal.kept()
    executed(database_url, "update layout set since = '2025-03-10 00:00Z'")
    executed(
        database_url,
        "insert into rollup_1h (time, layout, through, expected, late)"
        " select t, (select id from layout), 1, 3600, 0"
        " from generate_series('2025-03-10 00:00Z'::timestamptz, '2026-03-10 11:00Z', interval '1 hour') t",
    )
    found = await account(api, -400 * 86_400, 0)
    assert numbers(found) == ((365 * 24 + 12) * 3600, (365 * 24 + 12) * 3600, 0, 0, 0, 0)
    assert (found["completeness"], found["gaps"]) == (1.0, [])


async def test_what_cannot_be_asked_is_refused_in_plain_words(api: Api, journal: Journal) -> None:
    journal.record(0)
    journal.kept()
    executed(journal.url, "update layout set since = '2015-01-01Z'")
    for more, status, said in (
        ({"tag": "L99-ISO.none"}, 404, "no tag L99-ISO.none"),
        ({"tag": COUNTER.tags[0], "start": "2015-01-01T00:00:00Z"}, 422, "Ask for 400 days at most"),
        ({"start": "2026-03-11T12:00:00"}, 422, "with their time zone"),
        ({"start": "2027-03-11T12:00:00Z"}, 422, "The end lies before the start"),
        ({"start": "yesterday"}, 422, "start"),
    ):
        found = await asked(api, NOON - HOUR, NOON + HOUR, **more)
        assert (found.status_code, said in found.json()["detail"]) == (status, True), found.text
        assert found.headers["content-type"] == "application/problem+json"


async def test_of_a_tag_that_was_never_read_nothing_is_expected(api: Api) -> None:
    found = await account(api, 0, 3600)
    assert numbers(found) == (0, 0, 0, 0, 0, 0)
    assert (found["start"], found["end"], found["completeness"], found["gaps"]) == (None, None, None, [])


async def test_several_tags_come_one_after_the_other(api: Api, journal: Journal) -> None:
    journal.seconds(0, 50, None, BAD)
    journal.kept()
    found = (await asked(api, NOON, second(50), tag=[TAG, DEVICE.tags[0]])).json()
    assert [(one["tag"], one["good"], one["bad"]) for one in found] == [(TAG, 0, 50), (DEVICE.tags[0], 50, 0)]
