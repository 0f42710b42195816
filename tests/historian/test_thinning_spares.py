"""What thinning leaves alone: damage, what is stored, what could not be told; and a reserve that is lent is not taken back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from telemetry.historian.store import NOT_READ, THINNED
from telemetry.journal import format as form
from telemetry.journal import thinning
from telemetry.journal import writer as writing
from telemetry.journal.reader import segments
from telemetry.journal.reserve import Reserve
from telemetry.journal.writer import Writer
from tests.historian.journals import NOON, WRITER, events_of, numbers, read, until
from tests.historian.small_disk import files_of_at_most
from tests.historian.test_historian import asked, positions, running
from tests.historian.test_thinning import Kept, frame, grown


def gaps(folder: Path) -> list[tuple[int, int]]:
    events = events_of(read(folder, "events"))
    return [(event["first_ns"], event["last_ns"]) for event in events if event["kind"] == "gap"]


def flipped(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def headless(content: bytes) -> bytes:
    return content + form.pack_record(form.FRAME, 1000, 1000, NOON, b"no frame")


@pytest.mark.parametrize("spoil", [flipped, lambda content: content[:-5], headless])
def test_a_segment_that_holds_damage_stays_as_it_is(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    grown(tmp_path).close()
    path = segments(tmp_path, "frames")[0][1]
    spoiled = spoil(path.read_bytes())
    path.write_bytes(spoiled)
    assert thinning.prepare(path, 10) is None
    assert path.read_bytes() == spoiled
    assert list(tmp_path.glob("*.thinned")) == []


def test_numbers_missing_before_a_thinned_segment_were_lost_not_given_up(
    database_url: str, tmp_path: Path, new_database: Callable[[str, str], str]
) -> None:
    folder = tmp_path / WRITER
    writer = grown(folder, 3)
    writer.close()
    number = writer.frame_number
    writer = Writer(folder, WRITER)
    writer.begin_behind(0, 0, number + 5)
    for i in range(4, 100):
        writer.frame(frame(i), failed=False)
    writer.close()
    writer = Writer(folder, WRITER)
    writer.frame(frame(100), failed=False)
    writer.close()
    thinned = thinning.prepare(dict(segments(folder, "frames"))[number + 6], 10)
    assert thinned is not None
    thinned.commit()
    with running(folder, database_url) as historian:
        until(lambda: positions(database_url).get("frames") == writer.frame_number, "everything is stored")
        until(lambda: historian.teller.status.gaps == 5, "the five that are lost are told")
    found = asked(database_url, "select reason || ' ' || sum(last - first + 1) from journal_gap group by reason")
    assert set(found) == {f"{NOT_READ} 5", f"{THINNED} {thinned.removed}"}


def test_what_is_stored_stays_in_a_segment_that_is_thinned(tmp_path: Path) -> None:
    grown(tmp_path).close()
    path = segments(tmp_path, "frames")[0][1]
    thinned = thinning.prepare(path, 10, 50)
    assert thinned is not None
    thinned.commit()
    found = numbers(read(tmp_path, "frames"))
    assert found[:50] == list(range(1, 51)) and set(range(51, 100)) - set(found)


async def test_frames_that_only_the_rollups_lack_are_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(tmp_path / WRITER, monkeypatch)
    kept.grow(200)
    kept.checkpoint()
    kept.rooms = ["thin"]
    before = numbers(read(kept.folder, "frames"))
    kept.stored(kept.writer.frame_number, 0)
    await kept.keeper.once()
    assert (kept.health.thinned, gaps(kept.folder)) == (0, [])
    assert numbers(read(kept.folder, "frames")) == before


class Unsynced(Kept):
    """A journal whose disk may fail to sync."""

    syncs = False

    async def synced(self) -> bool:
        return self.syncs


async def test_nothing_is_thinned_before_its_gap_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Unsynced(tmp_path / WRITER, monkeypatch)
    kept.grow(100)
    kept.checkpoint()
    kept.rooms = ["thin"]
    before = read(kept.folder, "frames")
    await kept.keeper.once()
    await kept.keeper.once()
    assert read(kept.folder, "frames") == before
    assert len(gaps(kept.folder)) == 1, "told once, however often it is tried"
    assert (kept.health.thinned, list(kept.folder.glob("*.thinned"))) == (0, [])
    kept.syncs = True
    await kept.keeper.once()
    thinned = [thinning.next_step(path) for _, path in segments(kept.folder, "frames")[:-1]]
    assert 10 not in thinned and kept.health.thinned > 0


async def test_nothing_is_thinned_while_its_gap_would_wait_for_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(tmp_path / WRITER, monkeypatch)
    kept.grow(100)
    kept.checkpoint()
    kept.rooms = ["thin"]
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 1 << 20)
    kept.record({"kind": "note", "text": "x" * 100_000})
    before = read(kept.folder, "frames")
    with files_of_at_most(50_000):
        await kept.keeper.once()
        assert kept.recorder.waiting == 1, "its gap waits"
        await kept.keeper.once()
    assert (kept.recorder.waiting, kept.health.thinned) == (1, 0)
    assert read(kept.folder, "frames") == before
    kept.recorder.try_again(NOON, reserved=True)
    await kept.keeper.once()
    assert kept.health.thinned > 0 and len(set(gaps(kept.folder))) == len(gaps(kept.folder))


async def test_a_round_that_fails_is_told_once_and_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept(tmp_path / WRITER, monkeypatch)
    kept.grow(100)
    kept.checkpoint()
    kept.rooms = ["thin"]
    kept.health.folder = Path("no\0path")
    await kept.keeper.once()
    await kept.keeper.once()
    assert [record.message for record in caplog.records] == [
        "the journal's segments cannot be tidied (embedded null byte)"
    ]
    kept.health.folder = kept.folder
    await kept.keeper.once()
    assert kept.health.thinned > 0


def test_a_reserve_that_is_lent_is_not_taken_back_meanwhile(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, 4096)
    assert reserve.take() and not reserve.given
    with reserve.lent() as given:
        assert given and reserve.given
        assert not reserve.take() and not reserve.held
    assert reserve.take() and reserve.held and not reserve.given


@pytest.mark.parametrize("folder_is", ["gone", "a file", "one whose reserve is a folder"])
def test_on_a_disk_that_fails_there_is_no_reserve(tmp_path: Path, folder_is: str) -> None:
    folder = tmp_path / "journal"
    if folder_is == "a file":
        folder.write_bytes(b"")
    if folder_is == "one whose reserve is a folder":
        (folder / "reserve").mkdir(parents=True)
    reserve = Reserve(folder, 1 << 20)
    assert [reserve.held, reserve.take(), reserve.release(), reserve.given] == [False] * 4
