"""Events of a server's own alarms (node-opcua's) as they reach a scan: once each, in order; what stands at a connect too."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from asyncua import ua

from drivers.device import Device
from drivers.frame import DeviceEvent, Scan
from drivers.opcua.device import OpcUaDevice
from drivers.opcua.events import KEPT, Events
from tests.foreign import servers
from tests.foreign.driven import driven, good, opcua_profile

LEVEL = {"Level": "float"}
PROFILE = opcua_profile(LEVEL, events=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with servers.node_opcua(tmp_path_factory.mktemp("events")) as running:
        yield running


async def told(
    device: Device, wanted: int, before: Sequence[DeviceEvent] = (), deadline_s: float = 5.0
) -> list[DeviceEvent]:
    """Scans until `wanted` events have come, with those that came `before`."""
    found = list(before)
    until_s = time.monotonic() + deadline_s
    while len(found) < wanted:
        scan = await device.scan(0)
        found += scan.events
        assert scan.events_lost == 0
        assert time.monotonic() < until_s, found
        await asyncio.sleep(0.05)
    return found


async def test_an_alarm_that_comes_and_goes_is_told(server: servers.Server) -> None:
    async with driven(PROFILE, server.url) as device:
        assert (await good(device)).events == ()
        await device.write("D1.Level", 97.0)
        (high,) = await told(device, 1)
        assert high.active is True and high.acknowledged is False and high.source.endswith("Level")
        assert "97" in high.message and high.severity > 0
        assert abs(high.time_ns - time.time_ns()) < 60e9
        await device.write("D1.Level", 50.0)
        (gone,) = await told(device, 1)
        assert gone.active is False and "normal" in gone.message


async def test_what_stands_is_asked_for_after_a_connect_and_told_once(server: servers.Server) -> None:
    async with driven(PROFILE, server.url) as device:
        await good(device)
        await device.write("D1.Level", 3.0)
        assert (await told(device, 1))[-1].active
    async with driven(PROFILE, server.url) as later:  # it stood before this one came
        (stands,) = await told(later, 1, (await good(later)).events)
        assert stands.active is True and "3.0" in stands.message
        assert isinstance(later, OpcUaDevice)
        later._lost.set()  # the same device, on a new connection
        await asyncio.sleep(0)
        assert (await good(later)).events == ()
        for _ in range(20):
            assert (await later.scan(0)).events == ()
            await asyncio.sleep(0.05)
        await later.write("D1.Level", 50.0)
        assert (await told(later, 1))[-1].active is False


async def test_a_notifier_of_the_profiles_own(server: servers.Server) -> None:
    async with driven(opcua_profile(LEVEL, events="s=Foreign"), server.url) as device:
        before = (await good(device)).events
        await device.write("D1.Level", 99.0)
        first = (await told(device, 1, before))[-1]
        if not first.active:  # how it stood before
            first = (await told(device, 1))[-1]
        assert first.active is True and "99" in first.message
        await device.write("D1.Level", 50.0)


async def test_a_server_without_such_events_is_read_all_the_same(server: servers.Server, tmp_path: Path) -> None:
    async with driven(opcua_profile(LEVEL, events="s=Nowhere"), server.url) as device:
        scan: Scan = await good(device)
        (finding,) = scan.findings
        assert "events cannot be heard" in finding and "no such node" in finding


async def test_a_message_that_is_lost_for_good_is_counted(
    server: servers.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One publish answer is dropped on its way; asyncua has acknowledged it, so that the server has it no more."""
    dropped: list[int] = []
    dropping = False
    published = Events._published

    async def lossy(events: Events, result: ua.PublishResult) -> None:
        number = int(result.NotificationMessage.SequenceNumber)
        if result.NotificationMessage.NotificationData and dropping and not dropped:
            dropped.append(number)
        else:
            await published(events, result)

    monkeypatch.setattr(Events, "_published", lossy)
    async with driven(PROFILE, server.url) as device:
        await good(device)
        await device.write("D1.Level", 90.0)
        await told(device, 1)
        dropping = True
        await device.write("D1.Level", 98.0)
        until_s = time.monotonic() + 5
        while not dropped:
            await device.scan(0)
            assert time.monotonic() < until_s
            await asyncio.sleep(0.05)
        await device.write("D1.Level", 50.0)
        lost = 0
        while not lost:
            lost = (await device.scan(0)).events_lost
            assert time.monotonic() < until_s + 5
            await asyncio.sleep(0.05)
        assert lost == 1


def test_what_nobody_takes_is_bounded_and_counted() -> None:
    events = Events()
    for n in range(KEPT + 5):
        events._take_in([None, "s", None, ua.LocalizedText(str(n)), 1, None, None, None])
    events._take_in([ua.NodeId(ua.Int32(ua.ObjectIds.EventQueueOverflowEventType)), *[None] * 7])
    scan = events.told(Scan(()))
    assert scan.events_lost == 6 and len(scan.events) == KEPT
    assert (scan.events[0].message, scan.events[-1].message) == ("5", str(KEPT + 4))
    following = events.told(Scan(()))
    assert (following.events, following.events_lost) == ((), 0)
