"""Several units behind one address: one connection, each with its own state, and a silent one costs its neighbours nothing."""

import asyncio
import time
from collections import Counter, defaultdict

import pytest

from drivers.device import open_device
from drivers.fleet import Fleet
from drivers.frame import Scan
from drivers.profile import Profile
from telemetry.clock import Clock
from telemetry.engine.scanning import SECOND, connect_forever, phases_ns, scan_forever
from tests.drivers.modbus_peer import Asked, Peer, peer
from tests.foreign.driven import modbus_profile, scanned

UNITS = (1, 2, 3, 4, 5)
SILENT = 3
ANSWER_S = 0.02


class Watch:
    """Good and failed scans of each unit, and how long after its time each scan was complete."""

    def __init__(self) -> None:
        self.good: Counter[str] = Counter()
        self.failed: defaultdict[str, list[str]] = defaultdict(list)
        self.took_s: defaultdict[str, list[float]] = defaultdict(list)
        self.not_scanned: list[str] = []

    def add(self, late_ms: float) -> None: ...

    def take(self, unit: str, scan: Scan) -> None:
        if scan.failure is None:
            self.good[unit] += 1
        else:
            self.failed[unit].append(scan.failure)
        frame = scan.frames[0]
        self.took_s[unit].append((frame.received_ns - frame.time_ns) / 1e9)

    def missed(self, unit: str, _first_ns: int, _last_ns: int) -> None:
        self.not_scanned.append(unit)


async def watched(at: Peer, profile: Profile, seconds: float, phases: list[int]) -> tuple[Watch, Fleet]:
    """All units scanned as the engine does for `seconds`, after a first second."""
    fleet, clock = Fleet(), Clock.start(time.time_ns(), time.monotonic_ns(), 0)
    watch, begun = Watch(), Watch()
    devices = {f"U{u}": open_device(f"U{u}", profile, at.url(u), clock.now, fleet) for u in UNITS}
    tasks: list[asyncio.Task[None]] = []
    started_ns = clock.now()

    def take(unit: str, scan: Scan) -> None:
        (begun if clock.now() < started_ns + 2 * SECOND else watch).take(unit, scan)

    for (name, device), phase in zip(devices.items(), phases, strict=True):
        tasks.append(asyncio.create_task(connect_forever(name, device)))
        tasks.append(asyncio.create_task(scan_forever(name, device, phase, clock, take, watch.missed, watch)))
    await asyncio.sleep(2 + seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for name, phase in zip(devices, phases, strict=True):
        watch.took_s[name] = [took - phase / SECOND for took in watch.took_s[name]]
    return watch, fleet


def profile(**server: object) -> Profile:
    return modbus_profile({"level": {"table": "input", "address": 3}}, server=server)


@pytest.mark.parametrize(("line", "spread"), [(1, True), (1, False), (None, False)])
async def test_a_silent_unit_costs_its_neighbours_nothing(line: int | None, spread: bool) -> None:
    road = asyncio.Lock()

    async def answer(asked: Asked) -> None:
        if asked.unit == SILENT:
            return  # the gateway says nothing, and waits for nobody: it is our patience that counts
        async with road:
            await asyncio.sleep(ANSWER_S)
        asked.send(asked.registers(asked.unit))

    async with peer(answer) as at:
        phases = phases_ns(len(UNITS)) if spread else [0] * len(UNITS)
        watch, fleet = await watched(at, profile(in_flight=line), 3.0, phases)
        for unit in UNITS:
            if unit != SILENT:
                assert watch.good[f"U{unit}"] >= 3
                assert watch.failed[f"U{unit}"] == []
                assert max(watch.took_s[f"U{unit}"]) < 0.25, watch.took_s
        assert watch.good[f"U{SILENT}"] == 0
        assert all("does not answer in time" in sentence for sentence in watch.failed[f"U{SILENT}"])
        assert watch.not_scanned == []
        assert at.connections == fleet.connects == 1
        asked = [a.unit for a in at.asked].count(SILENT)
        assert 2 <= asked <= 4, "asked again, with waits that grow"
        await asyncio.wait_for(at.closed.wait(), 2)  # by the last unit that leaves


async def test_a_unit_that_returns_is_good_within_5_s() -> None:
    gone = [True]

    async def answer(asked: Asked) -> None:
        if asked.unit != SILENT or not gone:
            asked.send(asked.registers(asked.unit))

    async with peer(answer) as at:
        fleet = Fleet()
        devices = [open_device(f"U{u}", profile(in_flight=1), at.url(u), time.time_ns, fleet) for u in (1, SILENT)]
        keeping = [asyncio.create_task(device.run()) for device in devices]
        began_s = time.monotonic()
        back_s = began_s + 4.0
        while True:
            scans = [await device.scan(0) for device in devices]
            if gone and time.monotonic() > back_s:
                gone.clear()
            if scans[1].failure is None:
                break
            assert time.monotonic() < back_s + 5.0
            await asyncio.sleep(0.1)
        assert not gone
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


async def test_a_gateways_own_words_are_passed_on() -> None:
    async def answer(asked: Asked) -> None:
        asked.send(asked.reply(b"\x84\x0b") if asked.unit == SILENT else asked.registers(asked.unit))

    async with peer(answer) as at:
        watch, _ = await watched(at, profile(), 1.2, phases_ns(len(UNITS)))
        assert "U3 refused to read input 3: the unit behind the gateway does not answer" in watch.failed["U3"][0]
        assert set(watch.failed) == {"U3"}
        assert at.connections == 1


async def test_the_connection_outlives_the_unit_that_made_it() -> None:
    async def answer(asked: Asked) -> None:
        asked.send(asked.registers(asked.unit))

    async with peer(answer) as at:
        fleet = Fleet()
        one, two = (open_device(f"U{u}", profile(), at.url(u), time.time_ns, fleet) for u in (1, 2))
        first, second = asyncio.create_task(one.run()), asyncio.create_task(two.run())
        await scanned(one, lambda scan: scan.failure is None)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert (await two.scan(0)).failure is None
        assert at.connections == at.open == 1
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert "U2 at 127.0.0.1" in str((await two.scan(0)).failure)
        await asyncio.wait_for(at.closed.wait(), 2)


async def test_who_gives_up_waiting_for_a_line_does_not_keep_it_from_others() -> None:
    go = asyncio.Event()

    async def answer(asked: Asked) -> None:
        await go.wait()
        asked.send(asked.registers(asked.unit))

    async with peer(answer) as at:
        fleet = Fleet()
        devices = [
            open_device(f"U{u}", profile(in_flight=1, answer_s=0.5), at.url(u), time.time_ns, fleet) for u in UNITS
        ]
        keeping = [asyncio.create_task(device.run()) for device in devices]
        go.set()
        await scanned(devices[0], lambda scan: scan.failure is None)
        go.clear()
        scans = [asyncio.create_task(device.scan(0)) for device in devices]
        for _ in range(5):
            await asyncio.sleep(0)
        for scan in scans[1:3]:
            scan.cancel()
        go.set()
        found = await asyncio.gather(*scans, return_exceptions=True)
        assert [isinstance(scan, asyncio.CancelledError) for scan in found] == [False, True, True, False, False]
        assert [(await device.scan(0)).failure for device in devices] == [None] * len(UNITS)
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
