"""Seconds that the real engine did not scan: killed, stopped, held up. Each is told, and no more than were missed for long."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from drivers.frame import Layout
from tests.engine.real_engine import Running, engine, kept
from tests.historian.accounting import doubled, missing_s, unaccounted

SECOND = 1_000_000_000


async def some_frames(running: Running, count: int = 3) -> None:
    newest = max(frame.time_ns for frame in running.mirror.frames.values())
    await running.until(
        lambda: all(f.time_ns >= newest + count * SECOND for f in running.mirror.frames.values()), "more frames"
    )


def told(events: list[dict[str, Any]]) -> list[str]:
    return [event["reason"] for event in events if event["kind"] == "gap"]


def all_accounted(slots: dict[Layout, list[int]], events: list[dict[str, Any]]) -> None:
    gaps = [event for event in events if event["kind"] == "gap"]
    assert len(slots) == 3
    assert unaccounted(slots, []) != [], "seconds are missing"
    assert unaccounted(slots, gaps) == []
    assert [doubled(times) for times in slots.values()] == [[], [], []]


async def test_a_kill_and_a_stop_are_gaps_of_some_seconds(tmp_path: Path) -> None:
    async with engine(tmp_path) as running:
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            await some_frames(running)
            await running.end(number)
            await running.start()
        await some_frames(running)
    slots, events = kept()
    all_accounted(slots, events)
    assert "engine stopped" in told(events) and set(told(events)) <= {"engine stopped", "engine held up"}
    spans = [e["last_ns"] - e["first_ns"] + SECOND for e in events if e["kind"] == "gap"]
    assert sum(spans) <= 3 * 5 * SECOND and missing_s(slots) <= 15


async def test_an_engine_that_was_held_up_says_so(tmp_path: Path) -> None:
    async with engine(tmp_path) as running:
        await some_frames(running)
        os.kill(running.pid, signal.SIGSTOP)
        await asyncio.sleep(3.2)  # what is tested is time itself
        os.kill(running.pid, signal.SIGCONT)
        await some_frames(running, 6)
    slots, events = kept()
    all_accounted(slots, events)
    assert set(told(events)) == {"engine held up"}
    assert 2 <= missing_s(slots) <= 5


async def test_an_engine_that_is_killed_before_its_first_frame_leaves_nothing_untold(tmp_path: Path) -> None:
    async with engine(tmp_path) as running:
        await some_frames(running)
        await running.end(signal.SIGKILL)
        for delay_s in (0.6, 0.9, 1.2, 1.6):
            starting = asyncio.create_task(running.start())
            await asyncio.sleep(delay_s)  # in the middle of its start
            await running.end(signal.SIGKILL)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        await running.start()
        await some_frames(running)
    slots, events = kept()
    all_accounted(slots, events)
    assert "engine stopped" in told(events)
