"""One client of the Modbus bench, in its own process: reads all devices each second and prints what that cost, as JSON."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
import uvloop
import yaml
from pymodbus.client import AsyncModbusTcpClient

from drivers.device import Device, open_device
from drivers.fleet import Fleet
from drivers.frame import Scan
from drivers.profile import Profile
from telemetry.bench.beside import p99
from telemetry.clock import Clock
from telemetry.engine.scanning import SECOND, connect_forever, next_slot, phases_ns, scan_forever

CONNECTS_PER_S: Final = 1_000
"""Steady reading is measured here, not the connecting, whose pace the engine keeps far lower."""
SETTLE_S: Final = 4.0
TRIES: Final = 20


class Tally:
    """What is counted while `since` is set: scans that gave values, and how late they began (ms)."""

    def __init__(self) -> None:
        self.scans = 0
        self.late_ms: list[float] = []

    def add(self, late_ms: float) -> None:
        self.late_ms.append(late_ms)

    def take(self, _device: str, scan: Scan) -> None:
        self.scans += scan.failure is None

    async def over(self, seconds: float) -> dict[str, Any]:
        """Counts for `seconds`, from now on."""
        gc.collect()
        gc.freeze()  # as the engine does, for both
        await asyncio.sleep(SETTLE_S / 2)  # what this held up is made up for
        self.scans, self.late_ms = 0, []
        began_s, cpu_s = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        cpu_s, took_s = time.process_time() - cpu_s, time.monotonic() - began_s
        return {"cpu_s": cpu_s, "seconds": took_s, "scans": self.scans, "late_p99_ms": p99(self.late_ms)}


def opened(folder: Path, clock: Clock) -> list[Device]:
    """Our driver for each of the simulator's devices."""
    written = folder / "config" / "profiles" / "load-modbus.yaml"
    profile = Profile.model_validate(yaml.safe_load(written.read_text(encoding="utf-8")))
    fleet = Fleet(connects_per_s=CONNECTS_PER_S)
    return [open_device(name, profile, address, clock.now, fleet) for name, address in _addresses(folder).items()]


def _addresses(folder: Path) -> dict[str, str]:
    """The plain devices; what else the simulated plant needs (a beacon) is left alone."""
    found: dict[str, str] = json.loads((folder / "addresses.json").read_text(encoding="utf-8"))
    return {name: address for name, address in found.items() if name.removeprefix("LOAD-").isdecimal()}


async def ours(folder: Path, seconds: float) -> dict[str, Any]:
    """As the engine scans."""
    clock = Clock.start(time.time_ns(), time.monotonic_ns(), 0)
    devices, tally = opened(folder, clock), Tally()
    tasks = [asyncio.create_task(connect_forever(str(i), device)) for i, device in enumerate(devices)]
    for i, (device, phase_ns) in enumerate(zip(devices, phases_ns(len(devices)), strict=True)):
        scanning = scan_forever(str(i), device, phase_ns, clock, tally.take, _not_scanned, tally)
        tasks.append(asyncio.create_task(scanning))
    await asyncio.sleep(SETTLE_S)
    found = await tally.over(seconds)
    await _ended(tasks)
    return found


async def pymodbus(folder: Path, seconds: float) -> dict[str, Any]:
    """A client for each device, a read and its conversion each second; no deadline but the client's own, no frame."""
    clock, tally = Clock.start(time.time_ns(), time.monotonic_ns(), 0), Tally()
    addresses = list(_addresses(folder).values())
    clients = [await _connected(address) for address in addresses]

    async def loop(client: AsyncModbusTcpClient, unit: int, phase_ns: int) -> None:
        slot = -SECOND
        while True:
            now = clock.now()
            slot = next_slot(now, phase_ns, slot)
            await asyncio.sleep(max(0, slot + phase_ns - now) / 1e9)
            tally.add((clock.now() - slot - phase_ns) / 1e6)
            reply = await client.read_input_registers(0, count=60, device_id=unit)
            values = client.convert_from_registers(reply.registers, client.DATATYPE.INT16)
            tally.scans += len(values) == 60  # pyright: ignore[reportArgumentType] - a list, for many

    tasks = [
        asyncio.create_task(loop(client, int(urlsplit(address).path.strip("/")), phase_ns))
        for client, address, phase_ns in zip(clients, addresses, phases_ns(len(addresses)), strict=True)
    ]
    await asyncio.sleep(SETTLE_S)
    found = await tally.over(seconds)
    await _ended(tasks)
    for client in clients:
        client.close()
    return found


async def compare(folder: Path, _seconds: float) -> dict[str, Any]:
    """Every device read by both; pymodbus before and after ours, until the device has not moved on in between."""
    clock, compared = Clock.start(time.time_ns(), time.monotonic_ns(), 0), 0
    for device, (name, address) in zip(opened(folder, clock), _addresses(folder).items(), strict=True):
        client, unit = await _connected(address), int(urlsplit(address).path.strip("/"))
        running = asyncio.create_task(connect_forever(name, device))
        before, scan, after = [0], Scan(()), [1]
        for _ in range(TRIES):
            before = (await client.read_input_registers(0, count=60, device_id=unit)).registers
            scan = await device.scan(0)
            after = (await client.read_input_registers(0, count=60, device_id=unit)).registers
            if before == after and scan.failure is None:
                break
            await asyncio.sleep(0.01)
        if before != after or scan.failure is not None:
            raise RuntimeError(f"{name} could not be compared: {scan.failure or 'its values did not rest'}")
        found = client.convert_from_registers(after, client.DATATYPE.INT16)
        compared += _equal(device, scan, np.array(found, np.float64))
        await _ended([running])
        client.close()
    return {"values": compared}


def _equal(device: Device, scan: Scan, raw: np.ndarray[Any, np.dtype[np.float64]]) -> int:
    """How many values were equal. Raises RuntimeError for one that is not."""
    registers = [tag.register_ for tag in device.tags.values()]  # pyright: ignore[reportAttributeAccessIssue]
    expected = np.array([n * r.scale + r.offset for n, r in zip(raw, registers, strict=True)])
    expected[[n in r.not_available for n, r in zip(raw, registers, strict=True)]] = np.nan
    if not np.array_equal(scan.frames[0].values, expected, equal_nan=True):
        raise RuntimeError(f"ours and pymodbus read different values: {scan.frames[0].values} and {expected}")
    return len(expected)


def _not_scanned(_device: str, _first_ns: int, _last_ns: int, _reason: str) -> None:
    """Slots that were not scanned show in the number of scans."""


async def _connected(address: str) -> AsyncModbusTcpClient:
    url = urlsplit(address)
    client = AsyncModbusTcpClient(url.hostname or "", port=url.port or 0, timeout=3, retries=0, reconnect_delay=0)
    if not await client.connect():
        raise RuntimeError(f"{address} does not accept a connection")
    return client


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    left = set(tasks)
    while left:  # a client of pymodbus may swallow the first cancellation
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1.0)


Client = Callable[[Path, float], Coroutine[Any, Any, dict[str, Any]]]
CLIENTS: Final[dict[str, tuple[Client, Callable[[Coroutine[Any, Any, Any]], Any]]]] = {
    "ours": (ours, uvloop.run),
    "pymodbus": (pymodbus, asyncio.run),
    "pymodbus-uvloop": (pymodbus, uvloop.run),
    "compare": (compare, uvloop.run),
}

if __name__ == "__main__":
    client, run = CLIENTS[sys.argv[1]]
    print(json.dumps(run(client(Path(sys.argv[2]), float(sys.argv[3])))))
