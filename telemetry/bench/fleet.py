"""The fleet with faults: of 200 devices 20 are silent, 20 reset every connection, 20 are slow; the others must not notice.

All devices are scanned as the engine does, first all well, then with the faults. Counted over those that stay well: seconds
without a Good frame, and how late their scans start, against an idle timer beside and against the time before the faults.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from drivers.device import open_device
from drivers.fleet import CONNECTS_PER_S, Fleet
from drivers.frame import Scan
from drivers.quality import BAD
from telemetry.bench.beside import IdleTimer, p99
from telemetry.bench.figure import Figure, Outcome, Say
from telemetry.clock import Clock
from telemetry.engine.scanning import SECOND, connect_forever, scan_forever, spread
from telemetry.plant.load import load

DEVICES: Final = 200
FAULTS: Final = ("silent", "resetting", "slow")
EACH: Final = 20
HEALTHY_PART: Final = 0.04
"""Of the time, before the faults: long enough for a 99th percentile over 140 devices."""
SETTLE_S: Final = 10.0
NOISE_MS: Final = 5.0
"""How much later the 99th percentile may be and still be noise; the idle timer beside is taken off first."""
GROWN_MIB: Final = 4.0
"""Memory may breathe by this much in ten minutes and is still flat; what the bench itself keeps is in it."""
MIB: Final = 1024 * 1024


class Watched:
    """What is kept of the scans of some devices: how many slots had a good frame, and how late the scans began; little enough
    that it does not look like a leak."""

    def __init__(self, names: Iterable[str]) -> None:
        self.good = dict.fromkeys(names, 0)
        self.late_ms = array("f")
        self._from_ns = self._to_ns = 0

    def add(self, late_ms: float) -> None:
        """As `Lateness` takes it from a scan."""
        self.late_ms.append(late_ms)

    def take(self, name: str, scan: Scan) -> None:
        """A slot counts where the device's polled frame has a value that is not Bad; no slot is scanned twice."""
        frame = scan.frames[0]
        if self._from_ns <= frame.time_ns < self._to_ns and (frame.quality is None or (frame.quality < BAD).any()):
            self.good[name] += 1

    def begin(self, from_ns: int, to_ns: int) -> None:
        """Counts the slots from `from_ns` to before `to_ns`, and nothing that was before."""
        self._from_ns, self._to_ns = from_ns, to_ns
        self.good = dict.fromkeys(self.good, 0)
        self.late_ms = array("f")


