"""A full disk takes the oldest frames first, by the stated rule; readers inside go on; the database is told what was given up."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.frame import Frame, Layout, bad_frame
from drivers.quality import UNCERTAIN
from telemetry.engine import housekeeping
from telemetry.engine.health import Health
from telemetry.engine.housekeeping import Housekeeper
from telemetry.engine.recorder import Recorder
from telemetry.journal import format as form
from telemetry.journal import thinning
from telemetry.journal import writer as writing
from telemetry.journal.identity import identity
from telemetry.journal.keeping import Room
from telemetry.journal.reader import Reader, segments
from telemetry.journal.reserve import Reserve
from telemetry.journal.status import Status, tell
from telemetry.journal.writer import Writer
from telemetry.plant.schema import JournalEntry
from tests.historian.accounting import unaccounted
from tests.historian.journals import (
    COUNTER,
    ISOLATOR,
    NOON,
    SECOND,
    WRITER,
    events_of,
    frames_of,
    numbers,
    read,
    same,
    until,
)
from tests.historian.small_disk import small_disk_at
from tests.historian.test_historian import asked, positions, running

START = NOON // (60 * SECOND) * 60
"""A whole minute, in seconds."""


def frame(i: int) -> Frame:
    """Second `i`: ordinary, but 13 is Uncertain, 17 Bad, 21 between two seconds, 23 late, 27 a counter's record."""
    time_ns = (START + i) * SECOND
    values = np.array([float(i), 1.0, 2.0])
    match i:
        case 13:
            return Frame(ISOLATOR, time_ns, time_ns + 5, values, np.array([0, UNCERTAIN, 0], np.uint16))
        case 17:
            return bad_frame(ISOLATOR, time_ns, time_ns + 5)
        case 21:
            return Frame(ISOLATOR, time_ns + SECOND // 2, time_ns + SECOND // 2 + 5, values)
        case 23:
            return Frame(ISOLATOR, time_ns, time_ns + 5, values, late=True)
        case 27:
            return Frame(COUNTER, time_ns, time_ns + 5, values[:1])
        case _:
            return Frame(ISOLATOR, time_ns, time_ns + 5, values)


SPECIAL = [13, 17, 21, 23, 27]


def seconds(records: list[form.Record]) -> list[int]:
    return [one.time_ns // SECOND - START for one, _ in frames_of(records)]


def grown(folder: Path, count: int = 100) -> Writer:
    """A journal whose first segment holds `count` seconds, with another one behind it."""
    writer = Writer(folder, WRITER)
    for i in range(count):
        writer.frame(frame(i), failed=False)
    writer.close()
    writer = Writer(folder, WRITER)
    writer.frame(frame(count), failed=False)
    return writer


def test_every_tenth_second_stays_and_all_that_is_not_ordinary(tmp_path: Path) -> None:
    grown(tmp_path).close()
    before = read(tmp_path, "frames")
    path = segments(tmp_path, "frames")[0][1]
    assert thinning.next_step(path) == 10
    thinned = thinning.prepare(path, 10)
    assert thinned is not None
    assert read(tmp_path, "frames") == before, "nothing has changed yet"
    assert thinned.commit() > 0
    after = read(tmp_path, "frames")
    assert seconds(after) == sorted([*range(0, 101, 10), *SPECIAL, 99]), "99 is the segment's last"
    assert (thinned.removed, thinned.first_ns, thinned.last_ns) == (
        101 - len(seconds(after)),
        (START + 1) * SECOND,
        (START + 98) * SECOND,
    )
    known = {record.number: record for record in before}
    assert all(
        (r.order, r.time_ns, r.body) == (known[r.number].order, known[r.number].time_ns, known[r.number].body)
        for r in after
    )
    assert thinning.next_step(path) == 60
    again = thinning.prepare(path, 60)
    assert again is not None
    again.commit()
    assert seconds(read(tmp_path, "frames")) == sorted([0, 60, 99, 100, *SPECIAL])
    assert thinning.next_step(path) is None
    assert list(tmp_path.glob("*.thinned")) == []


def test_where_nothing_can_be_spared_nothing_is_written(tmp_path: Path) -> None:
    writer = Writer(tmp_path, WRITER)
    for i in (0, 10, 20, 13):
        writer.frame(frame(i), failed=False)
    writer.close()
    assert thinning.prepare(segments(tmp_path, "frames")[0][1], 10) is None
    assert list(tmp_path.glob("*.thinned")) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 100), st.integers(200, 3000), st.booleans())
