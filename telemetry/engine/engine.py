"""The engine: puts devices, core, journal and feed together. One event loop; the core is stepped by one call at a time.

The order of DESIGN 4.4: the input goes to the journal (written, not synced), the core steps, its events are appended, outputs
are asked for at once; then the sync, in a thread; then events go to the feed and people get their answers.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np

from alarms.core import Act, Core, Effect, Event, Input, Outcome, Readings, SetOutput, Wake
from alarms.limits import NEVER
from alarms.states import IllegalAct, UnknownTarget
from drivers.device import Device
from drivers.fleet import CONNECTS_PER_S
from drivers.frame import Frame, Scan
from telemetry.clock import Clock
from telemetry.engine.compiled import Compiled
from telemetry.engine.outputs import OutputWriter
from telemetry.engine.state import Published
from telemetry.feed import messages
from telemetry.feed.messages import Command, Result
from telemetry.feed.server import FeedServer
from telemetry.journal.writer import Writer

_log = logging.getLogger(__name__)
CONNECTING_NS: Final = 3_000_000_000
"""After a start a device is given so long to connect, and as long again as the fleet's pace makes it wait for its turn."""
MOST_REASONS: Final = 3
"""Reasons that one outage is given, in log and journal: some sentences hold a number that is another each second."""
OWN_KINDS: Final = frozenset(
    (
        "act",
        "alarm",
        "annunciator",
        "clock",
        "device",
        "device_event",
        "engine",
        "gap",
        "interlock",
        "output",
        "text",
        "write",
    )
)
"""Events that only the engine itself writes; some are read again at its next start."""
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
    ) -> None:
        self.compiled, self.core, self.journal, self.clock = compiled, core, journal, clock
        self.published, self.feed = published, feed
        self.outputs = {name: OutputWriter(name, device, self.take_outcome) for name, device in devices.items()}
        self.failures: dict[str, str | None] = dict.fromkeys(devices)
        self.records: dict[int, Frame] = {}
        """The last record that was taken from each counter, by layout; the next start resumes there."""
        self.findings: dict[str, tuple[str, ...]] = dict.fromkeys(devices, ())
        self._connecting_ns = CONNECTING_NS + len(devices) * 1_000_000_000 // CONNECTS_PER_S
        self._reasons: dict[str, set[str]] = {device: set() for device in devices}
        self._dirty = asyncio.Event()
        self._unsynced: list[messages.Event | asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._wake_ns = NEVER

    # ---- inputs

    def take_scan(self, device: str, scan: Scan) -> None:
        """The frames and texts of one scan, and what the device has to say of itself."""
        self._device_state(device, scan.failure)
        self._told_by(device, scan)
        for frame in scan.frames:
            if frame.layout.record:
                self.records[frame.layout.id] = frame
            self._take_frame(frame, scan)
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
        change = replace(change, findings=self.findings[device])
        for frame in change.frames:
            self._take_frame(frame, change)

    def _take_frame(self, frame: Frame, scan: Scan) -> None:
        failed = scan.failure is not None
        self.journal.frame(frame, failed)
        values = np.append(frame.values, 1.0 if failed else 0.0)
        self._step(Readings(self.compiled.number[frame.layout.id], values), frame.received_ns)
        self._publish_frame(frame, scan)

    def take_outcome(self, tag: str, asked: float, held: float | None, reason: str | None, first: bool) -> None:
        """What became of a write; told in the journal when it is done, and at the first of a row of failures."""
        now_ns = self.clock.now()
        if reason is None or first:
            self.record(now_ns, {"kind": "write", "tag": tag, "value": asked, "held": held, "reason": reason})
        self._step(Outcome(tag, held, reason), now_ns)

    async def execute(self, command: Command) -> Result:
        """An act of a person: done and on disk before it is answered. A refused act is recorded too."""
        now_ns = self.clock.now()
        if command.verb == "record":
            data = command.data or {}
            if not isinstance(data.get("kind"), str) or data["kind"] in OWN_KINDS:
                refused = f"Nothing was recorded: {data.get('kind')!r} is no kind of event that others may record."
                return Result(id=command.id, refused=refused)
            self.record(now_ns, {**data, "person": command.person})
            await self.synced()
            return Result(id=command.id)
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
            await self.synced()
            return Result(id=command.id, refused=str(refusal), unknown=isinstance(refusal, UnknownTarget))
        await self.synced()
        return Result(id=command.id)

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
        """Appends an event; it goes to the feed once it is on the disk."""
        number, _ = self.journal.event(now_ns, data)
        self._unsynced.append(messages.Event(n=0, number=number, time_ns=now_ns, data=data))
        self._dirty.set()

    async def synced(self) -> None:
        """Until everything recorded so far is on the disk."""
        done = asyncio.get_running_loop().create_future()
        self._unsynced.append(done)
        self._dirty.set()
        await done

    async def sync_events(self) -> None:
        """The task that syncs what was recorded, in a thread, and lets it go on from there."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            waiting, self._unsynced = self._unsynced, []
            await asyncio.to_thread(self.journal.sync_events)
            for item in waiting:
                if isinstance(item, messages.Event):
                    item.n = self.feed.next
                    self.feed.publish(item)
                elif not item.done():
                    item.set_result(None)

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

    def _told_by(self, device: str, scan: Scan) -> None:
        """Findings when they begin and when they end; what was lost in the device; its own events."""
        now_ns = self.clock.now()
        before = self.findings[device]
        if scan.findings != before and scan.failure is None:  # where nothing was read, what stood before still stands
            self.findings[device] = scan.findings
            for finding in scan.findings:
                if finding not in before:
                    self.record(now_ns, {"kind": "device", "device": device, "finding": finding, "stands": True})
                    _log.warning("%s", finding)
            for finding in before:
                if finding not in scan.findings:
                    self.record(now_ns, {"kind": "device", "device": device, "finding": finding, "stands": False})
        for gap in scan.gaps:
            self.record(now_ns, {"kind": "gap", "device": device, **asdict(gap)})
        for event in scan.events:
            self.record(now_ns, {"kind": "device_event", "device": device, **asdict(event)})
        if scan.events_lost:
            self.record(now_ns, {"kind": "device_event", "device": device, "lost": scan.events_lost})

    def _device_state(self, device: str, failure: str | None) -> None:
        """One line down, one line up, and one where the reason turns out to be another (not connected yet: a wrong password).
        A device that is still being connected after a start is not down yet."""
        before = self.failures[device]
        connecting = self.clock.now() < self.published.started_ns + self._connecting_ns
        if failure is not None and before is None and connecting:
            return
        self.failures[device] = failure
        reasons = self._reasons[device]
        if failure is None:
            if before is None:
                return
            reasons.clear()
        elif failure in reasons or len(reasons) == MOST_REASONS:
            return
        else:
            reasons.add(failure)
        self.record(self.clock.now(), {"kind": "device", "device": device, "failure": failure})
        _log.warning("%s", failure if failure else f"{device} answers again")
