"""What devices say of themselves reaches journal, log and feed: findings when they begin and end, losses, their own events."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from drivers.frame import DeviceEvent, Frame, Gap, Scan
from telemetry.engine.engine import OWN_KINDS, Engine
from tests.engine.feeds import ended
from tests.engine.small_plant import ISOLATOR, small_plant
from tests.engine.test_engine import begun, journaled

UNKNOWN = "L01-ISO.pressure (s=Nowhere): the server has no such node"
DOUBT = "L01-ISO: the server's certificate expires soon"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    one = begun(tmp_path)
    syncing = asyncio.create_task(one.sync_events(), name="sync")
    yield one
    await ended(syncing)


def take(engine: Engine, findings: Sequence[str] = (), failure: str | None = None, **more: object) -> None:
    now_ns = engine.clock.now()
    frame = Frame(small_plant().layouts[1], now_ns, now_ns, np.zeros(5))
    engine.take_scan(ISOLATOR, Scan((frame,), failure=failure, findings=tuple(findings), **more))  # type: ignore[arg-type]


async def test_a_finding_is_said_once_when_it_begins_and_once_when_it_ends(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    for findings in ((UNKNOWN,), (UNKNOWN,), (UNKNOWN, DOUBT), (DOUBT,), ()):
        take(engine, findings)
    await engine.synced()
    told = [(event["finding"], event["stands"]) for event in journaled(engine, "device")]
    assert told == [(UNKNOWN, True), (DOUBT, True), (UNKNOWN, False), (DOUBT, False)]
    assert [record.getMessage() for record in caplog.records] == [UNKNOWN, DOUBT]


async def test_a_scan_that_read_nothing_ends_no_finding(engine: Engine) -> None:
    take(engine, (UNKNOWN,))
    take(engine, failure="L01-ISO does not answer")
    take(engine, (UNKNOWN,))
    await engine.synced()
    assert [event["stands"] for event in journaled(engine, "device") if "finding" in event] == [True]


async def test_the_newest_frame_on_the_feed_carries_what_stands(engine: Engine) -> None:
    number = small_plant().layouts[1].id
    take(engine, (UNKNOWN,))
    assert engine.published.frames[number].findings == [UNKNOWN]
    take(engine)
    assert engine.published.frames[number].findings == []


async def test_what_a_device_lost_and_what_it_reports_is_journaled(engine: Engine) -> None:
    event = DeviceEvent(5, "Chamber", "Door", 700, "door open", active=True, acknowledged=False)
    take(engine, gaps=(Gap(1, 2, "the buffer was cleared"),), events=(event,), events_lost=3)
    await engine.synced()
    (gap,) = journaled(engine, "gap")
    assert (gap["device"], gap["first_ns"], gap["last_ns"], gap["reason"]) == (ISOLATOR, 1, 2, "the buffer was cleared")
    told, lost = journaled(engine, "device_event")
    assert {key: told[key] for key in ("device", "source", "condition", "severity", "message", "active", "acknowledged")} == {
        "device": ISOLATOR, "source": "Chamber", "condition": "Door", "severity": 700, "message": "door open",
        "active": True, "acknowledged": False,
    }  # fmt: skip
    assert lost["lost"] == 3
    assert "device_event" in OWN_KINDS  # nobody else may write one
