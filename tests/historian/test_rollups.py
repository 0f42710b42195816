"""Minutes and hours: whatever dies in between, they say what the readings themselves say, and no gap hides in them."""

import math
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg
import pytest

from drivers.frame import Frame, Layout
from drivers.quality import BAD_TIMEOUT, UNCERTAIN
from telemetry.historian import rollups as following
from telemetry.historian import upgrade as upgrading
from telemetry.historian.store import Connection, NotOurs, Store
from telemetry.historian.telling import Teller
from telemetry.historian.upgrade import upgrade
from telemetry.journal import format as form
from telemetry.journal.status import Status, tell, told
from telemetry.journal.writer import Writer
from telemetry.sql import migrations
from tests.historian.journals import COUNTER, ISOLATOR, SECOND, WRITER, read, until
from tests.historian.keeping import Keeping, kept
from tests.historian.test_historian import running

MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
START: Final = 1_780_002_000 * SECOND  # the begin of an hour
SERVICE: Final = Layout("SERVICE", ("SERVICE.free",))

NAIVE = """
select tag, date_trunc('{width}', time) as time,
    count(*) filter (where told and quality = 'Good') as good, count(*) filter (where told and quality = 'Uncertain') as uncertain,
    count(*) filter (where told and quality = 'Bad') as bad, count(*) filter (where late) as late,
    count(value) as count, min(value) as min, max(value) as max, avg(value) as mean, stddev_samp(value) as sd,
    avg(value) filter (where told) as time_weighted_mean
from (select r.*, extract(microseconds from time) % 1000000 = 0 or tag like 'L01-PC1%' as told from reading r) r group by 1, 2
"""
VIEW = """
select tag, time, good, uncertain, bad, late, count, min, max, mean, sd, time_weighted_mean
from reading_1{letter} where good + uncertain + bad + count > 0
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that says nothing new is silent at once."""
    monkeypatch.setattr(following, "SILENT_S", -1.0)


def asked(connection: Connection, question: str, *given: Any) -> list[Any]:
    """Rows; of one column, its values."""
    rows = connection.execute(question.encode(), given or None).fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]


class Plant:
    """A journal being written: an isolator each second, a counter each minute and after an outage late, with all that happens."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self.writer = Writer(folder, WRITER)
        self.folder, self.chance = folder, random.Random(seed)

    def second(self, s: int, received: int | None = None) -> None:
        """The isolator's scan of second `s` after the start; now and then Bad, Uncertain, or with a change after it."""
        chance, time = self.chance, START + s * SECOND
        values = np.array([chance.gauss(20, 1), 1e6 + chance.random() * 1e-3, float(chance.random() < 0.5)])
        quality = None
        if chance.random() < 0.2:
            quality = np.array(chance.choices((0, UNCERTAIN, BAD_TIMEOUT), k=3), np.uint16)
            values[quality >= BAD_TIMEOUT] = np.nan
        received_ns = (START + received * SECOND if received is not None else time) + 10**8
        self.writer.frame(Frame(ISOLATOR, time, received_ns, values, quality), failed=False)
        if chance.random() < 0.1:
            changed = Frame(
                ISOLATOR, time + 3 * 10**8, received_ns + 3 * 10**8, np.array([chance.gauss(30, 9), 1.0, 1.0])
            )
            self.writer.frame(changed, failed=False)

    def record(self, s: int, received: int | None = None) -> None:
        """A counter's record of second `s`; late where it is received much later."""
        time, late = START + s * SECOND + 7, received is not None and received - s > 60
        received_ns = START + (received if received is not None else s) * SECOND + 2 * 10**8
        self.writer.frame(Frame(COUNTER, time, received_ns, np.array([float(s)]), late=late), failed=False)

    def seconds(self, first: int, last: int) -> None:
        for s in range(first, last):
            self.second(s)
            if s % 60 == 30:
                self.record(s)
            if s % 60 == 1 and s > first:
                self.record(s - 3, received=s)  # of the minute before, when the next one has begun


def assert_as_read(connection: Connection) -> None:
    """Minutes and hours say what PostgreSQL itself makes of the readings."""
    for width, letter in (("minute", "m"), ("hour", "h")):
        naive = {row[:2]: row[2:] for row in asked(connection, NAIVE.format(width=width))}
        told = {row[:2]: row[2:] for row in asked(connection, VIEW.format(letter=letter))}
        if letter == "h":
            newest = max(time for tag, time in naive if tag in ISOLATOR.tags)
            naive = {k: v for k, v in naive.items() if k[0] in COUNTER.tags or k[1] < newest}  # its hour is not over
        assert told.keys() == naive.keys()
        for key, row in told.items():
            assert row[:5] == naive[key][:5], (key, row, naive[key])
            for ours, theirs in zip(row[5:], naive[key][5:], strict=True):
                assert (ours is None) == (theirs is None), (key, row, naive[key])
                assert ours is None or math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-9), (key, row, naive[key])


