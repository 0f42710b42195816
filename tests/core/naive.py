"""The oracle: rules, alarms, interlocks and annunciators as the standards tell them, one plain object each, no arrays.

It knows nothing of the code under test. Where it and the core disagree, one of them is wrong.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LOW, EQUAL, HIGH = -1, 0, 1
SECOND: Final = 10**9
SILENCE_NS: Final = 120 * SECOND
TEST_NS: Final = 5 * SECOND

NEXT: Final = {
    False: {
        ("A", "raise"): "B",
        ("B", "acknowledge"): "C",
        ("B", "clear"): "D",
        ("C", "clear"): "A",
        ("D", "acknowledge"): "A",
        ("D", "raise"): "B",
    },
    True: {
        ("A", "raise"): "B",
        ("B", "acknowledge"): "C",
        ("B", "clear"): "E",
        ("C", "clear"): "F",
        ("E", "acknowledge"): "F",
        ("E", "raise"): "B",
        ("F", "raise"): "B",
        ("F", "reset"): "A",
    },
}
"""The graph of ISA-18.2 by latching: state and what happens, to the state that follows. Every act that is not here is illegal."""


def ns(seconds: float) -> int:
    return round(seconds * SECOND)


@dataclass
class Rule:
    """The oracle: one rule as ISA-18.2 tells it, without arrays. Delays in seconds; bad_delay_s None: Bad never votes."""

    side: int
    limit: float
    deadband: float = 0.0
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    bad_delay_s: float | None = None
    beyond: bool = False
    active: bool = False
    turned_ns: int = 0
    bad_from_ns: int | None = None

    def read(self, value: float, now_ns: int) -> None:
        beyond = self.beyond
        if math.isnan(value):
            if self.bad_from_ns is None:
                self.bad_from_ns = now_ns
            if self.bad_delay_s is not None and now_ns >= self.bad_from_ns + ns(self.bad_delay_s):
                beyond = True
        else:
            self.bad_from_ns = None
            if self.side == LOW and value < self.limit:
                beyond = True
            elif self.side == LOW and value >= self.limit + self.deadband:
                beyond = False
            elif self.side == HIGH and value > self.limit:
                beyond = True
            elif self.side == HIGH and value <= self.limit - self.deadband:
                beyond = False
            elif self.side == EQUAL:
                beyond = value == self.limit
        if beyond != self.beyond:
            self.beyond, self.turned_ns = beyond, now_ns

    def due_ns(self) -> int | None:
        if self.beyond == self.active:
            return None
        return self.turned_ns + ns(self.on_delay_s if self.beyond else self.off_delay_s)

    def settle(self, now_ns: int) -> bool:
        due_ns = self.due_ns()
        if due_ns is None or due_ns > now_ns:
            return False
        self.active = self.beyond
        return True


def rule_of(entry: Mapping[str, Any], interlock: bool) -> Rule:
    """The rule of an alarm or interlock in the short form of `small_core`."""
    side, word = next((s, w) for s, w in ((LOW, "low"), (HIGH, "high"), (EQUAL, "equals")) if w in entry)
    rule = Rule(side, entry[word], entry.get("deadband", 0))
    if interlock:
        rule.on_delay_s = entry.get("delay_s", 0)
        rule.bad_delay_s = None if entry.get("on_bad") == "ignore" else entry.get("bad_delay_s", 10)
    else:
        rule.on_delay_s, rule.off_delay_s = entry.get("on_delay_s", 0), entry.get("off_delay_s", 0)
    return rule


@dataclass
class Alarm:
    id: str
    entry: Mapping[str, Any]
    rule: Rule
    letter: str = "A"
    occurrence: int = 0
    silent_until_ns: int = 0

    @property
    def unacknowledged(self) -> bool:
        return self.letter in "BDE"

    def follows(self, what: str) -> str | None:
        return NEXT[self.entry.get("latching", False)].get((self.letter, what))

    def go(self, what: str) -> None:
        follows = self.follows(what)
        assert follows is not None, f"{self.id}: {what} in state {self.letter}"
        self.letter = follows


@dataclass
class Interlock:
    id: str
    entry: Mapping[str, Any]
    rule: Rule
    tripped: bool = False
    healthy_from_ns: int = 0

    def may_be_reset(self, now_ns: int) -> bool:
        healthy_ns = self.healthy_from_ns + ns(self.entry.get("healthy_s", 0))
        return self.tripped and not self.rule.active and now_ns >= healthy_ns


@dataclass
class Naive:
    """A whole plant in the short form of `small_core`. Methods give what should be told, in order."""

    alarms: dict[str, Alarm] = field(default_factory=dict[str, Alarm])
    interlocks: dict[str, Interlock] = field(default_factory=dict[str, Interlock])
    areas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    test_until_ns: int = 0

    @classmethod
    def of(cls, alarms: Any, interlocks: Any, areas: Any) -> "Naive":
        return cls(
            {name: Alarm(name, x, rule_of(x, False)) for name, x in alarms.items()},
            {name: Interlock(name, x, rule_of(x, True)) for name, x in interlocks.items()},
            areas,
        )

    def read(self, device: str, values: Mapping[str, float], now_ns: int) -> list[str]:
        for item in self._of(device):
            item.rule.read(values[item.entry["tag"]], now_ns)
        return self._settle(device, now_ns) + self._release(now_ns)

    def wake(self, now_ns: int) -> list[str]:
        items = (*self.alarms.values(), *self.interlocks.values())
        due = {self._device(x) for x in items if (due := x.rule.due_ns()) is not None and due <= now_ns}
        devices = dict.fromkeys(self._device(x) for x in items)
        return [words for device in devices if device in due for words in self._settle(device, now_ns)] + self._release(
            now_ns
        )

    def act(self, verb: str, target: str, occurrence: int, now_ns: int) -> list[str] | None:
        """None: it is to be refused."""
        told: list[str] | None = None
        alarm, row = self.alarms.get(target), self.interlocks.get(target)
        if verb in ("acknowledge", "reset") and alarm and alarm.occurrence == occurrence and alarm.follows(verb):
            alarm.go(verb)
            told = [f"{target}/{occurrence} {verb} {alarm.letter}"]
        elif verb == "reset-interlock" and row and row.may_be_reset(now_ns):
            row.tripped = False
            told = [f"{target} reset"]
        elif verb == "silence" and target in ("", *self.areas):
            quieted = [x for x in self.areas if target in ("", x) and self._sounding(x, now_ns)]
            for area in quieted:
                for one in self._sounding(area, now_ns):
                    one.silent_until_ns = now_ns + SILENCE_NS
            told = [" ".join(("silence", *quieted))]
        elif verb == "test":
            self.test_until_ns = now_ns + TEST_NS
            told = [" ".join(("test", *self.areas))]
        return None if told is None else told + self._release(now_ns)

    def other(self, now_ns: int) -> list[str]:
        """Something came that is neither a reading nor an act."""
        return self._release(now_ns)

    def levels(self, now_ns: int) -> dict[str, float]:
        """What horn and lamps should be, and the outputs that a trip holds."""
        levels: dict[str, float] = {}
        for area, x in self.areas.items():
            levels[x["horn"]] = float(bool(self._sounding(area, now_ns)) or now_ns < self.test_until_ns)
            for priority, lamp in x.get("lamps", {}).items():
                stands = any(a.letter != "A" and a.entry["priority"] == priority for a in self._in(area))
                levels[lamp] = float(stands or now_ns < self.test_until_ns)
        for row in self.interlocks.values():
            if row.tripped:
                effects: Mapping[str, Any] = row.entry["effects"]
                levels |= {tag: float(x[0] if isinstance(x, list) else x) for tag, x in effects.items()}
        return levels

    def pending_ns(self, now_ns: int) -> list[int]:
        """Every moment that somebody must be woken for."""
        items = (*self.alarms.values(), *self.interlocks.values())
        return [
            *(due for x in items if (due := x.rule.due_ns()) is not None),
            *(a.silent_until_ns for a in self.alarms.values() if a.unacknowledged and a.silent_until_ns > now_ns),
            *([self.test_until_ns] if self.test_until_ns > now_ns else []),
            *(
                row.healthy_from_ns + ns(row.entry.get("healthy_s", 0))
                for row in self.interlocks.values()
                if row.tripped and not row.rule.active and row.entry.get("reset") == "automatic"
            ),
        ]

    def _settle(self, device: str, now_ns: int) -> list[str]:
        told: list[str] = []
        for item in self._of(device):
            if not item.rule.settle(now_ns):
                continue
            there = item.rule.active
            if isinstance(item, Alarm):
                item.go("raise" if there else "clear")
                if there:
                    item.occurrence += 1
                    item.silent_until_ns = 0
                told.append(f"{item.id}/{item.occurrence} {'raise' if there else 'clear'} {item.letter}")
            elif not there:
                item.healthy_from_ns = now_ns
            elif not item.tripped:
                item.tripped = True
                told.append(f"{item.id} trip")
        return told

    def _release(self, now_ns: int) -> list[str]:
        told: list[str] = []
        for row in self.interlocks.values():
            if row.entry.get("reset") == "automatic" and row.may_be_reset(now_ns):
                row.tripped = False
                told.append(f"{row.id} reset")
        return told

    def _of(self, device: str) -> list[Alarm | Interlock]:
        return [x for x in (*self.alarms.values(), *self.interlocks.values()) if self._device(x) == device]

    def _device(self, item: Alarm | Interlock) -> str:
        return str(item.entry["tag"]).partition(".")[0]

    def _in(self, area: str) -> list[Alarm]:
        heard = (area, *self.areas[area].get("also", ()))
        return [alarm for alarm in self.alarms.values() if alarm.entry.get("area", "W1") in heard]

    def _sounding(self, area: str, now_ns: int) -> list[Alarm]:
        return [
            alarm
            for alarm in self._in(area)
            if alarm.unacknowledged and alarm.entry["priority"] <= 2 and alarm.silent_until_ns <= now_ns
        ]
