"""The load plant: many devices behind ports of their own, one step of physics a second for all of them, faults by pattern of id."""

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from simulators.faces.modbus_line import Line
from simulators.faces.port import HOST, Port
from simulators.faults import (
    CLEAR,
    SLOW_S,
    Active,
    FaultRefused,
    chosen,
    fault_for,
    lasting,
    named,
    possible_faults,
    set_wire,
)
from simulators.load.beacon import BEACON, BeaconUnit
from simulators.load.fleet import STEP_S, Fleet
from simulators.load.items import FleetItems
from simulators.load.nodes import DeviceNodes
from simulators.load.registers import FleetRegisters, LoadUnit
from simulators.load.served import Served
from simulators.load.session import Session

Protocol = Literal["opcua", "modbus"]
UNIT: Final = 1
FAULTS_AT_START: Final = ("silent", "resetting", "slow")
_DROPPED: Final = "dropped-connection"


@dataclass(frozen=True, slots=True)
class Size:
    """How many devices, tags each, and which share of the devices speaks OPC UA (the others Modbus), evenly mixed."""

    devices: int
    tags: int = 100
    opcua_share: float = 0.5

    def protocols(self) -> dict[str, Protocol]:
        """Each device's protocol by id, ``LOAD-0001`` onwards."""
        digits = max(4, len(str(self.devices)))
        shares = [int(n * self.opcua_share + 1e-9) for n in range(self.devices + 1)]
        return {
            f"LOAD-{n:0{digits}}": "opcua" if after > before else "modbus"
            for n, (before, after) in enumerate(pairwise(shares), 1)
        }


class LoadDevice:
    """One device: `row` is its place in the fleet's arrays."""

    def __init__(self, id_: str, row: int, port: Port, url: Callable[[], str]) -> None:
        self.id, self.row, self.port, self.url = id_, row, port, url
        self.faults: dict[str, Active] = {}


