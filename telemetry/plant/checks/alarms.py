"""Alarms: each compares a tag with something it can be, every device is watched for silence, and few alarms are urgent."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from drivers.profile import ProfileTag
from telemetry.plant.checks import comparison
from telemetry.plant.checks.whole import Whole, at
from telemetry.plant.document import Place
from telemetry.plant.findings import listed
from telemetry.plant.schema import AlarmEntry

SHARE: Final = {1: (0.05, 0.10), 2: (0.15, 0.25)}
"""By priority, of the annunciated alarms: the share that is recommended (ISA-18.2: about 5 % high, 15 % medium, 80 % low),
and that from which a warning is due."""

ENOUGH: Final = 100
"""Fewer alarms than this have no distribution worth a warning."""


@dataclass(slots=True)
class Definition:
    """An entry of an alarm file, and the tags that it is on: by id of the tag."""

    entry: AlarmEntry
    place: Place
    tags: dict[str, ProfileTag] = field(default_factory=dict[str, ProfileTag])


def definitions(whole: Whole) -> list[Definition]:
    """The alarm entries with their tags (none for a communication alarm)."""
    found = {
        id(entry): Definition(entry, (document, ("alarms", i)))
        for file, document in whole.files.alarms
        for i, entry in enumerate(file.alarms)
    }
    for alarm in whole.plant.alarms:
        if alarm.tag is not None:
            found[id(alarm.entry)].tags[alarm.tag.id] = alarm.tag.spec
    return list(found.values())


def check(whole: Whole) -> None:
    for definition in definitions(whole):
        _comparison(whole, definition)
        _silence(whole, definition)
    _every_device(whole)
    _priorities(whole)


def _comparison(whole: Whole, definition: Definition) -> None:
    entry = definition.entry
    tags: dict[comparison.Fault, list[str]] = {}
    seen: dict[int, tuple[comparison.Fault, ...]] = {}
    for name, spec in definition.tags.items():
        if id(spec) not in seen:
            seen[id(spec)] = tuple(comparison.faults(entry.kind, entry.limit, entry.unit, entry.deadband, spec))
        for fault in seen[id(spec)]:
            tags.setdefault(fault, []).append(name)
    for fault, names in tags.items():
        whole.wrong(at(definition.place, fault.key), f"alarm {entry.name}: {listed(names)} {fault.what}", fault.right)
    floats = any(spec.kind == "float" for spec in definition.tags.values())
    if floats and entry.kind in ("low", "high") and entry.deadband == 0:
        what = f"alarm {entry.name} has no deadband and will chatter near its limit"
        whole.doubt(definition.place, what, "Add `deadband:`, about 2 % of the span between the limits.")


def _silence(whole: Whole, definition: Definition) -> None:
    entry = definition.entry
    if entry.kind != "communication":
        return
    for key, given in (
        ("limit", entry.limit is not None),
        ("unit", bool(entry.unit)),
        ("deadband", entry.deadband != 0),
    ):
        if given:
            what = f"alarm {entry.name} is about communication and has no {key}"
            whole.wrong(
                at(definition.place, key), what, "Remove it; `on_delay_s` says how long a device may be silent."
            )
    if entry.scope.tag is not None:
        what = f"alarm {entry.name} is about a device, not about tag {entry.scope.tag}"
        whole.wrong(at(definition.place, "for", "tag"), what, "Remove `tag`.")
    if entry.on_delay_s < 3:
        what = f"alarm {entry.name} comes at the first scan that is missed"
        whole.doubt(definition.place, what, "Let `on_delay_s` be 3 or more; 10 is usual.")


def _every_device(whole: Whole) -> None:
    if not whole.files.broken.isdisjoint(("alarms", "areas", "templates", "profiles")):
        return
    watched = {alarm.equipment for alarm in whole.plant.alarms if alarm.entry.kind == "communication"}
    silent: dict[str, list[str]] = {}
    for unit in whole.plant.equipment:
        if unit.id not in watched:
            silent.setdefault(unit.type, []).append(unit.id)
    for type_, units in silent.items():
        whole.wrong(
            whole.origins.equipment[units[0]],
            f"no alarm tells when {listed(units)} stops answering",
            f"Add an alarm of kind communication for {type_}.",
        )


def _priorities(whole: Whole) -> None:
    counts = Counter(alarm.entry.priority for alarm in whole.plant.alarms if alarm.entry.priority < 4)
    total = counts.total()
    if total < ENOUGH:
        return
    document = whole.files.alarms[0][1]
    for priority, text in _shares(counts, total):
        most = max(
            (d for d in definitions(whole) if d.entry.priority == priority), key=lambda d: len(d.tags), default=None
        )
        place = at(most.place, "priority") if most else (document, ())
        whole.doubt(place, text, "Lower the priority of those that leave the operator the most time.")


def _shares(counts: "Counter[int]", total: int) -> Iterator[tuple[int, str]]:
    for priority, (wanted, most) in SHARE.items():
        share = counts[priority] / total
        if share > most:
            yield (
                priority,
                f"{share:.0%} of {total} alarms have priority {priority}, where about {wanted:.0%} can be heeded",
            )
