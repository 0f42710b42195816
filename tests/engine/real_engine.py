"""A real engine: its own process on a small simulated plant with the service as an equipment, watched over its feed."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import yaml

from drivers.frame import Layout
from simulators.plant import SimulatedPlant, simulated
from telemetry import places, plant
from telemetry.feed.client import Mirror
from telemetry.feed.messages import Command
from telemetry.journal import format as form
from telemetry.journal.reader import Reader
from tests.engine.feeds import ended

BASE: Final = Path(__file__).parents[1] / "cases" / "config" / "base"
SHIPPED: Final = Path(__file__).parents[2] / "config"
SILENT: Final = "L01-ISO.communication"
JOURNAL: Final = {"keep_hours": 1, "low_gb": 0.006, "reserve_mb": 1}
SERVICE: Final = """
  - {id: SERVICE, name: {en: Service, zh: 服务}, profile: telemetry-service, address: "service:"}
"""


def configured(folder: Path) -> Path:
    """The small plant of the cases with the service as an equipment; a silent isolator sounds the horn after three seconds."""
    shutil.copytree(BASE, folder)
    shutil.copy(SHIPPED / "profiles" / "telemetry-service.yaml", folder / "profiles")
    shutil.copy(SHIPPED / "alarms" / "service.yaml", folder / "alarms")
    area = folder / "areas" / "w1.yaml"
    area.write_text(area.read_text("utf-8").rstrip() + SERVICE, "utf-8")
    alarms = yaml.safe_load((folder / "alarms" / "all.yaml").read_text("utf-8"))
    for alarm in alarms["alarms"]:
        if alarm["name"] == "communication":
            alarm |= {"on_delay_s": 3, "priority": 2}
    (folder / "alarms" / "all.yaml").write_text(yaml.safe_dump(alarms, allow_unicode=True), "utf-8")
    told = yaml.safe_load((folder / "plant.yaml").read_text("utf-8")) | {"journal": JOURNAL}
    (folder / "plant.yaml").write_text(yaml.safe_dump(told, allow_unicode=True), "utf-8")
    return folder


class Running:
    """The engine's process, its simulated plant, and what its feed shows."""

    def __init__(self, command: list[str], config: Path, simulators: SimulatedPlant) -> None:
        self.command, self.config, self.simulators = command, config, simulators
        self.mirror = Mirror(places.feed_socket())
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Until it scans."""
        connects = self.mirror.connects
        self.process = await asyncio.create_subprocess_exec(
            *self.command, env={**os.environ, "TELEMETRY_CONFIG": str(self.config)}, stdout=asyncio.subprocess.DEVNULL
        )
        await self.until(lambda: self.mirror.connects > connects and len(self.mirror.frames) == 3, "it scans")

    async def end(self, number: signal.Signals) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        await self.process.wait()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def until(self, holds: Callable[[], Any], what: str, deadline_s: float = 25.0) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while not holds():
                    assert self.process is not None and self.process.returncode is None, (
                        f"the engine ended before: {what}"
                    )
                    await asyncio.sleep(0.05)
        assert holds(), f"not within {deadline_s} s: {what}"

    def figure(self, name: str) -> float:
        return self.mirror.stats.get(name, float("nan"))

    @property
    def horn(self) -> float:
        """What the beacon in the plant holds."""
        return self.simulators.devices["W1-BCN"].written["horn"]

    async def acknowledge(self, alarm: str = SILENT) -> str | None:
        """Why the act was refused; None where it was done."""
        occurrence = self.mirror.alarms[alarm].occurrence
        act = Command(id=0, verb="acknowledge", target=alarm, occurrence=occurrence, person="operator")
        return (await self.mirror.send(act)).refused

    async def note(self, size: int = 10) -> str | None:
        """Has something recorded; why it was refused, None where it is in the journal."""
        data = {"kind": "note", "text": "x" * size}
        return (await self.mirror.send(Command(id=0, verb="record", person="operator", data=data))).refused


@asynccontextmanager
async def engine(tmp_path: Path) -> AsyncIterator[Running]:
    config = configured(tmp_path / "config")
    async with simulated(plant.load(config)) as simulators:
        book = tmp_path / "addresses.json"
        book.write_text(json.dumps(simulators.addresses), "utf-8")
        command = [sys.executable, "-m", "telemetry", "engine", "--addresses", str(book)]
        running = Running(command, config, simulators)
        following = asyncio.create_task(running.mirror.run())
        try:
            await running.start()
            await running.until(lambda: running.horn == 0 and not running.mirror.alarms, "all is well")
            await running.until(lambda: "journal_writable" in running.mirror.stats, "it looks at itself")
            yield running
        finally:
            await running.end(signal.SIGTERM)
            await ended(following)


def kept() -> tuple[dict[Layout, list[int]], list[dict[str, Any]]]:
    """By layout, the slots that are in the journal; and its events."""
    folder = places.closed_folder("journal") / "engine-1"
    layouts: dict[int, Layout] = {}
    slots: dict[Layout, list[int]] = {}
    for record in Reader(folder, "frames", 0).rest():
        if record.kind == form.LAYOUT:
            layout = form.unpack_layout(record.body)
            layouts[layout.id] = layout
        else:
            slots.setdefault(layouts[form.frame_layout(record.body)], []).append(form.frame_time(record.body))
    return slots, [form.unpack_event(record)[1] for record in Reader(folder, "events", 0).rest()]
