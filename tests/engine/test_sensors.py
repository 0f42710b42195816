"""Sensors in the engine: journal, alarms and feed tell the same quality; doubts and calibrations outlive it; late data is told."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from alarms.core import Core
from drivers.device import open_device
from drivers.frame import Frame, Layout, Scan
from drivers.profile import SensorChecks
from drivers.quality import reason_of
from telemetry import places
from telemetry.clock import Clock
from telemetry.engine import checkpoint
from telemetry.engine.compiled import Compiled, compiled
from telemetry.engine.engine import Engine
from telemetry.engine.replay import frames_after, restore
from telemetry.engine.state import Published
from telemetry.feed.messages import Command
from telemetry.feed.server import FeedServer
from telemetry.journal import format as form
from telemetry.journal.writer import Writer
from tests.engine.feeds import ended, mirroring, serving, until
from tests.engine.life import WRITER, state
from tests.engine.small_plant import ISOLATOR, loaded, small_plant
from tests.historian.journals import events_of, read
from tests.simulators.small_plant import plant, unit

S: Final = 10**9
PRESSURE: Final = "L01-ISO.pressure"
YEAR_NS: Final = 365 * 86_400 * S


def planned() -> Compiled:
    """The small plant; its pressure is noisy, and its server stamps each reading anew."""
    plan = small_plant()
    spec = plan.tags[PRESSURE].model_copy(update={"checks": SensorChecks(frozen_s=5, stale_s=20, stale_bad_s=30)})
    return replace(plan, tags={**plan.tags, PRESSURE: spec})


def begun(folder: Path, plan: Compiled, devices: dict[str, Any] | None = None) -> Engine:
    """An engine as `run` makes it, restored from its disk; its devices are never connected."""
    clock, core = Clock.start(time.time_ns(), time.monotonic_ns()), Core(plan.definitions)
    restored = restore(folder, core, plan.number)
    assert restored.untold == []
    published = Published(plan, WRITER, "digest", clock.now(), texts=restored.texts)
    feed = FeedServer(
        places.feed_socket(), lambda n: published.snapshot(core, n, clock.now()), lambda c: one.execute(c)
    )
    known = devices or {x.id: open_device(x.id, x.profile, x.address, clock.now) for x in loaded().equipment}
    one = Engine(plan, core, known, Writer(folder, WRITER), clock, published, feed)
    one.sensors.resume(restored.sensors, restored.calibrations)
    return one


def saved(engine: Engine) -> None:
    """A checkpoint, as `run` makes it."""
    journal, path = engine.journal, engine.journal.folder / "checkpoint"
    sensors = engine.sensors.saved()
    checkpoint.save(
        path, checkpoint.take(engine.core, journal.order, journal.event_number, engine.clock.now(), {}, (), sensors)
    )


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    one = begun(tmp_path, planned())
    syncing = asyncio.create_task(one.sync_events(), name="sync")
    yield one
    await ended(syncing)


def scan(engine: Engine, second: int, pressure: float, stamp: int = 0) -> None:
    """A scan of the isolator, so many seconds after the begin."""
    at_ns = engine.published.started_ns + second * S
    values, source_ns = np.array([pressure, 1.0, 0.0, 0.0, 0.0]), np.full(5, stamp or at_ns)
    engine.take_scan(ISOLATOR, Scan((Frame(small_plant().layouts[1], at_ns, at_ns, values, None, source_ns),)))


def journaled(engine: Engine) -> list[str | None]:
    """The reason that each frame in the journal gives for its first value; NaN exactly where that is Bad."""
    told: list[str | None] = []
    engine.journal.sync_frames()
    for record, layout in frames_after(engine.journal.folder, 0):
        frame = form.unpack_frame(record, layout)[0]
        code = 0 if frame.quality is None else int(frame.quality[0])
        assert bool(np.isnan(frame.values[0])) == (code >= 0x8000)
        told.append(reason_of(code))
    return told


def calibration(engine: Engine, due_s: int, **given: Any) -> dict[str, Any]:
    started_ns = engine.published.started_ns
    usual = {"tag": PRESSURE, "performed_ns": started_ns - S, "due_ns": started_ns + due_s * S}
    return {**usual, "certificate": "C-1", "result": "pass", "note": ""} | given


def calibrate(*rows: dict[str, Any], person: str = "engineer") -> Command:
    return Command(id=1, verb="calibrate", person=person, data={"calibrations": list(rows)})


async def events(engine: Engine, kind: str) -> list[dict[str, Any]]:
    await engine.synced()
    return [event for event in events_of(read(engine.journal.folder, "events")) if event["kind"] == kind]


async def test_what_is_found_is_journaled_and_shown_alike(engine: Engine) -> None:
    for second in range(7):
        scan(engine, second, 40.0)
    assert journaled(engine) == [None] * 5 + ["UncertainLastUsableValue"] * 2
    shown = engine.published.frames[small_plant().layouts[1].id]
    assert shown.quality is not None and np.frombuffer(shown.quality, np.uint16).tolist() == [0x4090, 0, 0, 0, 0]
    assert np.frombuffer(shown.values)[0] == 40.0, "an Uncertain value is kept"


async def test_a_doubted_value_still_alarms(engine: Engine) -> None:
    for second in range(8):
        scan(engine, second, -10.0)
    assert journaled(engine)[-1] == "UncertainLastUsableValue"
    assert state(engine.core)["letters"][0] == "B"


async def test_a_lost_value_votes_to_trip(engine: Engine) -> None:
    for second in range(33):
        scan(engine, second, 40.0, stamp=1)
    assert journaled(engine)[-4:] == ["UncertainNoCommunicationLastUsableValue", *["BadInvalidTimestamp"] * 3]
    assert not state(engine.core)["tripped"][0], "its bad_delay_s of 3 s has not passed"
    scan(engine, 33, 40.0, stamp=1)
    assert state(engine.core)["tripped"][0]


@pytest.mark.parametrize("with_checkpoint", [False, True])
async def test_what_a_killed_engine_knew_of_its_sensors(engine: Engine, with_checkpoint: bool) -> None:
    for second in range(7):
        scan(engine, second, 40.0)
    assert (await engine.execute(calibrate(calibration(engine, 100)))).refused is None
    if with_checkpoint:
        saved(engine)
    again = begun(engine.journal.folder, planned())
    again.published.started_ns = engine.published.started_ns
    assert again.sensors.calibrations == engine.sensors.calibrations
    scan(again, 30, 40.0)
    scan(again, 100, 41.0)
    frozen = "UncertainLastUsableValue" if with_checkpoint else None  # without one the sensor is watched anew
    assert journaled(again)[-2:] == [frozen, "UncertainSensorCalibration"]


async def test_a_calibration_entered_behind_the_checkpoint_is_known_too(engine: Engine) -> None:
    await engine.execute(calibrate(calibration(engine, 100)))
    saved(engine)
    newer = calibration(engine, 200, certificate="C-2")
    await engine.execute(calibrate(newer))
    again = begun(engine.journal.folder, planned())
    assert again.sensors.calibrations[PRESSURE].certificate == "C-2"


async def test_a_damaged_checkpoint_forgets_no_calibration_whose_event_is_gone(engine: Engine) -> None:
    await engine.execute(calibrate(calibration(engine, 100)))
    saved(engine)
    saved(engine)
    folder = engine.journal.folder
    (folder / "checkpoint").write_bytes(b"damaged")
    for segment in folder.glob("events-*"):  # 90 days later
        segment.unlink()
    again = begun(folder, planned())
    assert again.sensors.calibrations == engine.sensors.calibrations


# ---- calibrations


async def test_a_calibration_is_an_event_with_its_person_and_clears_the_doubt(engine: Engine) -> None:
    overdue, now_ns = calibration(engine, 0), engine.published.started_ns
    assert (await engine.execute(calibrate(overdue))).data == {"entered": 1}
    scan(engine, 1, 40.0)
    renewed = calibration(engine, 1000, performed_ns=now_ns, certificate="C-2", note="in the laboratory")
    assert (await engine.execute(calibrate(renewed, person="qa"))).data == {"entered": 1}
    scan(engine, 2, 41.0)
    assert journaled(engine) == ["UncertainSensorCalibration", None]
    told = await events(engine, "calibration")
    assert told == [
        {"kind": "calibration", **overdue, "person": "engineer"},
        {"kind": "calibration", **renewed, "person": "qa"},
    ]


async def test_an_act_whose_answer_got_lost_can_be_repeated(engine: Engine) -> None:
    row = calibration(engine, 100)
    assert (await engine.execute(calibrate(row))).data == {"entered": 1}
    again = await engine.execute(calibrate(row, calibration(engine, 100, tag="L01-ISO.fan")))
    assert (again.refused, again.data) == (None, {"entered": 1})
    assert [event["tag"] for event in await events(engine, "calibration")] == [PRESSURE, "L01-ISO.fan"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"tag": "L01-ISO.firmware"}, "no measured tag L01-ISO.firmware"),
        ({"due_ns": 5}, "due before it was performed"),
        ({"result": "perhaps"}, "no calibration"),
        ({"certificate": None}, "no calibration"),
    ],
)
async def test_of_several_calibrations_all_or_none_are_entered(
    engine: Engine, wrong: dict[str, Any], says: str
) -> None:
    refused = (await engine.execute(calibrate(calibration(engine, 100), calibration(engine, 100, **wrong)))).refused
    assert refused is not None and says in refused and "Nothing was entered" in refused
    assert await events(engine, "calibration") == []
    assert engine.sensors.calibrations == {}


@pytest.mark.parametrize("data", [None, {}, {"calibrations": 5}, {"calibrations": [5]}])
async def test_what_is_no_list_of_calibrations_is_refused(engine: Engine, data: dict[str, Any] | None) -> None:
    answer = await engine.execute(Command(id=1, verb="calibrate", person="engineer", data=data))
    assert answer.refused is not None and "Nothing was entered" in answer.refused


async def test_whoever_listens_knows_the_newest_calibrations(engine: Engine, tmp_path: Path) -> None:
    await engine.execute(calibrate(calibration(engine, 100)))
    path = places.feed_socket()
    shown = engine.published.snapshot
    async with (
        serving(path, engine.execute, lambda n: shown(engine.core, n, engine.clock.now())) as engine.feed,
        mirroring(path) as (mirror, _),
    ):
        await until(lambda: mirror.snapshot is not None, "the snapshot")
        assert mirror.calibrations[PRESSURE].certificate == "C-1"
        renewed = calibration(engine, 100, certificate="C-2")
        result = await mirror.send(calibrate(renewed))
        assert result.data == {"entered": 1}
        await until(lambda: mirror.calibrations[PRESSURE].certificate == "C-2", "the event")
        assert mirror.calibrations[PRESSURE].person == "engineer"
        assert mirror.connects == 1, "by the event, not by a new snapshot"


# ---- late data


def late(layout: Layout, at_ns: int, received_ns: int, is_late: bool = True) -> Frame:
    return Frame(layout, at_ns, received_ns, np.ones(len(layout.tags)), late=is_late)


async def test_records_that_come_late_are_told_once_a_scan(tmp_path: Path) -> None:
    counter = unit("L01-PC1", "counter-lighthouse")
    plan = compiled(plant([counter]))
    devices = {"L01-PC1": open_device("L01-PC1", counter.profile, counter.address, time.time_ns)}
    engine = begun(tmp_path, plan, devices)
    syncing = asyncio.create_task(engine.sync_events(), name="sync")
    now_ns = engine.published.started_ns
    polled, record = plan.layouts
    read_back = tuple(late(record, now_ns - minute * 60 * S, now_ns) for minute in (4, 3, 2))
    newest = late(record, now_ns - 60 * S, now_ns, is_late=False)
    engine.take_scan("L01-PC1", Scan((late(polled, now_ns, now_ns, is_late=False), *read_back, newest)))
    engine.take_scan("L01-PC1", Scan((late(polled, now_ns + S, now_ns + S, is_late=False),)))
    first_ns, last_ns = now_ns - 240 * S, now_ns - 120 * S
    assert await events(engine, "late_data") == [
        {
            "kind": "late_data",
            "device": "L01-PC1",
            "layout": record.id,
            "first_ns": first_ns,
            "last_ns": last_ns,
            "records": 3,
        }
    ]
    assert engine.records[record.id] is newest
    await ended(syncing)
