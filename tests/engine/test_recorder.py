"""Frames that were not written: told before the next one is, each device's hours on their own; events are not held up by it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from telemetry.engine.recorder import Recorder
from telemetry.journal.reserve import Reserve
from telemetry.journal.writer import Writer
from tests.historian.journals import NOON, SECOND, WRITER, events_of, frames_of, good_frame, read
from tests.historian.small_disk import files_of_at_most


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    made = Recorder(Writer(tmp_path, WRITER), Reserve(tmp_path, 4096))
    assert made.frame(good_frame(0), failed=False)
    return made


def gaps(recorder: Recorder) -> list[dict[str, Any]]:
    return [event for event in events_of(read(recorder.journal.folder, "events")) if event["kind"] == "gap"]


def until_written(recorder: Recorder, i: int) -> int:
    """Seconds from `i` on until a frame is written again; the second of that one."""
    while not recorder.frame(good_frame(i), failed=False):
        recorder.try_again(NOON + i * SECOND, not recorder.frames_held_back or recorder.reserve.take())
        i += 1
        assert i < 20, "it is never written again"
    return i


def test_what_is_missing_is_told_before_the_next_frame_is_written(recorder: Recorder) -> None:
    with files_of_at_most(0):
        assert [recorder.frame(good_frame(i), failed=False) for i in (1, 2)] == [False, False]
        recorder.try_again(NOON, reserved=True)
        assert not recorder.frame(good_frame(3), failed=False)
    until_written(recorder, 4)
    folder = recorder.journal.folder
    last = frames_of(read(folder, "frames"))[-1][0].time_ns
    missing = [gap for gap in gaps(recorder) if gap["device"] is None]
    assert sum(gap["frames"] for gap in missing) == recorder.frames_lost == (last - NOON) // SECOND - 1
    assert missing[-1]["last_ns"] == last - SECOND
    assert read(folder, "events")[-1].order < read(folder, "frames")[-1].order


def test_what_the_reserve_cost_is_told_before_frames_go_on_wherever_it_is_taken_back(recorder: Recorder) -> None:
    assert recorder.reserve.take()
    with recorder.reserve.lent() as given:
        assert given and recorder.frames_held_back
        assert not recorder.frame(good_frame(1), failed=False)
    assert recorder.reserve.take()
    assert not recorder.frame(good_frame(2), failed=False), "it is taken back, and nothing is told yet"
    recorder.try_again(NOON, reserved=True)
    assert [(gap["first_ns"], gap["last_ns"], gap["frames"]) for gap in gaps(recorder)] == [
        (NOON + SECOND, NOON + 2 * SECOND, 2)
    ]
    assert recorder.frame(good_frame(3), failed=False)


def test_a_late_frame_that_is_lost_makes_no_gap_of_hours_for_all_others(recorder: Recorder) -> None:
    late = replace(good_frame(1), time_ns=NOON - 7200 * SECOND, late=True)
    with files_of_at_most(0):
        for frame in (good_frame(1), late, good_frame(2)):
            assert not recorder.frame(frame, failed=False)
    recorder.try_again(NOON, reserved=True)
    assert [(gap["device"], gap["first_ns"], gap["last_ns"], gap["frames"]) for gap in gaps(recorder)] == [
        (None, NOON + SECOND, NOON + 2 * SECOND, 2),
        (late.layout.device, late.time_ns, late.time_ns, 1),
    ]