def test_minutes_and_hours_say_what_the_readings_say(connection: Connection, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.seconds(10, 5000)
    for s in range(5040, 8000, 60):
        plant.record(s - 5000 + 1000, received=7999)  # read back from its buffer
    plant.seconds(8000, 8100)
    keeping = kept(connection, tmp_path)
    assert keeping.rollups.position == keeping.stored
    assert_as_read(connection)
    hour = asked(connection, "select expected, good + uncertain + bad + missing from reading_1h where tag = 'L01-ISO.fan'"
                             " order by time")  # fmt: skip
    assert hour == [(3590, 3590), (3600, 3600)], "the first ten seconds of its first hour are before its first frame"
    assert asked(connection, "select sum(late) from reading_1m where tag = 'L01-PC1.count'") == [50]


def test_killed_again_and_again_each_record_is_merged_once(database_url: str, tmp_path: Path) -> None:
    chance = random.Random(7)
    plant, deaths, second = Plant(tmp_path), 0, 0
    while second < 9000:
        with psycopg.connect(database_url, autocommit=True) as connection:
            keeping = Keeping(connection, tmp_path)
            for _ in range(chance.randint(1, 6)):
                plant.seconds(second, second + 150)
                second += 150 + chance.choice((0, 0, 3, 200))
                plant.record(max(0, second - chance.randint(100, 4000)), received=second)
                keeping.store_frames(chance.randint(50, 400))
                if chance.random() < 0.4:
                    with psycopg.connect(database_url) as other:
                        other.execute("select pg_terminate_backend(%s)", (connection.info.backend_pid,))
                try:
                    keeping.rollups.follow(keeping.stored)
                except psycopg.OperationalError:
                    deaths += 1
                    break
            keeping.rollups.close()
    assert deaths >= 3, "nothing was interrupted"
    with psycopg.connect(database_url, autocommit=True) as connection:
        keeping = kept(connection, tmp_path)
        assert keeping.rollups.position == keeping.stored
        assert_as_read(connection)


def test_a_zombie_merges_nothing(database_url: str, connection: Connection, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.seconds(0, 300)
    with psycopg.connect(database_url, autocommit=True) as other:
        zombie = Keeping(other, tmp_path)
        keeping = kept(connection, tmp_path)
        before = asked(connection, "select * from rollup_1m order by time, layout")
        with pytest.raises(NotOurs, match="engine-1 rollups is not 0: another historian"):
            zombie.rollups.follow(keeping.stored)
            zombie.rollups.follow(keeping.stored)
        zombie.rollups.close()
    assert asked(connection, "select * from rollup_1m order by time, layout") == before
    assert_as_read(connection)


def test_a_database_from_an_older_backup_gets_the_rest(
    database_url: str, new_database: Callable[[str, str], str], tmp_path: Path
) -> None:
    plant = Plant(tmp_path)
    plant.seconds(0, 4000)
    with psycopg.connect(database_url, autocommit=True) as connection:
        kept(connection, tmp_path)
    backup = new_database(database_url.rsplit("/", 1)[1], "telemetry")
    plant.seconds(4000, 8000)
    with psycopg.connect(database_url, autocommit=True) as connection:
        kept(connection, tmp_path)
        newest = asked(connection, VIEW.format(letter="m") + " order by 1, 2")
    with psycopg.connect(backup, autocommit=True) as connection:
        assert len(asked(connection, VIEW.format(letter="m"))) < len(newest)
        kept(connection, tmp_path)
        assert asked(connection, VIEW.format(letter="m") + " order by 1, 2") == newest
        assert_as_read(connection)


def test_a_gap_has_rows(connection: Connection, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.seconds(0, 90)
    plant.seconds(2 * 3600 + 30, 2 * 3600 + 120)
    kept(connection, tmp_path)
    minutes = asked(connection, "select expected, missing, good + uncertain + bad from reading_1m where tag = 'L01-ISO.fan'"
                                " order by time")  # fmt: skip
    assert minutes == [(60, 0, 60), (60, 30, 30), *[(60, 60, 0)] * 118, (60, 30, 30), (60, 0, 60)]
    assert asked(connection, "select distinct mean, count from reading_1m where missing = 60 and count = 0") == [
        (None, 0)
    ]
    assert asked(connection, "select missing from reading_1h where tag = 'L01-ISO.fan' order by time") == [3510, 3600]


def test_of_a_long_gap_only_the_hours_have_rows(connection: Connection, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.seconds(0, 90)
    kept(connection, tmp_path)
    later = 200 * 86400
    plant.seconds(later + 600, later + 720)
    kept(connection, tmp_path)
    minutes = asked(connection, "select (extract(epoch from time) - %s)::int from reading_1m where tag = 'L01-ISO.fan'"
                                " order by time", START // SECOND)  # fmt: skip
    assert minutes == [0, 60, *range(later, later + 720, 60)]
    hours = asked(connection, "select (extract(epoch from time) - %s)::int, missing from reading_1h"
                              " where tag = 'L01-ISO.fan' order by time", START // SECOND)  # fmt: skip
    assert hours == [(0, 3510), *((s, 3600) for s in range(later - 92 * 86400, later, 3600))]
    assert asked(connection, "select count(*) from reading_1m where tag = 'L01-PC1.count'") == [5]


def test_what_comes_for_minutes_that_were_dropped_is_merged_into_their_hours(
    connection: Connection, tmp_path: Path
) -> None:
    plant = Plant(tmp_path)
    plant.seconds(0, 7300)
    kept(connection, tmp_path)
    connection.execute("insert into minutes_dropped (before) values (to_timestamp(%s))", ((START + HOUR) // SECOND,))
    connection.execute("delete from rollup_1m where time < to_timestamp(%s)", ((START + HOUR) // SECOND,))
    for s in (100, 105, 2000, 4000):
        plant.record(s, received=7300)
    plant.seconds(7300, 7500)
    keeping = Keeping(connection, tmp_path)
    for _ in range(3):  # read again and again, each record is merged once
        keeping.store_frames()
        keeping.rollups.follow(keeping.stored)
        keeping.rollups.close()
        connection.execute("update journal_position set number = 8000 where stream = 'rollups'")
        keeping = Keeping(connection, tmp_path)
    keeping.follow()
    naive = asked(connection, NAIVE.format(width="hour"))
    told = {row[:2]: row[2:] for row in asked(connection, VIEW.format(letter="h"))}
    hours = {row[:2]: row[2:] for row in naive if row[:2] in told and row[0] in COUNTER.tags}
    assert len(hours) == 4
    for key, row in hours.items():
        assert told[key][:5] == row[:5]
        assert told[key][5:8] == pytest.approx(tuple(map(float, row[5:8])))
    assert asked(
        connection, "select count(*) from rollup_1m where time < to_timestamp(%s)", (START + HOUR) // SECOND
    ) == [0]


def test_a_counter_whose_clock_is_ahead_holds_nothing_up(connection: Connection, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.record(86400 * 30, received=5)
    plant.seconds(0, 300)
    keeping = Keeping(connection, tmp_path)
    keeping.store_frames()
    keeping.rollups.follow(keeping.stored)
    assert keeping.rollups.position > 200, "the record from next month waited for its minute"
    keeping.follow()
    assert_as_read(connection)


def test_a_refused_frame_is_missing_in_its_minute(connection: Connection, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    for s in range(120):
        plant.second(s)
    keeping = Keeping(connection, tmp_path)
    frame = next(
        x for x in read(tmp_path, "frames") if x.kind == form.FRAME and form.frame_time(x.body) == START + 7 * SECOND
    )
    keeping.store_frames()
    connection.execute(
        "insert into rejected (writer, stream, number, time, reason, body) values (%s, 'frames', %s, now(), 'a test', 'x')",
        (WRITER, frame.number),
    )
    keeping.follow()
    assert asked(connection, "select missing from reading_1m where tag = 'L01-ISO.fan' order by time") == [1, 0]


def test_a_device_that_is_configured_no_longer_is_not_missed(connection: Connection, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    for s in range(200):
        if s < 90:
            plant.second(s)
        plant.writer.frame(Frame(SERVICE, START + s * SECOND, START + s * SECOND + 1, np.array([1.0])), failed=False)
        if s == 120:
            Keeping(connection, tmp_path).store_frames()
            until = f"to_timestamp({START // SECOND + 90})"
            connection.execute(f"update layout set until = {until} where device = 'L01-ISO'".encode())
    kept(connection, tmp_path)
    told = asked(connection, "select tag, expected, missing from reading_1m where tag in ('L01-ISO.fan', 'SERVICE.free')"
                             " order by 1, time")  # fmt: skip
    assert told == [
        ("L01-ISO.fan", 60, 0), ("L01-ISO.fan", 30, 0),
        ("SERVICE.free", 60, 0), ("SERVICE.free", 60, 0), ("SERVICE.free", 60, 0), ("SERVICE.free", 60, 40),
    ]  # fmt: skip


def test_a_database_of_the_first_version_gets_its_rollups_from_its_frames(
    plain_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant = Plant(tmp_path)
    plant.seconds(40, 4000)
    plant.seconds(90_000, 93_700)
    records = read(tmp_path, "frames")
    with psycopg.connect(plain_database_url, autocommit=True) as connection:
        with monkeypatch.context() as patch:
            patch.setattr(upgrading, "migrations", lambda: migrations()[:1])
            upgrade(connection, lambda line: None)
        first_version(connection, records)
        upgrade(connection, lambda line: None)
        assert asked(connection, "select device, class, period_s, (extract(epoch from since) - %s)::int from layout order by 1",
                     START // SECOND) == [("L01-ISO", "gmp", 1, 40), ("L01-PC1", "gmp", None, 58)]  # fmt: skip
        kept(connection, tmp_path)
        plant.seconds(93_700, 93_900)
        kept(connection, tmp_path)
        assert_as_read(connection)
        missing = asked(connection, "select sum(missing), sum(expected) from reading_1m where tag = 'L01-ISO.fan'")
        assert missing == [(90_000 - 4000, 93_900 - 40)]


def test_what_a_lost_journal_held_beyond_the_minutes_is_made_from_the_frames(
    connection: Connection, tmp_path: Path
) -> None:
    plant = Plant(tmp_path)
    plant.seconds(0, 3500)
    kept(connection, tmp_path)
    plant.seconds(3500, 3700)
    plant.record(1000, received=3700)
    keeping = Keeping(connection, tmp_path)
    keeping.store_frames()
    keeping.rollups.follow(keeping.stored)
    assert keeping.rollups.position < keeping.stored - 30, "the last minute waits"
    keeping.rollups.close()
    plant.writer.close()
    shutil.rmtree(tmp_path)
    plant.writer = Writer(tmp_path, WRITER)
    plant.writer.begin_behind(0, 0, keeping.stored)
    plant.seconds(3700, 3900)
    keeping = kept(connection, tmp_path)
    assert keeping.rollups.position == keeping.stored
    assert_as_read(connection)
    missing = asked(connection, "select sum(missing), sum(expected) from reading_1m where tag = 'L01-ISO.fan'")
    assert missing == [(0, 3900)]


def test_what_a_file_of_another_database_says_of_minutes_is_not_believed(
    connection: Connection, tmp_path: Path
) -> None:
    tell(tmp_path, Status(frames=900, rollups=900))
    Teller(tmp_path).begun(Store(connection, WRITER), frames=5, events=0, rollups=3)
    status = told(tmp_path)
    assert status is not None and (status.frames, status.rollups) == (5, 3)


def first_version(connection: Connection, records: list[form.Record]) -> None:
    """Stores records as the first version did, with the columns that it knew."""
    layouts = {x.id: x for x in (ISOLATOR, COUNTER)}
    for x in layouts.values():
        connection.execute(
            "insert into layout (id, device, record, tags) values (%s, %s, %s, %s)",
            (x.id, x.device, x.record, list(x.tags)),
        )
        connection.execute(
            "insert into layout_tag select tag, %s, slot from unnest(%s::text[]) with ordinality t (tag, slot)",
            (x.id, list(x.tags)),
        )
    for record in records:
        if record.kind == form.FRAME:
            frame, _ = form.unpack_frame(record, layouts[form.frame_layout(record.body)])
            values = [None if math.isnan(x) else x for x in frame.values.tolist()]
            quality = None if frame.quality is None else frame.quality.tolist()
            connection.execute(
                'insert into frame (time, layout, received, late, quality, "values")'
                " values (to_timestamp(%s / 1e9), %s, now(), %s, %s, %s::float8[])",
                (frame.time_ns, frame.layout.id, frame.late, quality, values),
            )
    connection.execute(
        "insert into journal_position (writer, stream, number) values (%s, 'frames', %s)", (WRITER, records[-1].number)
    )


def test_what_is_no_frame_and_what_is_of_no_time_holds_nothing_up(connection: Connection, tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.seconds(0, 100)
    stream = plant.writer._frames
    for body in (b"", b"short"):
        plant.writer.order += 1
        stream.append(form.FRAME, plant.writer.order, START + 100 * SECOND, body)
    for time_ns in (2**63 - 1, -(2**63)):
        odd = Frame(COUNTER, time_ns, START + 100 * SECOND, np.array([1.0]))
        plant.writer.frame(odd, failed=False)
    plant.seconds(101, 300)
    keeping = kept(connection, tmp_path)
    assert keeping.rollups.position == keeping.stored
    assert asked(connection, "select sum(missing), sum(expected) from reading_1m where tag = 'L01-ISO.fan'") == [
        (1, 300)
    ]


def test_the_historian_tells_how_far_its_minutes_are(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / WRITER
    plant = Plant(folder)
    plant.seconds(0, 130)
    plant.writer.close()
    last = read(folder, "frames")[-1].number

    def merged() -> bool:
        status = told(folder)
        return status is not None and status.rollups == last

    with running(folder, database_url):
        until(merged, "the frames are in the minutes")
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert_as_read(connection)
        assert asked(connection, "select number from journal_position where stream = 'rollups'") == [last]
