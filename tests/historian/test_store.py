"""Blocks of the journal in the database: with their position or not at all, what is refused apart, what is missing told."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from drivers.frame import Frame, Layout
from telemetry import plant
from telemetry.historian.store import Connection, NotOurs, Store, tell_plant
from telemetry.journal import format as form
from telemetry.journal import writer as writing
from telemetry.journal.writer import Writer
from tests.historian.journals import (
    COUNTER,
    ISOLATOR,
    NOON,
    SECOND,
    WRITER,
    events_of,
    good_frame,
    numbers,
    read,
    segments,
    written,
)

BASE = Path(__file__).parents[1] / "cases" / "config" / "base"
LAYOUTS = {layout.id: layout for layout in (ISOLATOR, COUNTER)}


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def store(connection: Connection) -> Store:
    one = Store(connection, WRITER)
    assert (one.position("frames"), one.position("events")) == (0, 0)
    return one


def asked(connection: Connection, question: str) -> list[Any]:
    """Rows; of one column, its values."""
    rows = connection.execute(question.encode()).fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]


def seconds(connection: Connection) -> list[int]:
    """The seconds after noon of all frames stored."""
    return asked(
        connection, f"select (extract(epoch from time) - {NOON // SECOND})::int from frame order by time, layout"
    )


def gaps(connection: Connection) -> list[tuple[str, int, int]]:
    return asked(connection, "select stream, first, last from journal_gap order by stream, first")


def rejected(connection: Connection) -> list[tuple[str, int]]:
    return asked(connection, "select stream, number from rejected order by stream, number")


def forged(record: form.Record, body: bytes) -> form.Record:
    return replace(record, body=body)


def test_records_are_stored_with_their_position(store: Store, tmp_path: Path) -> None:
    written(tmp_path, events=50, frames=50)
    events, frames = read(tmp_path, "events"), read(tmp_path, "frames")
    store.frames(frames[:20], LAYOUTS, 0)
    store.frames(frames[20:], LAYOUTS, frames[19].number)
    store.events(events, 0)
    assert (store.position("frames"), store.position("events")) == (len(frames), 50)
    assert seconds(store.connection) == list(range(50))
    kept = asked(store.connection, "select number, kind, body, previous, hash from event order by number")
    told = [(r, form.unpack_event(r)) for r in events]
    assert kept == [(r.number, "act", r.body[32:].decode(), before, own) for r, (before, _, own) in told]
    assert asked(store.connection, "select data from event order by number") == events_of(events)
    assert gaps(store.connection) == rejected(store.connection) == []


def test_a_zombie_stores_nothing(database_url: str, store: Store, tmp_path: Path) -> None:
    written(tmp_path, events=10, frames=10)
    events, frames = read(tmp_path, "events"), read(tmp_path, "frames")
    with psycopg.connect(database_url, autocommit=True) as other:
        zombie = Store(other, WRITER)
        assert zombie.position("frames") == 0
        store.frames(frames[:5], LAYOUTS, 0)
        store.events(events[:5], 0)
        for block in (frames[:3], frames[:5], frames):
            with pytest.raises(NotOurs, match="engine-1 frames is not 0: another historian"):
                zombie.frames(block, LAYOUTS, 0)
        with pytest.raises(NotOurs):
            zombie.frames(frames[5:], LAYOUTS, 7)
        with pytest.raises(NotOurs):
            zombie.events(events, 0)
    assert seconds(store.connection) == list(range(4))
    assert asked(store.connection, "select number from event order by 1") == [1, 2, 3, 4, 5]
    assert rejected(store.connection) == gaps(store.connection) == []
    store.frames(frames[5:], LAYOUTS, frames[4].number)
    assert seconds(store.connection) == list(range(10))


def test_an_event_that_is_refused_stands_alone(store: Store, tmp_path: Path) -> None:
    writer = Writer(tmp_path, WRITER)
    bad = {4: {"kind": "act", "comment": "NUL \0 here"}, 9: {"no kind": 1}, 17: {"kind": "act", "comment": "\0"}}
    for number in range(1, 31):
        writer.event(NOON, bad.get(number, {"kind": "act", "n": number}))
    records = read(tmp_path, "events")
    store.events(records, 0)
    assert rejected(store.connection) == [("events", number) for number in bad]
    assert asked(store.connection, "select number from event order by 1") == [n for n in range(1, 31) if n not in bad]
    assert store.position("events") == 30
    assert store.rejected == 3
    kept = asked(store.connection, "select number, body, reason from rejected order by 1")
    assert [(number, body) for number, body, _ in kept] == [(r.number, r.body) for r in records if r.number in bad]
    assert all(reason for _, _, reason in kept)


def frame_records(*frames: Frame | Layout) -> list[form.Record]:
    """Records as a journal would hold them, numbered from 1, without a layout that is not asked for."""
    packed = [
        (form.LAYOUT, form.pack_layout(one), NOON)
        if isinstance(one, Layout)
        else (form.FRAME, form.pack_frame(one, False), one.received_ns)
        for one in frames
    ]
    return [form.Record(kind, n, n, time_ns, body) for n, (kind, body, time_ns) in enumerate(packed, 1)]


def test_frames_that_cannot_be_understood_stand_alone(store: Store) -> None:
    records = frame_records(ISOLATOR, *(good_frame(i) for i in range(20)))
    unknown = frame_records(good_frame(0, Layout("L99-XYZ", ("L99-XYZ.a",))))[0].body
    other_count = frame_records(good_frame(0, COUNTER))[0].body
    spoilt = {
        3: unknown,
        5: records[4].body[:8] + other_count[8:],
        8: records[7].body[:-1],
        9: records[8].body + bytes(1),
        14: b"",
        15: records[14].body[:12],
    }
    store.frames([forged(r, spoilt[r.number]) if r.number in spoilt else r for r in records], LAYOUTS, 0)
    assert rejected(store.connection) == [("frames", number) for number in spoilt]
    assert seconds(store.connection) == [n - 2 for n in range(2, 22) if n not in spoilt]
    assert store.position("frames") == 21
    assert asked(store.connection, "select body from rejected order by number") == list(spoilt.values())


def test_a_layout_that_the_database_knows_need_not_be_told_again(store: Store) -> None:
    store.frames(frame_records(ISOLATOR, good_frame(0)), LAYOUTS, 0)
    lost_its_layout = [replace(r, number=r.number + 2) for r in frame_records(good_frame(1), good_frame(2))]
    again = Store(store.connection, WRITER)
    again.frames(lost_its_layout, {}, 2)
    assert seconds(store.connection) == [0, 1, 2]
    assert rejected(store.connection) == []


def without(records: Sequence[form.Record], *missing: int) -> list[form.Record]:
    return [record for record in records if record.number not in missing]


def test_what_is_missing_is_told_wherever_it_is_missing(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path, events=30)
    records = read(tmp_path, "events")
    with caplog.at_level(logging.ERROR):
        store.events(without(records[:20], 1, 2, 5, 11, 12, 13), 0)
    store.events(without(records[20:], 21, 22, 29), 20)
    assert gaps(store.connection) == [
        ("events", 1, 2), ("events", 5, 5), ("events", 11, 13), ("events", 21, 22), ("events", 29, 29),
    ]  # fmt: skip
    assert store.position("events") == 30
    assert asked(store.connection, "select number from event order by 1") == numbers(
        without(records, 1, 2, 5, 11, 12, 13, 21, 22, 29)
    )
    assert "records 11 to 13" in caplog.text
    assert store.lost == 9


def test_what_is_missing_before_a_refused_record_is_told_once(store: Store, tmp_path: Path) -> None:
    writer = Writer(tmp_path, WRITER)
    for number in range(1, 9):
        writer.event(NOON, {"kind": "act", "comment": "\0" if number in (4, 7) else "x"})
    store.events(without(read(tmp_path, "events"), 2, 3, 6, 8), 0)
    assert rejected(store.connection) == [("events", 4), ("events", 7)]
    assert gaps(store.connection) == [("events", 2, 3), ("events", 6, 6)]
    assert store.lost == 3
    assert asked(store.connection, "select number from event order by 1") == [1, 5]


def test_a_journal_of_which_segments_are_gone(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 600)
    written(tmp_path, frames=40)
    files = segments(tmp_path, "frames")
    for _, path in (files[0], files[2]):
        path.unlink()
    store.frames(read(tmp_path, "frames"), LAYOUTS, 0)
    ends = [first for first, _ in files]
    assert gaps(store.connection) == [("frames", 1, ends[1] - 1), ("frames", ends[2], ends[3] - 1)]


def test_it_is_told_between_which_times_records_are_missing(store: Store, tmp_path: Path) -> None:
    written(tmp_path, frames=30)
    records = read(tmp_path, "frames")
    store.frames(without(records[:10], 4, 5), LAYOUTS, 0)
    again = Store(store.connection, WRITER)
    again.frames(without(records[10:], 11), LAYOUTS, again.position("frames"))
    seconds_of = "(extract(epoch from after) - {0})::int, (extract(epoch from before) - {0})::int".format(
        NOON // SECOND
    )
    assert asked(store.connection, f"select first, last, {seconds_of} from journal_gap order by first") == [
        (4, 5, 1, 4),
        (11, 11, 8, 10),
    ]


def test_from_when_to_when_readings_of_a_layout_are_expected(store: Store) -> None:
    gone = Layout("L77-ISO", ("L77-ISO.pressure",))
    span = (
        "select (extract(epoch from since) - {0})::int, (extract(epoch from until) - {0})::int from layout"
        " order by device".format(NOON // SECOND)
    )
    first = frame_records(ISOLATOR, gone, *(good_frame(i, x) for x in (ISOLATOR, gone) for i in (3, 4)))
    store.frames(first, LAYOUTS | {gone.id: gone}, 0)
    assert asked(store.connection, span) == [(3, None), (3, None)]
    tell_plant(store.connection, plant.load(BASE))
    assert asked(store.connection, span) == [(3, None), (3, 5)]
    later = [replace(r, number=r.number + 6) for r in frame_records(good_frame(5, gone), good_frame(6, gone))]
    Store(store.connection, WRITER).frames(later, {}, 6)
    assert asked(store.connection, span) == [(3, None), (3, 7)], (
        "the engine still read it: it had the older configuration"
    )
    store.connection.execute("update layout set until = now() where device = 'L01-ISO'")
    tell_plant(store.connection, plant.load(BASE))
    assert asked(store.connection, span) == [(3, None), (3, 7)]


def test_a_layout_of_a_block_that_was_refused_is_told_again(store: Store) -> None:
    unknown = frame_records(good_frame(0, Layout("L99-XYZ", ("L99-XYZ.a",))))[0].body
    records = frame_records(ISOLATOR, good_frame(0), good_frame(1))
    store.frames([records[0], forged(records[1], unknown), records[2]], {}, 0)
    assert asked(store.connection, "select device from layout") == ["L01-ISO"]
    assert (rejected(store.connection), seconds(store.connection)) == ([("frames", 2)], [1])
