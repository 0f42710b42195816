"""The plant compiled for the core: layouts in order, alarms and interlock causes as arrays of rules, a slice a layout."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from alarms.annunciator import Area
from alarms.core import Definitions
from alarms.interlocks import Interlock
from alarms.limits import EQUAL, HIGH, LOW, NEVER, LimitRules
from drivers.device import layouts_of
from drivers.frame import Layout
from drivers.profile import ProfileTag
from telemetry.plant.model import Alarm, Plant
from telemetry.plant.model import Interlock as InterlockRow

_SIDE = {"low": LOW, "high": HIGH, "state": EQUAL, "communication": EQUAL}


@dataclass(frozen=True, slots=True)
class Compiled:
    """`layouts` in the core's order; `number` of a layout by its id; `alarms` in the core's order; `tags` by their full ids."""

    definitions: Definitions
    layouts: tuple[Layout, ...]
    number: dict[int, int]
    alarms: tuple[Alarm, ...]
    tags: Mapping[str, ProfileTag]


@dataclass(slots=True)
class _Rules:
    """Rules being collected, a column a property."""

    rows: list[tuple[int, int, float, float, int, int, int, int, int]] = field(
        default_factory=list[tuple[int, int, float, float, int, int, int, int, int]]
    )

    def alarm(self, slot: int, alarm: Alarm, number: int) -> None:
        entry = alarm.entry
        limit = 1.0 if entry.kind == "communication" else float(entry.limit or 0.0)
        delays = (_ns(entry.on_delay_s), _ns(entry.off_delay_s), NEVER)
        self.rows.append((slot, _SIDE[entry.kind], limit, entry.deadband, *delays, number, -1))

    def interlock(self, slot: int, row: InterlockRow, number: int) -> None:
        cause = row.entry.cause
        bad = _ns(cause.bad_delay_s) if cause.on_bad == "trip" else NEVER
        self.rows.append((slot, _SIDE[cause.kind], cause.limit, cause.deadband, _ns(cause.delay_s), 0, bad, -1, number))


def compiled(plant: Plant) -> Compiled:
    """Lays the plant's rules out device by device, so that a frame touches its own slice only."""
    layouts = tuple(x for unit in plant.equipment for x in layouts_of(unit.id, unit.profile.expanded()))
    alarm_number = {alarm.id: i for i, alarm in enumerate(plant.alarms)}
    on_tag: dict[str, list[Alarm]] = {}
    on_device: dict[str, list[Alarm]] = {}
    for alarm in plant.alarms:
        if alarm.tag is not None:
            on_tag.setdefault(alarm.tag.id, []).append(alarm)
        else:
            on_device.setdefault(alarm.equipment, []).append(alarm)
    causes: dict[str, list[tuple[int, InterlockRow]]] = {}
    for k, row in enumerate(plant.interlocks):
        causes.setdefault(row.cause.id, []).append((k, row))

    rules, parts = _Rules(), list[slice]()
    spoken: set[str] = set()
    for layout in layouts:
        start = len(rules.rows)
        for slot, tag in enumerate(layout.tags):
            for alarm in on_tag.get(tag, ()):
                rules.alarm(slot, alarm, alarm_number[alarm.id])
            for k, row in causes.get(tag, ()):
                rules.interlock(slot, row, k)
        if not layout.record and layout.device not in spoken:
            spoken.add(layout.device)
            for alarm in on_device.get(layout.device, ()):
                rules.alarm(len(layout.tags), alarm, alarm_number[alarm.id])
        parts.append(slice(start, len(rules.rows)))

    areas = tuple(Area(entry.area, entry.horn, dict(entry.lamps)) for entry in plant.annunciators)
    outputs = {tag for area in areas for tag in (area.horn, *area.lamps.values())}
    outputs |= {effect[0] for row in plant.interlocks for effect in row.effects}
    definitions = Definitions(
        parts=tuple(parts),
        rules=LimitRules(
            slot=np.array([r[0] for r in rules.rows], np.intp),
            side=np.array([r[1] for r in rules.rows], np.int8),
            limit=np.array([r[2] for r in rules.rows], np.float64),
            deadband=np.array([r[3] for r in rules.rows], np.float64),
            on_delay_ns=np.array([r[4] for r in rules.rows], np.int64),
            off_delay_ns=np.array([r[5] for r in rules.rows], np.int64),
            bad_delay_ns=np.array([r[6] for r in rules.rows], np.int64),
        ),
        alarm_of=np.array([r[7] for r in rules.rows], np.int64),
        interlock_of=np.array([r[8] for r in rules.rows], np.int64),
        alarms=tuple(alarm.id for alarm in plant.alarms),
        latching=np.array([alarm.entry.latching for alarm in plant.alarms], np.bool_),
        priority=np.array([alarm.entry.priority for alarm in plant.alarms], np.int64),
        heard=np.array(
            [
                [alarm.area == entry.area or alarm.area in entry.also for alarm in plant.alarms]
                for entry in plant.annunciators
            ],
            np.bool_,
        ).reshape(len(areas), len(plant.alarms)),
        areas=areas,
        interlocks=tuple(
            Interlock(row.id, row.effects, row.entry.reset == "automatic", _ns(row.entry.healthy_s))
            for row in plant.interlocks
        ),
        read_back={
            i: found
            for i, layout in enumerate(layouts)
            if (found := tuple((tag, slot) for slot, tag in enumerate(layout.tags) if tag in outputs))
        },
    )
    tags = {tag.id: tag.spec for unit in plant.equipment for tag in unit.tags}
    return Compiled(definitions, layouts, {layout.id: i for i, layout in enumerate(layouts)}, plant.alarms, tags)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
