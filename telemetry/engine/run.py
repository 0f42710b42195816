"""The engine as a process: restore, open the devices, scan until told to stop, leave a checkpoint."""

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from alarms.core import Core
from drivers.device import KeepsRecords, TellsChanges, open_device
from drivers.fleet import Fleet
from telemetry import places
from telemetry.clock import DISAGREE_NS, Clock
from telemetry.engine import checkpoint
from telemetry.engine.compiled import compiled
from telemetry.engine.engine import Engine
from telemetry.engine.housekeeping import remove_stored
from telemetry.engine.replay import restore
from telemetry.engine.scanning import Lateness, connect_forever, scan_forever, spread
from telemetry.engine.state import Published
from telemetry.feed.messages import Beat
from telemetry.feed.server import FeedServer
from telemetry.journal.writer import Writer
from telemetry.plant.model import Plant

_log = logging.getLogger(__name__)
CHECKPOINT_S = 30
WRITER = "engine-1"


async def run(plant: Plant, addresses: Mapping[str, str], said: Callable[[str], None]) -> None:
    """Runs until SIGINT or SIGTERM. `addresses` replace those of the configuration (a simulator, a test rig)."""
    folder = places.closed_folder("journal") / WRITER
    plan = compiled(plant)
    core = Core(plan.definitions)
    folder.mkdir(mode=0o700, exist_ok=True)
    restored = restore(folder, core, plan.number)
    clock = Clock.start(time.time_ns(), time.monotonic_ns(), restored.last_ns)
    journal = Writer(folder, WRITER)
    started_ns = clock.now()
    fleet = Fleet(places.opcua_keys())
    devices = {
        unit.id: open_device(
            unit.id, unit.profile, addresses.get(unit.id, unit.address), clock.now, fleet, unit.security
        )
        for unit in plant.equipment
    }
    published = Published(plan, WRITER, plant.digest, started_ns, texts=restored.texts)
    feed = FeedServer(
        places.feed_socket(),
        lambda number: published.snapshot(core, number, clock.now()),
        lambda command: engine.execute(command),
    )
    engine = Engine(plan, core, devices, journal, clock, published, feed)
    engine.records.update(restored.records)
    for frame in restored.records.values():
        if isinstance(counter := devices.get(frame.layout.device), KeepsRecords):
            counter.resume(frame)
    for event in restored.untold:
        engine.record(started_ns, {"kind": event.kind, **event.data, "replayed": True})
    begun: dict[str, Any] = {
        "kind": "engine",
        "transition": "started",
        "digest": plant.digest,
        "process": os.getpid(),
        "journal_ended_ns": restored.last_ns,
        "addresses": dict(addresses),
    }
    engine.record(started_ns, begun)
    said(f"engine: {len(devices)} devices, {len(plant.tags)} tags, {len(plan.alarms)} alarms")

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    gc.collect()
    gc.freeze()  # what was built by now lives for ever: the collector need not walk it in the middle of a scan
    lateness = Lateness()
    phases = spread(list(devices))
    async with asyncio.TaskGroup() as tasks:
        scans: list[asyncio.Task[None]] = []
        running = [tasks.create_task(engine.sync_events()), tasks.create_task(feed.run())]
        telling = {name: device for name, device in devices.items() if isinstance(device, TellsChanges)}
        for name, device in telling.items():
            device.on_change = partial(engine.take_change, name)
        for name, device in devices.items():
            running.append(tasks.create_task(connect_forever(name, device)))
            running.append(tasks.create_task(engine.outputs[name].run()))
            scanning = scan_forever(name, device, phases[name], clock, engine.take_scan, _missed(engine), lateness)
            scans.append(tasks.create_task(scanning))
        running.append(tasks.create_task(_each_second(engine, lateness, fleet, telling.values())))
        running.append(tasks.create_task(_checkpoints(engine, folder)))
        await stop.wait()
        for task in scans:  # before the connections go, so that nothing is recorded as lost that was only stopped
            task.cancel()
        for device in telling.values():
            device.on_change = None
        await asyncio.wait(scans)
        engine.record(clock.now(), {"kind": "engine", "transition": "stopped"})
        await engine.synced()
        for task in running:
            task.cancel()
    _save(engine, folder)
    journal.close()


async def _each_second(engine: Engine, lateness: Lateness, fleet: Fleet, telling: Collection[TellsChanges]) -> None:
    """The heartbeat on the feed, the sync of the frames, the watch over the clock."""
    clock, behind = engine.clock, False
    while True:
        await asyncio.sleep(1.0)
        await asyncio.to_thread(engine.journal.sync_frames)
        now_ns = clock.now()
        if clock.stepped_ns:
            step_ns, clock.stepped_ns = clock.stepped_ns, 0
            engine.record(now_ns, {"kind": "clock", "transition": "stepped", "seconds": step_ns / 1e9})
        if (clock.behind_ns > DISAGREE_NS) != behind:
            behind = not behind
            engine.record(now_ns, {"kind": "clock", "transition": "disagrees" if behind else "agrees"})
        engine.published.stats.update(lateness.take())
        engine.published.stats["connects"] = float(fleet.connects)
        engine.published.stats["changes_lost"] = float(sum(device.losses for device in telling))
        engine.published.stats["feed_clients"] = float(engine.feed.clients)
        engine.published.stats["devices_failed"] = float(sum(f is not None for f in engine.failures.values()))
        engine.published.changed(engine.core, set(), now_ns, engine.feed)
        engine.feed.publish(Beat(n=engine.feed.next, time_ns=now_ns, stats=engine.published.stats))


async def _checkpoints(engine: Engine, folder: Path) -> None:
    while True:
        await asyncio.sleep(CHECKPOINT_S)
        _save(engine, folder)
        await asyncio.to_thread(remove_stored, folder)


def _save(engine: Engine, folder: Path) -> None:
    """Not in a thread: the core must not move while it is written down (a few ms for 10,000 rules)."""
    journal = engine.journal
    checkpoint.save(
        folder / "checkpoint",
        engine.core,
        journal.order,
        journal.event_number,
        engine.clock.now(),
        engine.published.texts,
        engine.records.values(),
    )


def _missed(engine: Engine) -> Callable[[str, int, int], None]:
    def told(device: str, first_ns: int, last_ns: int) -> None:
        data = {"kind": "gap", "device": device, "first_ns": first_ns, "last_ns": last_ns, "reason": "engine held up"}
        engine.record(engine.clock.now(), data)

    return told
