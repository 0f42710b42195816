"""What was lost of the journal is recorded once, with its place, and told to the engine; what the database refuses, too."""

import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from telemetry.historian import follow
from telemetry.historian.telling import Teller
from telemetry.journal import writer as writing
from telemetry.journal.format import RECORD
from telemetry.journal.reader import segments
from telemetry.journal.status import told
from telemetry.journal.writer import Writer
from tests.historian.journals import NOON, SECOND, WRITER, frames_of, good_frame, read, until, written
from tests.historian.test_historian import asked, last_numbers, positions, running


def stored(folder: Path, url: str) -> None:
    last = last_numbers(folder)
    with running(folder, url) as historian:
        until(lambda: positions(url).items() >= last.items(), "everything is stored")
        until(
            lambda: (
                (historian.teller.status.frames, historian.teller.status.events) == (last["frames"], last["events"])
            ),
            "told",
        )


def broken(folder: Path, stream: str, number: int) -> None:
    """Flips a byte in the body of a record."""
    path = segments(folder, stream)[0][1]  # pyright: ignore[reportArgumentType]
    record = next(r for r in read(folder, stream) if r.number == number)  # pyright: ignore[reportArgumentType]
    content = bytearray(path.read_bytes())
    content[record.end - len(record.body) + 3] ^= 0x40
    path.write_bytes(content)


@pytest.mark.parametrize("stream", ["events", "frames"])
def test_damage_is_recorded_with_its_place_once_and_told(database_url: str, tmp_path: Path, stream: str) -> None:
    folder = tmp_path / WRITER
    written(folder, events=9, frames=9).close()
    size = len(next(r for r in read(folder, stream) if r.number == 5).body) + RECORD.size  # pyright: ignore[reportArgumentType]
    before_ns = time.time_ns()
    broken(folder, stream, 5)
    stored(folder, database_url)
    status = told(folder)
    assert status is not None
    assert (status.damaged, status.gaps, status.rejected) == (size, 1, 0)
    assert status.lost_ns >= before_ns and status.rejected_ns == 0
    [(writer, of, file, bytes_, reason)] = asked(
        database_url, "select writer, stream, file, bytes, reason from journal_damage"
    )
    assert (writer, of, file, bytes_) == (WRITER, stream, segments(folder, stream)[0][1].name, size)  # pyright: ignore[reportArgumentType]
    assert "checksum" in reason
    gaps = asked(database_url, "select stream, first, last, reason, after < before from journal_gap")
    assert gaps == [(stream, 5, 5, "record damaged", True)]

    # Read again from an older position, as after a backup was restored: known damage is not counted twice, and is no news.
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("delete from frame; delete from event; delete from journal_gap")
        connection.execute("update journal_position set number = 0")
    stored(folder, database_url)
    again = told(folder)
    assert again is not None
    assert again.damaged == size
    assert asked(database_url, "select count(*) from journal_damage") == [1]


def test_a_refused_record_is_told_and_stays_told_over_a_restart(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / WRITER
    writer = written(folder, events=3, frames=3)
    writer.event(NOON, {"kind": None, "text": "\x00"})  # jsonb takes no such character
    writer.event(NOON, {"kind": "act"})
    writer.close()
    stored(folder, database_url)
    status = told(folder)
    assert status is not None and (status.rejected, status.gaps, status.lost_ns) == (1, 0, 0)
    assert status.rejected_ns > 0
    assert asked(database_url, "select stream, number from rejected") == [("events", 4)]
    assert Teller(folder).status.rejected_ns == status.rejected_ns
    assert not Teller(folder).status.database, "it has only begun"


def test_a_database_that_is_away_is_told_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_S", 0.01)
    folder = tmp_path / WRITER
    written(folder, events=1).close()
    with running(folder, "postgresql://nobody@127.0.0.1:1/nothing") as historian:
        until(
            lambda: (told(folder) or historian.teller.status).reason not in (None, "The historian has just begun."),
            "told",
        )
    status = told(folder)
    assert status is not None and not status.database
    assert status.reason == follow.NO_ANSWER


def test_a_journal_that_has_not_begun_is_waited_for(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / WRITER
    folder.mkdir()
    with running(folder, database_url) as historian:
        until(lambda: "no journal has begun" in (historian.teller.status.reason or ""), "it waits")
        writer = Writer(folder, WRITER)
        writer.event(NOON, {"kind": "act"})
        writer.frame(good_frame(1), failed=False)
        until(lambda: positions(database_url).get("frames") == 2, "it stores")
    assert asked(database_url, f"select count(*) from frame where time = to_timestamp({NOON // SECOND + 1})") == [1]


def test_an_older_backup_is_refilled_as_far_as_the_journal_reaches_and_the_rest_is_a_gap(
    database_url: str, new_database: Callable[[str, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 2000)
    folder = tmp_path / WRITER
    writer = written(folder, events=5, frames=10)
    stored(folder, database_url)
    backup = new_database(database_url.rsplit("/", 1)[1], "telemetry")
    for i in range(10, 100):
        writer.frame(good_frame(i), failed=False)
    writer.event(NOON + 100 * SECOND, {"kind": "act", "n": 5})
    stored(folder, database_url)
    for _, path in segments(folder, "frames")[:2]:  # stored, and gone by now
        path.unlink()
    stored(folder, backup)
    [(stream, first, last, after, before)] = asked(
        backup,
        "select stream, first, last, extract(epoch from after)::bigint, extract(epoch from before)::bigint from journal_gap",
    )
    assert (stream, first, last) == ("frames", 12, segments(folder, "frames")[0][0] - 1)
    assert after == NOON // SECOND + 9, "the last frame of the backup"
    kept = [frame.time_ns // SECOND for frame, _ in frames_of(read(folder, "frames"))]
    assert before == min(kept)
    found = asked(backup, "select extract(epoch from time)::bigint from frame order by 1")
    assert found == [NOON // SECOND + i for i in range(10)] + kept
