"""The simulated plant: every device of a plant, its physics five times a second, its couplings, its addresses."""

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from drivers.quality import class_of, reason_of
from simulators.device import SimulatedDevice
from simulators.faces.face import Face
from simulators.faces.modbus import ModbusFace
from simulators.faces.modbus_line import Line
from simulators.faces.opcua_security import ServerKeys
from simulators.faults import CLEAR, SLOW_S, FaultRefused, chosen, lasting, named
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

    def __init__(self, plant: Plant, seed: int = 1, keys: ServerKeys | None = None) -> None:
        keys = keys or ServerKeys()
        units = [unit for unit in plant.equipment if unit.profile.protocol != "service"]  # that one is real
        self.devices = {unit.id: SimulatedDevice(unit, seed, keys) for unit in units}
        monitors = {
            unit.room: self.devices[unit.id] for unit in units if unit.type == "room_monitor" and unit.room is not None
        }
        below = {room.id: room.higher_than for room in plant.rooms}
        self._links = {unit.id: _links(unit, monitors, below) for unit in units}
        _share(device.face for device in self.devices.values())

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

    async def fault(
        self,
        equipment: str,
        name: str,
        for_s: float | None = None,
        part: int = 1,
        tag: str = "*",
        delay_s: float = SLOW_S,
    ) -> str:
        """Begins (or with ``clear`` ends all) faults of `equipment`, an id or a pattern of ids; gives a sentence on what is so now.
        Raises FaultRefused, and nothing has changed, where it does not fit one of them."""
        devices = [self.devices[id_] for id_ in chosen(equipment, self.devices)]
        if name == CLEAR:
            ended = (
                ", ".join(dict.fromkeys(fault for device in devices for fault in device.faults)) or "there were none"
            )
            for device in devices:
                await device.end(tuple(device.faults))
            return f"{named(equipment, len(devices))}: faults ended ({ended})."
        lasts = lasting(for_s)
        for device in devices:
            device.check(name, tag)
        active = [device.begin(name, for_s, part, tag, delay_s) for device in devices]
        meaning = devices[0].model.faults.get(name, active[0].meaning)
        return f"{named(equipment, len(devices))}: {name} {lasts} ({meaning})."

    def faults_of(self, equipment: str) -> dict[str, Any]:
        """The faults that `equipment` has now, each with its meaning and the seconds left (None: until cleared)."""
        device = self._device(equipment)
        return {
            name: {
                "meaning": device.model.faults.get(name, active.meaning),
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
        return self.devices[chosen(equipment, self.devices)[0]]


@asynccontextmanager
async def simulated(
    plant: Plant, seed: int = 1, progress: Progress = lambda _said: None, keys: ServerKeys | None = None
) -> AsyncGenerator[SimulatedPlant]:
    """The plant, open and running, as long as the block lasts. `keys`: of those servers whose configuration asks for security."""
    running = SimulatedPlant(plant, seed, keys)
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


def _share(faces: Iterable[Face]) -> None:
    """Puts those behind one address whose configured addresses name one host and port, as behind a gateway."""
    lines: dict[str, Line] = {}
    for face in faces:
        if isinstance(face, ModbusFace) and not (face.place in lines and face.join(lines[face.place])):
            lines.setdefault(face.place, face.line)


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
