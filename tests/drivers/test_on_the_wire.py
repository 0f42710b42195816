"""Drivers against real OPC UA and Modbus servers on real sockets: reading, losing, finding again, writing."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from drivers.device import Device, WriteFailed, open_device
from drivers.frame import Scan
from simulators.plant import SimulatedPlant, simulated
from telemetry.plant.model import Equipment, Plant
from tests.simulators.small_plant import line

PLANT = line()
UNITS = {unit.id: unit for unit in PLANT.equipment}


@asynccontextmanager
async def connected(*names: str, seed: int = 3) -> AsyncGenerator[tuple[SimulatedPlant, dict[str, Device]]]:
    """Simulated devices and their drivers, connected."""
    plant = Plant(PLANT.site, (), (), PLANT.rooms, tuple(UNITS[n] for n in names), (), (), (), {}, {}, "")
    async with simulated(plant, seed) as running:
        devices = {n: opened(UNITS[n], running.addresses[n]) for n in names}
        async with asyncio.TaskGroup() as tasks:
            running_devices = [tasks.create_task(device.run()) for device in devices.values()]
            for device in devices.values():
                await scanned(device, lambda scan: scan.failure is None)
            yield running, devices
            for task in running_devices:
                task.cancel()


def opened(unit: Equipment, address: str) -> Device:
    return open_device(unit.id, unit.profile, address, time.time_ns)


async def scanned(device: Device, wanted: Callable[[Scan], bool], deadline_s: float = 8.0) -> Scan:
    """Scans until a scan is as wanted."""
    began = time.monotonic()
    while True:
        scan = await device.scan(time.time_ns() // 10**9 * 10**9)
        if wanted(scan):
            return scan
        assert time.monotonic() - began < deadline_s, f"not in time; the last failure was: {scan.failure}"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", [n for n in UNITS if UNITS[n].type != "particle_counter"])
async def test_every_kind_of_device_is_read_as_it_is(name: str) -> None:
    async with connected(name) as (running, devices):
        scan = await scanned(devices[name], lambda scan: scan.failure is None)
        frame = next(frame for frame in scan.frames if not frame.layout.record)
        assert frame.quality is None
        shown = np.array([running.look(tag)["shown"] for tag in frame.layout.tags])
        # The simulator moves on between the two looks; steady things are equal, moving ones near.
        near = np.isclose(frame.values, shown, rtol=0.05, atol=2.0)
        assert near.mean() > 0.95, dict(zip(np.array(frame.layout.tags)[~near], frame.values[~near], strict=True))
        texts = {tag.id for tag in UNITS[name].tags if tag.spec.kind == "text"}
        assert set(scan.texts) == texts
        assert all(isinstance(text, str) for text in scan.texts.values())


async def test_source_time_is_the_devices_own() -> None:
    async with connected("L01-ISO") as (_, devices):
        frame = (await scanned(devices["L01-ISO"], lambda scan: scan.failure is None)).frames[0]
        assert frame.source_ns is not None
        assert 0 <= time.time_ns() - int(frame.source_ns.max()) < 2e9


@pytest.mark.parametrize("name", ["L01-ISO", "L01-PRC"])
@pytest.mark.parametrize("fault", ["dropped-connection", "silent"])
async def test_a_lost_device_is_bad_at_once_and_good_within_5_s_of_its_return(name: str, fault: str) -> None:
    async with connected(name) as (running, devices):
        device = devices[name]
        await running.fault(name, fault)
        began = time.monotonic()
        scan = await scanned(device, lambda scan: scan.failure is not None)
        assert time.monotonic() - began < 2.0
        frame = scan.frames[0]
        assert frame.quality is not None and (frame.quality >= 0x8000).all() and np.isnan(frame.values).all()
        assert name in str(scan.failure) and len(str(scan.failure)) > 20
        for _ in range(3):  # while it is away every scan ends soon, one way or the other
            began = time.monotonic()
            assert (await device.scan(0)).failure
            assert time.monotonic() - began < 1.0
        await running.fault(name, "clear")
        began = time.monotonic()
        await scanned(device, lambda scan: scan.failure is None)
        assert time.monotonic() - began < 5.0


async def test_a_failed_sensor_is_bad_and_its_neighbours_are_good() -> None:
    async with connected("L01-ISO", "L01-PRC") as (running, devices):
        for name, pattern in (("L01-ISO", "chamber.temperature"), ("L01-PRC", "temperature")):
            await running.fault(name, "sensor-failure", tag=pattern)
            failed = f"{name}.{pattern}"

            scan = await scanned(devices[name], lambda scan: scan.frames[0].quality is not None)
            frame = scan.frames[0]
            assert frame.quality is not None
            bad = frame.quality >= 0x8000
            assert [tag for tag, one in zip(frame.layout.tags, bad, strict=True) if one] == [failed]
            assert np.isnan(frame.values[bad]).all() and np.isfinite(frame.values[~bad]).all()


async def test_outputs_are_written_and_read_back() -> None:
    async with connected("W1-BCN", "L01-ISO") as (running, devices):
        for tag in ("W1-BCN.horn", "L01-ISO.process.hold"):
            device = devices[tag.split(".")[0]]
            assert await device.write(tag, 1.0) == 1.0
            assert running.look(tag)["true"] == 1.0
            assert await device.write(tag, 0.0) == 0.0
        await running.fault("W1-BCN", "silent")
        with pytest.raises(WriteFailed, match="W1-BCN"):
            await devices["W1-BCN"].write("W1-BCN.horn", 1.0)
        with pytest.raises(WriteFailed, match="process"):
            await running.fault("L01-ISO", "dropped-connection")
            await devices["L01-ISO"].write("L01-ISO.process.hold", 1.0)


async def test_a_counters_record_comes_once_with_its_own_time() -> None:
    plant = Plant(PLANT.site, (), (), PLANT.rooms, (UNITS["L01-PC1"],), (), (), (), {}, {}, "")
    async with simulated(plant) as running:  # it takes one master only
        counter = opened(UNITS["L01-PC1"], running.addresses["L01-PC1"])
        async with asyncio.TaskGroup() as tasks:
            kept = tasks.create_task(counter.run())
            scan = await scanned(counter, lambda scan: any(f.layout.record for f in scan.frames))
            record = next(f for f in scan.frames if f.layout.record)
            values = dict(zip((t.removeprefix("L01-PC1.") for t in record.layout.tags), record.values, strict=True))
            volume_m3 = values["record.volume"]
            assert volume_m3 == pytest.approx(1.0 * values["record.sample_time"] / 60 / 35.3147, rel=1e-6)  # 1 cfm
            assert values["record.concentration_0_5um"] == pytest.approx(values["record.count_0_5um"] / volume_m3)
            assert record.time_ns % 10**9 == 0 and time.time_ns() - record.time_ns < 120e9
            for _ in range(5):
                again = await counter.scan(0)
                assert not any(f.layout.record and f.time_ns == record.time_ns for f in again.frames)
            kept.cancel()


@pytest.mark.parametrize(
    ("name", "address"),
    [("L01-PRC", "opc.tcp://127.0.0.1:4840"), ("L01-ISO", "modbus://127.0.0.1:502/1"), ("L01-PRC", "modbus:///1")],
)
def test_an_address_that_does_not_fit_is_refused_in_words(name: str, address: str) -> None:
    with pytest.raises(ValueError, match=name):
        opened(UNITS[name], address)
