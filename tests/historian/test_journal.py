"""The journal as it is written and read: every bit comes back, in order, numbered without gaps, chained."""

import os
import sys
import tempfile
import threading
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.frame import Frame
from telemetry.journal import format as form
from telemetry.journal import reader as reading
from telemetry.journal import writer as writing
from telemetry.journal.reader import Reader, segments
from telemetry.journal.writer import Writer
from tests.historian.journals import (
    COUNTER,
    INT64,
    NOON,
    WRITER,
    broken_at,
    events_of,
    frames,
    frames_of,
    good_frame,
    numbers,
    read,
    read_all,
    same,
    until,
    written,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(frames(), st.booleans()), min_size=1, max_size=8))
def test_frames_come_back_bit_for_bit(given_frames: list[tuple[Frame, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder), WRITER)
        for frame, failed in given_frames:
            writer.frame(frame, failed)
        found = frames_of(read(Path(folder), "frames"))
    assert [failed for _, failed in found] == [failed for _, failed in given_frames]
    assert all(same(was, now) for (was, _), (now, _) in zip(given_frames, found, strict=True))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(INT64, st.dictionaries(st.text(), JSON, max_size=4)), min_size=1, max_size=6))
def test_events_come_back_whatever_they_say(given_events: list[tuple[int, dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder), WRITER)
        for time_ns, data in given_events:
            writer.event(time_ns, data)
        found = read(Path(folder), "events")
        assert broken_at(Path(folder)) is None
    assert [(r.time_ns, d) for r, d in zip(found, events_of(found), strict=True)] == given_events


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["event", "frame", "record", "restart"]), max_size=30),
    st.sampled_from([200, 400, 1 << 26]),
)
def test_numbers_have_no_gap_and_order_runs_through_both_streams(acts: list[str], segment_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "SEGMENT_BYTES", segment_bytes)
        folder, said = Path(name), list[tuple[str, int]]()
        writer = Writer(folder, WRITER)
        for i, act in enumerate(acts):
            match act:
                case "event":
                    writer.event(NOON, {"kind": "act", "n": i})
                    said.append(("event", i))
                case "frame" | "record":
                    writer.frame(good_frame(i) if act == "frame" else good_frame(i, COUNTER), failed=False)
                    said.append(("frame", i))
                case _:
                    writer.close()
                    writer = Writer(folder, WRITER)
        events, kept = read(folder, "events"), read(folder, "frames")
        assert numbers(events) == list(range(1, len(events) + 1))
        assert numbers(kept) == list(range(1, len(kept) + 1))
        together = sorted(events + kept, key=lambda record: record.order)
        assert [record.order for record in together] == list(range(1, writer.order + 1))
        spoken = [
            ("event", form.unpack_event(r)[1]["n"])
            if r.kind == form.EVENT
            else ("frame", round((r.time_ns - NOON) / 1e9))
            for r in together
            if r.kind != form.LAYOUT
        ]
        assert spoken == said
        assert broken_at(folder) is None
        for first, _ in segments(folder, "frames"):  # each segment can be read without those before it
            frames_of(read(folder, "frames", first - 1))


def test_a_segment_begins_where_the_chain_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 500)
    written(tmp_path, events=30)
    hashes = {0: form.ZERO_HASH} | {r.number: form.unpack_event(r)[2] for r in read(tmp_path, "events")}
    heads = [Reader(tmp_path, "events", first - 1).segment_header() for first, _ in segments(tmp_path, "events")]
    assert len(heads) > 5
    assert all(head.before == hashes[head.first - 1] and head.writer == WRITER for head in heads)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_altering_any_byte_of_an_event_breaks_the_chain_at_it(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, events=6)
        records = read(folder, "events")
        chosen = data.draw(st.sampled_from(records[:-1]))
        what = data.draw(st.sampled_from(["body", "time"]))
        body, time_ns = bytearray(chosen.body), chosen.time_ns
        if what == "body":
            at = data.draw(st.integers(0, len(body) - 1))
            body[at] ^= data.draw(st.integers(1, 255))
        else:
            time_ns ^= 1 << data.draw(st.integers(0, 62))
        # Whoever alters it mends the checksum, too.
        forged = form.pack_record(form.EVENT, chosen.number, chosen.order, time_ns, bytes(body))
        path = segments(folder, "events")[0][1]
        content = path.read_bytes()
        path.write_bytes(content[: chosen.end - len(forged)] + forged + content[chosen.end :])
        found, damage = read_all(folder, "events")
        assert len(found) == len(records) and not damage
        before = form.ZERO_HASH
        breaks: list[int] = []
        for record in found:
            if record.body[:32] != before:
                breaks.append(record.number)
            before = form.event_hash(record.body[:32], record.number, record.time_ns, record.body[32:])
        assert breaks and breaks[0] in (chosen.number, chosen.number + 1) and breaks[-1] <= chosen.number + 1