def test_a_reader_inside_goes_on_without_loss_or_doubling(read_before: int, most_bytes: int, comes_anew: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grown(folder).close()
        everything = read(folder, "frames")
        follower = Reader(folder, "frames", 0)
        found: list[form.Record] = []
        while len(found) < read_before:
            found += follower.read(most_bytes)
        thinned = thinning.prepare(segments(folder, "frames")[0][1], 10)
        assert thinned is not None
        thinned.commit()
        if comes_anew:
            follower.close()
            follower = Reader(folder, "frames", found[-1].number if found else 0)
        while some := follower.read(most_bytes):
            found += [record for record in some if not found or record.number > found[-1].number]
        follower.close()
        kept = set(numbers(read(folder, "frames")))
        seen = numbers(found)
        assert seen == sorted(set(seen)), "nothing twice, in order"
        assert kept <= set(seen), "what was kept was read"
        if not comes_anew:
            assert seen == numbers(everything), "who was inside reads the old file to its end"
        assert all(same(frame(i), one) for (one, _), i in zip(frames_of(found), seconds(found), strict=True))


class Kept:
    """A journal whose disk has as much room as the test says."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, low_gb: float = 1.0) -> None:
        self.folder = folder
        monkeypatch.setattr(writing, "SEGMENT_BYTES", 4000)
        self.writer = Writer(folder, WRITER)
        self.recorder = Recorder(self.writer, Reserve(folder, 4096))
        self.health = Health(folder, 0.0)
        entry = JournalEntry(keep_hours=1, low_gb=low_gb, reserve_mb=1)
        self.keeper = Housekeeper(self.recorder, self.health, entry, self.record, self.synced)
        self.rooms: list[Room] = []
        monkeypatch.setattr(
            housekeeping.keeping, "room", lambda *_: self.rooms[0] if len(self.rooms) == 1 else self.rooms.pop(0)
        )

    def record(self, data: dict[str, Any]) -> None:
        self.recorder.event(NOON, data)

    async def synced(self) -> bool:
        return True

    def grow(self, count: int) -> None:
        for i in range(count):
            self.recorder.frame(frame(i), failed=False)

    def checkpoint(self, after: Path | None = None) -> None:
        """A checkpoint newer than `after`, or than everything."""
        (self.folder / "checkpoint").write_bytes(b"")
        newest = max(path.stat().st_mtime for path in self.folder.glob("*.journal")) + 1
        when = newest if after is None else after.stat().st_mtime + 0.5
        os.utime(self.folder / "checkpoint", (when, when))

    def aged(self, seconds_: float) -> None:
        for stream in ("events", "frames"):
            for n, (_, path) in enumerate(segments(self.folder, stream)):
                when = path.stat().st_mtime - seconds_ + n
                os.utime(path, (when, when))

    def stored(self, frames: int, rollups: int, events: int = 0, mark: str | None = None) -> None:
        tell(self.folder, Status(frames=frames, rollups=rollups, events=events, identity=mark or identity(self.folder)))
        self.health.look()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    return Kept(tmp_path / WRITER, monkeypatch)


async def test_what_is_stored_goes_after_its_time_and_at_once_when_the_disk_is_low(kept: Kept) -> None:
    kept.grow(200)
    kept.checkpoint()
    kept.rooms = ["enough"]
    everything = len(segments(kept.folder, "frames"))
    last = read(kept.folder, "frames")[-1].number
    kept.stored(last, last)
    await kept.keeper.once()
    assert len(segments(kept.folder, "frames")) == everything > 4, "an hour is kept"
    kept.aged(1800)
    kept.checkpoint()
    await kept.keeper.once()
    assert len(segments(kept.folder, "frames")) == everything
    kept.rooms = ["low"]
    await kept.keeper.once()
    assert len(segments(kept.folder, "frames")) == 1, "all but the one that is written to"


@pytest.mark.parametrize(
    ("frames", "rollups", "mark"), [(10**6, 50, None), (50, 10**6, None), (10**6, 10**6, "another journal")]
)
async def test_what_is_not_stored_stays(kept: Kept, frames: int, rollups: int, mark: str | None) -> None:
    kept.grow(200)
    kept.aged(7200)
    kept.checkpoint()
    kept.stored(frames, rollups, mark=mark)
    kept.rooms = ["low"]
    await kept.keeper.once()
    first = segments(kept.folder, "frames")[0][0]
    assert first == 1 if mark else first <= 51
    assert len(segments(kept.folder, "frames")) > 3


async def test_what_a_start_needs_stays(kept: Kept) -> None:
    kept.grow(200)
    kept.aged(7200)
    third = segments(kept.folder, "frames")[2][1]
    kept.checkpoint(after=third)
    kept.stored(10**6, 10**6)
    kept.rooms = ["thin"]
    await kept.keeper.once()
    assert segments(kept.folder, "frames")[0][0] > int(third.stem.rsplit("-", 1)[1])
    assert kept.health.thinned == 0


async def test_events_stay_for_ninety_days(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(200):
        kept.recorder.event(NOON, {"kind": "note", "n": i, "text": "x" * 100})
    kept.grow(1)
    kept.rooms = ["enough"]
    count = len(segments(kept.folder, "events"))
    kept.stored(1, 1, events=10**6)
    kept.aged(89 * 86_400)
    kept.checkpoint()
    await kept.keeper.once()
    assert len(segments(kept.folder, "events")) == count > 3
    kept.aged(2 * 86_400)
    kept.checkpoint()
    await kept.keeper.once()
    assert len(segments(kept.folder, "events")) == 1


async def test_the_oldest_give_way_as_long_as_there_is_need_and_it_is_told(kept: Kept) -> None:
    kept.grow(300)
    kept.checkpoint()
    before = dict(segments(kept.folder, "frames"))
    kept.rooms = ["thin", "thin", "thin", "low"]  # asked when removing, and before each segment
    await kept.keeper.once()
    steps = [thinning.next_step(path) for _, path in segments(kept.folder, "frames")]
    assert steps[:3] == [60, 60, 10] and set(steps[2:]) == {10}
    assert dict(segments(kept.folder, "frames")).keys() == before.keys()
    gaps = [event for event in events_of(read(kept.folder, "events")) if event["kind"] == "gap"]
    assert [(gap["reason"], gap["kept_every_s"], gap["device"]) for gap in gaps] == [("disk full", 10, None)] * 2
    slots = [
        time for time in (one.time_ns for one, _ in frames_of(read(kept.folder, "frames")) if not one.layout.record)
    ]
    assert kept.health.thinned == sum(gap["frames"] for gap in gaps) > 20
    whole = [{**gap, "first_ns": gap["first_ns"], "last_ns": gap["last_ns"]} for gap in gaps]
    assert [slot for _, slot in unaccounted({ISOLATOR: slots}, whole) if (slot // SECOND - START) not in SPECIAL] == []
    assert unaccounted({ISOLATOR: slots}, []) != []


async def test_when_all_is_thinned_once_it_is_thinned_again_and_then_no_more(kept: Kept) -> None:
    kept.grow(200)
    kept.checkpoint()
    kept.rooms = ["thin"]
    await kept.keeper.once()
    closed = segments(kept.folder, "frames")[:-1]
    assert {thinning.next_step(path) for _, path in closed} <= {60, None}
    told = len(read(kept.folder, "events"))
    await kept.keeper.once()
    assert len(read(kept.folder, "events")) == told, "nothing is left, and nothing is told again"
    assert kept.health.room == "thin"


async def test_a_segment_half_thinned_by_an_engine_that_died_is_cleared_away(kept: Kept) -> None:
    kept.grow(100)
    (kept.folder / "frames-0000000000000001.thinned").write_bytes(b"begun")
    kept.rooms = ["enough"]
    await kept.keeper.once()
    assert list(kept.folder.glob("*.thinned")) == []


async def test_a_disk_that_fills_up_for_real_loses_seconds_by_the_rule_and_no_event(tmp_path: Path) -> None:
    """Nothing is stored for long: frames are thinned, thinned again, and at last not written; every event is."""
    wide = Layout("L01-WIDE", tuple(f"L01-WIDE.t{n}" for n in range(200)))
    with small_disk_at(tmp_path / "disk", 8 << 20) as disk:
        folder = disk / WRITER
        recorder = Recorder(Writer(folder, WRITER, 200_000), Reserve(folder, 1_000_000))
        health, told = Health(folder, 0.0), list[dict[str, Any]]()

        async def synced() -> bool:
            return True

        def record(data: dict[str, Any]) -> None:
            recorder.event(NOON, data)
            told.append(data)

        keeper = Housekeeper(recorder, health, JournalEntry(keep_hours=1, low_gb=0.005, reserve_mb=1), record, synced)
        rooms, slot = list[Room](), START

        async def second(count: int) -> None:
            nonlocal slot
            for _ in range(count):
                recorder.frame(Frame(wide, slot * SECOND, slot * SECOND, np.full(200, float(slot))), failed=False)
                slot += 1
            record({"kind": "note", "slot": slot})
            with suppress(OSError):
                (folder / "checkpoint").write_bytes(b"x")
            os.utime(folder / "checkpoint", (4e9, 4e9))
            with suppress(OSError):
                recorder.journal.sync_frames()  # which gives back the room of segments that were replaced
            recorder.try_again(slot * SECOND, not recorder.frames_held_back or recorder.reserve.take())
            await keeper.once()
            rooms.append(health.room)

        while thinning.next_step(segments(folder, "frames")[0][1] if rooms else folder) != 60:
            await second(100)
        while thinning.next_step(segments(folder, "frames")[0][1]) is not None and slot - START < 100_000:
            await second(100)
        assert rooms[0] == "enough" and "low" in rooms and "thin" in rooms and "full" not in rooms
        assert recorder.frames_lost == 0
        with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(4096))
        while health.room != "full":
            await second(100)
        assert recorder.waiting == recorder.events_lost == 0, "every event is written"
        (disk / "ballast").unlink()
        await second(1)
        await second(1)
        await second(1)
        assert recorder.frames_lost > 0 and not recorder.frames_held_back
        recorder.journal.close()
        events = events_of(read(folder, "events"))
        assert [event for event in events if event["kind"] == "note"] == [e for e in told if e["kind"] == "note"]
        gaps = [event for event in events if event["kind"] == "gap"]
        assert {(gap["reason"], gap.get("kept_every_s")) for gap in gaps} == {
            ("disk full", 10),
            ("disk full", 60),
            ("disk full", None),
        }
        slots = [one.time_ns for one, _ in frames_of(read(folder, "frames"))]
        assert unaccounted({wide: slots}, gaps) == [], "each second is a frame or in a gap"
        assert slot - START - len(slots) == health.thinned + recorder.frames_lost


def test_the_database_tells_given_up_from_lost(
    database_url: str, tmp_path: Path, new_database: Callable[[str, str], str]
) -> None:
    folder = tmp_path / WRITER
    grown(folder).close()
    thinned = thinning.prepare(segments(folder, "frames")[0][1], 10)
    assert thinned is not None
    thinned.commit()
    last = read(folder, "frames")[-1].number
    with running(folder, database_url) as historian:
        until(lambda: positions(database_url).get("frames") == last, "everything is stored")
        until(lambda: historian.teller.status.frames == last, "it is told")
        assert (historian.teller.status.gaps, historian.teller.status.lost_ns) == (0, 0), (
            "nothing was lost against our will"
        )
    assert asked(database_url, "select distinct reason from journal_gap") == ["disk full"]
    missing = asked(database_url, "select sum(last - first + 1)::int from journal_gap")
    assert missing == [thinned.removed]
