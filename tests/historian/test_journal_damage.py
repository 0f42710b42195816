"""What a crash, a full disk or a bad disk leave of a journal: every good record is read, none is invented, the rest is told."""

import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.journal import format as form
from telemetry.journal import writer as writing
from telemetry.journal.reader import Reader, segments
from telemetry.journal.writer import Writer
from tests.historian.journals import (
    NOON,
    WRITER,
    broken_at,
    frames_of,
    good_frame,
    last_file,
    numbers,
    read,
    read_all,
    same,
    written,
)


@pytest.mark.parametrize("stream", ["events", "frames"])
@pytest.mark.parametrize("segment_bytes", [1, 1 << 26], ids=["first of its segment", "behind others"])
def test_a_record_torn_at_any_byte_is_cut_off_and_its_number_is_not_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: form.StreamName, segment_bytes: int
) -> None:
    whole = tmp_path / "whole"
    written(whole, events=3, frames=3).close()
    monkeypatch.setattr(writing, "SEGMENT_BYTES", segment_bytes)
    writer = Writer(whole, WRITER)  # a start begins a new segment
    for i in (3, 4):
        writer.event(NOON, {"kind": "act", "n": i})
        writer.frame(good_frame(i), failed=False)
    writer.close()
    good = read(whole, stream)
    first, path = segments(whole, stream)[-1]
    last = 0 if segment_bytes == 1 else good[-2].end
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 1 << 26)
    for size in range(last, path.stat().st_size):
        torn = tmp_path / "torn"
        shutil.copytree(whole, torn)
        with (torn / path.name).open("r+b") as file:
            file.truncate(size)
        follower = Reader(torn, stream, 0)
        before = list(follower.rest())
        assert before == [r for r in good if r.number < first or r.end <= size], size

        again = Writer(torn, WRITER)
        assert again.order >= before[-1].order
        again.event(NOON, {"kind": "engine"})
        again.frame(good_frame(9), failed=False)
        found, damage = read_all(torn, stream)
        assert damage == [], size
        begun = size > max(last, form.SEGMENT.size, *(r.end for r in before if r.number >= first))
        assert numbers(found) == [n + (begun and n > len(before)) for n in range(1, len(found) + 1)], size
        assert [r.body for r in found[: len(before)]] == [r.body for r in before], size
        assert len(found) == len(before) + (1 if stream == "events" else 2), size
        assert broken_at(torn) is None, size
        orders = sorted(r.order for one in ("events", "frames") for r in read(torn, one))
        assert len(set(orders)) == len(orders), size
        # Who followed it all the while reads on, and stumbles over nothing.
        assert numbers(before + list(follower.rest())) == numbers(found), size
        assert follower.damage == [], size
        follower.close()
        shutil.rmtree(torn)


def test_what_was_begun_and_holds_nothing_does_not_set_the_order_back(tmp_path: Path) -> None:
    writer = written(tmp_path, events=2, frames=20)
    writer.close()
    for stream in ("events", "frames"):
        first = read(tmp_path, stream)[-1].number + 1
        head = form.pack_segment(form.Segment(stream, WRITER, first, form.ZERO_HASH))
        (tmp_path / form.segment_name(stream, first)).write_bytes(head)
    again = Writer(tmp_path, WRITER)
    assert again.order == writer.order
    again.event(NOON, {"kind": "act"})
    assert broken_at(tmp_path) is None


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(["events", "frames"]), st.sampled_from([50, 1000, 1 << 20]))
def test_damage_anywhere_costs_what_it_hit_and_is_told(
    data: st.DataObject, stream: form.StreamName, most_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, events=20, frames=20)
        path = last_file(folder, stream)
        content, good = bytearray(path.read_bytes()), read(folder, stream)
        hit = data.draw(st.integers(form.SEGMENT.size, len(content) - 1))
        size = data.draw(st.integers(1, 120))
        garbage = data.draw(st.binary(min_size=size, max_size=size) | st.just(bytes(size)))
        original = bytes(content[hit : hit + size])
        content[hit : hit + size] = garbage[: len(original)]
        path.write_bytes(content)
        starts = [form.SEGMENT.size, *(record.end for record in good)]
        changed = [hit + i for i, (a, b) in enumerate(zip(original, garbage, strict=False)) if a != b]
        lost = {r.number for r, start in zip(good, starts, strict=False) if any(start <= at < r.end for at in changed)}

        found, damage = read_all(folder, stream, most_bytes=most_bytes)
        kept = {record.number: record for record in good if record.number not in lost}
        assert numbers(found) == list(kept)
        assert all(record == kept[record.number] for record in found)
        ends_torn = (
            lost and max(lost) == good[-1].number
        )  # then it may still be being written, as far as anyone can see
        assert bool(damage) == bool(lost) or ends_torn
        for one in damage:
            assert one.file == path.name and one.size > 0 and one.reason
            assert any(one.offset <= at < one.offset + one.size + form.RECORD.size for at in changed)


