"""What is dropped and deleted, and what never is: not before it is proven, not unless the engine records it, not too early."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from telemetry.archive.keeping import closed_days
from telemetry.archive.place import ArchivedDay
from telemetry.archive.reading import archived, manifest_of, rows
from telemetry.archive.source import Source
from telemetry.errors import Refusal
from telemetry.feed.messages import Command, Result, Snapshot
from telemetry.feed.record import record
from telemetry.feed.server import FeedServer
from tests.historian.archives import COUNTER, ISOLATOR, Keeper, Stock, day, flipped, noon

ALL_TIME = (0, 2**62)


@pytest.fixture
def stock(database_url: str) -> Iterator[Stock]:
    one = Stock(database_url)
    one.days(4)
    yield one
    one.close()


@pytest.fixture
def keeper(stock: Stock, database_url: str, tmp_path: Path) -> Iterator[Keeper]:
    one = Keeper(database_url, tmp_path / "plant")
    yield one
    one.close()


def held(stock: Stock, table: str = "frame") -> dict[Any, int]:
    """Rows by day."""
    return dict(stock.asked(f"select time::date, count(*) from {table} group by 1"))


def test_raw_data_go_when_their_archive_is_proven_and_not_before_their_time(keeper: Keeper, stock: Stock) -> None:
    keeping = keeper.all_due(noon(7))
    assert keeping.failures == []
    assert held(stock) == {day(n): 23 for n in (2, 3, 4)}, "gmp for 5 days: days 0 and 1 ended before day 2, noon"
    assert held(stock, "frame_diagnostic") == {day(n): 10 for n in (3, 4)}, "day 3 is not archived yet, so it stays"
    assert [(one["class"], one["rows"], one["start"][:10]) for one in keeper.recorded] == [
        ("gmp", 23, "2026-03-01"), ("gmp", 23, "2026-03-02"),
        ("diagnostic", 10, "2026-03-01"), ("diagnostic", 10, "2026-03-02"), ("diagnostic", 10, "2026-03-03"),
    ]  # fmt: skip
    assert {one["kind"] for one in keeper.recorded} == {"deletion"}
    dropped = stock.asked("select day from archived_day where dropped is not null and class = 'gmp' order by day")
    assert dropped == [day(0), day(1)]
    assert stock.asked("select hot from coverage where class = 'gmp' order by day") == [False, False, True, True, True]
    one = archived(keeper.folder)[("gmp", day(0))][0]
    assert sum(batch.num_rows for batch in rows(one, [ISOLATOR.id, COUNTER.id], *ALL_TIME)) == 23
    assert keeper.verified().wrong == []


def test_an_unarchived_day_is_not_dropped(keeper: Keeper, stock: Stock) -> None:
    keeping = keeper.on(noon(30))
    keeping.drop()
    assert held(stock) == {day(n): 23 for n in range(5)}
    assert keeper.recorded == []


@pytest.mark.parametrize("kind", ["parquet", "page index", "manifest", "signature"])
def test_raw_data_stay_while_their_archive_is_not_whole(keeper: Keeper, stock: Stock, kind: str) -> None:
    keeper.on(noon(5)).archive_due()
    one = ArchivedDay("gmp", day(0), 1, keeper.folder)
    path = one.parquet if kind == "page index" else getattr(one, kind)
    data = path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")  # before it lies what no reader looks at here
    flipped(path, footer - 5 if kind == "page index" else len(data) // 2)
    keeping = keeper.on(noon(7))
    keeping.drop()
    assert held(stock) == {day(n): 23 for n in (0, 2, 3, 4)}, "day 1, whose archive is whole, goes"
    assert path.name.split(".")[0] in str(keeping.failures[0])


def test_raw_data_that_differ_from_their_archive_stay(keeper: Keeper, stock: Stock) -> None:
    keeper.on(noon(5)).archive_due()
    stock.connection.execute(
        "update frame set quality = '{16384,0}' where time = %s and layout = %s", (noon(0), ISOLATOR.id)
    )
    keeping = keeper.on(noon(7))
    keeping.drop()
    assert held(stock)[day(0)] == 23
    assert "differ in 1 rows" in str(keeping.failures[0])


def test_late_data_that_nobody_told_of_are_archived_before_the_drop(keeper: Keeper, stock: Stock) -> None:
    keeper.on(noon(5)).archive_due()
    stock.frames(noon(0) + timedelta(hours=2), 4, COUNTER, late=True)
    keeping = keeper.on(noon(7))
    keeping.drop()
    assert keeping.failures == []
    assert day(0) not in held(stock)
    versions = archived(keeper.folder)[("gmp", day(0))]
    assert [manifest_of(one).rows for one in versions] == [23, 4]
    assert keeper.recorded[0]["rows"] == 27


def test_late_data_for_a_day_that_is_dropped_are_archived_and_go_too(keeper: Keeper, stock: Stock) -> None:
    keeper.all_due(noon(7))
    assert day(0) not in held(stock)
    stock.frames(noon(0) + timedelta(hours=2), 4, COUNTER, late=True)
    keeping = keeper.all_due(noon(7))
    assert keeping.failures == []
    assert [manifest_of(one).rows for one in archived(keeper.folder)[("gmp", day(0))]] == [23, 4]
    assert day(0) not in held(stock)
    assert keeper.verified().wrong == []


def test_a_row_that_comes_between_proof_and_drop_stops_the_drop(keeper: Keeper, stock: Stock) -> None:
    keeper.on(noon(5)).archive_due()

    def audit(data: dict[str, Any]) -> None:
        if (data["class"], data["start"][:10]) == ("gmp", str(day(0))):
            stock.frames(noon(0) + timedelta(hours=3), 1, COUNTER, late=True)

    keeping = keeper.on(noon(7), audit=audit)
    keeping.drop()
    assert held(stock) == {day(0): 24, **{day(n): 23 for n in (2, 3, 4)}}
    assert "Late data came for 2026-03-01" in str(keeping.failures[0])
    again = keeper.on(noon(7))
    again.drop()
    assert again.failures == []
    assert day(0) not in held(stock)


def test_without_the_engine_nothing_is_deleted(keeper: Keeper, stock: Stock, tmp_path: Path) -> None:
    keeper.on(noon(5)).archive_due()
    keeping = keeper.on(noon(60), allowed=True, audit=lambda data: record(tmp_path / "nobody", "service", data))
    keeping.drop()
    keeping.expire()
    assert held(stock) == {day(n): 23 for n in range(5)}
    assert len(archived(keeper.folder)) == 9
    assert any("The engine, which records every deletion, does not answer" in str(one) for one in keeping.failures)


def test_a_clock_of_a_device_closes_no_day_and_a_writer_behind_keeps_it_open(keeper: Keeper, stock: Stock) -> None:
    stock.connection.execute(
        'insert into frame (time, layout, received, late, "values") values (%s, %s, %s, false, %s::float8[])',
        (noon(9), COUNTER.id, noon(4), [1.0]),
    )
    source = Source(stock.connection)
    through = source.through("gmp")
    assert through is not None and through.date() == day(4)
    stock.connection.execute(
        "insert into journal_position (writer, stream, number, time) values ('engine-2', 'events', 5, %s)", (noon(2),)
    )
    assert source.through("event") == noon(2)
    stock.connection.execute("update journal_position set moved = now() - interval '8 days' where writer = 'engine-2'")
    assert source.through("event") == noon(4) + timedelta(minutes=1), "one that is gone holds nothing up"


def test_a_database_restored_from_an_older_backup_learns_what_is_archived(keeper: Keeper, stock: Stock) -> None:
    keeper.on(noon(5)).archive_due()
    stock.connection.execute("delete from archived_day where day > %s", (day(0),))
    keeper.on(noon(5)).register()
    assert stock.asked("select count(*) from archived_day") == [9]
    assert stock.asked("select distinct encode(manifest_sha256, 'hex') = repeat('0', 64) from archived_day") == [False]


def test_an_archive_that_is_gone_is_told(keeper: Keeper) -> None:
    keeper.on(noon(5)).archive_due()
    one = ArchivedDay("gmp", day(1), 1, keeper.folder)
    one.manifest.unlink()
    keeping = keeper.on(noon(5))
    keeping.register()
    assert [str(failure).split(",")[0] for failure in keeping.failures] == [f"The database says that {one} is archived"]


def test_a_chunk_that_is_being_read_stays(keeper: Keeper, stock: Stock, database_url: str) -> None:
    keeper.on(noon(5)).archive_due()
    keeping = keeper.on(noon(7))
    with psycopg.connect(database_url) as reader:
        chunk = Source(stock.connection).chunks("gmp")[0]
        reader.execute(f"lock table {chunk.schema}.{chunk.name} in access share mode")
        keeping.drop()  # waits 5 s for the lock on the one chunk
    assert held(stock) == {day(n): 23 for n in (0, 2, 3, 4)}
    assert [str(one)[:23] for one in keeping.failures] == ["Somebody reads or write"]


def test_a_chunk_that_holds_more_than_was_proven_stays(keeper: Keeper, stock: Stock) -> None:
    chunks = Source(stock.connection).chunks("gmp")
    assert [chunk.days for chunk in chunks] == [[day(n)] for n in range(5)]
    with pytest.raises(Refusal, match="Late data came"):
        Source(stock.connection).drop("gmp", chunks[0], 22)
    assert held(stock)[day(0)] == 23


@pytest.mark.parametrize(("after", "expected"), [(0, 4), (1, 3), (2, 2), (30, 0)])
def test_a_day_is_closed_so_many_days_after_its_end(after: int, expected: int) -> None:
    assert closed_days(day(0), noon(4), after) == [day(n) for n in range(expected)]


@asynccontextmanager
async def engine(path: Path, refused: str | None) -> AsyncIterator[list[Command]]:
    """An engine's feed that takes commands."""
    taken: list[Command] = []

    def snapshot(number: int) -> Snapshot:
        return Snapshot(
            n=number, writer="engine-1", digest="", started_ns=0, time_ns=0, layouts=[], frames=[], texts={}, texts_ns=0,
            alarms=[], areas=[], interlocks=[], stats={},
        )  # fmt: skip

    async def execute(command: Command) -> Result:
        taken.append(command)
        return Result(id=command.id, refused=refused)

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        feed = tasks.create_task(FeedServer(path, snapshot, execute).run())
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - a socket's file
            await asyncio.sleep(0.01)
        yield taken
        feed.cancel()


async def test_an_event_is_recorded_through_the_engines_feed(tmp_path: Path) -> None:
    async with engine(tmp_path / "feed", None) as taken:
        await asyncio.to_thread(record, tmp_path / "feed", "service", {"kind": "deletion", "rows": 3})
    assert [(one.verb, one.person, one.data) for one in taken] == [
        ("record", "service", {"kind": "deletion", "rows": 3})
    ]


async def test_an_event_that_the_engine_refuses_is_a_refusal(tmp_path: Path) -> None:
    async with engine(tmp_path / "feed", "no such kind") as taken:
        with pytest.raises(Refusal, match="no such kind"):
            await asyncio.to_thread(record, tmp_path / "feed", "service", {"kind": "act"})
    assert len(taken) == 1
