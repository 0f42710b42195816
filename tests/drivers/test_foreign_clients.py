"""Our simulators seen by clients that are not ours: what mbpoll, libmodbus, modbus-serial and node-opcua read agrees with them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from drivers.registers import decode, plan
from simulators.plant import SimulatedPlant
from telemetry.plant.model import Equipment, Plant
from tests.foreign import clients
from tests.simulators.small_plant import line

PLANT = line()
UNITS = {unit.id: unit for unit in PLANT.equipment}
MODBUS_CLIENTS = (clients.mbpoll, clients.libmodbus, clients.modbus_serial)
READ_BY_ALL = ["L01-PRC", "L01-INC1", "L01-PB1", "W1-AHU", "W1-BCN"]


@asynccontextmanager
async def still(name: str) -> AsyncGenerator[SimulatedPlant]:
    """The device open, and nothing moving: what one client reads, the next must read too."""
    plant = SimulatedPlant(Plant(PLANT.site, (), (), PLANT.rooms, (UNITS[name],), (), (), (), {}, {}, ""), seed=4)
    try:
        await plant.open(lambda _said: None)
        yield plant
    finally:
        await plant.close()


def shown(plant: SimulatedPlant, unit: Equipment, names: list[str]) -> list[float]:
    return [float(plant.look(f"{unit.id}.{name}")["shown"]) for name in names]


@pytest.mark.parametrize("name", READ_BY_ALL)
async def test_modbus_clients_read_what_the_simulator_shows(name: str) -> None:
    unit = UNITS[name]
    tags = {tag.name: tag.spec for tag in unit.tags if tag.spec.register_ is not None and tag.spec.kind != "text"}
    registers = [tag.register_ for tag in tags.values() if tag.register_ is not None]
    planned = plan(registers, unit.profile.server)
    async with still(name) as plant:
        url = plant.addresses[name]
        images: list[list[int]] = []
        for read in MODBUS_CLIENTS:
            parts = [await asyncio.to_thread(read, url, b.table, b.address, b.count) for b in planned.blocks]
            assert [len(part) for part in parts] == [block.count for block in planned.blocks]
            images.append([word for part in parts for word in part])
        assert images[1:] == images[:-1]
        values, quality = decode(planned, np.array(images[0], np.uint16))
        assert quality is None
        # A register holds a number to its scale only, and a setting that nobody has made yet as 0.
        step = np.array([register.scale for register in registers])
        assert (np.abs(values - shown(plant, unit, list(tags))) <= np.abs(step) * 0.51 + 1e-3).all()


@pytest.mark.parametrize("read", MODBUS_CLIENTS)
async def test_modbus_clients_are_refused_what_is_not_there(read) -> None:
    async with still("L01-PB1") as plant:
        with pytest.raises(clients.Refused, match=r"(?i)illegal data address"):
            await asyncio.to_thread(read, plant.addresses["L01-PB1"], "holding", 900, 1)


@pytest.mark.parametrize("name", ["L01-ISO", "L01-HCI"])
async def test_node_opcua_reads_what_the_simulator_shows(name: str) -> None:
    unit = UNITS[name]
    tags = {tag.name: str(tag.spec.node) for tag in unit.tags if tag.spec.kind != "text"}
    async with still(name) as plant:
        url, nodes = plant.addresses[name], [*tags.values(), "s=Not.There"]
        told = await asyncio.to_thread(clients.node_opcua, url, nodes, namespace=unit.profile.namespace, split=100)
        *read, missing = told["read"]
        assert missing == {"value": None, "status": "BadNodeIdUnknown"}
        assert {one["status"] for one in read} == {"Good"}
        assert [float(one["value"]) for one in read] == pytest.approx(shown(plant, unit, list(tags)), rel=1e-6)


async def test_node_opcua_sees_a_failed_sensor_as_bad() -> None:
    unit = UNITS["L01-ISO"]
    node = next(str(tag.spec.node) for tag in unit.tags if tag.name == "chamber.temperature")
    async with still("L01-ISO") as plant:
        await plant.fault("L01-ISO", "sensor-failure", tag="chamber.temperature")
        await plant._step_all()  # type: ignore[reportPrivateUsage]
        told = await asyncio.to_thread(
            clients.node_opcua, plant.addresses["L01-ISO"], [node], namespace=unit.profile.namespace
        )
        assert told["read"][0]["status"] == "BadSensorFailure"
