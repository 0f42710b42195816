"""The engine as a process: restore, open the devices, scan until told to stop, leave a checkpoint."""

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from alarms.core import Core
from drivers.device import Device, KeepsRecords, TellsChanges, open_device
from drivers.fleet import Fleet
from telemetry import places
from telemetry.clock import DISAGREE_NS, Clock
from telemetry.engine import checkpoint
from telemetry.engine.compiled import compiled
from telemetry.engine.engine import Engine
from telemetry.engine.gaps import SECOND, last_slots, while_stopped
from telemetry.engine.health import Health
from telemetry.engine.housekeeping import Housekeeper
from telemetry.engine.replay import restore
from telemetry.engine.scanning import Lateness, connect_forever, next_slot, scan_forever, spread
from telemetry.engine.service_device import ServiceDevice
from telemetry.engine.state import Published
from telemetry.feed.messages import Beat
from telemetry.feed.server import FeedServer
from telemetry.journal.identity import identity
from telemetry.journal.reserve import Reserve
from telemetry.journal.status import Status, told
from telemetry.journal.writer import SEGMENT_BYTES, Writer
from telemetry.plant.model import Equipment, Plant

_log = logging.getLogger(__name__)
CHECKPOINT_S = 30
SEGMENTS_IN_LOW = 16
"""A segment is at most this part of the room that counts as low: only whole ones can go or be thinned."""
WRITER = "engine-1"


