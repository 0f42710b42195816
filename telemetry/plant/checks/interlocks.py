"""Interlocks: a cause that can be compared, and effects that reach a tag which can be written with these values."""

from drivers.profile import ProfileTag
from telemetry.plant.checks import comparison
from telemetry.plant.checks.whole import Whole, at
from telemetry.plant.document import Place
from telemetry.plant.findings import listed, nearest
from telemetry.plant.model import Interlock

Said = tuple[tuple[str | int, ...], str, str]
"""Keys below the entry, what is wrong, what would be right."""


def check(whole: Whole) -> None:
    if whole.files.interlocks is None:
        return
    file, document = whole.files.interlocks
    places: dict[int, Place] = {id(entry): (document, ("interlocks", i)) for i, entry in enumerate(file.interlocks)}
    held: dict[str, tuple[float, Interlock]] = {}
    units: dict[tuple[int, Said], list[str]] = {}
    for interlock in whole.plant.interlocks:
        place = places[id(interlock.entry)]
        for said in (*_cause(interlock), *_effects(whole, interlock)):
            units.setdefault((id(interlock.entry), said), []).append(interlock.equipment)
        for target, value, _ in interlock.effects:
            other = held.setdefault(target, (value, interlock))
            if other[0] != value:
                what = f"interlock {interlock.id} holds {target} at {value:g}, and {other[1].id} at {other[0]:g}"
                whole.doubt(at(place, "effects"), what, "Decide which value is the safe one, or use two tags.")
    for (entry, (keys, what, right)), names in units.items():
        whole.wrong(at(places[entry], *keys), f"{listed(names)}: {what}", right)
    for i, entry in enumerate(file.interlocks):
        if not entry.effects:
            whole.wrong(
                (document, ("interlocks", i)),
                f"interlock {entry.name} has no effect",
                "Name at least one tag to write.",
            )
        if entry.reset == "automatic" and entry.healthy_s == 0:
            what = f"interlock {entry.name} resets itself in the very scan in which its cause is gone"
            whole.doubt(
                (document, ("interlocks", i, "reset")), what, "Give `healthy_s`, the time for which it must be healthy."
            )


def _cause(interlock: Interlock) -> list[Said]:
    cause = interlock.entry.cause
    found = comparison.faults(cause.kind, cause.limit, cause.unit, cause.deadband, interlock.cause.spec)
    name = f"interlock {interlock.entry.name}: {cause.tag}"
    return [(("cause", fault.key), f"{name} {fault.what}", fault.right) for fault in found]


def _effects(whole: Whole, interlock: Interlock) -> list[Said]:
    said: list[Said] = []
    for i, (target, value, normal) in enumerate(interlock.effects):
        tag = whole.plant.tags.get(target)
        name = f"interlock {interlock.entry.name}: {interlock.entry.effects[i].tag}"
        if tag is None:
            if target and not whole.files.may_have_tag(target):
                own = [t.name for t in whole.plant.by_id[interlock.equipment].tags if t.spec.writable]
                said.append(
                    (
                        ("effects", i, "tag"),
                        f"{name} cannot be reached, there is no such tag",
                        nearest(target, (*own, *whole.plant.tags), own),
                    )
                )
            continue
        if not tag.spec.writable:
            own = [t.name for t in whole.plant.by_id[tag.equipment].tags if t.spec.writable]
            right = f"Writable there: {', '.join(own)}." if own else "Name a tag that its profile calls writable."
            said.append((("effects", i, "tag"), f"{name} cannot be written", right))
        said.extend(
            (("effects", i, key), f"{name} {what}", right) for key, what, right in _values(tag.spec, value, normal)
        )
    return said


def _values(spec: ProfileTag, value: float, normal: float) -> list[tuple[str, str, str]]:
    if value == normal:
        return [("value", f"is {value:g} tripped and not tripped", "Let `value` and `normal` differ.")]
    said: list[tuple[str, str, str]] = []
    for key, number in (("value", value), ("normal", normal)):
        if spec.kind == "text":
            said.append((key, "is text, which an interlock cannot write", "Name a boolean, a state or a number."))
        elif spec.kind == "boolean" and number not in (0, 1):
            said.append((key, f"is 0 or 1 and never {number:g}", "Use 0 or 1."))
        elif spec.kind == "state" and spec.legend is not None and number not in spec.legend:
            known = ", ".join(f"{n} {text.en}" for n, text in sorted(spec.legend.items()))
            said.append((key, f"has no state {number:g}", f"Known: {known}."))
        elif spec.range is not None and not spec.range[0] <= number <= spec.range[1]:
            said.append(
                (key, f"has the range {spec.range[0]:g} to {spec.range[1]:g}, not {number:g}", "Correct the value.")
            )
    return said
