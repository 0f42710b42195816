"""After a start: checkpoint, then the journaled inputs after it, so that the core stands where it stood.

Wake-ups are no records of their own: a transition that is in the journal and does not come out of the inputs before it came
of a wake-up, which is repeated at its time. Transitions that come out of the replay and are not in the journal yet (the
engine died between an input and its events) are appended now; those that are there are not told twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alarms.core import Act, Core, Event, Input, Readings, Wake
from alarms.states import IllegalAct
from drivers.frame import Frame, Layout
from telemetry.engine import checkpoint
from telemetry.journal import format as form
from telemetry.journal.reader import Reader, segments

Told = tuple[str, str, int | None, str]
"""A transition in the journal: kind, alarm or interlock, occurrence, transition."""


class Started:
    """The engine started here: an input that was Bad before the stop begins its delay anew."""


@dataclass(slots=True)
class Restored:
    """Where the journal ended, and what it does not tell yet. last_ns: time of its last record (0: it is empty); records: the
    last one that was taken from each counter, by layout id."""

    last_ns: int = 0
    texts: dict[str, str | None] = field(default_factory=dict[str, str | None])
    records: dict[int, Frame] = field(default_factory=dict[int, Frame])
    untold: list[Event] = field(default_factory=list[Event])


def restore(folder: Path, core: Core, number_of_layout: dict[int, int]) -> Restored:
    """Brings `core` to where the journal in `folder` ends."""
    saved = checkpoint.restore(folder / "checkpoint", core)
    restored = Restored()
    order = number = 0
    if saved is not None:
        order, number, restored.last_ns = saved["order"], saved["number"], saved["time_ns"]
        restored.texts, restored.records = saved["texts"], saved["records"]
    journaled: list[tuple[int, int, Input | Told | Started]] = []
    events = Reader(folder, "events", number)
    for record in events.rest():
        restored.last_ns = max(restored.last_ns, record.time_ns)
        data = form.unpack_event(record)[1]
        match data.get("kind"):
            case "text":
                restored.texts[data["tag"]] = data["value"]
            case "alarm" | "interlock" if record.order > order:
                journaled.append((record.order, record.time_ns, _told(data["kind"], data)))
            case "act" if data["refused"] is None and record.order > order:
                act = Act(data["verb"], data["target"], data["occurrence"], data["person"], data["comment"])
                journaled.append((record.order, record.time_ns, act))
            case "engine" if data["transition"] == "started" and record.order > order:
                journaled.append((record.order, record.time_ns, Started()))
            case _:
                pass
    events.close()
    for record, layout in frames_after(folder, order):
        restored.last_ns = max(restored.last_ns, record.time_ns)
        if layout.id in number_of_layout:
            frame, failed = form.unpack_frame(record, layout)
            if layout.record:
                restored.records[layout.id] = frame
            reading = Readings(number_of_layout[layout.id], np.append(frame.values, float(failed)))
            journaled.append((record.order, record.time_ns, reading))
    for _, now_ns, what in sorted(journaled, key=lambda item: item[0]):
        match what:
            case Started():
                core.limits.unknown_ns[:] = 0
            case tuple():
                if not _taken(restored.untold, what):
                    restored.untold += stepped(core, Wake(), now_ns)
                    _taken(restored.untold, what)
            case _:
                restored.untold += stepped(core, what, now_ns)
    core.limits.unknown_ns[:] = 0  # as for Started: we start now
    core.outputs.by_tag.clear()  # what outputs hold is asked of the plant, and asserted again
    return restored


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
    layouts: dict[int, Layout] = {}
    for _, path in segments(folder, "frames"):
        if not _ends_after(folder, path, order):
            continue
        reader = Reader(folder, "frames", int(path.stem.rsplit("-", 1)[1]) - 1)
        for record in reader.rest():
            if record.kind == form.LAYOUT:
                layout = form.unpack_layout(record.body)
                layouts[layout.id] = layout
            elif record.kind == form.FRAME and record.order > order and form.frame_layout(record.body) in layouts:
                yield record, layouts[form.frame_layout(record.body)]
        reader.close()
        return


def _ends_after(folder: Path, path: Path, order: int) -> bool:
    """Whether this segment may hold records above `order`: it is the last, or the next one begins above it."""
    behind = [p for _, p in segments(folder, "frames") if p.name > path.name]
    if not behind:
        return True
    with behind[0].open("rb") as file:
        file.seek(form.SEGMENT.size)
        try:
            first = form.unpack_record(file.read(1 << 20), 0)
        except form.Damaged:
            return True
    return first is None or first.order > order


def _told(kind: str, data: dict[str, Any]) -> Told:
    return kind, data.get("alarm") or data["interlock"], data.get("occurrence"), data["transition"]
