"""The Modbus face, driven by pymodbus' own client: strict map, exceptions, coils, and the Lighthouse record machine."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from pymodbus.client import AsyncModbusTcpClient
from small_plant import line, plant, unit, until

from simulators.plant import SimulatedPlant, simulated

UNIT = 7


@pytest.fixture
async def small() -> AsyncIterator[SimulatedPlant]:
    modbus = [u for u in line().equipment if u.profile.protocol == "modbus"]
    async with simulated(plant(modbus, line().rooms)) as running:
        yield running


@pytest.fixture
async def connect(small: SimulatedPlant):
    clients: list[AsyncModbusTcpClient] = []

    async def to(equipment: str) -> AsyncModbusTcpClient:
        url = urlsplit(small.addresses[equipment])
        assert (url.scheme, url.path) == ("modbus", f"/{UNIT}")
        client = AsyncModbusTcpClient(url.hostname or "", port=url.port or 0, timeout=1, retries=0, reconnect_delay=0)
        assert await client.connect()
        clients.append(client)
        return client

    yield to
    for client in clients:
        client.close()


async def test_a_room_shows_its_physics(connect) -> None:
    client = await connect("L01-PRC")
    words = (await client.read_input_registers(0, count=17, device_id=UNIT)).registers
    pressure_pa = words[0] * 249.0889 / 10_000  # inches of water x 10000
    fahrenheit = words[4] / 10
    assert pressure_pa == pytest.approx(50.0, abs=1.0)
    assert (fahrenheit - 32) / 1.8 == pytest.approx(22.0, abs=0.5)
    assert words[7] == 1  # door closed
    assert words[5] == 0  # a hole that may be read across


async def test_what_the_device_does_not_have_is_exception_2(connect) -> None:
    client = await connect("L01-PB1")
    assert not (await client.read_holding_registers(0, count=6, device_id=UNIT)).isError()
    for reply in (
        await client.read_holding_registers(5, count=2, device_id=UNIT),
        await client.read_holding_registers(900, count=1, device_id=UNIT),
        await client.read_input_registers(0, count=1, device_id=UNIT),
        await client.write_register(2, 5, device_id=UNIT),
        await client.write_coil(1, True, device_id=UNIT),
    ):
        assert reply.isError() and reply.exception_code == 2


async def test_another_unit_is_not_behind_this_address(connect) -> None:
    client = await connect("L01-PB1")
    reply = await client.read_holding_registers(0, count=1, device_id=UNIT + 1)
    assert reply.isError() and reply.exception_code == 11


async def test_a_written_coil_is_read_back_at_once_and_felt(connect, small: SimulatedPlant) -> None:
    client = await connect("W1-BCN")
    assert not (await client.write_coils(0, [True, True, False], device_id=UNIT)).isError()
    assert (await client.read_coils(0, count=5, device_id=UNIT)).bits[:5] == [True, True, False, False, False]
    assert small.look("W1-BCN.horn")["true"] == 1.0
    await until(lambda: small.look("W1-BCN.sound_level")["true"] > 80)
    assert not (await client.write_register(0, 41, device_id=UNIT)).isError()
    assert small.look("W1-BCN.watchdog")["true"] == 41.0


async def test_a_failed_sensor_shows_the_makers_value(connect, small: SimulatedPlant) -> None:
    client = await connect("L01-PRC")
    await small.fault("L01-PRC", "sensor-failure", tag="pressure")
    words = (await client.read_input_registers(0, count=5, device_id=UNIT)).registers
    assert words[0] == 0x8000 and words[4] != 0x8000
    assert small.look("L01-PRC.pressure")["quality"] == "Bad"


async def test_one_more_connection_than_the_device_bears_is_closed(connect, small: SimulatedPlant) -> None:
    first = await connect("L01-PC1")
    second = await connect("L01-PC1")
    await until(lambda: not second.connected)
    assert first.connected and small.devices["L01-PC1"].face.port.connections == 1


async def test_reading_a_record_clears_new_data(connect) -> None:
    client = await connect("L01-PC1")
    holding = (await client.read_holding_registers(0, count=48, device_id=UNIT)).registers
    assert holding[2] & 0b111 == 0b111 and holding[22] == 100 and holding[23] == 10
    assert holding[24] == 0xFFFF
    record = (await client.read_input_registers(0, count=24, device_id=UNIT)).registers
    time_s, sample_s = record[0] << 16 | record[1], record[2] << 16 | record[3]
    clock_s = holding[26] << 16 | holding[27]
    assert clock_s - 60 <= time_s <= clock_s and sample_s == 60
    assert record[12:24] == [0xDEAD, 0xBEEF] * 6  # inactive channels
    assert (await client.read_holding_registers(2, count=1, device_id=UNIT)).registers[0] & 0b100 == 0


async def test_the_buffer_is_read_back_by_index(connect) -> None:
    client = await connect("L01-PC1")
    times = []
    for index in (0, 1, 9, 0xFFFF):
        assert not (await client.write_register(24, index, device_id=UNIT)).isError()
        record = (await client.read_input_registers(0, count=24, device_id=UNIT)).registers
        times.append(record[0] << 16 | record[1])
    assert times[1] - times[0] == 60 and times[2] == times[3] == times[0] + 540
    assert (await client.write_register(24, 10, device_id=UNIT)).exception_code == 3
    assert (await client.write_register(1, 3, device_id=UNIT)).isError() is False  # clear buffer
    assert (await client.read_holding_registers(23, count=1, device_id=UNIT)).registers == [0]
    assert (await client.read_input_registers(0, count=2, device_id=UNIT)).registers == [0, 0]


async def test_a_shorter_sample_gives_a_record_sooner_and_a_stop_none(connect, small: SimulatedPlant) -> None:
    client = await connect("L01-PC2")
    registers = small.devices["L01-PC2"].face.registers  # pyright: ignore[reportAttributeAccessIssue]
    assert not (await client.write_registers(32, [0, 1], device_id=UNIT)).isError()
    await until(lambda: len(registers.buffer) >= 12)
    assert registers.buffer[-1].sample_s == 1
    assert registers.buffer[0].fine > 50  # grade C: 5,000 and more in a cubic metre
    assert not (await client.write_register(1, 12, device_id=UNIT)).isError()
    assert (await client.read_holding_registers(2, count=1, device_id=UNIT)).registers[0] & 0b11 == 0


async def test_a_counter_of_another_sample_time_can_be_configured() -> None:
    async with simulated(plant([unit("L01-PC1", "counter-lighthouse", setpoints={"sample_time": 1.0})])) as running:
        registers = running.devices["L01-PC1"].face.registers  # pyright: ignore[reportAttributeAccessIssue]
        assert registers.sample_s == 1
        await until(lambda: len(registers.buffer) > 10)
