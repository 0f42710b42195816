"""Faults on the wire, gateways, serial framing and idle connections, each met by clients that are not ours or by a bare socket."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from asyncua import Client
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from simulators.faces.modbus_line import Line, crc16
from simulators.plant import SimulatedPlant, simulated
from telemetry.plant.model import Equipment
from tests.foreign import clients
from tests.simulators.small_plant import plant, profile, unit

READ = bytes.fromhex("000100000006") + bytes((7, 3, 0, 0, 0, 1))
"""Modbus TCP, transaction 1: holding register 0 of unit 7."""


async def opened(running: SimulatedPlant, equipment: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = urlsplit(running.addresses[equipment])
    return await asyncio.open_connection(url.hostname, url.port)


@pytest.fixture
async def one() -> AsyncIterator[SimulatedPlant]:
    async with simulated(plant([unit("L01-PB1", "pass-box-modbus")])) as running:
        yield running


async def test_a_resetting_device_sends_rst_and_no_fin(one: SimulatedPlant) -> None:
    await one.fault("L01-PB1", "resetting")
    for _ in range(3):
        reader, writer = await opened(one, "L01-PB1")
        writer.write(READ)
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(2):
                assert await reader.read() != b""
        writer.close()


async def test_an_unsteady_device_resets_some_requests_and_answers_others(one: SimulatedPlant) -> None:
    await one.fault("L01-PB1", "unsteady")
    answered = reset = 0
    for _ in range(100):
        reader, writer = await opened(one, "L01-PB1")
        writer.write(READ)
        try:
            async with asyncio.timeout(2):
                answered += len(await reader.readexactly(11)) == 11
        except ConnectionResetError:
            reset += 1
        writer.close()
    assert answered + reset == 100 and answered > reset > 3


async def test_a_slow_device_answers_late_and_in_order(one: SimulatedPlant) -> None:
    await one.fault("L01-PB1", "slow", delay_s=0.3)
    reader, writer = await opened(one, "L01-PB1")
    start_s = time.monotonic()
    for number in range(1, 6):
        writer.write(number.to_bytes(2, "big") + READ[2:])
        await asyncio.sleep(0.01)
    await one.fault("L01-PB1", "clear")
    writer.write(b"\0\6" + READ[2:])
    async with asyncio.timeout(3):
        told = [(await reader.readexactly(11))[1] for _ in range(6)]
    assert told == [1, 2, 3, 4, 5, 6] and 0.29 < time.monotonic() - start_s < 2
    writer.close()


@pytest.mark.parametrize("fault", ["resetting", "silent", "slow"])
async def test_opc_ua_servers_have_these_faults_too(fault: str) -> None:
    async with simulated(plant([unit("L01-ISO", "isolator-opcua")])) as running:
        await running.fault("L01-ISO", fault)
        client = Client(running.addresses["L01-ISO"], timeout=0.5)
        with pytest.raises((TimeoutError, OSError)):
            await client.connect()
        client.disconnect_socket()
        await running.fault("L01-ISO", "clear")
        async with Client(running.addresses["L01-ISO"], timeout=4) as client:
            assert len(await client.get_namespace_array()) == 3


def behind(address: str, *ids: str, model: str = "pass-box-modbus") -> list[Equipment]:
    """Devices whose configured addresses are `address` with a unit each, from 1 on."""
    return [replace(unit(id_, model), address=f"{address}/{n}") for n, id_ in enumerate(ids, 1)]


async def read(client: AsyncModbusTcpClient, number: int) -> object:
    reply = await client.read_holding_registers(0, count=2, device_id=number)
    return reply.exception_code if reply.isError() else len(reply.registers)


async def test_units_behind_one_address_share_it_and_no_fault() -> None:
    units = behind("modbus://gateway.example:502", "A", "B", "C")
    async with simulated(plant([*units, unit("D", "pass-box-modbus")])) as running:
        urls = {id_: urlsplit(url) for id_, url in running.addresses.items()}
        assert urls["A"].port == urls["B"].port == urls["C"].port != urls["D"].port
        assert [urls[id_].path for id_ in "ABC"] == ["/1", "/2", "/3"]
        client = AsyncModbusTcpClient("127.0.0.1", port=urls["A"].port or 0, timeout=0.4, retries=0, reconnect_delay=0)
        assert await client.connect()
        assert [await read(client, n) for n in (1, 2, 3, 9)] == [2, 2, 2, 11]
        await running.fault("B", "dropped-connection")
        assert [await read(client, n) for n in (1, 2, 3)] == [2, 11, 2]
        await running.fault("B", "clear")
        assert [await read(client, n) for n in (1, 2, 3)] == [2, 2, 2]
        client.close()
        await running.fault("[AB]", "silent")
        reader, writer = await opened(running, "C")
        for number in (1, 2, 3):  # all three at once: the silent ones hold nothing up
            writer.write(bytes((0, number, 0, 0, 0, 6, number, 3, 0, 0, 0, 1)))
        async with asyncio.timeout(2):
            assert (await reader.readexactly(11))[1] == 3
        await running.fault("A", "clear")
        await running.fault("A", "slow", delay_s=0.3)
        writer.write(bytes((0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1)) + bytes((0, 3, 0, 0, 0, 6, 3, 3, 0, 0, 0, 1)))
        async with asyncio.timeout(2):
            assert [(await reader.readexactly(11))[1] for _ in range(2)] == [3, 1]
        writer.close()


async def test_a_unit_number_that_is_taken_gets_an_address_of_its_own() -> None:
    async with simulated(plant([unit("A", "pass-box-modbus"), unit("B", "pass-box-modbus")])) as running:
        assert running.addresses["A"] != running.addresses["B"]
        for id_ in "AB":
            assert len(await asyncio.to_thread(clients.mbpoll, running.addresses[id_], "holding", 0, 1)) == 1


@pytest.mark.parametrize("address", ["modbus-rtu://server.example:4001", "modbus-serial:///dev/ttyUSB0"])
async def test_serial_framing_over_tcp(address: str) -> None:
    async with simulated(plant(behind(address, "A", "B", model="beacon-modbus"))) as running:
        url = urlsplit(running.addresses["B"])
        assert (url.scheme, url.path) == ("modbus-rtu", "/2")
        client = AsyncModbusTcpClient(
            "127.0.0.1", port=url.port or 0, framer=FramerType.RTU, timeout=0.5, retries=0, reconnect_delay=0
        )
        assert await client.connect()
        assert not (await client.write_register(0, 0x1234, device_id=2)).isError()
        assert not (await client.mask_write_register(address=0, and_mask=0x00F0, or_mask=0x0005, device_id=2)).isError()
        assert (await client.read_holding_registers(0, count=1, device_id=2)).registers == [0x0035]
        assert not (await client.write_registers(0, [7], device_id=1)).isError()
        assert not (await client.write_coils(0, [True, False, True], device_id=1)).isError()
        assert not (await client.write_coil(4, True, device_id=1)).isError()
        with pytest.raises(ModbusIOException):  # nobody has this number: on a bus that is silence
            await client.read_holding_registers(0, count=1, device_id=9)
        client.close()
        assert await asyncio.to_thread(clients.modbus_serial, running.addresses["A"], "holding", 0, 1) == [7]
        assert await asyncio.to_thread(clients.modbus_serial, running.addresses["A"], "coil", 0, 5) == [1, 0, 1, 0, 1]
        with pytest.raises(clients.Refused, match=r"(?i)illegal data address"):
            await asyncio.to_thread(clients.modbus_serial, running.addresses["A"], "holding", 900, 1)


async def test_a_damaged_serial_frame_is_not_answered_and_the_next_is() -> None:
    async with simulated(plant(behind("modbus-rtu://server.example:4001", "A"))) as running:
        reader, writer = await opened(running, "A")
        request = bytes((1, 3, 0, 0, 0, 1))
        good = request + crc16(request)
        assert good.hex() == "010300000001840a"  # the specification's own way to write it: low byte of the check first
        writer.write(good[:-1] + b"\x0b")
        await asyncio.sleep(0.05)
        writer.write(good[:4])
        await asyncio.sleep(0.01)
        writer.write(good[4:])
        async with asyncio.timeout(2):
            told = await reader.readexactly(7)
        assert told[:3] == bytes((1, 3, 2)) and crc16(told[:-2]) == told[-2:]
        writer.close()


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not() -> None:
    logger = profile("pass-box-modbus")
    closer = logger.model_copy(update={"server": logger.server.model_copy(update={"idle_close_s": 0.4})})
    async with simulated(plant([unit("A", closer)])) as running:
        reader, writer = await opened(running, "A")
        for _ in range(4):
            await asyncio.sleep(0.2)
            writer.write(READ)
            async with asyncio.timeout(2):
                await reader.readexactly(11)
        start_s = time.monotonic()
        async with asyncio.timeout(3):
            assert await reader.read() == b""
        assert time.monotonic() - start_s > 0.3
        writer.close()


BROKEN: list[tuple[str, bytes, Callable[[bytes], bool]]] = [
    ("another protocol", b"\0\1\0\7\0\6\7\3\0\0\0\1", lambda told: told == b""),
    ("a length of 1", b"\0\1\0\0\0\1\7\3", lambda told: told == b""),
    ("a length of 60,000", b"\0\1\0\0\xea\x60\7\3", lambda told: told == b""),
]


@pytest.mark.parametrize(("what", "sent", "right"), BROKEN, ids=[what for what, _, _ in BROKEN])
async def test_a_damaged_frame_ends_its_connection(one: SimulatedPlant, what: str, sent: bytes, right) -> None:
    reader, writer = await opened(one, "L01-PB1")
    writer.write(sent)
    async with asyncio.timeout(2):
        assert right(await reader.read()), what
    writer.close()


REQUESTS = {
    "a count of 0": (bytes((3, 0, 0, 0, 0)), bytes((0x83, 3))),
    "126 registers": (bytes((3, 0, 0, 0, 126)), bytes((0x83, 3))),
    "an unknown function": (bytes((43, 14, 1, 0)), bytes((0xAB, 1))),
    "half a request": (bytes((3, 0)), bytes((0x83, 3))),
    "a coil that is neither on nor off": (bytes((5, 0, 0, 0x12, 0x34)), bytes((0x85, 3))),
    "too few bytes to write": (bytes((16, 0, 0, 0, 2, 4, 0, 1)), bytes((0x90, 3))),
    "a wrong byte count": (bytes((16, 0, 0, 0, 1, 4, 0, 1)), bytes((0x90, 3))),
}


@pytest.mark.parametrize("what", REQUESTS)
async def test_a_request_that_makes_no_sense_is_an_exception(one: SimulatedPlant, what: str) -> None:
    asked, answer = REQUESTS[what]
    reader, writer = await opened(one, "L01-PB1")
    writer.write(bytes((0, 9, 0, 0, 0, len(asked) + 1, 7)) + asked)
    async with asyncio.timeout(2):
        assert await reader.readexactly(9) == bytes((0, 9, 0, 0, 0, 3, 7)) + answer
    writer.close()


async def test_frames_in_pieces_and_several_in_one(one: SimulatedPlant) -> None:
    reader, writer = await opened(one, "L01-PB1")
    for byte in READ:
        writer.write(bytes((byte,)))
        await asyncio.sleep(0.001)
    writer.write(READ * 3)
    async with asyncio.timeout(2):
        assert len(await reader.readexactly(44)) == 44
    writer.close()


async def test_a_port_is_ours_while_it_refuses(one: SimulatedPlant) -> None:
    number = one.devices["L01-PB1"].face.port.number
    await one.fault("L01-PB1", "dropped-connection")
    other = Line()
    for _ in range(20):
        await other.port.open()
        assert other.port.number != number
        await other.port.close()
    await one.fault("L01-PB1", "clear")
    client = AsyncModbusTcpClient("127.0.0.1", port=number, timeout=1, retries=0, reconnect_delay=0)
    assert await client.connect()
    assert not (await client.read_holding_registers(0, count=1, device_id=7)).isError()
    client.close()