class LoadPlant:
    """`addresses` are known once the devices are open."""

    def __init__(self, size: Size, seed: int = 1, served: Path | None = None) -> None:
        self.size = size
        self.fleet = Fleet(size.devices, size.tags, seed)
        self.fleet.served = Served(served) if served is not None else None
        protocols = size.protocols()
        by_protocol = sorted(
            protocols, key=lambda id_: protocols[id_] == "modbus"
        )  # OPC UA's rows lie together, before Modbus'
        self._opcua = sum(protocol == "opcua" for protocol in protocols.values())
        self._items = FleetItems(self.fleet, self._opcua)
        self._registers = FleetRegisters(self.fleet, self._opcua)
        rows = {id_: row for row, id_ in enumerate(by_protocol)}
        self.devices = {id_: self._device(id_, rows[id_], protocol) for id_, protocol in protocols.items()}
        self.beacon = BeaconUnit()
        self._beacon = Line()
        self._beacon.units[UNIT] = self.beacon
        self._began_s = time.monotonic()

    def _device(self, id_: str, row: int, protocol: Protocol) -> LoadDevice:
        if protocol == "modbus":
            line = Line()
            line.units[UNIT] = LoadUnit(self._registers, row)
            return LoadDevice(id_, row, line.port, lambda: line.url(UNIT))
        nodes = DeviceNodes(id_, self.fleet, row, self._items)
        port = Port(lambda: Session(nodes, url))

        def url() -> str:
            return f"opc.tcp://{HOST}:{port.number}"

        return LoadDevice(id_, row, port, url)

    @property
    def addresses(self) -> dict[str, str]:
        """Of all devices, and of the beacon beside them."""
        return {id_: device.url() for id_, device in self.devices.items()} | {BEACON: self._beacon.url(UNIT)}

    @property
    def tag_count(self) -> int:
        return self.size.devices * self.size.tags

    async def open(self) -> None:
        self.fleet.step(time.time_ns())
        for device in self.devices.values():
            await device.port.open()
        await self._beacon.port.open()
        gc.collect()
        gc.freeze()

    async def close(self) -> None:
        for device in self.devices.values():
            await device.port.close()
        await self._beacon.port.close()
        self._flush()

    def _flush(self) -> None:
        if self.fleet.served is not None:
            self.fleet.served.flush()

    async def run(self) -> None:
        """A step each second, for ever; after a standstill it goes on from there."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + STEP_S, loop.time())
            await asyncio.sleep(due_s - loop.time())
            self.fleet.step(time.time_ns())
            self._flush()
            for device in [device for device in self.devices.values() if device.faults]:
                await self._end(device, self._over(device))

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_s

    def _over(self, device: LoadDevice) -> list[str]:
        now_s = self._elapsed_s()
        return [
            name for name, active in device.faults.items() if active.until_s is not None and active.until_s <= now_s
        ]

    async def fault(
        self,
        equipment: str,
        name: str,
        for_s: float | None = None,
        part: int = 1,
        tag: str = "*",
        delay_s: float = SLOW_S,
    ) -> str:
        """Begins (or with ``clear`` ends all) faults of the devices whose id fits `equipment`; gives a sentence on what is so now.
        Raises FaultRefused, and nothing has changed, where it does not fit."""
        devices = [self.devices[id_] for id_ in chosen(equipment, self.devices)]
        said = named(equipment, len(devices))
        if name == CLEAR:
            for device in devices:
                await self._end(device, list(device.faults))
            return f"{said}: faults ended."
        lasts = lasting(for_s)
        fault = fault_for(name, equipment, "load_device", self.possible(equipment))
        if fault.where == "sensor" and not self._tags(tag).any():
            raise FaultRefused(f"{equipment} has no tag {tag}. It has: {', '.join(self.fleet.names[:20])} and so on.")
        active = Active(fault, None if for_s is None else self._elapsed_s() + for_s, part, tag, delay_s)
        for device in devices:
            device.faults[name] = active
            self._apply(device)
        return f"{said}: {name} {lasts} ({active.meaning})."

    async def _end(self, device: LoadDevice, names: list[str]) -> None:
        ended = [name for name in names if device.faults.pop(name, None) is not None]
        if ended:
            self._apply(device)
        if _DROPPED in ended:
            await device.port.open()

    def _apply(self, device: LoadDevice) -> None:
        set_wire(device.port.wire, device.faults)
        masks = (
            self._tags(f.tag if (f := device.faults.get(name)) else None)
            for name in ("sensor-failure", "frozen-sensor")
        )
        self.fleet.disturb(device.row, *masks)
        if _DROPPED in device.faults:
            device.port.refuse()

    def _tags(self, pattern: str | None) -> NDArray[np.bool_]:
        """Mask of the tags whose name fits `pattern`; None fits nothing."""
        return np.array([pattern is not None and fnmatchcase(name, pattern) for name in self.fleet.names], np.bool_)

    def faults_of(self, equipment: str) -> Mapping[str, Any]:
        """The faults that the devices of this id or pattern have now, each with meaning and seconds left (None: until cleared)."""
        now_s = self._elapsed_s()
        return {
            name: {
                "meaning": active.meaning,
                "left_s": None if active.until_s is None else round(active.until_s - now_s, 1),
            }
            for id_ in chosen(equipment, self.devices)
            for name, active in self.devices[id_].faults.items()
        }

    def possible(self, equipment: str) -> Mapping[str, str]:
        """The faults that fit, each with its meaning."""
        chosen(equipment, self.devices)
        return possible_faults({}, analogue=True)

    def look(self, tag: str) -> Mapping[str, Any]:
        """Inside the simulator: what `tag` (by full id) shows, its quality, the time of the reading (ns)."""
        equipment, _, name = tag.partition(".")
        row = self.devices[chosen(equipment, self.devices)[0]].row
        i = self.fleet.index.get(name)
        if i is None:
            raise FaultRefused(
                f"{equipment} shows no tag {name}. It has: {', '.join(self.fleet.names[:20])} and so on."
            )
        value, failed = float(self.fleet.values[row, i]), bool(self.fleet.failed[row, i])
        return {
            "tag": tag,
            "true": value,
            "shown": value,
            "quality": "Bad" if failed else "Good",
            "time_ns": int(self.fleet.source_ns[row, i]),
        }


@asynccontextmanager
async def load_plant(
    size: Size, seed: int = 1, faults: Mapping[str, int] | None = None, served: Path | None = None
) -> AsyncGenerator[LoadPlant]:
    """The plant, open and running, as long as the block lasts. `faults`: how many devices, from the first on, have which fault from
    the start. `served`: the file that is told what was answered."""
    running = LoadPlant(size, seed, served)
    try:
        ids = iter(running.devices)
        for name, number in (faults or {}).items():
            for _ in range(number):
                await running.fault(next(ids), name)
        await running.open()
        stepping = asyncio.create_task(running.run())
        try:
            yield running
        finally:
            stepping.cancel()
            await asyncio.gather(stepping, return_exceptions=True)
    finally:
        await running.close()
