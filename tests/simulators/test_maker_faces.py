"""Makers' profiles read back by the drivers from simulated devices: every tag Good, a failed sensor as its maker tells it."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from drivers.device import Device, open_device
from drivers.frame import Frame
from simulators.plant import SimulatedPlant, simulated
from tests.foreign import clients
from tests.simulators.small_plant import all_profiles, plant, profile, unit

MODBUS = [name for name in all_profiles() if profile(name).protocol == "modbus" and profile(name).machine is None]
WITH_STATUS = [name for name in MODBUS if any(tag.status is not None for tag in profile(name).tags.values())]


@asynccontextmanager
async def driven(name: str) -> AsyncIterator[tuple[SimulatedPlant, Device]]:
    async with simulated(plant([unit("D", name)])) as running:
        device = open_device("D", profile(name), running.addresses["D"], time.time_ns)
        task = asyncio.create_task(device.run())
        try:
            yield running, device
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def frame_where(device: Device, right: Callable[[Frame], bool]) -> Frame:
    deadline_s = time.monotonic() + 8
    while True:
        scan = await device.scan(0)
        if scan.failure is None and right(scan.frames[0]):
            return scan.frames[0]
        assert time.monotonic() < deadline_s, scan.failure or scan.frames[0].quality
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", MODBUS)
async def test_a_device_of_each_profile_is_read_as_it_is_shown(name: str) -> None:
    async with driven(name) as (running, device):
        frame = await frame_where(device, lambda frame: frame.quality is None)
        tags = profile(name).expanded()
        for id_, value in zip(frame.layout.tags, frame.values, strict=True):
            register = tags[id_.removeprefix("D.")].register_
            assert register is not None
            noise = 0.02 * abs(value) + 0.02  # a step of the physics may lie between
            assert value == pytest.approx(float(running.look(id_)["shown"]), abs=abs(register.scale) + noise), id_


async def test_the_constants_that_prove_the_order_are_there() -> None:
    """As the manual of Vaisala's HPP272 has them: 7937 = -12345, 7938 = -123.45 low word first, 7940 = "-123.45"."""
    async with simulated(plant([unit("D", "vaisala-hpp272-modbus")])) as running:
        words = await asyncio.to_thread(clients.libmodbus, running.addresses["D"], "holding", 7936, 7)
        assert words == [0xCFC7, 0xE666, 0xC2F6, 0x2D31, 0x3233, 0x2E34, 0x3500]


@pytest.mark.parametrize("name", WITH_STATUS)
async def test_a_status_register_tells_of_a_failed_sensor(name: str) -> None:
    async with driven(name) as (running, device):
        await frame_where(device, lambda frame: frame.quality is None)
        failing = next(tag for tag, spec in profile(name).tags.items() if spec.status is not None)
        await running.fault("D", "sensor-failure", tag=failing)
        place = device.layouts[0].tags.index(f"D.{failing}")
        failed = await frame_where(device, lambda frame: frame.quality is not None and frame.quality[place] >= 0x8000)
        assert math.isnan(failed.values[place])
        await running.fault("D", "clear")
        healed = await frame_where(device, lambda frame: frame.quality is None)
        assert math.isfinite(healed.values[place])
