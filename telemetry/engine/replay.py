"""After a start: checkpoint, then the journaled inputs after it, so that the core stands where it stood.

Wake-ups are no records of their own: a transition that is in the journal and does not come out of the inputs before it came
of a wake-up, which is repeated at its time. Transitions that come out of the replay and are not in the journal yet (the
engine died between an input and its events) are appended now; those that are there are not told twice.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alarms.core import Act, Core, Event, Input, Readings, Wake
from alarms.states import IllegalAct
from drivers.frame import Frame, Layout
from telemetry.engine import checkpoint
from telemetry.engine.gaps import SECOND
from telemetry.engine.seeding import Highest, seed
from telemetry.journal import format as form
from telemetry.journal.reader import Reader, segments
from telemetry.sensors.calibrations import Calibration, calibration_of

Told = tuple[str, str, int | None, str]
"""A transition in the journal: kind, alarm or interlock, occurrence, transition."""


class Started:
    """The engine started here: an input that was Bad before the stop begins its delay anew."""


@dataclass(slots=True)
class Restored:
    """Where the journal ended, and what it does not tell yet. last_ns: time of its last record (0: it is empty); order, number: up
    to which a checkpoint has seen it; slots: the last ones journaled, by device and layout; adopted_ns: when it was made to go on
    behind a lost one (0: never); records: the last one that was taken from each counter, by layout id; sensors: as the checkpoint
    has them; calibrations: entered since."""

    last_ns: int = 0
    order: int = 0
    number: int = 0
    adopted_ns: int = 0
    slots: dict[str, dict[int, int]] = field(default_factory=dict[str, dict[int, int]])
    texts: dict[str, str | None] = field(default_factory=dict[str, str | None])
    records: dict[int, Frame] = field(default_factory=dict[int, Frame])
    sensors: dict[str, Any] = field(default_factory=dict[str, Any])
    calibrations: list[Calibration] = field(default_factory=list[Calibration])
    untold: list[Event] = field(default_factory=list[Event])


def restore(folder: Path, core: Core, number_of_layout: dict[int, int]) -> Restored:
    """Brings `core` to where the journal in `folder` ends."""
    saved = checkpoint.restore(folder / "checkpoint", core)
    restored = Restored()
    if saved is not None:
        restored.order, restored.number, restored.last_ns = saved["order"], saved["number"], saved["time_ns"]
        restored.texts, restored.records, restored.sensors = saved["texts"], saved["records"], saved["sensors"]
        restored.slots = saved["slots"]
        order = restored.order
    else:
        order = next((record.order for record, _ in frames_after(folder, 0)), 1 << 63) - 1
    highest = Highest()
    events = Reader(folder, "events", restored.number)
    told = ((record, None) for record in events.rest())
    for record, layout in heapq.merge(told, frames_after(folder, order), key=lambda one: one[0].order):
        restored.last_ns = max(restored.last_ns, record.time_ns)
        if layout is not None:
            what = _reading(restored, record, layout, number_of_layout)
        else:
            data = form.unpack_event(record)[1]
            if saved is None and record.order <= order and data.get("kind") in ("alarm", "interlock"):
                seed(core, record, data)
            what = _happened(restored, highest, record, data)
        if what is not None and record.order > order:
            _repeat(core, restored.untold, what, record.time_ns)
    events.close()
    highest.put(core)
    core.limits.unknown_ns[:] = 0  # as for Started: we start now
    core.outputs.by_tag.clear()  # what outputs hold is asked of the plant, and asserted again
    return restored


def _happened(
    restored: Restored, highest: Highest, record: form.Record, data: dict[str, Any]
) -> Act | Told | Started | None:
    """What an event was to the core; None where it was nothing to it."""
    match data.get("kind"):
        case "journal":
            restored.adopted_ns = record.time_ns
            for alarm, occurrence in data["occurrences"].items():
                highest.see(alarm, occurrence)
            restored.calibrations += [calibration_of(one) for one in data.get("calibrations", ())]
        case "text":
            restored.texts[data["tag"]] = data["value"]
        case "calibration":
            restored.calibrations.append(calibration_of(data))
        case "alarm":
            highest.see(data["alarm"], data["occurrence"])
            return _told("alarm", data)
        case "interlock":
            return _told("interlock", data)
        case "act" if data["refused"] is None:
            return Act(data["verb"], data["target"], data["occurrence"], data["person"], data["comment"])
        case "engine" if data["transition"] == "started":
            return Started()
        case _:
            pass
    return None


def _reading(
    restored: Restored, record: form.Record, layout: Layout, number_of_layout: dict[int, int]
) -> Readings | None:
    """The readings of a frame; None where it is damaged, or of a layout that is not configured any more."""
    try:
        frame, failed = form.unpack_frame(record, layout)
    except form.Damaged:  # the historian rejects it, whole; here it was never read
        return None
    if not layout.record and frame.time_ns % SECOND == 0:
        slots = restored.slots.setdefault(layout.device, {})
        slots[layout.id] = max(slots.get(layout.id, 0), frame.time_ns)
    if layout.id not in number_of_layout:
        return None
    if layout.record:
        restored.records[layout.id] = frame
    return Readings(number_of_layout[layout.id], np.append(frame.values, float(failed)))


def _repeat(core: Core, untold: list[Event], what: Input | Told | Started, now_ns: int) -> None:
    """Steps the core by what was journaled. untold: transitions that came out of it and are not told yet."""
    match what:
        case Started():
            core.limits.unknown_ns[:] = 0
        case tuple():
            if not _taken(untold, what):
                untold += stepped(core, Wake(), now_ns)
                _taken(untold, what)
        case _:
            untold += stepped(core, what, now_ns)


def stepped(core: Core, given: Input, now_ns: int) -> list[Event]:
    """The transitions of alarms and interlocks that come out of one input."""
    try:
        effects, _ = core.step(given, now_ns)
    except IllegalAct:  # the configuration has changed since: what the act was for is gone
        return []
    return [e for e in effects if isinstance(e, Event) and e.kind in ("alarm", "interlock")]


def _taken(events: list[Event], told: Told) -> bool:
    """Takes the first event that is `told` out of `events`; False where there is none."""
    for i, event in enumerate(events):
        if _told(event.kind, event.data) == told:
            del events[i]
            return True
    return False


def frames_after(folder: Path, order: int) -> Iterator[tuple[form.Record, Layout]]:
    """The frame records with an order above `order`, each with its layout."""
    first = _segment_of(segments(folder, "frames"), order + 1)
    if first is None:
        return
    layouts: dict[int, Layout] = {}
    reader = Reader(folder, "frames", first - 1)
    for record in reader.rest():
        if record.kind == form.LAYOUT:
            layout = form.unpack_layout(record.body)
            layouts[layout.id] = layout
        elif record.kind == form.FRAME and record.order > order and form.frame_layout(record.body) in layouts:
            yield record, layouts[form.frame_layout(record.body)]
    reader.close()


def _segment_of(found: list[tuple[int, Path]], order: int) -> int | None:
    """The first number of the newest segment that does not begin above `order`, else of the oldest. Looked for from the end: of
    thousands, a start reads the beginning of one or two."""
    for first, path in reversed(found):
        begins = _first_order(path)
        if begins is not None and begins <= order:
            return first
    return found[0][0] if found else None


def _first_order(path: Path) -> int | None:
    """The order of a segment's first record; None where it is damaged or not there yet."""
    with path.open("rb") as file:
        file.seek(form.SEGMENT.size)
        head = file.read(form.RECORD.size)
        if len(head) < form.RECORD.size:
            return None
        length = min(form.RECORD.unpack(head)[1], form.LARGEST_BODY)
        try:
            record = form.unpack_record(head + file.read(length), 0)
        except form.Damaged:
            return None
    return None if record is None else record.order


def _told(kind: str, data: dict[str, Any]) -> Told:
    return kind, data.get("alarm") or data["interlock"], data.get("occurrence"), data["transition"]