def run(minutes: float, say: Say) -> Outcome:
    """All well for a tenth of `minutes`, then the faults for the rest."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        place = Path(folder)
        simulator = _simulator(place)
        try:
            addresses = _addresses(simulator, place / "addresses.json")
            say(f"{len(addresses)} simulated devices on loopback")
            return uvloop.run(_measure(place, addresses, minutes * 60, say))
        finally:
            simulator.terminate()
            simulator.wait(30)


def _simulator(place: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "telemetry", "simulate", "--load", str(DEVICES), "--config", str(place / "config")]
    command += ["--addresses", str(place / "addresses.json"), "--control", str(place / "control")]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _addresses(simulator: subprocess.Popen[str], book: Path) -> dict[str, str]:
    """What the simulator writes once it serves. Raises RuntimeError with its words where it ends instead."""
    deadline_s = time.monotonic() + 60
    while not book.exists():
        if simulator.poll() is not None or time.monotonic() > deadline_s:
            simulator.kill()
            raise RuntimeError(f"the simulator did not start: {simulator.communicate()[1].strip()}")
        time.sleep(0.05)
    found: dict[str, str] = json.loads(book.read_text())
    return found


async def _measure(place: Path, addresses: dict[str, str], seconds: float, say: Say) -> Outcome:
    plant, fleet = load(place / "config"), Fleet()
    clock = Clock.start(time.time_ns(), time.monotonic_ns(), 0)
    units = [unit for unit in plant.equipment if unit.type == "load_device"]
    devices = {u.id: open_device(u.id, u.profile, addresses[u.id], clock.now, fleet) for u in units}
    names = list(devices)
    # Three in ten, each fault with either protocol.
    faulty = {name: FAULTS[(i + i // 10) % 3] for i, name in enumerate(names) if i % 10 < 3 and i // 10 < EACH}
    well, ill = Watched(n for n in names if n not in faulty), Watched(faulty)
    tasks: list[asyncio.Task[None]] = []
    for name, phase_ns in spread(names).items():
        watched = ill if name in faulty else well
        scan = scan_forever(name, devices[name], phase_ns, clock, watched.take, _not_scanned, watched)
        tasks += [asyncio.create_task(connect_forever(name, devices[name])), asyncio.create_task(scan)]
    try:
        await asyncio.sleep(SETTLE_S)
        say(f"all well: {len(names)} devices, for {max(SETTLE_S, seconds * HEALTHY_PART):.0f} s")
        before = await _phase(well, max(SETTLE_S, seconds * HEALTHY_PART), fleet, clock, say)
        for name, fault in faulty.items():
            await _set_fault(place / "control", name, fault)
        await asyncio.sleep(SETTLE_S)
        say(f"{len(faulty)} with faults, {len(names) - len(faulty)} without, for {seconds * (1 - HEALTHY_PART):.0f} s")
        after = await _phase(well, seconds * (1 - HEALTHY_PART), fleet, clock, say)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    expected = len(names) - len(faulty)
    return Outcome(
        (
            Figure("seconds missed by devices without a fault, before", before.missed, None, "seconds", 0, "at most"),
            Figure(f"seconds missed by {expected} devices beside faults", after.missed, None, "seconds", 0, "at most"),
            Figure("seconds of theirs that were counted", after.counted, None, "seconds", None),
            Figure("p99 lateness over an idle timer's, all well", before.late_ms, None, "ms", None),
            Figure("p99 lateness over an idle timer's, beside faults", after.late_ms, None, "ms", None),
            Figure("p99 lateness that the faults add", after.late_ms - before.late_ms, None, "ms", NOISE_MS, "at most"),
            Figure("memory grown beside faults", after.grown_mib, None, "MiB", GROWN_MIB, "at most"),
            Figure("connects a second, most", after.most_connects, None, "1/s", CONNECTS_PER_S + 1, "at most"),
            Figure("connects of the devices with faults", after.connects, None, "", None),
        )
    )


@dataclass(frozen=True, slots=True)
class _Phase:
    missed: int
    counted: int
    late_ms: float
    grown_mib: float
    connects: int
    most_connects: int


async def _phase(well: Watched, seconds: float, fleet: Fleet, clock: Clock, say: Say) -> _Phase:
    """Counts over whole slots, from the next one on."""
    first = (clock.now() // SECOND + 2) * SECOND
    count = int(seconds)
    stop = first + count * SECOND
    well.begin(first, stop)
    memory, connects, most = _resident_mib(), fleet.connects, 0
    with IdleTimer() as idle:
        seen = connects
        while clock.now() < stop + 2 * SECOND:
            await asyncio.sleep(1.0)
            most, seen = max(most, fleet.connects - seen), fleet.connects
            done = (clock.now() - first) // SECOND
            if done > 0 and done % 30 == 0:
                least, grown_mib = min(well.good.values()), _resident_mib() - memory
                say(f"{done} s of {count} s; the fewest good seconds of a device: {least}; memory {grown_mib:+.2f} MiB")
        grown_mib = _resident_mib() - memory  # before the percentiles, whose lists are the bench's own
    counted = len(well.good) * count
    missed = counted - sum(well.good.values())
    late_ms = p99(list(well.late_ms)) - idle.p99_ms()
    return _Phase(missed, counted, late_ms, grown_mib, fleet.connects - connects, most)


def _not_scanned(_device: str, _first_ns: int, _last_ns: int, _reason: str) -> None:
    """Slots that were not scanned are counted as missed anyhow: they have no good frame."""


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


async def _set_fault(socket: Path, device: str, fault: str) -> None:
    """By the simulator's control socket: one JSON object on a line each way."""
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(json.dumps({"do": "fault", "equipment": device, "fault": fault}).encode() + b"\n")
    await writer.drain()
    reply = json.loads(await reader.readline())
    writer.close()
    if not reply["ok"]:
        raise RuntimeError(str(reply["wrong"]))
