"""The Modbus driver against modbus-serial, jsmodbus and libmodbus: what they hold is in tests/foreign/registers.txt."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from drivers.device import WriteFailed
from drivers.fleet import Fleet
from drivers.frame import Scan
from drivers.quality import BAD
from tests.foreign import clients, servers
from tests.foreign.driven import all_bad, driven, good, modbus_profile, qualities, scanned, values
from tests.foreign.serial_line import serial_line
from tests.foreign.servers import Server

SERVERS = ("modbus_serial", "jsmodbus", "libmodbus")
PROFILE = modbus_profile(
    {
        "uint16": {"table": "holding", "address": 0},
        "int16": {"table": "holding", "address": 1, "type": "int16"},
        "abcd": {"table": "holding", "address": 2, "type": "float32"},
        "cdab": {"table": "holding", "address": 4, "type": "float32", "order": "CDAB"},
        "badc": {"table": "holding", "address": 6, "type": "float32", "order": "BADC"},
        "dcba": {"table": "holding", "address": 8, "type": "float32", "order": "DCBA"},
        "uint32": {"table": "holding", "address": 10, "type": "uint32"},
        "int32": {"table": "holding", "address": 12, "type": "int32", "order": "CDAB"},
        "float64": {"table": "holding", "address": 14, "type": "float64"},
        "uint64": {"table": "holding", "address": 18, "type": "uint64"},
        "tenths": {"table": "holding", "address": 22, "type": "int16", "scale": 0.1},
        "bit1": {"table": "holding", "address": 23, "bit": 1},
        "bit2": {"table": "holding", "address": 23, "bit": 2},
        "bit4": {"table": "holding", "address": 23, "bit": 4},
        "missing": {"table": "holding", "address": 24, "type": "int16", "not_available": [0x8000]},
        "nan": {"table": "holding", "address": 25, "type": "float32"},
        "text": {"table": "holding", "address": 27, "type": "text", "length": 3},
        "set.int16": {"table": "holding", "address": 35, "type": "int16"},
        "set.float32": {"table": "holding", "address": 36, "type": "float32"},
        "hundredths": {"table": "input", "address": 0, "scale": 0.01},
        "far": {"table": "input", "address": 101},
        "discrete": {"table": "discrete", "address": 1, "type": "bool"},
        "coil": {"table": "coil", "address": 2, "type": "bool"},
        "set.coil": {"table": "coil", "address": 3, "type": "bool"},
    }
)
HELD = {
    "uint16": 1234, "int16": -1234, "abcd": 22.5, "cdab": -15.25, "badc": 1.5, "dcba": 100.125, "uint32": 4_000_000_000,
    "int32": -2, "float64": -123.45, "uint64": 2**40 + 5, "tenths": 37.1, "bit1": 1, "bit2": 0, "bit4": 1,
    "hundredths": 21.05, "far": 11, "discrete": 1, "coil": 1,
}  # fmt: skip
ONE = modbus_profile({"uint16": {"table": "holding", "address": 0}})


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)


def check_values(scan: Scan) -> None:
    read = values(scan)
    assert {name: read[name] for name in HELD} == pytest.approx(HELD, rel=1e-12)
    assert scan.texts == {"D1.text": "AB42-7"}
    codes = qualities(scan)
    assert {name for name, code in codes.items() if code >= BAD} == {"missing", "nan"}
    assert np.isnan(read["missing"]) and np.isnan(read["nan"])


@pytest.mark.parametrize("server", SERVERS, indirect=True)
async def test_every_type_and_order_is_read(server: Server) -> None:
    async with driven(PROFILE, server.url) as device:
        check_values(await good(device))


@pytest.mark.parametrize("server", SERVERS, indirect=True)
async def test_what_is_written_is_read_back(server: Server) -> None:
    async with driven(PROFILE, server.url) as device:
        await good(device)
        for name, value in (("set.int16", -321.0), ("set.float32", 12.5), ("set.coil", 1.0), ("set.coil", 0.0)):
            assert await device.write(f"D1.{name}", value) == value
            assert values(await good(device))[name] == value
    # Somebody else finds it there too: the words of 12.5, high word first.
    assert clients.modbus_serial(server.url, "holding", 35, 3) == [0x10000 - 321, 0x4148, 0x0000]


@pytest.mark.parametrize("server", ("modbus_serial", "libmodbus"), indirect=True)
async def test_a_register_that_is_not_there_is_refused_in_words(server: Server) -> None:
    profile = modbus_profile({"there": {"table": "holding", "address": 0}, "hole": {"table": "holding", "address": 32}})
    async with driven(profile, server.url) as device:
        scan = await good(device)
        (finding,) = scan.findings
        assert "D1" in finding and "32" in finding and "exception 2" in finding
        assert qualities(scan)["hole"] >= BAD and np.isnan(values(scan)["hole"])
        assert values(scan)["there"] == 1234 and qualities(scan)["there"] == 0  # its neighbour does not suffer
        with pytest.raises(WriteFailed, match="hole"):
            await device.write("D1.hole", 1.0)


async def test_a_short_answer_is_refused(jsmodbus: Server) -> None:
    """jsmodbus answers what it has where it is asked for more."""
    profile = modbus_profile({"beyond": {"table": "holding", "address": 37, "type": "float32"}})
    async with driven(profile, jsmodbus.url) as device:
        scan = await scanned(device, lambda scan: scan.failure is not None and "not connected" not in scan.failure)
        assert all_bad(scan), scan


MAKERS: dict[str, Callable[..., Server]] = {
    "modbus_serial": servers.modbus_serial,
    "jsmodbus": servers.jsmodbus,
    "libmodbus": servers.libmodbus,
}


@pytest.mark.parametrize("name", MAKERS)
async def test_a_restarted_server_is_good_within_5_s(name: str, tmp_path: Path) -> None:
    with MAKERS[name](tmp_path) as own:
        async with driven(PROFILE, own.url) as device:
            await good(device)
            own.stop()
            scan = await scanned(device, all_bad, 2.0)
            assert "D1" in str(scan.failure)
            own.start()
            check_values(await good(device, 5.0))


@pytest.mark.parametrize("name", MAKERS)
async def test_a_frozen_server_is_bad_in_time_and_found_again(name: str, tmp_path: Path) -> None:
    with MAKERS[name](tmp_path) as own:
        async with driven(PROFILE, own.url) as device:
            await good(device)
            own.freeze()
            for _ in range(2):
                began_s = time.monotonic()
                scan = await device.scan(0)
                assert time.monotonic() - began_s < 1.0 and all_bad(scan)
            assert "D1" in str(scan.failure)
            own.thaw()
            check_values(await good(device, 5.0))


@pytest.mark.parametrize("name", ("modbus_serial", "jsmodbus", "libmodbus"))
async def test_one_connection_only(name: str, tmp_path: Path) -> None:
    """modbus-serial and jsmodbus close a second one, libmodbus does not even accept it. The first goes on undisturbed."""
    with MAKERS[name](tmp_path, **({"single": True} if name == "libmodbus" else {"connections": 1})) as own:
        async with driven(ONE, own.url) as first:
            await good(first)
            async with driven(ONE, own.url) as second:
                failed = await scanned(second, lambda scan: "not connected yet" not in str(scan.failure))
                assert all_bad(failed) and "D1" in str(failed.failure)
                for _ in range(5):
                    assert (await first.scan(0)).failure is None
                    assert all_bad(await second.scan(0))
        async with driven(ONE, own.url) as third:  # once the first has left
            assert values(await good(third, 5.0)) == {"uint16": 1234}


@pytest.mark.parametrize("name", ("modbus_serial", "jsmodbus"))
async def test_a_server_that_closes_when_idle_costs_no_scan(name: str, tmp_path: Path) -> None:
    profile = modbus_profile({"uint16": {"table": "holding", "address": 0}}, server={"idle_close_s": 0.4})
    with MAKERS[name](tmp_path, idle=400) as own:
        async with driven(profile, own.url) as device:
            await good(device)
            for _ in range(3):
                await asyncio.sleep(0.6)  # the silence is what is tested
                assert (await device.scan(0)).failure is None


async def test_units_behind_one_address_cost_each_other_nothing(tmp_path: Path) -> None:
    """One gives values, one never answers, of one the gateway knows nothing; all share a connection."""
    with servers.modbus_serial(tmp_path, connections=1, silent=8) as own:
        fleet, url = Fleet(), own.url.removesuffix("/7")
        async with (
            driven(PROFILE, f"{url}/7", fleet) as alive,
            driven(ONE, f"{url}/8", fleet) as silent,
            driven(ONE, f"{url}/9", fleet) as unknown,
        ):
            await good(alive)
            for _ in range(3):
                began_s = time.monotonic()
                others = [asyncio.create_task(device.scan(0)) for device in (silent, unknown)]
                check_values(await alive.scan(0))
                assert time.monotonic() - began_s < 0.5
                assert all(all_bad(scan) for scan in await asyncio.gather(*others))
            assert "unit 8" in str((await silent.scan(0)).failure)
            assert "exception 11" in str((await scanned(unknown, lambda s: "11" in str(s.failure))).failure)
            assert fleet.connects == 1


async def test_answers_out_of_order_are_told_apart(jsmodbus: Server) -> None:
    """jsmodbus answers what came at once last in, first out; it does not look at the unit."""
    fleet, url = Fleet(), jsmodbus.url.removesuffix("/7")
    registers = {f"{url}/{unit}": unit for unit in (0, 1, 22, 23)}
    held = {0: 1234.0, 1: 0x10000 - 1234.0, 22: 371.0, 23: 18.0}
    async with AsyncExitStack() as stack:
        devices = [
            await stack.enter_async_context(
                driven(modbus_profile({"word": {"table": "holding", "address": n}}), at, fleet)
            )
            for at, n in registers.items()
        ]
        for device in devices:
            await good(device)
        for _ in range(20):
            scans = await asyncio.gather(*(device.scan(0) for device in devices))
            assert [values(scan)["word"] for scan in scans] == [held[n] for n in registers.values()]


async def test_rtu_over_tcp(tmp_path: Path) -> None:
    with servers.jsmodbus(tmp_path, rtu=True) as own:
        assert own.url.startswith("modbus-rtu://")
        async with driven(PROFILE, own.url) as device:
            check_values(await good(device))
            assert await device.write("D1.set.float32", -2.5) == -2.5
            own.freeze()
            assert all_bad(await device.scan(0))
            own.thaw()
            check_values(await good(device, 5.0))
            own.restart()
            await scanned(device, lambda scan: scan.failure is None and values(scan)["set.float32"] == 0.0, 5.0)


@pytest.mark.parametrize("make", (servers.libmodbus, servers.modbus_serial))
async def test_serial_rtu(make: Callable[..., Server], tmp_path: Path) -> None:
    with serial_line() as (ours, theirs), make(tmp_path, line=theirs) as own:
        async with driven(PROFILE, own.url.replace(theirs, ours)) as device:
            check_values(await good(device))
            assert await device.write("D1.set.int16", 77.0) == 77.0
            own.freeze()
            assert all_bad(await device.scan(0))
            own.thaw()
            check_values(await good(device, 5.0))