def test_damage_is_told_by_its_place_in_the_file(tmp_path: Path) -> None:
    written(tmp_path, events=3).close()
    path, good = last_file(tmp_path, "events"), read(tmp_path, "events")
    content = bytearray(path.read_bytes())
    content[good[1].end - 1] ^= 1
    path.write_bytes(content)
    _, (damage,) = read_all(tmp_path, "events")
    assert (damage.offset, damage.size) == (good[0].end, good[1].end - good[0].end)
    assert damage.reason == f"the record at byte {good[0].end} does not match its checksum"


@pytest.mark.parametrize("length", [0, 1, 39, 41, 500, 5000, form.LARGEST_BODY, form.LARGEST_BODY + 1, 2**32 - 1])
def test_a_wrong_length_hides_nothing_behind_it(tmp_path: Path, length: int) -> None:
    writer = written(tmp_path, frames=10)
    path = last_file(tmp_path, "frames")
    content, good = bytearray(path.read_bytes()), read(tmp_path, "frames")
    content[good[4].end + 4 : good[4].end + 8] = length.to_bytes(4, "little")
    path.write_bytes(content)
    follower = Reader(tmp_path, "frames", 0)
    found = list(follower.rest())
    assert [r.number for r in found] == [r.number for r in good if r.number != good[5].number]
    assert len(follower.damage) == 1
    writer.frame(good_frame(10), failed=False)
    assert numbers(list(follower.rest())) == [good[-1].number + 1]
    follower.close()


def test_a_writer_goes_on_behind_a_damaged_end(tmp_path: Path) -> None:
    written(tmp_path, events=5, frames=5).close()
    for stream in ("events", "frames"):
        with last_file(tmp_path, stream).open("ab") as file:
            file.write(bytes(300))  # as a power failure leaves it: the size is there, the bytes are not
    again = Writer(tmp_path, WRITER)
    again.event(NOON, {"kind": "act", "n": 5})
    again.frame(good_frame(5), failed=False)
    events, damage = read_all(tmp_path, "events")
    assert numbers(events) == [1, 2, 3, 4, 5, 7], "a record may have been there: its number is not used again"
    assert [one.size for one in damage] == [300]
    assert broken_at(tmp_path) is None
    found = frames_of(read(tmp_path, "frames"))
    assert all(same(good_frame(i), frame) for i, (frame, _) in enumerate(found)) and len(found) == 6


