"""Every profile is a device that can be simulated: its face serves what its profile asks, and the counters are the machines that
their makers' maps describe."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import pytest
from pymodbus.client import AsyncModbusTcpClient
from small_plant import all_profiles, plant, unit, until

from drivers.device import open_device
from simulators.faces.counter import Record
from simulators.plant import SimulatedPlant, simulated

UNIT = 7


@pytest.mark.parametrize("name", all_profiles())
async def test_every_profile_can_be_simulated_and_read(name: str) -> None:
    equipment = unit("X", name)
    async with simulated(plant([equipment])) as running:
        device = open_device("X", equipment.profile, running.addresses["X"], time.time_ns)
        keeping = asyncio.create_task(device.run())
        began = time.monotonic()
        while (scan := await device.scan(time.time_ns())).failure is not None:
            assert time.monotonic() - began < 8, scan.failure
            await asyncio.sleep(0.05)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    frame = next(frame for frame in scan.frames if not frame.layout.record)
    assert frame.quality is None and scan.findings == ()


async def connected(running: SimulatedPlant) -> AsyncModbusTcpClient:
    url = urlsplit(running.addresses["X"])
    client = AsyncModbusTcpClient(url.hostname or "", port=url.port or 0, timeout=1, retries=0, reconnect_delay=0)
    assert await client.connect()
    return client


@pytest.fixture
async def airnet() -> AsyncIterator[tuple[SimulatedPlant, AsyncModbusTcpClient]]:
    async with simulated(plant([unit("X", "counter-airnet")])) as running:
        client = await connected(running)
        yield running, client
        client.close()


@pytest.fixture
async def metone() -> AsyncIterator[tuple[SimulatedPlant, AsyncModbusTcpClient]]:
    async with simulated(plant([unit("X", "counter-metone")])) as running:
        client = await connected(running)
        yield running, client
        client.close()


async def packet(client: AsyncModbusTcpClient) -> list[int]:
    """30212 to 30232."""
    return (await client.read_input_registers(211, count=21, device_id=UNIT)).registers


def u32(words: Sequence[int], at: int) -> int:
    return words[at] << 16 | words[at + 1]


async def test_an_airnet_queues_and_drops_when_told(airnet: tuple[SimulatedPlant, AsyncModbusTcpClient]) -> None:
    _, client = airnet
    first = await packet(client)
    assert first[1] & 0b11 == 0b11 and first[3] == 10 and first[9] == 7
    assert u32(first, 6) == 6000 and u32(first, 10) == 100 and u32(first, 12) == 100_000
    assert await packet(client) == first, "reading drops nothing"
    assert not (await client.write_coil(1, False, device_id=UNIT)).isError()
    second = await packet(client)
    assert u32(second, 4) - u32(first, 4) == 60 and second[3] == 9
    assert not (await client.write_coil(2, True, device_id=UNIT)).isError()
    empty = await packet(client)
    assert empty[1] & 0b10 == 0 and empty[3] == 0 and not any(empty[4:15]) and not any(empty[17:])


async def test_an_airnet_shows_floats_when_asked(airnet: tuple[SimulatedPlant, AsyncModbusTcpClient]) -> None:
    _, client = airnet
    assert not (await client.write_coil(7, True, device_id=UNIT)).isError()
    words = await packet(client)
    assert words[1] & 0x80 and u32(words, 6) == 0x42700000 and u32(words, 10) == u32(words, 12) == 0x3F800000


async def test_any_setting_written_stops_an_airnet_and_unknown_registers_are_exception_2(
    airnet: tuple[SimulatedPlant, AsyncModbusTcpClient],
) -> None:
    _, client = airnet
    assert not (await client.write_register(2, 30, device_id=UNIT)).isError()
    assert (await client.read_coils(0, count=1, device_id=UNIT)).bits[0] is False
    for reply in (
        await client.read_input_registers(211, count=22, device_id=UNIT),
        await client.read_input_registers(16, count=1, device_id=UNIT),
        await client.write_register(5, 1, device_id=UNIT),
    ):
        assert reply.isError() and reply.exception_code == 2


async def test_a_failed_laser_is_a_missing_bit_in_an_airnets_packet(
    airnet: tuple[SimulatedPlant, AsyncModbusTcpClient],
) -> None:
    running, client = airnet
    registers = running.devices["X"].face.registers  # pyright: ignore[reportAttributeAccessIssue]
    registers.queue.clear()
    registers.add(Record(time_s=1, sample_s=60, location=0, laser_failed=True, fine=0, coarse=0))
    assert (await packet(client))[9] == 0b110


async def test_a_met_one_shows_its_last_sample_in_the_unit_it_is_set_to(
    metone: tuple[SimulatedPlant, AsyncModbusTcpClient],
) -> None:
    running, client = metone
    record = (await client.read_holding_registers(500, count=19, device_id=UNIT)).registers
    now = time.gmtime()
    assert record[0] == now.tm_year and record[4:6] == [0, 0x0100]
    counts = u32(record, 11), u32(record, 13)
    assert not (await client.write_register(143, 3, device_id=UNIT)).isError()
    record = (await client.read_holding_registers(500, count=19, device_id=UNIT)).registers
    assert u32(record, 11) == pytest.approx(counts[0] * 35.3147, abs=0.6)
    assert not (await client.write_registers(143, [0, 1], device_id=UNIT)).isError()
    record = (await client.read_holding_registers(500, count=19, device_id=UNIT)).registers
    assert u32(record, 11) == counts[0] - counts[1]
    assert (await client.read_holding_registers(499, count=2, device_id=UNIT)).exception_code == 2
    assert (await client.write_register(500, 1, device_id=UNIT)).exception_code == 2
    assert (await client.write_register(143, 4, device_id=UNIT)).exception_code == 3
    assert not (await client.write_register(104, 2, device_id=UNIT)).isError()
    await until(lambda: running.devices["X"].outputs["sampling"] == 0.0)


@pytest.mark.parametrize("name", ["counter-lighthouse", "counter-airnet", "counter-metone"])
async def test_a_counter_gives_a_record_each_sample(name: str) -> None:
    async with simulated(plant([unit("X", name)])) as running:
        face = running.devices["X"].face
        registers = face.registers  # pyright: ignore[reportAttributeAccessIssue]
        kept: list[int] = []
        add = registers.add
        registers.add = lambda record: (kept.append(record.time_s), add(record))
        registers.sample_s = 1
        running.devices["X"].write("counter.sample_s", 1.0)
        await until(lambda: len(kept) >= 2)
        assert kept[1] - kept[0] in (1, 2)
