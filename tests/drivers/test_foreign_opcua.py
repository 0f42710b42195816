"""The OPC UA driver against node-opcua and open62541, without security: values, quality, limits, writes, methods, returns."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drivers.device import WriteFailed
from drivers.opcua.device import OpcUaDevice
from drivers.quality import (
    BAD,
    BAD_NODE_ID_UNKNOWN,
    BAD_SENSOR_FAILURE,
    GOOD,
    UNCERTAIN_SENSOR_NOT_ACCURATE,
)
from tests.foreign import clients, servers
from tests.foreign.driven import all_bad, driven, good, opcua_profile, qualities, scanned, values, watched_profile
from tests.foreign.servers import NAMESPACE, Server

SERVERS = ("node_opcua", "open62541")
MAKERS: dict[str, Callable[..., Server]] = {"node_opcua": servers.node_opcua, "open62541": servers.open62541}
SCALARS = {
    "Boolean": 1, "SByte": -8, "Byte": 200, "Int16": -1600, "UInt16": 65000, "Int32": -320000, "UInt32": 4_000_000_000,
    "Int64": -1000, "UInt64": 1_234_567, "Float": 1.5, "Double": -45.25,
}  # fmt: skip
MANY = [f"Many.{n}" for n in range(1, 121)]
SETTABLE = {"Set.Boolean": 1.0, "Set.Int16": -7.0, "Set.UInt32": 4_000_000_000.0, "Set.Float": 2.5, "Set.Double": -1e-9}
START = {"name": {"en": "start", "zh": "开始"}, "object": "s=Foreign", "method": "s=Start"}


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("server", SERVERS, indirect=True)
async def test_every_scalar_type_is_read_with_its_time(server: Server) -> None:
    profile = opcua_profile({**dict.fromkeys(SCALARS, "float"), "String": "text"})
    async with driven(profile, server.url) as device:
        scan = await good(device)
        assert values(scan) == SCALARS
        assert set(qualities(scan).values()) == {GOOD}
        assert scan.texts == {"D1.String": "批号 42"}
        (frame,) = scan.frames
        assert frame.source_ns is not None
        assert (np.abs(frame.source_ns - time.time_ns()) < 3600e9).all()


@pytest.mark.parametrize("server", SERVERS, indirect=True)
async def test_quality_comes_with_its_reason(server: Server) -> None:
    """A failed sensor's last number, a NaN, a null, a node that is not there: none becomes a value; a doubtful one stays."""
    kinds = ["Double", "Failed", "Doubtful", "NotANumber", "When", "NotThere"]
    if server.url.endswith("/foreign"):  # node-opcua; open62541 gives 0 in place of nothing
        kinds += ["Null", "Array"]
    async with driven(opcua_profile(dict.fromkeys(kinds, "float")), server.url) as device:
        scan = await good(device)
        codes, read = qualities(scan), values(scan)
        assert (codes.pop("Double"), read.pop("Double")) == (GOOD, -45.25)
        assert (codes.pop("Doubtful"), read.pop("Doubtful")) == (UNCERTAIN_SENSOR_NOT_ACCURATE, 22.5)
        assert codes["Failed"] == BAD_SENSOR_FAILURE and codes["NotThere"] == BAD_NODE_ID_UNKNOWN
        assert all(code >= BAD for code in codes.values()), codes
        assert all(np.isnan(value) for value in read.values()), read
        assert any("NotThere" in finding for finding in scan.findings), scan.findings


async def test_no_more_than_50_nodes_are_asked_at_once(node_opcua: Server) -> None:
    """The server refuses more; that it does is seen by asking it without heeding its limit."""
    with pytest.raises(clients.Refused, match="BadTooManyOperations"):
        clients.node_opcua(node_opcua.url, [f"s={name}" for name in MANY], namespace=NAMESPACE)
    async with driven(opcua_profile(dict.fromkeys(MANY, "float")), node_opcua.url) as device:
        scan = await good(device)
        assert values(scan) == {name: n + 1.5 for n, name in enumerate(MANY)}


@pytest.mark.parametrize("server", SERVERS, indirect=True)
async def test_what_is_written_is_read_back(server: Server) -> None:
    async with driven(opcua_profile(dict.fromkeys(SETTABLE, "float")), server.url) as device:
        await good(device)
        for name, value in SETTABLE.items():
            assert await device.write(f"D1.{name}", value) == value
        assert values(await good(device)) == SETTABLE
    read = clients.node_opcua(server.url, [f"s={name}" for name in SETTABLE], namespace=NAMESPACE)["read"]
    assert [one["value"] for one in read] == [True, -7, 4_000_000_000, 2.5, -1e-9]


@pytest.mark.parametrize("server", SERVERS, indirect=True)
async def test_a_refused_write_says_so(server: Server) -> None:
    profile = opcua_profile({"Set.Refused": "float", "NotThere": "float"})
    async with driven(profile, server.url) as device:
        await good(device)
        for tag in ("D1.Set.Refused", "D1.NotThere"):
            with pytest.raises(WriteFailed, match=tag):
                await device.write(tag, 1.0)


@pytest.mark.parametrize("server", SERVERS, indirect=True)
async def test_a_method_is_called_with_typed_arguments(server: Server) -> None:
    profile = opcua_profile({"Started": "float"}, methods={"start": START})
    async with driven(profile, server.url) as device:
        assert isinstance(device, OpcUaDevice)
        await good(device)
        for arguments, product in (([2.5, 4], 10.0), ([0.5, 3], 1.5)):
            await device.call("start", arguments)
            assert values(await good(device)) == {"Started": product}
        with pytest.raises(WriteFailed, match="start"):
            await device.call("start", [1.0, 2000])  # the device says BadOutOfRange
        with pytest.raises(WriteFailed, match="Minutes"):
            await device.call("start", [1.0])
        assert values(await good(device)) == {"Started": 1.5}


@pytest.mark.parametrize("name", MAKERS)
async def test_restart_and_freeze(name: str, tmp_path: Path) -> None:
    """Polled and watched tags are Bad in time with a reason, and good within 5 s of the return."""
    held = {"Double": -45.25, "Int16": -1600}
    with MAKERS[name](tmp_path) as own:
        async with driven(watched_profile("Int16"), own.url) as device:
            await scanned(device, lambda scan: values(scan) == held)
            own.stop()
            assert "D1" in str((await scanned(device, all_bad, 2.0)).failure)
            own.start()
            await scanned(device, lambda scan: values(scan) == held, 5.0)
            own.freeze()
            for _ in range(2):
                began_s = time.monotonic()
                scan = await device.scan(0)
                assert time.monotonic() - began_s < 1.0 and all_bad(scan)
            assert "D1" in str(scan.failure)
            own.thaw()
            await scanned(device, lambda scan: values(scan) == held, 5.0)


async def test_a_server_of_one_session(tmp_path: Path) -> None:
    """None is leaked, so that it can be met again and again; who comes second is refused in words, and disturbs nobody."""
    with servers.node_opcua(tmp_path, maxSessions=1) as own:
        profile = opcua_profile({"Double": "float"})
        for _ in range(5):
            async with driven(profile, own.url) as device:
                await good(device, 2.0)
        async with driven(profile, own.url) as first:
            await good(first)
            async with driven(profile, own.url) as second:
                scan = await scanned(second, lambda scan: "session" in str(scan.failure))
                assert all_bad(scan) and "D1" in str(scan.failure)
                assert (await first.scan(0)).failure is None
