"""The service as an equipment: its figures are readings, and what is wrong with it is an ordinary alarm."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from drivers.device import WriteFailed
from drivers.fleet import Fleet
from drivers.frame import LARGEST_LAYOUT
from telemetry import places, plant
from telemetry.engine.health import Health
from telemetry.engine.run import each_second
from telemetry.engine.scanning import Lateness
from telemetry.engine.service_device import FIGURES, REASON, ServiceDevice
from telemetry.journal.status import STATUS, Status, tell, told
from tests.engine.feeds import ended, until
from tests.engine.real_engine import engine
from tests.engine.test_engine import begun

SHIPPED = Path(__file__).parents[2] / "config"
SERVICE = plant.load(SHIPPED).by_id["SERVICE"]


async def test_what_the_historian_tells_is_read_and_alarmed(tmp_path: Path) -> None:
    async with engine(tmp_path) as running:
        folder, now_ns = places.closed_folder("journal") / "engine-1", time.time_ns()
        lost = Status(
            rejected=2, damaged=99, gaps=7, time_ns=now_ns, reason="It is away.", rejected_ns=now_ns, lost_ns=now_ns
        )
        tell(folder, lost)
        alarms = {"SERVICE.records.rejected_lately.rejected", "SERVICE.records.lost_lately.lost"}
        await running.until(lambda: alarms <= running.mirror.alarms.keys(), "both losses are alarmed")
        texts = running.mirror.texts  # what changes is told behind the frame that raised the alarm
        await running.until(lambda: texts["SERVICE.historian.reason"] == "It is away.", "its reason is told")
        assert texts["SERVICE.historian.reason"] == "It is away."
        figures = ("records_rejected", "bytes_damaged", "records_missing", "historian_database")
        assert [running.figure(name) for name in figures] == [2, 99, 7, 0]


def test_every_figure_of_the_shipped_profile_is_there_once_the_historian_was_heard(tmp_path: Path) -> None:
    shown = {tag.spec.figure for tag in SERVICE.tags}
    assert shown == {*FIGURES, REASON}
    health = Health(tmp_path, time.monotonic())
    tell(tmp_path, Status(time_ns=time.time_ns()))
    health.look()
    health.reckon(1000, time.monotonic())
    of_the_engine = {
        "frames_unwritten", "events_waiting", "journal_writable", "clock_behind_s", "devices_failed", "scan_lateness_ms_p99",
    }  # fmt: skip
    assert health.figures.keys() == set(FIGURES) - of_the_engine


def test_hours_left_follow_from_the_rate(tmp_path: Path) -> None:
    health = Health(tmp_path, 100.0)
    health.look()
    disk = os.statvfs(tmp_path)
    for second in range(1, 31):
        health.reckon(second * 1_000_000, 100.0 + second)
    assert health.figures["journal_rate_kb_per_s"] == pytest.approx(1000)
    assert health.figures["disk_hours_left"] == pytest.approx(disk.f_bavail * disk.f_frsize / 1e6 / 3600, rel=0.05)
    for second in range(31, 400):
        health.reckon(30_000_000, 100.0 + second)
    assert health.figures["journal_rate_kb_per_s"] < 10
    assert health.figures["historian_silent_s"] == pytest.approx(399)
    assert "historian_lag_s" not in health.figures


async def test_it_is_a_device_like_the_others_that_nobody_writes_to() -> None:
    figures = {"disk_free_gb": 12.5, "disk_state": 1.0}
    device = ServiceDevice("SERVICE", SERVICE.profile, figures, lambda: "It is away.", lambda: 7)
    (layout,) = device.layouts
    assert len(layout.tags) == len(SERVICE.tags) - 1 <= LARGEST_LAYOUT
    scan = await device.scan(5)
    (frame,) = scan.frames
    assert (frame.time_ns, frame.received_ns, scan.failure) == (5, 7, None)
    values = dict(zip(layout.tags, frame.values.tolist(), strict=True))
    assert (values["SERVICE.disk.free"], values["SERVICE.disk.state"]) == (12.5, 1.0)
    assert frame.quality is not None
    assert {tag for tag, code in zip(layout.tags, frame.quality, strict=True) if code == 0} == {
        "SERVICE.disk.free",
        "SERVICE.disk.state",
    }
    assert scan.texts == {"SERVICE.historian.reason": "It is away."}
    with pytest.raises(WriteFailed, match="nothing can be written"):
        await device.write("SERVICE.disk.free", 1.0)
    assert await device.probe() == ()


def test_a_status_that_is_torn_within_a_character_tells_nothing(tmp_path: Path) -> None:
    tell(tmp_path, Status(frames=7, reason="数据库"))
    assert told(tmp_path) == Status(frames=7, reason="数据库")
    whole = (tmp_path / STATUS).read_bytes()
    torn = whole.replace("数".encode(), "数".encode()[:2] + b"x")
    (tmp_path / STATUS).write_bytes(torn)
    assert torn != whole and told(tmp_path) is None


async def test_a_mistake_in_the_look_at_itself_ends_no_watch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, health = begun(tmp_path), Health(Path("no\0path"), time.monotonic())
    watching = asyncio.create_task(each_second(one, health, Lateness(), Fleet(places.opcua_keys()), []))
    await until(lambda: "cannot tell how it is" in caplog.text or watching.done(), "it fails")
    assert not watching.done()
    health.folder = tmp_path
    await until(lambda: "disk_free_gb" in one.published.stats or watching.done(), "it goes on")
    assert not watching.done()
    await ended(watching)
