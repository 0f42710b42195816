"""The engine: puts devices, core, journal and feed together. One event loop; the core is stepped by one call at a time.

The order of DESIGN 4.4: the input goes to the journal (written, not synced), the core steps, its events are appended, outputs
are asked for at once; then the sync, in a thread; then events go to the feed and people get their answers.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from alarms.core import Act, Core, Effect, Event, Input, Outcome, Readings, SetOutput, Wake
from alarms.limits import NEVER
from alarms.states import IllegalAct, UnknownTarget
from drivers.device import Device
from drivers.frame import Frame, Scan
from telemetry.clock import Clock
from telemetry.engine.compiled import Compiled
from telemetry.engine.device_words import DeviceWords
from telemetry.engine.gaps import SECOND, HeldUp
from telemetry.engine.outputs import OutputWriter
from telemetry.engine.recorder import Recorder, Written
from telemetry.engine.state import Published
from telemetry.feed import messages
from telemetry.feed.messages import Command, Result
from telemetry.feed.server import FeedServer
from telemetry.journal.reserve import Reserve
from telemetry.journal.writer import Writer
from telemetry.sensors.calibrations import calibration_of
from telemetry.sensors.sensors import Sensors

OWN_KINDS: Final = frozenset(
    (
        "act",
        "alarm",
        "annunciator",
        "calibration",
        "clock",
        "device",
        "device_event",
        "engine",
        "events_lost",
        "gap",
        "interlock",
        "journal",
        "late_data",
        "output",
        "text",
        "write",
    )
)
"""Events that only the engine itself writes; some are read again at its next start."""
MOST_MISTAKES: Final = 3
"""Mistakes of calibrations that are named in one refusal."""
VERBS: Final = ("acknowledge", "reset", "silence", "test", "reset-interlock")


class Engine:
    """State of the running engine. `take_*` are called by scans, writes and the feed; `run` is the engine's own tasks."""

    def __init__(
        self,
        compiled: Compiled,
        core: Core,
        devices: Mapping[str, Device],
        journal: Writer,
        clock: Clock,
        published: Published,
        feed: FeedServer,
        reserve: Reserve | None = None,
    ) -> None:
        self.compiled, self.core, self.journal, self.clock = compiled, core, journal, clock
        self.recorder = Recorder(journal, reserve or Reserve(journal.folder, 1 << 20))
        self.published, self.feed = published, feed
        self.sensors = Sensors(compiled.layouts, compiled.tags)
        published.calibrations = self.sensors.calibrations
        self.outputs = {name: OutputWriter(name, device, self.take_outcome) for name, device in devices.items()}
        self.words = DeviceWords(devices, self.record)
        self.records: dict[int, Frame] = {}
        """The last record that was taken from each counter, by layout; the next start resumes there."""
        self.slots: dict[str, dict[int, int]] = {}
        """By device and layout the last slot that is in the journal."""
        self._missed: defaultdict[str, HeldUp] = defaultdict(HeldUp)
        self._dirty = asyncio.Event()
        self._unsynced: list[messages.Event | asyncio.Future[bool]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._wake_ns = NEVER

    # ---- inputs

    def take_scan(self, device: str, scan: Scan) -> None:
        """The frames and texts of one scan, and what the device has to say of itself."""
        self.words.take(device, scan, self.clock.now(), self.published.started_ns)
        taken = [frame for frame in scan.frames if self._take_frame(frame, scan)]
        for frame in taken:
            if frame.layout.record:
                self.records[frame.layout.id] = frame
            elif not frame.late:
                self.slots.setdefault(device, {})[frame.layout.id] = frame.time_ns
        self._late(device, [frame for frame in taken if frame.late])
        known = self.published.texts
        changed = {tag: value for tag, value in scan.texts.items() if tag not in known or known[tag] != value}
        if changed:
            now_ns = self.clock.now()
            for tag, value in changed.items():
                self.record(now_ns, {"kind": "text", "tag": tag, "value": value})
            self.published.texts.update(changed)
            self.feed.publish(messages.Texts(n=self.feed.next, received_ns=now_ns, texts=changed))

    def take_change(self, device: str, change: Scan) -> None:
        """What changed between two scans, at once. It says nothing of how the device is: its scans do."""
        change = replace(change, findings=self.words.findings[device])
        for frame in change.frames:
            self._take_frame(frame, change)

    def take_missed(self, device: str, first_ns: int, last_ns: int, why: str) -> None:
        """Slots of a device that were not scanned, and why, unless the machine's clock leapt over them."""
        before_ns, behind_ns = self.clock.leapt
        leapt = first_ns <= behind_ns and last_ns >= before_ns - SECOND
        reason = "clock stepped" if leapt else why
        for data in self._missed[reason].missed(device, first_ns, last_ns, reason):
            self.record(self.clock.now(), data)

    def _take_frame(self, frame: Frame, scan: Scan) -> bool:
        """Whether it is in the journal: with a full disk it is judged and shown all the same."""
        failed = scan.failure is not None
        frame = self.sensors.judged(frame)
        written = self.recorder.frame(frame, failed)
        values = np.append(frame.values, 1.0 if failed else 0.0)
        self._step(Readings(self.compiled.number[frame.layout.id], values), frame.received_ns)
        self._publish_frame(frame, scan)
        return written

    def _late(self, device: str, late: list[Frame]) -> None:
        """Tells whoever used that window that it has changed: one event a scan (and layout)."""
        for layout in {frame.layout.id: frame.layout for frame in late}.values():
            times_ns = [frame.time_ns for frame in late if frame.layout.id == layout.id]
            data = {"device": device, "layout": layout.id, "first_ns": min(times_ns), "last_ns": max(times_ns)}
            self.record(self.clock.now(), {"kind": "late_data", **data, "records": len(times_ns)})

    def take_outcome(self, tag: str, asked: float, held: float | None, reason: str | None, first: bool) -> None:
        """What became of a write; told in the journal when it is done, and at the first of a row of failures."""
        now_ns = self.clock.now()
        if reason is None or first:
            self.record(now_ns, {"kind": "write", "tag": tag, "value": asked, "held": held, "reason": reason})
        self._step(Outcome(tag, held, reason), now_ns)

    async def execute(self, command: Command) -> Result:
        """An act of a person: done and on disk before it is answered. A refused act is recorded too. What cannot be recorded is
        not done."""
        now_ns = self.clock.now()
        try:
            self._recorded(self.recorder.assure())
        except OSError as error:
            refused = (
                f"Nothing was done, because it cannot be recorded: the journal is not writable ({error.strerror or error}). "
                "Free space on the disk of the service's data folder, then repeat it."
            )
            return Result(id=command.id, refused=refused)
        result = await self._executed(command, now_ns)
        if not await self.synced():
            unsure = "It was done, but it is not certain that its record is on the disk, which fails. Have the disk looked at."
            return Result(id=command.id, refused=unsure)
        return result

    async def _executed(self, command: Command, now_ns: int) -> Result:
        if command.verb == "record":
            data = command.data or {}
            if not isinstance(data.get("kind"), str) or data["kind"] in OWN_KINDS:
                refused = f"Nothing was recorded: {data.get('kind')!r} is no kind of event that others may record."
                return Result(id=command.id, refused=refused)
            self.record(now_ns, {**data, "person": command.person})
            return Result(id=command.id)
        if command.verb == "calibrate":
            return self._calibrate(command, now_ns)
        if command.verb not in VERBS:
            return Result(id=command.id, refused=f"The engine does not know the act {command.verb}.", unknown=True)
        act = Act(command.verb, command.target, command.occurrence, command.person, command.comment)
        said = {
            "kind": "act",
            "verb": act.verb,
            "target": act.target,
            "occurrence": act.occurrence,
            "person": act.person,
            "comment": act.comment,
        }
        try:
            self._step(act, now_ns, said)
        except IllegalAct as refusal:
            self.record(now_ns, {**said, "refused": str(refusal)})
            return Result(id=command.id, refused=str(refusal), unknown=isinstance(refusal, UnknownTarget))
        return Result(id=command.id)

    def _calibrate(self, command: Command, now_ns: int) -> Result:
        """Enters calibrations, all or none. One that says what is known already is not entered again: an act whose answer got
        lost may be repeated."""
        try:
            rows = (command.data or {})["calibrations"]
            given = [calibration_of({**row, "person": command.person}) for row in rows]
        except (KeyError, TypeError, ValueError) as error:
            return Result(id=command.id, refused=f"Nothing was entered: {error}")
        mistakes = self.sensors.mistakes(given, now_ns)
        if mistakes:
            return Result(id=command.id, refused=f"Nothing was entered. {' '.join(mistakes[:MOST_MISTAKES])}")
        new = [one for one in given if not one.says(self.sensors.calibrations.get(one.tag))]
        for one in new:
            self.record(now_ns, {"kind": "calibration", **one.data()})
            self.sensors.calibrate(one)
        return Result(id=command.id, data={"entered": len(new)})

    # ---- the core

    def _step(self, given: Input, now_ns: int, act: dict[str, Any] | None = None) -> None:
        effects, wake_ns = self.core.step(given, now_ns)
        if act is not None:
            self.record(now_ns, {**act, "refused": None})
        if effects:
            self._carry_out(effects, now_ns)
        if wake_ns != self._wake_ns:
            self._wake_at(wake_ns)

    def _carry_out(self, effects: list[Effect], now_ns: int) -> None:
        touched: set[str] = set()
        for effect in effects:
            match effect:
                case SetOutput(tag, value):
                    self.outputs[tag.split(".", 1)[0]].ask(tag, value)
                case Event(kind, data):
                    self.record(now_ns, {"kind": kind, **data})
                    if kind == "alarm":
                        touched.add(data["alarm"])
        self.published.changed(self.core, touched, now_ns, self.feed)

    def _wake_at(self, wake_ns: int) -> None:
        self._wake_ns = wake_ns
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wake_ns != NEVER:
            delay_s = max(0.0, (wake_ns - self.clock.now()) / 1e9)
            self._timer = asyncio.get_running_loop().call_later(min(delay_s, 3600.0), self._woken)

    def _woken(self) -> None:
        self._timer, self._wake_ns = None, NEVER
        self._step(Wake(), self.clock.now())

    # ---- what comes of it

    def record(self, now_ns: int, data: dict[str, Any]) -> None:
        """Appends an event; it goes to the feed once it is on the disk. One that finds no room waits for it."""
        self._recorded(self.recorder.event(now_ns, data))

    def journal_again(self, reserved: bool) -> None:
        """Once a second: what could not be written is tried again, and told. reserved: as `Recorder.try_again` takes it."""
        self._recorded(self.recorder.try_again(self.clock.now(), reserved))

    def _recorded(self, written: list[Written]) -> None:
        for one in written:
            self._unsynced.append(messages.Event(n=0, number=one.number, time_ns=one.time_ns, data=one.data))
        if written:
            self._dirty.set()

    async def synced(self) -> bool:
        """Until everything recorded so far is on the disk; False where the disk fails."""
        done = asyncio.get_running_loop().create_future()
        self._unsynced.append(done)
        self._dirty.set()
        return await done

    async def sync_events(self) -> None:
        """The task that syncs what was recorded, in a thread, and lets it go on from there."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            waiting, self._unsynced = self._unsynced, []
            try:
                await asyncio.to_thread(self.journal.sync_events)
            except OSError as error:  # told and alarmed; whoever waits for the disk hears that it fails
                self.recorder.sync_failed(error)
                safe = False
            else:
                safe = True
            for item in waiting:
                if isinstance(item, messages.Event):
                    item.n = self.feed.next
                    self.feed.publish(item)
                elif not item.done():
                    item.set_result(safe)

    def _publish_frame(self, frame: Frame, scan: Scan) -> None:
        source = frame.source_ns
        if source is not None and len(source):
            source = source[:1] if (source == source[0]).all() else source
        message = messages.Frame(
            n=self.feed.next,
            layout=frame.layout.id,
            time_ns=frame.time_ns,
            received_ns=frame.received_ns,
            values=frame.values.tobytes(),
            quality=None if frame.quality is None else frame.quality.tobytes(),
            source=None if source is None else source.tobytes(),
            failure=scan.failure,
            findings=list(scan.findings),
        )
        self.published.frames[frame.layout.id] = message
        self.feed.publish(message)
