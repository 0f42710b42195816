"""Which segments of the journal may go, and when the disk has too little room."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from telemetry.journal.keeping import (
    EVENTS_KEPT_S,
    Closed,
    Room,
    closed,
    events_to_go,
    frames_to_go,
    frames_to_thin,
    room,
)
from telemetry.plant.schema import JournalEntry

GB, MB = 10**9, 10**6


@pytest.mark.parametrize(
    ("free_bytes", "expected"),
    [(2 * GB, "enough"), (2 * GB - 1, "low"), (GB // 2, "low"), (GB // 2 - 1, "thin"), (0, "thin")],
)
def test_room_ends_in_steps(free_bytes: int, expected: Room) -> None:
    assert room(free_bytes, 2 * GB, 64 * MB) == expected


def test_the_reserve_is_never_all_that_is_left_before_frames_are_thinned() -> None:
    assert room(150 * MB, 400 * MB, 64 * MB) == "low"
    assert room(127 * MB, 400 * MB, 64 * MB) == "thin"


def test_the_segment_that_is_written_to_is_not_closed(tmp_path: Path) -> None:
    found = [(1, tmp_path / "a"), (11, tmp_path / "b"), (31, tmp_path / "c")]
    for when, (_, path) in zip((5.0, 6.0, 7.0), found, strict=True):
        path.touch()
        os.utime(path, (when, when))
    assert closed(found) == [Closed(tmp_path / "a", 1, 10, 5.0), Closed(tmp_path / "b", 11, 30, 6.0)]
    assert closed(found[:1]) == closed([]) == []


segments = st.lists(st.integers(1, 9), max_size=8).map(
    lambda sizes: [Closed(Path(str(n)), 1 + sum(sizes[:n]), sum(sizes[: n + 1]), 100.0 * n) for n in range(len(sizes))]
)


@given(segments, st.integers(0, 80), st.floats(0, 900), st.floats(0, 1000), st.floats(0, 500))
def test_nothing_goes_that_somebody_needs(
    found: list[Closed], stored: int, checkpoint_s: float, now_s: float, keep_s: float
) -> None:
    gone = frames_to_go(found, stored, checkpoint_s, now_s, keep_s)
    assert all(s.last <= stored and s.written_s < checkpoint_s and s.written_s < now_s - keep_s for s in gone)
    kept = [s for s in found if s not in gone]
    assert all(s.last > stored or s.written_s >= min(checkpoint_s, now_s - keep_s) for s in kept)
    thinned = frames_to_thin(found, stored, checkpoint_s)
    assert all(s.last > stored and s.written_s < checkpoint_s for s in thinned)
    assert not set(gone) & set(thinned)


def test_events_go_after_ninety_days_when_they_are_stored() -> None:
    old, young = Closed(Path("a"), 1, 10, 0.0), Closed(Path("b"), 11, 20, 86_400.0)
    now_s = EVENTS_KEPT_S + 1.0
    assert events_to_go([old, young], 20, now_s, now_s) == [old]
    assert events_to_go([old, young], 9, now_s, now_s) == []
    assert EVENTS_KEPT_S == 90 * 86_400


def test_a_reserve_as_large_as_what_counts_as_low_is_refused() -> None:
    assert (JournalEntry().keep_hours, JournalEntry().low_gb, JournalEntry().reserve_mb) == (2, 2, 64)
    with pytest.raises(ValidationError, match=r"no time between low_gb 0\.3 and the reserve of 100 MB"):
        JournalEntry(low_gb=0.3, reserve_mb=100)
