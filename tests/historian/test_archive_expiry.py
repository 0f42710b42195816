"""What goes by its age: archives after their retention and minutes after theirs, never by a clock in doubt, and to the end."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from telemetry.archive.place import ArchivedDay
from telemetry.archive.reading import archived
from tests.historian.archives import ISOLATOR, RETENTION, Keeper, Stock, day, flipped, noon


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


def held(stock: Stock, table: str) -> set[object]:
    """Days of which there are rows."""
    return set(stock.asked(f"select distinct time::date from {table}"))


def test_archives_go_at_the_end_of_their_retention_and_leave_a_signed_note(keeper: Keeper, stock: Stock) -> None:
    keeper.all_due(noon(7))
    keeper.recorded.clear()
    keeping = keeper.on(noon(12), allowed=True)
    keeping.expire()
    assert keeping.failures == []
    assert [(one["class"], one["day"]) for one in keeper.recorded] == [("diagnostic", str(day(n))) for n in (0, 1)]
    gone = ArchivedDay("diagnostic", day(0), 1, keeper.folder)
    assert (gone.parquet.exists(), gone.manifest.exists(), gone.deletion.exists()) == (False, True, True)
    assert ("diagnostic", day(0)) not in archived(keeper.folder)
    report = keeper.verified()
    assert report.wrong == []
    assert [note[:36] for note in report.noted] == [f"diagnostic of {day(n)} was deleted" for n in (0, 1)]
    assert stock.asked("select count(*) from archived_day where class = 'diagnostic'") == [1]
    flipped(gone.deletion, 20)
    assert str(gone.deletion) in keeper.verified().wrong[0]
    gone.deletion.unlink()
    assert f"{gone.parquet} is missing" in keeper.verified().wrong


def test_no_setting_deletes_gmp_data_before_the_legal_minimum(keeper: Keeper) -> None:
    keeper.all_due(noon(7))
    policy = keeper.on(noon(7)).retention
    short = policy.model_copy(update={"gmp": policy.gmp.model_copy(update={"keep_days": 6})})  # past the config's check
    keeping = keeper.on(noon(25), retention=short, allowed=True)
    keeping.expire()
    assert sorted(day_ for c, day_ in archived(keeper.folder) if c == "gmp") == [day(n) for n in range(3)]
    keeper.on(noon(0) + timedelta(days=31), retention=short, allowed=True).expire()
    assert ("gmp", day(0)) not in archived(keeper.folder)
    assert ("event", day(0)) not in archived(keeper.folder)
    assert keeper.verified().wrong == []


def test_a_clock_that_is_wrong_deletes_nothing(keeper: Keeper, stock: Stock) -> None:
    keeper.on(noon(5)).archive_due()
    there = set(archived(keeper.folder))
    keeping = keeper.on(noon(4000))
    keeping.expire()
    assert (set(archived(keeper.folder)), keeper.recorded) == (there, [])
    assert len(keeping.failures) == 3, "one for each class"
    assert str(keeping.failures[0]).startswith(
        f"The clock says {day(4000)}, and the newest day archived before is {day(2)}"
    )
    assert "--clock-is-right" in str(keeping.failures[0])


def test_more_than_a_week_is_not_deleted_at_once_unless_a_person_allows_it(keeper: Keeper, stock: Stock) -> None:
    stock.days(24)
    keeper.on(noon(25)).archive_due()
    keeping = keeper.on(noon(24))  # diagnostic is kept for 10 days: days 0 to 13 are due
    keeping.expire()
    assert [str(one).split(" (")[0] for one in keeping.failures] == [
        f"By the clock, which says {day(24)}, 14 days of diagnostic of the archive would be deleted at once"
    ]
    assert keeper.recorded == []
    keeping = keeper.on(noon(24), allowed=True)
    keeping.expire()
    assert keeping.failures == []
    assert [one["day"] for one in keeper.recorded] == [str(day(n)) for n in range(14)]
    assert ("diagnostic", day(13)) not in archived(keeper.folder)
    keeping = keeper.on(noon(25))
    keeping.expire()
    assert keeping.failures == [], "a day more is no doubt"
    assert [one["day"] for one in keeper.recorded[14:]] == [str(day(14))]


def minutes_of(stock: Stock, first: int, last: int, hours: bool = True) -> None:
    """A minute each day at noon, from day `first` on to before `last`, and its hour."""
    for table in ("rollup_1m", *(["rollup_1h"] if hours else [])):
        for n in range(first, last):
            stock.connection.execute(
                f"insert into {table} (time, layout, through, expected, late) values (%s, %s, 7, 60, 0)",
                (noon(n), ISOLATOR.id),
            )


def test_minutes_go_by_the_week_when_their_hours_are_there(keeper: Keeper, stock: Stock) -> None:
    minutes_of(stock, -27, 5)  # weeks begin on Thursdays: day 4, -3, -10, -17, -24
    minutes_of(stock, -28, -27, hours=False)
    keeper.on(noon(5)).archive_due()
    short = RETENTION.model_copy(update={"minutes_days": 10})
    keeping = keeper.on(noon(5), retention=short)
    keeping.drop_minutes()
    assert [str(one).split(",")[0] for one in keeping.failures] == [
        f"1 minutes of the week from {day(-31)} on are in no hour yet"
    ]
    assert (keeper.recorded, held(stock, "rollup_1m")) == ([], {day(n) for n in range(-28, 5)})
    stock.connection.execute("insert into rollup_1h select * from rollup_1m where time = %s", (noon(-28),))
    keeping = keeper.on(noon(5), retention=short)
    keeping.drop_minutes()
    assert keeping.failures == []
    assert held(stock, "rollup_1m") == {day(n) for n in range(-10, 5)}
    assert [(one["kind"], one["what"], one["rows"]) for one in keeper.recorded] == [
        ("deletion", "minutes", n) for n in (4, 7, 7)
    ]
    assert len(held(stock, "rollup_1h")) == 33, "hours are kept for ever"
    assert stock.asked("select max(before)::date from minutes_dropped") == [day(-10)]


def test_minutes_stay_where_the_clock_is_in_doubt(keeper: Keeper, stock: Stock) -> None:
    minutes_of(stock, -60, 0)
    keeper.on(noon(5)).archive_due()
    for now in (noon(5), noon(900)):
        keeping = keeper.on(now, retention=RETENTION.model_copy(update={"minutes_days": 10}))
        keeping.drop_minutes()
        assert "--clock-is-right" in str(keeping.failures[0])
    assert (len(held(stock, "rollup_1m")), keeper.recorded) == (60, [])


def test_a_deletion_that_was_noted_and_not_done_is_finished(
    keeper: Keeper, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.all_due(noon(7))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: pytest.fail("it dies here"))
        with pytest.raises(pytest.fail.Exception, match="it dies here"):
            keeper.on(noon(12), allowed=True).expire()
    gone = ArchivedDay("diagnostic", day(0), 1, keeper.folder)
    assert (gone.parquet.exists(), gone.deletion.exists()) == (True, True)
    keeping = keeper.on(noon(12), allowed=True)
    keeping.expire()
    assert (keeping.failures, gone.parquet.exists()) == ([], False)
    assert stock.asked("select count(*) from archived_day where class = 'diagnostic'") == [1]
    assert keeper.verified().wrong == []


def test_a_note_that_nobody_signed_deletes_nothing(keeper: Keeper) -> None:
    keeper.on(noon(5)).archive_due()
    one = ArchivedDay("gmp", day(0), 1, keeper.folder)
    one.deletion.write_text("{}")
    keeping = keeper.on(noon(5))
    keeping.expire()
    assert (len(keeping.failures), one.parquet.exists()) == (1, True)
