"""The engine between core, journal and feed: an act is on the disk when it is answered, and nobody poses as the engine."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alarms.core import Core
from drivers.device import open_device
from drivers.frame import Frame, Scan, bad_frame
from telemetry import places
from telemetry.clock import Clock
from telemetry.engine.engine import OWN_KINDS, Engine
from telemetry.engine.gaps import HELD_UP, STOPPED
from telemetry.engine.replay import restore
from telemetry.engine.state import Published
from telemetry.feed.messages import Command
from telemetry.feed.server import FeedServer
from telemetry.journal.format import FRAME
from telemetry.journal.writer import Writer
from tests.engine.feeds import ended, until
from tests.engine.life import WRITER, state
from tests.engine.small_plant import ISOLATOR, loaded, small_plant
from tests.historian.journals import events_of, read

LOW = "L01-ISO.pressure.low"


def begun(folder: Path) -> Engine:
    """An engine as `run` makes it, restored from its disk; its devices are never connected."""
    plan, clock = small_plant(), Clock.start(time.time_ns(), time.monotonic_ns())
    core = Core(plan.definitions)
    restored = restore(folder, core, plan.number)
    assert restored.untold == []
    published = Published(plan, WRITER, "digest", clock.now(), texts=restored.texts)
    feed = FeedServer(
        places.feed_socket(), lambda n: published.snapshot(core, n, clock.now()), lambda c: one.execute(c)
    )
    devices = {unit.id: open_device(unit.id, unit.profile, unit.address, clock.now) for unit in loaded().equipment}
    one = Engine(plan, core, devices, Writer(folder, WRITER), clock, published, feed)
    return one


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    one = begun(tmp_path)
    syncing = asyncio.create_task(one.sync_events(), name="sync")
    yield one
    await ended(syncing)


def scan(engine: Engine, pressure: float, firmware: str | None = None) -> None:
    """A scan of the isolator."""
    now_ns = engine.clock.now()
    values = np.array([pressure, 1.0, 0.0, 0.0, 0.0])
    texts = {} if firmware is None else {"L01-ISO.firmware": firmware}
    engine.take_scan(ISOLATOR, Scan((Frame(small_plant().layouts[1], now_ns, now_ns, values),), texts))


def journaled(engine: Engine, kind: str) -> list[dict[str, Any]]:
    return [event for event in events_of(read(engine.journal.folder, "events")) if event["kind"] == kind]


def acknowledge(occurrence: int) -> Command:
    return Command(id=7, verb="acknowledge", target=LOW, occurrence=occurrence, person="operator", comment="seen")


async def test_an_act_is_answered_when_it_is_on_the_disk(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    scan(engine, -10.0)
    await engine.synced()
    syncing, synced, real = threading.Event(), threading.Event(), engine.journal.sync_events

    def slow() -> None:
        syncing.set()
        assert synced.wait(10)
        real()

    monkeypatch.setattr(engine.journal, "sync_events", slow)
    act = asyncio.create_task(engine.execute(acknowledge(1)))
    await until(syncing.is_set, "the sync has begun")
    assert not act.done()
    assert state(engine.core)["letters"][0] == "C", "horn and trips do not wait for the disk"
    synced.set()
    assert (await act).refused is None
    [said] = journaled(engine, "act")
    assert (said["verb"], said["target"], said["occurrence"], said["person"]) == ("acknowledge", LOW, 1, "operator")
    assert [event["transition"] for event in journaled(engine, "alarm")] == ["raised", "acknowledged"]


async def test_what_changes_between_two_scans_is_judged_and_journaled_at_once(engine: Engine) -> None:
    layout = small_plant().layouts[1]

    def change(pressure: float) -> Scan:
        now_ns = engine.clock.now()
        return Scan((Frame(layout, now_ns, now_ns, np.array([pressure, 1.0, 0.0, 0.0, 0.0])),))

    scan(engine, 30.0)
    engine.take_change(ISOLATOR, change(-10.0))
    assert state(engine.core)["letters"][0] == "B"
    engine.take_change(ISOLATOR, change(30.0))
    await engine.synced()
    assert [event["transition"] for event in journaled(engine, "alarm")] == ["raised", "cleared"]
    assert engine.published.frames[layout.id].values == np.array([30.0, 1.0, 0.0, 0.0, 0.0]).tobytes()
    assert len([1 for record in read(engine.journal.folder, "frames") if record.kind == FRAME]) == 3


async def test_a_change_says_nothing_of_how_its_device_is(engine: Engine) -> None:
    layout, now_ns = small_plant().layouts[1], engine.clock.now()
    frame = Frame(layout, now_ns, now_ns, np.array([30.0, 1.0, 0.0, 0.0, 0.0]))
    engine.published.started_ns = 0  # long ago: a device that does not answer is down
    engine.take_scan(ISOLATOR, Scan((frame,), findings=("its clock is wrong",)))
    engine.take_scan(ISOLATOR, Scan((bad_frame(layout, now_ns, now_ns),), failure="it is gone"))
    engine.take_change(ISOLATOR, Scan((frame,)))
    assert engine.words.failures[ISOLATOR] == "it is gone"
    assert engine.published.frames[layout.id].findings == ["its clock is wrong"]


async def test_an_outage_tells_each_reason_once_and_not_without_end(engine: Engine) -> None:
    layout, now_ns = small_plant().layouts[1], engine.clock.now()

    def failed(reason: str | None) -> None:
        engine.take_scan(ISOLATOR, Scan((bad_frame(layout, now_ns, now_ns),), failure=reason))

    engine.published.started_ns = 0
    for reason in (
        "not connected yet",
        "wrong password",
        "not connected yet",
        "it reads 1",
        "it reads 2",
        "it reads 3",
    ):
        failed(reason)
    assert engine.words.failures[ISOLATOR] == "it reads 3", "the newest stands, told or not"
    failed(None)
    failed("wrong password")
    await engine.synced()
    told = [event["failure"] for event in journaled(engine, "device")]
    assert told == ["not connected yet", "wrong password", "it reads 1", None, "wrong password"]


async def test_a_refused_act_changes_nothing_and_is_recorded(engine: Engine) -> None:
    scan(engine, -10.0)
    before = state(engine.core)
    refused = await engine.execute(acknowledge(2))
    assert refused.refused is not None and "Occurrence 2 has not come yet" in refused.refused and not refused.unknown
    assert state(engine.core) == before
    unknown = await engine.execute(Command(id=8, verb="reset", target="L99-ISO.nothing", person="operator"))
    assert unknown.unknown
    assert [event["refused"] for event in journaled(engine, "act")] == [refused.refused, unknown.refused]
    assert (await engine.execute(Command(id=9, verb="explode"))).unknown


@pytest.mark.parametrize(
    "data", [None, {}, {"kind": None}, {"kind": 5}, *({"kind": kind} for kind in sorted(OWN_KINDS))]
)
async def test_nobody_else_records_what_the_engine_reads_again(engine: Engine, data: dict[str, Any] | None) -> None:
    answer = await engine.execute(Command(id=1, verb="record", person="somebody", data=data))
    assert answer.refused is not None and "Nothing was recorded" in answer.refused
    assert read(engine.journal.folder, "events") == []


async def test_what_others_record_bears_their_name(engine: Engine) -> None:
    data = {"kind": "session", "transition": "signed in", "person": "somebody else"}
    assert (await engine.execute(Command(id=1, verb="record", person="operator", data=data))).refused is None
    assert journaled(engine, "session") == [{**data, "person": "operator"}]


async def test_an_engine_that_is_killed_begins_where_it_was(engine: Engine) -> None:
    for pressure in (40.0, -10.0, 40.0, -20.0):
        scan(engine, pressure, firmware=f"at {pressure}")
    assert (await engine.execute(acknowledge(2))).refused is None
    scan(engine, 40.0)
    again = begun(engine.journal.folder)
    assert state(again.core) == state(engine.core)
    assert again.published.texts == {"L01-ISO.firmware": "at -20.0"}
    assert again.core.states.occurrence[0] == 2
    scan(again, -30.0)
    assert journaled(again, "alarm")[-1]["occurrence"] == 3


async def test_seconds_that_the_clock_leapt_over_are_told_from_those_in_which_it_was_held_up(engine: Engine) -> None:
    second = 10**9
    engine.clock.leapt = (100 * second + 5, 160 * second + 5)
    engine.take_missed(ISOLATOR, 101 * second, 160 * second, HELD_UP)
    engine.take_missed(ISOLATOR, 200 * second, 202 * second, HELD_UP)
    engine.take_missed(ISOLATOR, 202 * second, 202 * second, STOPPED)
    assert [(gap["device"], gap["reason"]) for gap in journaled(engine, "gap")] == [
        (ISOLATOR, "clock stepped"),
        (ISOLATOR, "engine held up"),
        (ISOLATOR, "engine stopped"),
    ]


async def test_an_act_that_cannot_be_recorded_is_not_done(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    scan(engine, -10.0)
    before = state(engine.core)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(engine.journal, "assure_event", full)
    for command in (acknowledge(1), Command(id=8, verb="record", data={"kind": "note"}), Command(id=9, verb="explode")):
        refused = await engine.execute(command)
        assert refused.refused is not None and "No space left on device" in refused.refused
    assert state(engine.core) == before
    assert journaled(engine, "act") == journaled(engine, "note") == []
    monkeypatch.undo()
    assert (await engine.execute(acknowledge(1))).refused is None


async def test_a_disk_that_does_not_sync_is_said_to_who_waits_for_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OSError(5, "Input/output error")

    scan(engine, -10.0)
    monkeypatch.setattr(engine.journal, "sync_events", broken)
    answer = await engine.execute(acknowledge(1))
    assert answer.refused is not None and "It was done, but it is not certain" in answer.refused
    assert engine.recorder.reason == "Input/output error"
    assert state(engine.core)["letters"][0] == "C"
