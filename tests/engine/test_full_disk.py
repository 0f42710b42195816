"""The disk is full: the real engine goes on warning, refuses what it cannot record, and tells afterwards what is missing."""

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.engine.real_engine import SILENT, Running, engine, kept
from tests.historian.accounting import unaccounted
from tests.historian.small_disk import small_disk_at

DISK_BYTES: Final = 10 << 20


@pytest.fixture
def small_disk(own_data_folder: Path) -> Iterator[Path]:
    """The data folder on a file system of its own, of 10 MB."""
    with small_disk_at(own_data_folder, DISK_BYTES) as folder:
        yield folder


def filled(path: Path) -> None:
    """Takes all the room that is left on the disk, to the last byte."""
    size = 1 << 20
    with path.open("ab", buffering=0) as file:
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


async def warns_and_refuses(running: Running) -> None:
    """On a disk that takes nothing: the horn sounds, the act of a person is refused, and its reason helps him."""
    await running.until(lambda: running.figure("journal_writable") == 0, "it notices")
    assert await running.simulators.fault("L01-ISO", "silent")
    await running.until(lambda: SILENT in running.mirror.alarms and running.horn == 1, "the horn sounds")
    refused = await running.acknowledge()
    assert refused is not None and "cannot be recorded" in refused and "Free space" in refused
    assert running.mirror.alarms[SILENT].unacknowledged and running.horn == 1
    assert running.figure("frames_unwritten") > 0
    await running.until(lambda: "SERVICE.journal.writable.unwritable" in running.mirror.alarms, "the disk is alarmed")


async def goes_on(running: Running) -> None:
    """There is room again: what waited is recorded, the act is done, and every second is a frame or in a gap."""
    await running.until(lambda: running.figure("journal_writable") == 1, "it writes again")
    await running.until(lambda: running.figure("events_waiting") == 0, "what waited is written")
    for alarm in [name for name, one in running.mirror.alarms.items() if one.unacknowledged]:
        assert await running.acknowledge(alarm) is None
    await running.until(lambda: running.horn == 0, "the horn is off")
    frames = [running.mirror.frames[number].time_ns for number in running.mirror.frames]
    await running.until(
        lambda: all(f.time_ns > max(frames) + 2_000_000_000 for f in running.mirror.frames.values()), "frames go on"
    )
    slots, events = kept()
    raised = [e for e in events if e["kind"] == "alarm" and e["alarm"] == SILENT]
    assert [(e["transition"], e["occurrence"]) for e in raised] == [("raised", 1), ("acknowledged", 1)]
    gaps = [e for e in events if e["kind"] == "gap"]
    assert {gap["reason"] for gap in gaps} == {"disk full"}
    assert sum(gap["frames"] for gap in gaps) == running.figure("frames_unwritten")
    assert len(slots) == 3 and unaccounted(slots, gaps) == []
    assert unaccounted(slots, []) != [], "frames are missing, and only the gaps say why"


async def test_on_a_full_disk_the_horn_sounds_and_what_is_missing_is_told(small_disk: Path, tmp_path: Path) -> None:
    async with engine(tmp_path) as running:
        await running.until((small_disk / "journal" / "engine-1" / "reserve").exists, "the reserve is taken")
        ballast = small_disk / "ballast"
        filled(ballast)
        await running.until(lambda: running.figure("disk_state") == 3, "it is said to be full")
        assert await running.note() is None, "the reserve gives it room"
        assert not (small_disk / "journal" / "engine-1" / "reserve").exists()
        filled(ballast)
        noted = 0
        while await running.note(50_000) is None:  # until the room that is allocated for events is used up, too
            noted += 1
        assert 0 < noted < 10
        await warns_and_refuses(running)
        ballast.unlink()
        await goes_on(running)
        assert (small_disk / "journal" / "engine-1" / "reserve").stat().st_size == 1_000_000


async def test_a_journal_that_takes_no_byte_stops_no_alarm(own_data_folder: Path, tmp_path: Path) -> None:
    async with engine(tmp_path) as running:
        before = resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        await warns_and_refuses(running)
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, before)
        await goes_on(running)


async def test_a_disk_that_fails_in_every_way_stops_no_alarm(own_data_folder: Path, tmp_path: Path) -> None:
    """Nothing can be written, and the reserve can be neither given nor taken: a folder stands in its place."""
    async with engine(tmp_path) as running:
        reserve = own_data_folder / "journal" / "engine-1" / "reserve"
        await running.until(reserve.exists, "the reserve is taken")
        reserve.unlink()
        reserve.mkdir()
        before = resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        await warns_and_refuses(running)
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, before)
        reserve.rmdir()
        await goes_on(running)