def test_reading_begins_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 300)
    written(tmp_path, events=12, frames=12)
    for stream in ("events", "frames"):
        everything = read(tmp_path, stream)
        for after in range(len(everything) + 1):
            for most_bytes in (1, 97, 1 << 20):
                found = read(tmp_path, stream, after, most_bytes)
                assert [r.number for r in found if r.number > after] == numbers(everything[after:])
                assert all(r.kind == form.LAYOUT for r in found if r.number <= after)
                frames_of(found) if stream == "frames" else events_of(found)
        assert [r for r in read(tmp_path, stream, 1000) if r.kind != form.LAYOUT] == []


def test_follows_another_process_across_its_segments(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from telemetry.journal import writer as w\n"
        "from tests.historian.journals import good_frame, WRITER\n"
        "w.SEGMENT_BYTES = 20_000; writer = w.Writer(Path(sys.argv[1]), WRITER)\n"
        "for i in range(4000): writer.frame(good_frame(i), failed=False)\n"
    )
    reader = Reader(tmp_path, "frames", 0)
    records: list[form.Record] = []
    with Popen([sys.executable, "-c", program, str(tmp_path)], stderr=PIPE, cwd=Path(__file__).parents[2]) as process:

        def all_there() -> bool:
            records.extend(reader.read(5000))
            return sum(record.kind == form.FRAME for record in records) == 4000

        until(all_there, "all frames")
        assert process.wait(10) == 0
    reader.close()
    assert numbers(records) == list(range(1, len(records) + 1))
    assert reader.damage == []
    assert all(same(good_frame(i), frame) for i, (frame, _) in enumerate(frames_of(records)))
    assert len(segments(tmp_path, "frames")) > 10


def test_what_is_written_between_the_last_look_and_the_next_segment_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = written(tmp_path, events=3)
    reader = Reader(tmp_path, "events", 0)
    assert numbers(reader.read()) == [1, 2, 3]
    real, written_already = segments, threading.Event()

    def at_the_worst_moment(folder: Path, stream: form.StreamName) -> list[tuple[int, Path]]:
        if not written_already.is_set():
            written_already.set()
            writer.event(NOON, {"kind": "last of this segment"})
            monkeypatch.setattr(writing, "SEGMENT_BYTES", 1)
            writer.event(NOON, {"kind": "first of the next"})
        return real(folder, stream)

    monkeypatch.setattr(reading, "segments", at_the_worst_moment)
    assert [record.number for _ in range(3) for record in reader.read()] == [4, 5]
    reader.close()


def test_a_sync_in_its_thread_survives_a_new_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = written(tmp_path, frames=1)
    real, begun, rolled, failed = os.fdatasync, threading.Event(), threading.Event(), list[OSError]()

    def held_up(file: int) -> None:
        if threading.current_thread() is thread:
            begun.set()
            rolled.wait(0.2)  # the new segment comes between the sync's first step and its last, if anything lets it
        real(file)

    def sync() -> None:
        try:
            writer.sync_frames()
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=sync)
    monkeypatch.setattr(writing.os, "fdatasync", held_up)
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 1)
    thread.start()
    assert begun.wait(10)
    writer.frame(good_frame(1), failed=False)
    rolled.set()
    thread.join(10)
    writer.close()
    assert failed == []
    assert len(segments(tmp_path, "frames")) == 2


def test_appending_waits_for_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 1)
    writer = written(tmp_path, events=2, frames=2)
    held = threading.Event()
    asked, synced, named = list[int](), list[int](), list[int]()
    real = os.fdatasync, os.fsync

    def slow(file: int) -> None:
        asked.append(os.fstat(file).st_ino)
        assert held.wait(20), "appending goes on meanwhile"
        real[0](file)
        synced.append(os.fstat(file).st_ino)

    def named_too(file: int) -> None:
        real[1](file)
        named.append(os.fstat(file).st_ino)

    monkeypatch.setattr(writing.os, "fdatasync", slow)
    monkeypatch.setattr(writing.os, "fsync", named_too)
    threads = [threading.Thread(target=sync) for sync in (writer.sync_events, writer.sync_frames)]
    for thread in threads:
        thread.start()
    until(lambda: len(asked) == 2, "both are at the disk")
    for second in range(2, 6):  # each is a new segment
        writer.event(NOON, {"kind": "act", "n": second})
        writer.frame(good_frame(second), failed=False)
    assert synced == [] and all(thread.is_alive() for thread in threads)
    held.set()
    for thread in threads:
        thread.join(20)
    writer.sync_events()
    writer.sync_frames()
    files = [path for stream in ("events", "frames") for _, path in segments(tmp_path, stream)]
    assert len(files) == 12 and set(synced) == {path.stat().st_ino for path in files}
    assert named.count(tmp_path.stat().st_ino) == len(named) >= 2
    writer.close()
    assert numbers(read(tmp_path, "events")) == list(range(1, 7))


def test_a_writer_that_is_never_synced_keeps_few_files_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    writer = written(tmp_path, frames=3 * writing.MOST_LEFT)
    assert len(segments(tmp_path, "frames")) == 3 * writing.MOST_LEFT
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= writing.MOST_LEFT + 2
    writer.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
