"""The historian as it runs: killed, contested, without its database, on another database. The table is the journal."""

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from telemetry import plant
from telemetry.historian import follow
from telemetry.historian.follow import Historian
from telemetry.historian.stop import Stop
from telemetry.historian.store import Store
from telemetry.journal import writer as writing
from telemetry.journal.reader import segments
from telemetry.journal.status import told
from telemetry.journal.writer import Writer
from tests.historian.journals import NOON, SECOND, WRITER, frames_of, good_frame, read, until, written

BASE = Path(__file__).parents[1] / "cases" / "config" / "base"
ROOT = Path(__file__).parents[2]
# A historian of small blocks, which kills itself between COPY and commit of the block whose number is given (0: never).
PROGRAM = """
import os, sys
from pathlib import Path
from telemetry import plant
from telemetry.historian import follow, store
follow.BLOCK_BYTES, follow.POLL_S = 3000, 0.01
moved, blocks = store.Store._move, 0
def move(self, *what):
    global blocks
    blocks += 1
    if blocks == int(sys.argv[4]):
        os.kill(os.getpid(), 9)
    moved(self, *what)
store.Store._move = move
said = lambda line: print(line, flush=True)
follow.Historian(Path(sys.argv[1]), lambda: sys.argv[2], plant.load(Path(sys.argv[3])), follow.Stop(), said).run()
"""