@contextmanager
def file_size_limited(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size`: a write is cut short there, and the next one fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_takes_a_record_whole_or_not_at_all(tmp_path: Path) -> None:
    writer = written(tmp_path, events=3)
    follower = Reader(tmp_path, "events", 0)
    assert numbers(follower.read()) == [1, 2, 3]
    end = last_file(tmp_path, "events").stat().st_size
    for room in (0, 1, 39, 40, 60):
        with file_size_limited(end + room), pytest.raises(OSError, match=r"full|large"):
            writer.event(NOON, {"kind": "act", "n": "does not fit"})
        assert follower.read() == []
    writer.event(NOON, {"kind": "act", "n": 3})
    assert numbers(follower.read()) == [4]
    assert follower.damage == []
    assert broken_at(tmp_path) is None
    follower.close()


def test_a_disk_full_at_the_first_byte_of_a_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = written(tmp_path, events=3)
    monkeypatch.setattr(writing, "SEGMENT_BYTES", 1)
    for room in (0, 50, form.SEGMENT.size, form.SEGMENT.size + 10):
        with file_size_limited(room), pytest.raises(OSError, match=r"full|large"):
            writer.event(NOON, {"kind": "act", "n": "does not fit"})
    writer.event(NOON, {"kind": "act", "n": 3})
    assert numbers(read(tmp_path, "events")) == [1, 2, 3, 4]
    assert len(segments(tmp_path, "events")) == 2
    assert broken_at(tmp_path) is None


def test_a_record_too_large_to_be_read_is_not_written(tmp_path: Path) -> None:
    writer = written(tmp_path, events=1)
    with pytest.raises(ValueError, match="larger than"):
        writer.event(NOON, {"kind": "act", "comment": "x" * form.LARGEST_BODY})
    writer.event(NOON, {"kind": "act"})
    assert numbers(read(tmp_path, "events")) == [1, 2]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_flipped_byte_costs_one_record_and_never_its_number(data: st.DataObject) -> None:
    """The writer starts again behind the damage: what it appends never bears a number that a reader may have seen."""
    stream = data.draw(st.sampled_from(["events", "frames"]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, events=8, frames=8).close()
        path = last_file(folder, stream)
        good = {record.number: record.body for record in read(folder, stream)}
        content = bytearray(path.read_bytes())
        hit = data.draw(st.integers(form.SEGMENT.size, len(content) - 1))
        content[hit] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        again = Writer(folder, WRITER)
        again.event(NOON, {"kind": "engine"})
        again.frame(good_frame(99), failed=False)
        again.close()
        found = {record.number: record.body for record in read(folder, stream)}
        kept = {number: body for number, body in found.items() if number <= max(good)}
        assert kept.items() <= good.items(), "no record is another one than it was"
        assert len(good) - len(kept) == 1
        fresh = 1 if stream == "events" else 2
        assert len(found) == len(kept) + fresh
        assert max(found) == max(good) + fresh, "the numbers behind go on without a hole"


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_cut_anywhere_loses_what_lies_behind_it_and_no_number_comes_twice(data: st.DataObject) -> None:
    stream = data.draw(st.sampled_from(["events", "frames"]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written(folder, events=8, frames=8).close()
        good = {record.number: record for record in read(folder, stream)}
        path = last_file(folder, stream)
        size = data.draw(st.integers(0, path.stat().st_size - 1))
        with path.open("r+b") as file:
            file.truncate(size)
        again = Writer(folder, WRITER)
        again.begin_behind(0, max(good) if stream == "events" else 0, max(good) if stream == "frames" else 0)
        again.event(NOON, {"kind": "engine"})
        again.frame(good_frame(99), failed=False)
        again.close()
        found = {record.number: record.body for record in read(folder, stream)}
        left = {number: record.body for number, record in good.items() if record.end <= size}
        assert {n: body for n, body in found.items() if n <= max(good)} == left, "as far as the database had seen it"
        assert len(found) == len(left) + (1 if stream == "events" else 2)


@pytest.mark.parametrize(
    "name", ["frames-0000000000000001 (copy).journal", "frames-backup.journal", "frames-1.journal"]
)
def test_a_file_that_somebody_put_there_is_no_segment(tmp_path: Path, name: str) -> None:
    written(tmp_path, frames=3).close()
    before = read(tmp_path, "frames")
    (path,) = segments(tmp_path, "frames")
    (tmp_path / name).write_bytes(b"not ours")
    assert segments(tmp_path, "frames") == [path]
    assert read(tmp_path, "frames") == before
    writer = Writer(tmp_path, WRITER)
    assert writer.frame_number == before[-1].number
    writer.close()
