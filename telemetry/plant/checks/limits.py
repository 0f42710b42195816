"""Limits of one tag against each other: the urgent beyond the less urgent, low below high, and the normal state between."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from drivers.profile import ProfileTag
from telemetry.plant.checks import comparison
from telemetry.plant.checks.alarms import Definition, definitions
from telemetry.plant.checks.whole import Whole, at
from telemetry.plant.findings import listed


class Limit(NamedTuple):
    """One low or high limit: the number of its definition, its name, and what it compares. `side`: -1 low, 1 high."""

    number: int
    name: str
    side: int
    value: float
    deadband: float
    priority: int
    unit: str

    def __str__(self) -> str:
        return f"{self.name} ({self.value:g} {self.unit})" if self.unit else f"{self.name} ({self.value:g})"

    @property
    def clears_at(self) -> float:
        return self.value - self.side * self.deadband

    def past(self, value: float) -> float:
        """How far `value` lies beyond this limit, negative where it lies within."""
        return self.side * (value - self.value)


class Said(NamedTuple):
    """What is wrong with a limit: number of its definition, key, rest of a sentence that begins with the tags, remedy."""

    number: int
    key: str
    what: str
    right: str


def check(whole: Whole) -> None:
    every = definitions(whole)
    limits: dict[str, list[Limit]] = {}
    specs: dict[str, ProfileTag] = {}
    for number, definition in enumerate(every):
        for name, limit in _limits(number, definition):
            limits.setdefault(name, []).append(limit)
            specs[name] = definition.tags[name]
    seen: dict[tuple[float | None, tuple[Limit, ...]], tuple[Said, ...]] = {}
    tags: dict[Said, list[str]] = {}
    for name, on_tag in limits.items():
        key = (specs[name].setpoint, tuple(on_tag))
        if key not in seen:
            seen[key] = tuple(_normal(*key)) + tuple(_pairs(on_tag))
        for said in seen[key]:
            tags.setdefault(said, []).append(name)
    for said, names in tags.items():
        whole.wrong(at(every[said.number].place, said.key), f"{listed(names)}: {said.what}", said.right)


def _limits(number: int, definition: Definition) -> Iterator[tuple[str, Limit]]:
    """The limits of a definition by tag, without those that are senseless by themselves (`checks.alarms` names them)."""
    entry = definition.entry
    if entry.kind not in ("low", "high") or entry.limit is None:
        return
    side = -1 if entry.kind == "low" else 1
    limit = Limit(number, entry.name, side, entry.limit, entry.deadband, entry.priority, entry.unit)
    sensible: dict[int, bool] = {}
    for name, spec in definition.tags.items():
        if id(spec) not in sensible:
            found = comparison.faults(entry.kind, entry.limit, entry.unit, entry.deadband, spec)
            sensible[id(spec)] = next(found, None) is None
        if sensible[id(spec)]:
            yield name, limit


def _normal(setpoint: float | None, limits: Sequence[Limit]) -> Iterator[Said]:
    for limit in limits:
        if setpoint is not None and limit.side * (setpoint - limit.clears_at) >= 0:
            what = f"alarm {limit} stands already at the set-point {setpoint:g}"
            right = "Move the limit, with its deadband, away from the set-point, or correct the set-point."
            yield Said(limit.number, "limit", what, right)


def _pairs(limits: Sequence[Limit]) -> Iterator[Said]:
    for one, two in combinations(limits, 2):
        if one.side == two.side:
            yield from _order(one, two)
        else:
            yield from _span(*sorted((one, two), key=lambda limit: limit.side))


def _order(one: Limit, two: Limit) -> Iterator[Said]:
    """By priority, and of one priority the action limit beyond the alert limit."""
    mild, severe = sorted((one, two), key=lambda limit: (-limit.priority, limit.name.startswith("action")))
    named = mild.name.startswith("alert") and severe.name.startswith("action")
    if mild.priority == severe.priority and not named:
        return
    beyond = mild.past(severe.value)
    if beyond < 0 or (beyond == 0 and named):
        side = "lower" if severe.side < 0 else "higher"
        what = f"alarm {severe} comes before the less urgent {mild}"
        yield Said(severe.number, "limit", what, f"Let {severe.name} have the {side} limit of the two.")


def _span(low: Limit, high: Limit) -> Iterator[Said]:
    if low.value >= high.value:
        what = f"alarms {low} and {high} leave nothing between them"
        yield Said(low.number, "limit", what, "Let the low limit lie below the high one.")
        return
    for limit, other in ((low, high), (high, low)):
        if limit.deadband >= high.value - low.value:
            what = f"the deadband {limit.deadband:g} of alarm {limit.name} reaches beyond alarm {other}"
            right = "Choose a deadband of about 2 % of the span between the limits."
            yield Said(limit.number, "deadband", what, right)