def asked(url: str, question: str) -> list[Any]:
    """Rows; of one column, its values."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(question.encode()).fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]


def positions(url: str) -> dict[str, int]:
    return dict(asked(url, "select stream, number from journal_position where stream <> 'rollups'"))


def last_numbers(folder: Path) -> dict[str, int]:
    return {stream: read(folder, stream)[-1].number for stream in ("events", "frames")}


def assert_stored_once(url: str, folder: Path) -> None:
    """Every record of the journal is in the database once, and nothing else is."""
    frames = [frame for frame, _ in frames_of(read(folder, "frames"))]
    kept = asked(url, f'select (extract(epoch from time) - {NOON // SECOND})::int, "values" from frame order by 1')
    assert kept == [((f.time_ns - NOON) // SECOND, f.values.tolist()) for f in sorted(frames, key=lambda f: f.time_ns)]
    events = [(r.number, r.body[32:].decode(), r.body[:32]) for r in read(folder, "events")]
    assert asked(url, "select number, body, previous from event order by number") == events
    assert asked(url, "select stream from journal_gap union all select stream from rejected") == []
    assert positions(url) == last_numbers(folder)


@contextmanager
def running(folder: Path, url: str) -> Iterator[Historian]:
    """A historian in a thread of this process."""
    stop, said = Stop(), list[str]()
    historian = Historian(folder, lambda: url, plant.load(BASE), stop, said.append)
    thread = threading.Thread(target=historian.run, name="historian")
    thread.start()
    try:
        yield historian
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def store_all(folder: Path, url: str) -> None:
    last = last_numbers(folder)
    with running(folder, url):
        until(lambda: positions(url) == last, "everything is stored")


def test_killed_ten_times_it_stores_everything_once(database_url: str, tmp_path: Path) -> None:
    chance = random.Random(4)
    folder = tmp_path / WRITER
    writer, second = written(folder, events=5, frames=5), 5

    def grow() -> None:
        nonlocal second
        for _ in range(40):
            writer.frame(good_frame(second), failed=False)
            second += 1
        writer.event(NOON + second * SECOND, {"kind": "act", "n": second})

    def started(dies_at: int) -> subprocess.Popen[str]:
        arguments = [str(folder), database_url, str(BASE), str(dies_at)]
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    behind = 0
    for round_ in range(10):
        with started(chance.randint(1, 25) if round_ % 2 else 0) as historian:
            assert historian.stdout is not None
            assert "storing" in historian.stdout.readline()
            deadline = time.monotonic() + (20 if round_ % 2 else chance.uniform(0, 0.15))
            while historian.poll() is None and time.monotonic() < deadline:
                grow()
                with suppress(subprocess.TimeoutExpired):
                    historian.wait(0.005)
            historian.kill()
            assert historian.wait(10) == -signal.SIGKILL
        behind += positions(database_url)["frames"] < last_numbers(folder)["frames"]
    assert behind >= 5, "the kills came too late to interrupt anything"
    writer.close()
    store_all(folder, database_url)
    assert_stored_once(database_url, folder)


def test_an_error_between_copy_and_commit_is_as_if_nothing_was(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / WRITER
    written(folder, events=30, frames=300).close()
    moved, failures = Store._move, iter([True, False, True, True, False, False, True])
    monkeypatch.setattr(follow, "BLOCK_BYTES", 4000)
    monkeypatch.setattr(follow, "POLL_S", 0.01)

    def move(store: Store, *what: Any) -> None:
        if next(failures, False):
            raise psycopg.OperationalError("the connection is lost")
        moved(store, *what)

    monkeypatch.setattr(Store, "_move", move)
    store_all(folder, database_url)
    assert_stored_once(database_url, folder)


def test_two_historians_store_everything_once(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "BLOCK_BYTES", 2000)
    monkeypatch.setattr(follow, "POLL_S", 0.01)
    folder = tmp_path / WRITER
    writer = written(folder, events=100, frames=600)
    with running(folder, database_url), running(folder, database_url):
        for i in range(600, 1200):
            writer.frame(good_frame(i), failed=False)
        until(lambda: positions(database_url) == last_numbers(folder), "everything is stored")
    assert_stored_once(database_url, folder)


def test_a_database_that_was_away_gets_what_it_missed(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / WRITER
    writer = written(folder, events=5, frames=5)
    urls = [database_url, "postgresql://nobody@127.0.0.1:1/nothing", database_url]
    stop = Stop()
    historian = Historian(folder, lambda: urls[0], plant.load(BASE), stop, lambda line: None)
    thread = threading.Thread(target=historian.run)
    thread.start()
    try:
        until(lambda: positions(database_url) == last_numbers(folder), "the first records are stored")
        del urls[0]
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        for i in range(5, 50):
            writer.frame(good_frame(i), failed=False)
        until(lambda: "the database is not usable" in caplog.text, "it notices")
        writer.event(NOON + 5 * SECOND, {"kind": "act", "n": 5})
        del urls[0]
        until(lambda: positions(database_url) == last_numbers(folder), "the rest is stored")
    finally:
        stop.set()
        thread.join(20)
    assert "the database is back" in caplog.text
    assert_stored_once(database_url, folder)


def test_a_database_from_an_older_backup_is_refilled(
    database_url: str, new_database: Callable[[str, str], str], tmp_path: Path
) -> None:
    folder = tmp_path / WRITER
    writer = written(folder, events=20, frames=40)
    store_all(folder, database_url)
    backup = new_database(database_url.rsplit("/", 1)[1], "telemetry")
    for i in range(40, 100):
        writer.event(NOON + i * SECOND, {"kind": "act", "n": i})
        writer.frame(good_frame(i), failed=False)
    store_all(folder, database_url)
    assert_stored_once(database_url, folder)
    assert positions(backup) != last_numbers(folder)
    store_all(folder, backup)
    assert_stored_once(backup, folder)


def test_what_the_journal_no_longer_has_is_a_gap(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 2000)
    folder = tmp_path / WRITER
    written(folder, events=1, frames=100).close()
    files = segments(folder, "frames")
    files[0][1].unlink()
    content = bytearray(files[2][1].read_bytes())
    content[len(content) // 2] ^= 1
    files[2][1].write_bytes(content)
    kept = {record.number for record in read(folder, "frames")}
    store_all(folder, database_url)
    missing = [
        n for first, last in asked(database_url, "select first, last from journal_gap") for n in range(first, last + 1)
    ]
    assert missing == sorted(set(range(1, max(kept) + 1)) - kept)
    assert len(missing) == files[1][0]  # those of the first segment, and the one hit
    assert asked(database_url, "select count(*) from frame") == [len(frames_of(read(folder, "frames")))]


def test_a_position_ahead_of_the_journal_is_refused_not_skipped(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, other = tmp_path / WRITER, tmp_path / "other" / WRITER
    written(folder, events=20, frames=20).close()
    store_all(folder, database_url)
    before = positions(database_url)
    writer: Writer = written(other, events=30, frames=3)
    with caplog.at_level(logging.WARNING), running(other, database_url):
        until(lambda: "not usable" in caplog.text, "it refuses")
        writer.event(NOON, {"kind": "act"})
        said = f"it holds engine-1 frames up to {before['frames']}, the journal in {other} only up to 4"
        assert said in caplog.text and "TELEMETRY_DATA_DIR" in caplog.text
    assert positions(database_url) == before
    assert_stored_once(database_url, folder)


def test_the_verb_historian_stores_the_plants_journal_until_told_to_stop(
    database_url: str, own_data_folder: Path
) -> None:
    folder = own_data_folder / "journal" / WRITER
    own_data_folder.mkdir()
    (own_data_folder / "journal").mkdir(mode=0o700)
    written(folder, events=5, frames=5).close()
    environment = {**os.environ, "TELEMETRY_DATABASE_URL": database_url, "TELEMETRY_CONFIG": str(BASE)}
    with subprocess.Popen([sys.executable, "-m", "telemetry", "historian"], env=environment, cwd=ROOT) as historian:
        until(lambda: positions(database_url) == last_numbers(folder), "everything is stored")
        command = [sys.executable, "-m", "telemetry", "historian"]
        second = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
        )
        assert second.returncode == 1
        assert (
            f"Another historian already runs on the data folder {own_data_folder} (process {historian.pid})."
            in second.stderr
        )
        historian.send_signal(signal.SIGTERM)
        assert historian.wait(10) == 0
    assert_stored_once(database_url, folder)
    status = told(folder)
    assert status is not None and status.database
    assert {"frames": status.frames, "events": status.events} == last_numbers(folder)
    assert (status.rejected, status.damaged, status.gaps) == (0, 0, 0)
