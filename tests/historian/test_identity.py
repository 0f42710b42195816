"""Which journal a database was filled from: another one is refused, a lost one is followed, numbers are never used twice."""

import logging
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from telemetry import places
from telemetry.engine.replay import frames_after
from telemetry.errors import Refusal
from telemetry.historian.adopt import adopt
from telemetry.journal.format import FRAME
from telemetry.journal.identity import identity
from telemetry.journal.status import SIZE, Status, tell, told
from telemetry.journal.writer import Writer
from tests.historian.journals import (
    NOON,
    SECOND,
    WRITER,
    broken_at,
    events_of,
    good_frame,
    numbers,
    read,
    until,
    written,
)
from tests.historian.test_historian import asked, last_numbers, positions, running, store_all


def test_a_journal_keeps_its_mark_and_no_two_have_the_same(tmp_path: Path) -> None:
    one = identity(written(tmp_path / "one", events=1).folder)
    assert one is not None and len(one) == 32
    assert identity(Writer(tmp_path / "one", WRITER).folder) == one
    assert identity(Writer(tmp_path / "two", WRITER).folder) not in (one, None)
    assert identity(tmp_path) is None


def test_a_longer_journal_that_is_another_one_is_refused(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, other = tmp_path / WRITER, tmp_path / "other" / WRITER
    written(folder, events=5, frames=5).close()
    store_all(folder, database_url)
    before = positions(database_url)
    written(other, events=50, frames=50).close()
    with caplog.at_level(logging.WARNING), running(other, database_url):
        until(lambda: "filled from another journal" in caplog.text, "it refuses")
        status = told(other)
    assert status is not None and not status.database
    assert status.reason is not None and "telemetry db adopt" in status.reason
    assert positions(database_url) == before
    assert asked(database_url, "select count(*) from event") == [before["events"]]


def test_a_new_journal_goes_on_behind_the_lost_one(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / WRITER
    writer = written(folder, events=5, frames=20)
    writer.event(NOON, {"kind": "alarm", "alarm": "a", "occurrence": 7, "transition": "raised"})
    writer.close()
    store_all(folder, database_url)
    before, mark = positions(database_url), identity(folder)
    shutil.rmtree(folder)
    fresh = Writer(folder, WRITER)
    for i in (40, 41, 42):
        fresh.event(NOON + i * SECOND, {"kind": "act", "n": i})
        fresh.frame(good_frame(i), failed=False)
    fresh.close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        said: list[str] = []
        adopt(folder, connection, NOON + 50 * SECOND, said.append)
        assert "behind event 6 and frame 21" in said[0]
        with pytest.raises(Refusal, match="is the one that the database was filled from"):
            adopt(folder, connection, NOON + 51 * SECOND, said.append)
    assert identity(folder) == mark
    assert numbers(read(folder, "events")) == list(range(before["events"] + 1, before["events"] + 6))
    *acts, gap, journal = events_of(read(folder, "events"))
    assert [act["n"] for act in acts] == [40, 41, 42]
    assert gap == {
        "kind": "gap",
        "device": None,
        "first_ns": NOON + 19 * SECOND,
        "last_ns": NOON + 39 * SECOND,
        "reason": "journal lost",
    }
    assert journal["occurrences"] == {"a": 7}
    store_all(folder, database_url)
    assert positions(database_url) == last_numbers(folder)
    assert asked(database_url, "select count(*) from frame") == [23]
    assert asked(database_url, "select count(*), min(number), max(number) from event") == [(11, 1, 11)]
    hashes = asked(database_url, "select number, previous, hash from event order by number")
    assert all(now[1] == was[2] for was, now in pairwise(hashes)), "one chain over both journals"
    assert broken_at(folder) == before["events"] + 1, "its own first event follows on one that it does not hold"


def test_a_journal_that_lost_its_end_goes_on_behind_what_is_stored(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / WRITER
    written(folder, events=3, frames=3).close()
    shutil.copytree(folder, tmp_path / "older")
    writer = Writer(folder, WRITER)
    for i in range(3, 9):
        writer.event(NOON + i * SECOND, {"kind": "act", "n": i})
        writer.frame(good_frame(i), failed=False)
    writer.close()
    store_all(folder, database_url)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "older", folder)
    with psycopg.connect(database_url, autocommit=True) as connection:
        adopt(folder, connection, NOON + 20 * SECOND, lambda line: None)
    again = Writer(folder, WRITER)
    again.frame(good_frame(30), failed=False)
    again.close()
    store_all(folder, database_url)
    assert asked(database_url, "select count(*) from frame") == [10]
    assert asked(database_url, "select data ->> 'reason' from event where kind = 'gap'") == ["journal lost"]


def test_what_one_stream_has_beyond_the_database_is_carried_over(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / WRITER
    written(folder, events=10, frames=50).close()
    shutil.copytree(folder, tmp_path / "older")
    writer = Writer(folder, WRITER)
    for i in (10, 11):
        writer.event(NOON + i * SECOND, {"kind": "act", "n": i})
    writer.close()
    store_all(folder, database_url)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "older", folder)  # the events' end is lost, and frames went on
    writer = Writer(folder, WRITER)
    for i in range(50, 100):
        writer.frame(good_frame(i), failed=False)
    writer.close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        adopt(folder, connection, NOON + 200 * SECOND, lambda line: None)
    assert [record.order for record, _ in frames_after(folder, 0)] == [record.order for record in read(
        next(tmp_path.glob(f"{WRITER}.before-adoption-*")), "frames") if record.kind == FRAME][50:]  # fmt: skip
    store_all(folder, database_url)
    assert asked(database_url, "select count(*), count(distinct time) from frame") == [(100, 100)]
    assert asked(database_url, "select count(*) from journal_gap") == [0]
    assert asked(database_url, "select data ->> 'transition' from event where number > 12") == ["adopted"]


def test_there_is_nothing_to_adopt_from_an_empty_database(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / WRITER
    written(folder, events=1).close()
    with (
        psycopg.connect(database_url, autocommit=True) as connection,
        pytest.raises(Refusal, match="holds nothing of engine-1"),
    ):
        adopt(folder, connection, NOON, lambda line: None)
    assert numbers(read(folder, "events")) == [1]


def test_a_status_is_told_whole_and_on_a_full_disk_in_the_place_of_the_former_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(tmp_path) is None
    (tmp_path / "status.json").write_text('{"frames": 1')
    assert told(tmp_path) is None, "half a file is none"
    tell(tmp_path, Status(frames=1, database=True))
    (tmp_path / "status.json.new").mkdir()  # no new file can be written
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    tell(tmp_path, Status(frames=2, reason="x" * 10_000))
    found = told(tmp_path)
    assert found is not None
    assert (found.frames, found.database, len(found.reason or "")) == (2, False, 2000)
    assert (tmp_path / "status.json").stat().st_size == SIZE


def test_the_verb_adopts_while_nothing_runs_and_refuses_otherwise(
    database_url: str, own_data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_data_folder / "journal" / WRITER
    folder.parent.mkdir(parents=True, mode=0o700)
    written(folder, events=5, frames=5).close()
    store_all(folder, database_url)
    shutil.rmtree(folder)
    monkeypatch.setenv("TELEMETRY_DATABASE_URL", database_url)
    command = [sys.executable, "-m", "telemetry", "db", "adopt"]
    lock = places.Lock("engine", "Another engine")
    held = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert held.returncode == 1 and "already runs" in held.stderr
    lock.release()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "behind event 5 and frame 6" in done.stdout
    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert again.returncode == 1 and "Nothing is to be done" in again.stderr