async def run(plant: Plant, addresses: Mapping[str, str], said: Callable[[str], None]) -> None:
    """Runs until SIGINT or SIGTERM. `addresses` replace those of the configuration (a simulator, a test rig)."""
    folder = places.closed_folder("journal") / WRITER
    plan = compiled(plant)
    core = Core(plan.definitions)
    folder.mkdir(mode=0o700, exist_ok=True)
    restored = restore(folder, core, plan.number)
    clock = Clock.start(time.time_ns(), time.monotonic_ns(), restored.last_ns)
    low_bytes = int(plant.journal.low_gb * 1e9)
    journal = Writer(folder, WRITER, min(SEGMENT_BYTES, low_bytes // SEGMENTS_IN_LOW))
    status = told(folder)
    if status is None or status.identity != identity(folder):
        status = Status()
    if status.events > journal.event_number or status.frames > journal.frame_number:
        _log.error(
            "the journal in %s has lost its end; the database has it, and its numbers are not used again", folder
        )
    journal.begin_behind(restored.order, max(restored.number, status.events), status.frames)
    health = Health(folder, time.monotonic())
    started_ns = clock.now()
    fleet = Fleet(places.opcua_keys())
    devices = {unit.id: _opened(unit, addresses, health, clock, fleet) for unit in plant.equipment}
    published = Published(plan, WRITER, plant.digest, started_ns, texts=restored.texts)
    feed = FeedServer(
        places.feed_socket(),
        lambda number: published.snapshot(core, number, clock.now()),
        lambda command: engine.execute(command),
    )
    reserve = Reserve(folder, plant.journal.reserve_mb * 1_000_000)
    engine = Engine(plan, core, devices, journal, clock, published, feed, reserve)
    engine.records.update(restored.records)
    engine.slots.update(restored.slots)
    engine.sensors.resume(restored.sensors, restored.calibrations)
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
    keeper = Housekeeper(
        engine.recorder, health, plant.journal, lambda data: engine.record(clock.now(), data), engine.synced
    )
    said(f"engine: {len(devices)} devices, {len(plant.tags)} tags, {len(plan.alarms)} alarms")

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    gc.collect()
    gc.freeze()  # what was built by now lives for ever: the collector need not walk it in the middle of a scan
    lateness = Lateness()
    phases = spread(list(devices))
    scanned = {name: max(slots.values()) for name, slots in restored.slots.items()}
    last = last_slots(restored.slots, plan.number)
    if not scanned and restored.adopted_ns:  # the journal before this one was lost, and nothing was scanned since
        last = scanned = dict.fromkeys(devices, restored.adopted_ns // SECOND * SECOND - SECOND)
    first = {name: next_slot(clock.now(), phases[name], scanned.get(name, -SECOND)) for name in devices}
    for gap in while_stopped(last, first):  # told before any frame behind it, so that no kill can lose it
        engine.record(clock.now(), gap)
    async with asyncio.TaskGroup() as tasks:
        scans: list[asyncio.Task[None]] = []
        running = [tasks.create_task(engine.sync_events()), tasks.create_task(feed.run())]
        telling = {name: device for name, device in devices.items() if isinstance(device, TellsChanges)}
        for name, device in telling.items():
            device.on_change = partial(engine.take_change, name)
        for name, device in devices.items():
            running.append(tasks.create_task(connect_forever(name, device)))
            running.append(tasks.create_task(engine.outputs[name].run()))
            behind = first[name] - SECOND if name in scanned else -SECOND
            scanning = scan_forever(
                name, device, phases[name], clock, engine.take_scan, engine.take_missed, lateness, behind
            )
            scans.append(tasks.create_task(scanning))
        running.append(tasks.create_task(each_second(engine, health, lateness, fleet, telling.values())))
        running.append(tasks.create_task(_checkpoints(engine, folder)))
        running.append(tasks.create_task(keeper.run()))
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
    await _save(engine, folder)
    try:
        journal.close()
    except OSError as error:
        _log.error("the journal's end could not be synced (%s)", error)


def _opened(unit: Equipment, addresses: Mapping[str, str], health: Health, clock: Clock, fleet: Fleet) -> Device:
    if unit.profile.protocol == "service":
        return ServiceDevice(unit.id, unit.profile, health.figures, lambda: health.reason, clock.now)
    return open_device(unit.id, unit.profile, addresses.get(unit.id, unit.address), clock.now, fleet, unit.security)


async def each_second(
    engine: Engine, health: Health, lateness: Lateness, fleet: Fleet, telling: Collection[TellsChanges]
) -> None:
    """The second's work, each second. A mistake in it must not end the watch over the plant: it is told in the log, once."""
    disagrees, failure = False, ""
    while True:
        await asyncio.sleep(1.0)
        try:
            await _tend_journal(engine, health)
            disagrees = _tell_clock(engine, disagrees)
            _beat(engine, health, lateness, fleet, telling)
            failure = ""
        except Exception as error:  # noqa: BLE001 - the last resort is meant to be that wide
            if repr(error) != failure:
                failure = repr(error)
                _log.exception("the engine cannot tell how it is; scans and alarms go on")


async def _tend_journal(engine: Engine, health: Health) -> None:
    """The sync of the frames, what could not be written before, the look at disk and historian."""
    recorder = engine.recorder
    try:
        await asyncio.to_thread(engine.journal.sync_frames)
    except OSError as error:
        recorder.sync_failed(error)
    engine.journal_again(not recorder.frames_held_back or await asyncio.to_thread(recorder.reserve.take))
    with suppress(OSError):
        await asyncio.to_thread(health.look)


def _tell_clock(engine: Engine, disagreed: bool) -> bool:
    """What became of the clock is recorded; whether it disagrees with the machine's now."""
    clock, now_ns = engine.clock, engine.clock.now()
    if clock.stepped_ns:
        step_ns, clock.stepped_ns = clock.stepped_ns, 0
        engine.record(now_ns, {"kind": "clock", "transition": "stepped", "seconds": step_ns / 1e9})
    disagrees = clock.behind_ns > DISAGREE_NS
    if disagrees != disagreed:
        engine.record(now_ns, {"kind": "clock", "transition": "disagrees" if disagrees else "agrees"})
    return disagrees


def _beat(engine: Engine, health: Health, lateness: Lateness, fleet: Fleet, telling: Collection[TellsChanges]) -> None:
    """The figures of this second, and the heartbeat on the feed that carries them."""
    recorder, stats, now_ns = engine.recorder, engine.published.stats, engine.clock.now()
    stats.update(lateness.take())
    stats["connects"] = float(fleet.connects)
    stats["changes_lost"] = float(sum(device.losses for device in telling))
    stats["feed_clients"] = float(engine.feed.clients)
    stats["devices_failed"] = float(sum(f is not None for f in engine.words.failures.values()))
    health.reckon(engine.journal.written_bytes, time.monotonic())
    health.figures.update(
        frames_unwritten=float(recorder.frames_lost),
        events_waiting=float(recorder.waiting),
        journal_writable=float(recorder.reason is None),
        clock_behind_s=engine.clock.behind_ns / 1e9,
        devices_failed=stats["devices_failed"],
    )
    if "scan_lateness_ms_p99" in stats:
        health.figures["scan_lateness_ms_p99"] = stats["scan_lateness_ms_p99"]
    stats.update(health.figures)
    engine.published.changed(engine.core, set(), now_ns, engine.feed)
    engine.feed.publish(Beat(n=engine.feed.next, time_ns=now_ns, stats=stats))


async def _checkpoints(engine: Engine, folder: Path) -> None:
    while True:
        await asyncio.sleep(CHECKPOINT_S)
        await _save(engine, folder)


async def _save(engine: Engine, folder: Path) -> None:
    """The core does not move while its state is taken (a few ms for 10,000 rules), and goes on while that is written. With a full
    disk the one before stands, and more is replayed after a start."""
    journal, path = engine.journal, folder / "checkpoint"
    taken = checkpoint.take(
        engine.core,
        journal.order,
        journal.event_number,
        engine.clock.now(),
        engine.published.texts,
        engine.records.values(),
        engine.sensors.saved(),
        engine.slots,
    )
    try:
        await _written(path, taken)
    except OSError:
        if engine.recorder.give_room():
            with suppress(OSError):
                await _written(path, taken)


async def _written(path: Path, taken: checkpoint.Taken) -> None:
    """In a thread. Who is cancelled waits for it all the same: the checkpoint at the stop comes behind it. Raises OSError."""
    writing = asyncio.create_task(asyncio.to_thread(checkpoint.save, path, taken))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise
