"""Database and archive are read as one: a day that was dropped, its addenda, what came back since, all in order and once."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.historian.archives import Keeper, flipped
from tests.historian.reading import DAY, DEVICE, NOON, TAG, Api, executed, reading, run_of, serving, store, told_up_to

DAYS = timedelta(days=1)
VALUES = [1.5, None, 2.5, 3.5, None, 1 / 3]


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(lambda: database_url, tmp_path) as running:
        yield running


@pytest.fixture
def keeper(database_url: str, own_data_folder: Path) -> Iterator[Keeper]:
    own_data_folder.mkdir(exist_ok=True)
    one = Keeper(database_url, own_data_folder)
    yield one
    one.close()


def archive(keeper: Keeper, url: str) -> None:
    """What is due nine days later: archived, and dropped where older than five."""
    told_up_to(url, NOON + 9 * DAYS)
    assert keeper.all_due(NOON + 9 * DAYS).failures == []


def three_days(url: str) -> None:
    """Noon of three days, the last of them young enough to stay in the database."""
    for n in (0, 1, 8):
        store(url, run_of(NOON + n * DAYS, VALUES))


def in_database(url: str) -> list[int]:
    return [row[0] for row in executed(url, "select (time::date - %s::date) from frame group by 1 order by 1", DAY)]


async def test_what_was_dropped_is_answered_as_before(api: Api, keeper: Keeper, database_url: str) -> None:
    three_days(database_url)
    window = DAY - 5 * DAYS, DAY + 20 * DAYS
    before = await api.rows(*window, resolution="raw")
    assert len(before) == 3 * len(VALUES)
    archive(keeper, database_url)
    assert in_database(database_url) == [8]
    assert await api.rows(*window, resolution="raw") == before
    part = NOON + DAYS + timedelta(seconds=2), NOON + DAYS + timedelta(seconds=4)
    assert [row["value"] for row in await api.rows(*part, resolution="raw")] == [2.5, 3.5]


async def test_buckets_and_seconds_of_a_dropped_day(api: Api, keeper: Keeper, database_url: str) -> None:
    three_days(database_url)
    window = NOON, NOON + timedelta(seconds=len(VALUES))
    seconds, minutes = await api.rows(*window, resolution="1s"), await api.rows(*window, resolution="1m")
    archive(keeper, database_url)
    assert await api.rows(*window, resolution="1s") == seconds
    assert await api.rows(*window, resolution="1m") == minutes
    assert (minutes[0]["count"], minutes[0]["bad"]) == (4, 2)


async def test_addenda_and_what_is_no_addendum_yet_are_read_too_and_once(
    api: Api, keeper: Keeper, database_url: str
) -> None:
    three_days(database_url)
    archive(keeper, database_url)
    late = NOON + timedelta(milliseconds=1500)
    store(database_url, [reading(late, 77.0, late=True, after_s=9 * 86400)])
    expected = [1.5, None, 77.0, *VALUES[2:]]
    rows = await api.rows(NOON, NOON + DAYS, resolution="raw")
    assert [row["value"] for row in rows] == expected, "late data that only the database has"
    keeping = keeper.on(NOON + 9 * DAYS)
    keeping.archive_late()
    assert keeping.failures == []
    assert in_database(database_url) == [0, 8]
    assert (await api.rows(NOON, NOON + DAYS, resolution="raw")) == rows, "that both have"
    keeper.all_due(NOON + 9 * DAYS)
    assert in_database(database_url) == [8]
    assert (await api.rows(NOON, NOON + DAYS, resolution="raw")) == rows, "that only the archive has"
    assert rows[2]["late"]


async def test_after_an_older_database_came_back_what_only_the_archive_has_is_found(
    api: Api, keeper: Keeper, database_url: str
) -> None:
    three_days(database_url)
    before = await api.rows(DAY - 5 * DAYS, DAY + 20 * DAYS, resolution="raw")
    archive(keeper, database_url)
    executed(database_url, "delete from archived_day where day > %s", DAY)  # the backup is of the first day
    keeper.on(NOON + 9 * DAYS).register()
    assert await api.rows(DAY - 5 * DAYS, DAY + 20 * DAYS, resolution="raw") == before
    assert executed(
        database_url, "select count(*) from archived_day where class = 'event' and dropped is not null"
    ) == [(0,)]


async def test_a_file_that_is_missing_is_named_and_nothing_else_is_harmed(
    api: Api, keeper: Keeper, database_url: str
) -> None:
    three_days(database_url)
    archive(keeper, database_url)
    file = keeper.folder / f"gmp/2026/{DAY.date()}.v1.parquet"
    data = file.read_bytes()
    file.unlink()
    said = await api.problem(500, NOON, NOON + DAYS, resolution="raw")
    assert str(file) in said
    assert "is missing" in said
    rows = await api.rows(NOON + DAYS, NOON + 2 * DAYS, resolution="raw")
    assert [row["value"] for row in rows] == VALUES
    file.write_bytes(data)
    assert len(await api.rows(NOON, NOON + DAYS, resolution="raw")) == len(VALUES)


async def test_a_missing_file_far_behind_is_said_before_the_answer_begins(
    api: Api, keeper: Keeper, database_url: str
) -> None:
    three_days(database_url)
    archive(keeper, database_url)
    (keeper.folder / f"gmp/2026/{(DAY + DAYS).date()}.v1.manifest.json").unlink()
    said = await api.problem(500, DAY, DAY + 9 * DAYS, resolution="raw")
    assert f"{(DAY + DAYS).date()}.v1.manifest.json is missing" in said


async def test_damage_found_in_the_middle_breaks_the_answer_off_and_does_not_end_it(
    api: Api, keeper: Keeper, database_url: str
) -> None:
    store(database_url, run_of(NOON, [0.5 * i for i in range(9000)]))
    store(database_url, run_of(NOON + DAYS, [0.25 * i for i in range(9000)]))
    store(database_url, run_of(NOON + 8 * DAYS, [1]))
    archive(keeper, database_url)
    assert len(await api.rows(DAY, DAY + 2 * DAYS, resolution="raw")) == 18_000
    file = keeper.folder / f"gmp/2026/{(DAY + DAYS).date()}.v1.parquet"
    flipped(file, file.stat().st_size // 2)
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
        await api.answer(DAY, DAY + 2 * DAYS, resolution="raw")
    assert len(await api.rows(DAY, DAY + DAYS, resolution="raw")) == 9000


async def test_a_file_that_was_altered_is_named(api: Api, keeper: Keeper, database_url: str) -> None:
    three_days(database_url)
    archive(keeper, database_url)
    file = keeper.folder / f"gmp/2026/{DAY.date()}.v1.manifest.json"
    file.write_bytes(file.read_bytes().replace(b'"rows"', b'"rowz"', 1))
    assert str(file) in await api.problem(500, NOON, NOON + DAYS, resolution="raw")


async def test_what_is_deleted_at_the_end_of_its_retention_is_no_fault(
    api: Api, keeper: Keeper, database_url: str
) -> None:
    three_days(database_url)
    archive(keeper, database_url)
    keeping = keeper.on(NOON + 60 * DAYS, allowed=True)
    keeping.expire()
    assert keeping.failures == []
    assert [row["tag"] for row in await api.rows(DAY, DAY + 2 * DAYS, resolution="raw")] == []
    kept = await api.rows(DAY, DAY + 9 * DAYS, resolution="raw", tag=[TAG, DEVICE.tags[0]])
    assert len(kept) == 2 * len(VALUES)
