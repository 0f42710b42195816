"""The simulated plant: every device of a plant, its physics five times a second, its couplings, its addresses."""

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from drivers.quality import class_of, reason_of
from simulators.device import SimulatedDevice
from simulators.faults import CLEAR, FaultRefused
from telemetry.plant.model import Equipment, Plant

STEP_S: Final = 0.2
GROUPS: Final = 5
"""Devices step in so many groups, spread over the step: no client waits for the physics of the whole plant."""
LATE_S: Final = 2.0

Progress = Callable[[str], None]
Link = tuple[str, SimulatedDevice, str]
"""An input of a device, and which output of which other device feeds it."""


class SimulatedPlant:
    """The devices of `plant`; `addresses` are known once the devices are open."""

    def __init__(self, plant: Plant, seed: int = 1) -> None:
        self.devices = {unit.id: SimulatedDevice(unit, seed) for unit in plant.equipment}
        monitors = {
            unit.room: self.devices[unit.id]
            for unit in plant.equipment
            if unit.type == "room_monitor" and unit.room is not None
        }
        below = {room.id: room.higher_than for room in plant.rooms}
        self._links = {unit.id: _links(unit, monitors, below) for unit in plant.equipment}

    @property
    def addresses(self) -> dict[str, str]:
        return {name: device.face.url for name, device in self.devices.items()}

    @property
    def tag_count(self) -> int:
        return sum(len(device.tags) for device in self.devices.values())

    async def open(self, progress: Progress) -> None:
        """Every device on a port of its own, with readings of this moment."""
        await self._step_all()
        for n, device in enumerate(self.devices.values(), 1):
            await device.face.open()
            if n % 25 == 0 or n == len(self.devices):
                progress(f"simulators: {n} of {len(self.devices)} devices answer")
            await asyncio.sleep(0)
        await self._step_all()  # opening took a second or two: what is shown must not be older than a step
        gc.freeze()  # what stands now stands to the end; the collector need not walk it again

    async def close(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for device in self.devices.values():
                tasks.create_task(device.face.close())

    async def run(self) -> None:
        """Steps the plant for ever, on a monotonic grid. After a standstill (a suspended machine) it goes on from there."""
        devices = list(self.devices.values())
        groups = [devices[n::GROUPS] for n in range(GROUPS)]
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            for group in groups:
                due_s += STEP_S / GROUPS
                now_s = loop.time()
                if now_s - due_s > LATE_S:
                    due_s = now_s
                await asyncio.sleep(max(0.0, due_s - now_s))
                for device in group:
                    await self._step(device)
                    if device.faults and (over := device.over()):
                        await device.end(over)

    async def _step_all(self) -> None:
        """One step of all at once, rooms before what stands in them."""
        for device in sorted(self.devices.values(), key=lambda device: device.type != "room_monitor"):
            await self._step(device)

    async def _step(self, device: SimulatedDevice) -> None:
        surroundings: dict[str, float] = {}
        for name, other, output in self._links[device.id]:
            value = other.outputs.get(output)
            if isinstance(value, float):
                surroundings[name] = value
        time_ns = time.time_ns()
        values = device.step(STEP_S, time_ns, surroundings)
        await device.face.stepped(values, time_ns)

    async def fault(self, equipment: str, name: str, for_s: float | None = None, part: int = 1, tag: str = "*") -> str:
        """Begins (or with ``clear`` ends all) faults of `equipment`; gives a sentence on what is so now. Raises FaultRefused."""
        device = self._device(equipment)
        if name == CLEAR:
            ended = ", ".join(device.faults) or "there were none"
            await device.end(tuple(device.faults))
            return f"{equipment}: faults ended ({ended})."
        if for_s is not None and not 0 < for_s <= 31 * 86_400:
            raise FaultRefused(f"A fault cannot last {for_s:g} s. Give a time of more than 0 s and at most 31 days.")
        active = device.begin(name, for_s, part, tag)
        meaning = device.model.faults.get(name, active.fault.meaning)
        lasts = f"for {for_s:g} s" if for_s is not None else "until cleared"
        return f"{equipment}: {name} {lasts} ({meaning})."

    def faults_of(self, equipment: str) -> dict[str, Any]:
        """The faults that `equipment` has now, each with its meaning and the seconds left (None: until cleared)."""
        device = self._device(equipment)
        return {
            name: {
                "meaning": device.model.faults.get(name, active.fault.meaning),
                "left_s": None if active.until_s is None else round(active.until_s - device.elapsed_s, 1),
            }
            for name, active in device.faults.items()
        }

    def possible(self, equipment: str) -> dict[str, str]:
        """The faults that fit `equipment`, each with its meaning."""
        return self._device(equipment).possible_faults()

    def look(self, tag: str) -> dict[str, Any]:
        """Inside the simulator: the true value of `tag`, what its sensor shows, its quality, the time of the reading (ns)."""
        equipment, _, name = tag.partition(".")
        device = self._device(equipment)
        if name in device.readings.texts:
            return {
                "tag": tag,
                "true": device.readings.texts[name],
                "shown": device.readings.texts[name],
                "quality": "Good",
            }
        i = device.readings.index.get(name)
        if i is None:
            raise FaultRefused(f"{equipment} shows no tag {name}. It has: {', '.join(device.readings.names)}.")
        code = int(device.readings.quality[i])
        return {
            "tag": tag,
            "true": float(device.readings.true[i]),
            "shown": float(device.readings.values[i]),
            "quality": class_of(code),
            "reason": reason_of(code),
            "time_ns": device.readings.time_of(i),
        }

    def _device(self, equipment: str) -> SimulatedDevice:
        device = self.devices.get(equipment)
        if device is None:
            raise FaultRefused(f"The simulated plant has no equipment {equipment}. It has: {', '.join(self.devices)}.")
        return device


@asynccontextmanager
async def simulated(
    plant: Plant, seed: int = 1, progress: Progress = lambda _said: None
) -> AsyncGenerator[SimulatedPlant]:
    """The plant, open and running, as long as the block lasts."""
    running = SimulatedPlant(plant, seed)
    try:
        await running.open(progress)
        stepping = asyncio.create_task(running.run())
        try:
            yield running
        finally:
            stepping.cancel()
            await asyncio.gather(stepping, return_exceptions=True)
    finally:
        await running.close()


def _links(
    unit: Equipment, monitors: Mapping[str, SimulatedDevice], below: Mapping[str, str | None]
) -> tuple[Link, ...]:
    room = monitors.get(unit.room or "")
    if room is None:
        return ()
    if unit.type == "room_monitor":
        lower = monitors.get(below.get(unit.room or "") or "")
        return (("below.pressure", lower, "pressure"),) if lower is not None else ()
    links: list[Link] = [("room.temperature", room, "temperature"), ("room.pressure", room, "pressure")]
    if unit.type == "particle_counter" and unit.grade != "A":
        links += [("air.0_5um", room, "air.0_5um"), ("air.5um", room, "air.5um")]
    return tuple(links)
