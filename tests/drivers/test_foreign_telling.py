"""What node-opcua and open62541 tell by themselves: changes of watched tags, and node-opcua's own alarms."""

import asyncio
import time
from collections.abc import Callable

import numpy as np
import pytest

from drivers.device import TellsChanges
from drivers.frame import DeviceEvent, Scan
from drivers.opcua.device import OpcUaDevice
from tests.foreign.driven import driven, good, opcua_profile, scanned, values, watched_profile
from tests.foreign.servers import Server


async def told_in_time(told: list[Scan], tag: str, wanted: float, deadline_s: float = 3.0) -> None:
    """Waits until the newest change of `tag` is `wanted`."""
    began_s = time.monotonic()
    while not (found := [values(scan)[tag] for scan in told if tag in values(scan)]) or found[-1] != wanted:
        assert time.monotonic() - began_s < deadline_s, found
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("server", ("node_opcua", "open62541"))
async def test_a_change_is_told_at_once(server: str, request: pytest.FixtureRequest) -> None:
    own: Server = request.getfixturevalue(server)
    async with driven(watched_profile("Set.Double"), own.url) as device:
        assert isinstance(device, OpcUaDevice) and isinstance(device, TellsChanges)
        told: list[Scan] = []
        device.on_change = told.append
        await scanned(device, lambda scan: scan.failure is None and not np.isnan(values(scan)["Set.Double"]))
        for value in (1.0, 0.0, 2.0):  # as a door that opens and closes between two scans
            assert await device.write("D1.Set.Double", value) == value
            await told_in_time(told, "Set.Double", value)
        assert values(await good(device)) == {"Double": -45.25, "Set.Double": 2.0}


async def test_a_servers_own_alarms_come_as_events_and_stand_after_a_reconnect(node_opcua: Server) -> None:
    profile = opcua_profile({"Level": "float"}, events=True)

    async def heard(device: OpcUaDevice, wanted: Callable[[DeviceEvent], bool]) -> DeviceEvent:
        scan = await scanned(device, lambda scan: any(wanted(event) for event in scan.events))
        assert scan.events_lost == 0 and all(event.condition for event in scan.events)
        return next(event for event in scan.events if wanted(event))

    async with driven(profile, node_opcua.url) as device:
        assert isinstance(device, OpcUaDevice)
        await good(device)
        began_ns = time.time_ns()
        await device.write("D1.Level", 97.0)
        high = await heard(device, lambda event: event.active is True)
        assert high.condition == "LevelAlarm" and high.severity > 0 and high.message
        assert abs(high.time_ns - began_ns) < 3e9
    async with driven(profile, node_opcua.url) as device:  # another session: the alarm still stands
        assert isinstance(device, OpcUaDevice)
        assert (await heard(device, lambda event: event.active is True)).condition == "LevelAlarm"
        await device.write("D1.Level", 50.0)
        assert (await heard(device, lambda event: event.active is False)).condition == "LevelAlarm"
