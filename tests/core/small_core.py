"""A core of a few alarms and interlocks, described in a few words; and a story played on it, in seconds and tag names.

The description, as a mapping (so that a golden case can hold it):

    alarms:      {ISO.reversal: {tag: ISO.pressure, low: 0, deadband: 2, on_delay_s: 5, off_delay_s: 0,
                                 priority: 1, latching: false, area: W1}}
    interlocks:  {ISO.lost: {tag: ISO.pressure, low: 10, deadband: 2, delay_s: 5, on_bad: trip, bad_delay_s: 10,
                             reset: manual, healthy_s: 60, effects: {ISO.hold: 1}}}
    areas:       {W1: {horn: BCN.horn, lamps: {1: BCN.red, 2: BCN.yellow}, also: [W2]}}
    read_back:   [BCN.horn]

`low`, `high` or `equals` gives the limit. The tag ``ISO.silent`` is 1 where the device ISO does not answer. An effect is the
value while tripped, or [tripped, normal].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Final, get_args

import numpy as np

from alarms.annunciator import Area
from alarms.core import Act, Core, Definitions, Effect, Event, Input, Outcome, Readings, SetOutput, Verb, Wake
from alarms.interlocks import Interlock
from alarms.limits import EQUAL, HIGH, LOW, NEVER, LimitRules
from alarms.states import IllegalAct

SECOND: Final = 10**9
START_NS: Final = 1_700_000_000 * SECOND
"""Where the stories begin: their second 0."""
SILENT: Final = "silent"
NAN: Final = float("nan")
W1: Final = {"W1": {"horn": "BCN.horn", "lamps": {1: "BCN.red", 2: "BCN.yellow"}}}


def ns(seconds: float) -> int:
    return round(seconds * SECOND)


@dataclass
class Small:
    """The definitions, and where each tag lies: layout number by device, slot by tag."""

    definitions: Definitions
    layout: dict[str, int]
    tags: dict[str, tuple[str, ...]]


def small(
    alarms: Mapping[str, Mapping[str, Any]],
    interlocks: Mapping[str, Mapping[str, Any]] | None = None,
    areas: Mapping[str, Mapping[str, Any]] | None = None,
    read_back: Sequence[str] = (),
) -> Small:
    interlocks, areas = interlocks or {}, W1 if areas is None else areas
    watched = [str(x["tag"]) for x in (*alarms.values(), *interlocks.values())]
    slots: dict[str, list[str]] = {}
    for tag in (*watched, *read_back):
        device, _, name = tag.partition(".")
        slots.setdefault(device, [])
        if name != SILENT and tag not in slots[device]:
            slots[device].append(tag)
    rows: list[tuple[Any, ...]] = []
    parts: list[slice] = []
    for device, tags in slots.items():
        start = len(rows)
        place = {tag: slot for slot, tag in enumerate(tags)} | {f"{device}.{SILENT}": len(tags)}
        for number, entry in enumerate(alarms.values()):
            if entry["tag"] in place:
                delays = (ns(entry.get("on_delay_s", 0)), ns(entry.get("off_delay_s", 0)), NEVER)
                rows.append((place[entry["tag"]], *_limit(entry), *delays, number, -1))
        for number, entry in enumerate(interlocks.values()):
            if entry["tag"] in place:
                bad = NEVER if entry.get("on_bad", "trip") == "ignore" else ns(entry.get("bad_delay_s", 10))
                rows.append((place[entry["tag"]], *_limit(entry), ns(entry.get("delay_s", 0)), 0, bad, -1, number))
        parts.append(slice(start, len(rows)))
    column = list(zip(*rows, strict=True)) if rows else [()] * 9
    rules = LimitRules(
        np.array(column[0], np.intp),
        np.array(column[1], np.int8),
        np.array(column[2], np.float64),
        np.array(column[3], np.float64),
        np.array(column[4], np.int64),
        np.array(column[5], np.int64),
        np.array(column[6], np.int64),
    )
    definitions = Definitions(
        parts=tuple(parts),
        rules=rules,
        alarm_of=np.array(column[7], np.int64),
        interlock_of=np.array(column[8], np.int64),
        alarms=tuple(alarms),
        latching=np.array([x.get("latching", False) for x in alarms.values()], np.bool_),
        priority=np.array([x.get("priority", 2) for x in alarms.values()], np.int64),
        heard=np.array(
            [[x.get("area", "W1") in (area, *y.get("also", ())) for x in alarms.values()] for area, y in areas.items()],
            np.bool_,
        ).reshape(len(areas), len(alarms)),
        areas=tuple(Area(area, x["horn"], dict(x.get("lamps", {}))) for area, x in areas.items()),
        interlocks=tuple(
            Interlock(row, _effects(x["effects"]), x.get("reset") == "automatic", ns(x.get("healthy_s", 0)))
            for row, x in interlocks.items()
        ),
        read_back={
            i: found
            for i, tags in enumerate(slots.values())
            if (found := tuple((tag, slot) for slot, tag in enumerate(tags) if tag in read_back))
        },
    )
    return Small(definitions, {x: i for i, x in enumerate(slots)}, {x: tuple(tags) for x, tags in slots.items()})


def _limit(entry: Mapping[str, Any]) -> tuple[int, float, float]:
    side, word = next((s, w) for s, w in ((LOW, "low"), (HIGH, "high"), (EQUAL, "equals")) if w in entry)
    return side, float(entry[word]), float(entry.get("deadband", 0))


def _effects(given: Mapping[str, Any]) -> tuple[tuple[str, float, float], ...]:
    pairs = {tag: value if isinstance(value, list) else [value, 0] for tag, value in given.items()}
    return tuple((tag, float(tripped), float(normal)) for tag, (tripped, normal) in pairs.items())


@dataclass
class Story:
    """Plays inputs on a core as the engine does: wake-ups first, at the time they were asked for. `told` is what came out.

    The plant obeys: each output is read back as it was written, except those in `deaf`. at_rest: all outputs were found as
    they should be before the story begins.
    """

    plant: Small
    at_rest: bool = True
    core: Core = field(init=False)
    told: list[str] = field(default_factory=list[str])
    deaf: set[str] = field(default_factory=set[str])
    inputs: list[tuple[Input, int]] = field(default_factory=list[tuple[Input, int]])
    now_ns: int = START_NS

    def __post_init__(self) -> None:
        self.core = Core(self.plant.definitions)
        self.values = {x: np.append(np.full(len(tags), NAN), 0.0) for x, tags in self.plant.tags.items()}
        if self.at_rest:
            self.give(Wake())
            for tag, output in list(self.core.outputs.by_tag.items()):
                self.give(Outcome(tag, output.wanted))
            self.told.clear()

    # ---- what happens

    def at(self, seconds: float) -> "Story":
        """Time passes up to `seconds` after the start, with every wake-up that was asked for on the way."""
        until_ns = START_NS + ns(seconds)
        while self.core.wake_ns <= until_ns:
            asleep_ns = self.core.wake_ns
            self.now_ns = max(self.now_ns, asleep_ns)
            self.give(Wake())
            assert self.core.wake_ns > asleep_ns, "a wake-up that changes nothing asks for itself again"
        self.now_ns = max(self.now_ns, until_ns)
        return self

    def reads(self, **values: float) -> list[str]:
        """A frame of the device of these tags (``ISO__pressure=1``); its other tags keep their values. NaN is Bad."""
        return self.scanned({name.replace("__", "."): value for name, value in values.items()})

    def scanned(self, values: Mapping[str, float]) -> list[str]:
        (device,) = {tag.partition(".")[0] for tag in values}
        frame = self.values[device].copy()
        frame[-1] = 0.0
        for tag, value in values.items():
            frame[self.plant.tags[device].index(tag)] = value
        return self._frame(device, frame)

    def is_silent(self, device: str) -> list[str]:
        """A scan that failed: every value Bad, and the device did not answer."""
        return self._frame(device, np.append(np.full(len(self.plant.tags[device]), NAN), 1.0))

    def _frame(self, device: str, frame: np.ndarray) -> list[str]:
        self.values[device] = frame
        return self.give(Readings(self.plant.layout[device], frame))

    def act(self, verb: str, target: str = "", occurrence: int = 0, comment: str | None = None) -> list[str]:
        assert verb in get_args(Verb)
        return self.give(Act(verb, target, occurrence, "lin", comment))  # type: ignore[arg-type]

    def give(self, given: Input) -> list[str]:
        """One input now; gives what came of it, which `told` keeps."""
        begun = len(self.told)
        try:
            effects, wake_ns = self.core.step(given, self.now_ns)
        except IllegalAct as refusal:
            self._tell(f"refused: {refusal}")
            return self.told[begun:]
        assert wake_ns == self.core.wake_ns
        self.inputs.append((given, self.now_ns))
        for effect in effects:
            self._tell(in_words(effect))
        for effect in effects:
            if isinstance(effect, SetOutput):
                held = None if effect.tag in self.deaf else effect.value
                self.give(Outcome(effect.tag, held, None if held is not None else "no answer"))
        return self.told[begun:]

    def _tell(self, words: str) -> None:
        self.told.append(f"{(self.now_ns - START_NS) / SECOND:g} {words}")

    # ---- how it stands

    def letter(self, alarm: str) -> str:
        return self.core.states.letter(self.core.number[alarm])

    def output(self, tag: str) -> float:
        return self.core.outputs.by_tag[tag].wanted

    def tripped(self, interlock: str) -> bool:
        return bool(self.core.interlocks.tripped[self.core.row[interlock]])


def in_words(effect: Effect) -> str:
    """An effect as a short line: ``ISO.reversal/1 raised B at -1`` (its occurrence 1), ``BCN.horn = 1``, ``ISO.lost reset``."""
    if isinstance(effect, SetOutput):
        return f"{effect.tag} = {effect.value:g}"
    data = effect.data
    at = f" at {'bad' if data['value'] is None else format(data['value'], 'g')}" if "value" in data else ""
    by = f" by {data['person'] or 'itself'}" if "person" in data else ""
    match effect.kind:
        case "alarm":
            return f"{data['alarm']}/{data['occurrence']} {data['transition']} {data['letter']}{at}{by}"
        case "interlock":
            return f"{data['interlock']} {data['transition']}{at}{by}"
        case "annunciator":
            return " ".join((data["transition"], *data["areas"])) + by
        case _:
            return f"{data['tag']} {data['transition']}"


def frozen(thing: Any) -> Any:
    """Everything that `thing` holds as plain values that compare equal, NaN and all: for `nothing has changed`."""
    if isinstance(thing, np.ndarray):
        return str(thing.dtype), thing.tobytes()
    if is_dataclass(thing) and not isinstance(thing, type):
        return {x.name: frozen(getattr(thing, x.name)) for x in fields(thing) if x.name != "defined"}
    if isinstance(thing, dict):
        return {key: frozen(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [frozen(x) for x in thing]
    return thing


def events(effects: Sequence[Effect]) -> list[Event]:
    return [x for x in effects if isinstance(x, Event)]
