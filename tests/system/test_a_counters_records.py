"""An engine that is killed, and a particle counter that goes on sampling: every record is in the journal once."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path
from shutil import copy, copytree
from typing import Final

import yaml

from drivers.frame import Frame
from simulators.plant import simulated
from telemetry import places, plant
from telemetry.engine.replay import frames_after
from telemetry.journal import format as form

BASE: Final = Path(__file__).parents[1] / "cases" / "config" / "base"
SHIPPED: Final = Path(__file__).parents[2] / "config"
COUNTER: Final = """
  - id: W1-PC1
    name: {en: Counter, zh: 计数器}
    profile: counter-lighthouse
    address: "modbus://pc1.example:502/1?location=12"
    setpoints: {sample_time: 2}
"""


def configured(folder: Path) -> Path:
    """The small plant of the cases, and a counter that finishes a sample every two seconds."""
    copytree(BASE, folder)
    copy(SHIPPED / "profiles" / "counter-lighthouse.yaml", folder / "profiles")
    alarms = yaml.safe_load((SHIPPED / "alarms" / "particle-counter.yaml").read_text("utf-8"))["alarms"]
    told = [alarm for alarm in alarms if alarm["kind"] == "communication"]
    (folder / "alarms" / "counter.yaml").write_text(yaml.safe_dump({"alarms": told}, allow_unicode=True), "utf-8")
    area = folder / "areas" / "w1.yaml"
    area.write_text(area.read_text("utf-8").rstrip() + COUNTER, "utf-8")
    return folder


async def engine(addresses: Path, config: Path) -> Process:
    command = (sys.executable, "-m", "telemetry", "engine", "--addresses", str(addresses))
    return await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "TELEMETRY_CONFIG": str(config)}, stdout=DEVNULL
    )


def journaled() -> list[Frame]:
    """The counter's records on the disk."""
    folder = places.closed_folder("journal") / "engine-1"
    if not folder.exists():
        return []
    return [form.unpack_frame(record, layout)[0] for record, layout in frames_after(folder, 0) if layout.record]


async def until_journaled(count: int, deadline_s: float = 40.0) -> None:
    async with asyncio.timeout(deadline_s):
        while len(journaled()) < count:  # noqa: ASYNC110 - what another process writes
            await asyncio.sleep(0.1)


async def test_an_engine_that_was_killed_takes_up_a_counters_records_where_it_had_stopped(tmp_path: Path) -> None:
    config = configured(tmp_path / "config")
    async with simulated(plant.load(config)) as running:
        buffer = running.devices["W1-PC1"].face.registers.buffer  # pyright: ignore[reportAttributeAccessIssue]
        book = tmp_path / "addresses.json"
        book.write_text(json.dumps(running.addresses), "utf-8")
        process = await engine(book, config)
        try:
            await until_journaled(2)
            process.send_signal(signal.SIGKILL)
            await process.wait()
            before, there = len(journaled()), len(buffer)
            async with asyncio.timeout(20):
                while len(buffer) < there + 3:  # noqa: ASYNC110 - what the simulator samples
                    await asyncio.sleep(0.1)
            process = await engine(book, config)
            await until_journaled(before + 4)
        finally:
            process.terminate()
            await process.wait()
        records = journaled()
        times = [frame.time_ns // 10**9 for frame in records]
        made = [record.time_s for record in buffer]
        first = made.index(times[0])
        assert times == made[first : first + len(times)]
        assert [frame.late for frame in records[before : before + 2]] == [True, True]
        assert all(frame.quality is None for frame in records), "they are of the location that the address names"
