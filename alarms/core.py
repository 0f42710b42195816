"""The core that decides: `step(input, now) -> effects, wake_at`. No clock, no timer, no I/O; one task owns it.

Inputs are the readings of a layout, acts of people, and what became of an output. Effects are outputs to write, by tag,
and events to record. The state after a sequence of inputs depends on nothing but that sequence, so a journal of inputs
replays it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alarms.annunciator import TEST_NS, Annunciator, Area
from alarms.interlocks import Interlock, Interlocks
from alarms.limits import NEVER, LimitRules, LimitState, observe, settle
from alarms.outputs import Outputs
from alarms.states import AlarmStates, UnknownTarget

Verb = Literal["acknowledge", "reset", "silence", "test", "reset-interlock"]


@dataclass(frozen=True, slots=True, eq=False)
class Definitions:
    """What the core works on, compiled from configuration.

    parts: the slice of rules of each layout, by layout number. alarm_of, interlock_of: per rule, the alarm or interlock that
    it feeds (-1: none). alarm ids in order; latching and priority per alarm; heard: which area's annunciator is for which
    alarm (areas x n).
    read_back: output tags that a layout reads, as (tag, slot) by layout number.
    """

    parts: tuple[slice, ...]
    rules: LimitRules
    alarm_of: NDArray[np.int64]
    interlock_of: NDArray[np.int64]
    alarms: tuple[str, ...]
    latching: NDArray[np.bool_]
    priority: NDArray[np.int64]
    heard: NDArray[np.bool_]
    areas: tuple[Area, ...]
    interlocks: tuple[Interlock, ...]
    read_back: Mapping[int, tuple[tuple[str, int], ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """One layout's values, NaN where Bad, with one more at the end: 1 where the device did not answer, else 0."""

    layout: int
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Act:
    """What a person asks. `target` is an alarm, interlock or area id (empty: all areas)."""

    verb: Verb
    target: str
    occurrence: int
    person: str
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a write: the value read back, or None with the reason."""

    tag: str
    held: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Wake:
    """Time has passed; nothing else has happened."""


Input = Readings | Act | Outcome | Wake


@dataclass(frozen=True, slots=True)
class SetOutput:
    """Effect: hold this output tag at this value."""

    tag: str
    value: float


@dataclass(frozen=True, slots=True)
class Event:
    """Effect: record this. `kind` is one of alarm, interlock, annunciator, output."""

    kind: str
    data: dict[str, Any]


Effect = SetOutput | Event


@dataclass(slots=True, eq=False)
class Core:
    """State and step. last: the newest values of each layout, for an alarm that its delay raises between two frames."""

    defined: Definitions
    limits: LimitState = field(init=False)
    states: AlarmStates = field(init=False)
    annunciator: Annunciator = field(init=False)
    interlocks: Interlocks = field(init=False)
    outputs: Outputs = field(default_factory=Outputs)
    last: dict[int, NDArray[np.float64]] = field(default_factory=dict[int, NDArray[np.float64]])
    due_ns: NDArray[np.int64] = field(init=False)
    number: dict[str, int] = field(init=False)
    row: dict[str, int] = field(init=False)
    wake_ns: int = NEVER

    def __post_init__(self) -> None:
        d = self.defined
        self.limits = LimitState.normal(len(d.rules.slot))
        self.states = AlarmStates.normal(d.latching)
        self.annunciator = Annunciator(d.areas, d.heard, d.priority)
        self.interlocks = Interlocks(d.interlocks)
        self.due_ns = np.full(len(d.parts), NEVER, np.int64)
        self.number = {alarm: i for i, alarm in enumerate(d.alarms)}
        self.row = {row.id: k for k, row in enumerate(d.interlocks)}

    def step(self, given: Input, now_ns: int) -> tuple[list[Effect], int]:
        """Takes one input at `now_ns`. Gives the effects, in order, and when to wake it if nothing comes (NEVER: no need).
        Raises IllegalAct for an act that is not possible; then nothing has changed."""
        effects: list[Effect] = []
        quiet = False
        match given:
            case Readings(layout, values):
                self.last[layout] = values
                observe(self.defined.rules, self.limits, self.defined.parts[layout], values, now_ns)
                quiet = not self._settle(layout, now_ns, effects)
                for tag, slot in self.defined.read_back.get(layout, ()):
                    value = float(values[slot])
                    self.outputs.seen(tag, None if np.isnan(value) else value, now_ns)
                    self._released(tag, value)
                    quiet = False
            case Act():
                effects.append(self._act(given, now_ns))
            case Outcome(tag, held, _):
                self.outputs.seen(tag, held, now_ns)
                if held is not None:
                    self._released(tag, held)
            case Wake():  # pragma: no branch
                for layout in np.flatnonzero(self.due_ns <= now_ns):
                    self._settle(int(layout), now_ns, effects)
        if quiet and now_ns < self.wake_ns:
            return effects, self.wake_ns  # the usual case, a thousand times a second: nothing changed, nothing is due
        self._decide(now_ns, effects)
        return effects, self.wake_ns

    def _settle(self, layout: int, now_ns: int, effects: list[Effect]) -> bool:
        """Applies delays in one layout's slice; true when something came or went."""
        d = self.defined
        changed, self.due_ns[layout] = settle(d.rules, self.limits, d.parts[layout], now_ns)
        self.wake_ns = min(self.wake_ns, int(self.due_ns[layout]))
        for rule in changed:
            there = bool(self.limits.active[rule])
            values = self.last.get(layout)  # none right after a restart, when a delay that was running ends
            value = float("nan") if values is None else float(values[d.rules.slot[rule]])
            if d.alarm_of[rule] >= 0:
                effects.append(self._alarm(int(d.alarm_of[rule]), there, value, now_ns))
            k = int(d.interlock_of[rule])
            if k >= 0 and self.interlocks.set_cause(k, there, now_ns):
                effects.append(self._interlock_event(k, "tripped", value=_json(value)))
        return len(changed) > 0

    def _alarm(self, i: int, there: bool, value: float, now_ns: int) -> Event:
        if there:
            self.states.raise_(i, value, now_ns)
            self.annunciator.silenced_until_ns[i] = 0
        else:
            self.states.clear(i, now_ns)
        return self._alarm_event(i, "raised" if there else "cleared", value=_json(value))

    def _act(self, act: Act, now_ns: int) -> Event:
        said = {"person": act.person, "comment": act.comment}
        match act.verb:
            case "acknowledge" | "reset":
                i = self._known(self.number, act.target, "alarm")
                if act.verb == "acknowledge":
                    self.states.acknowledge(i, act.occurrence, act.person, now_ns)
                    return self._alarm_event(i, "acknowledged", **said)
                self.states.reset(i, act.occurrence)
                return self._alarm_event(i, "reset", **said)
            case "reset-interlock":
                k = self._known(self.row, act.target, "interlock")
                self.interlocks.reset(k, now_ns)
                return self._interlock_event(k, "reset", **said)
            case "silence":
                if act.target:
                    self._known({area.id: 0 for area in self.defined.areas}, act.target, "area with an annunciator")
                areas = self.annunciator.silence(self.states, act.target or None, now_ns)
                return Event("annunciator", {"transition": "silenced", "areas": areas, **said})
            case "test":  # pragma: no branch
                self.annunciator.test_until_ns = now_ns + TEST_NS
                return Event(
                    "annunciator", {"transition": "tested", "areas": [a.id for a in self.defined.areas], **said}
                )

    def _known(self, among: Mapping[str, int], target: str, what: str) -> int:
        if target not in among:
            raise UnknownTarget(f"There is no {what} {target}.")
        return among[target]

    def _released(self, tag: str, value: float) -> None:
        if self.interlocks.releasing.get(tag) == value:
            del self.interlocks.releasing[tag]

    def _decide(self, now_ns: int, effects: list[Effect]) -> None:
        """What outputs should hold now, and when to look again."""
        for k in self.interlocks.automatic_resets(now_ns):
            self.interlocks.reset(k, now_ns)
            effects.append(
                self._interlock_event(k, "reset", person=None, comment="automatic: its cause stayed healthy")
            )
        trips = self.interlocks.levels()
        self.outputs.want(self.annunciator.levels(self.states, now_ns) | trips, now_ns, trips)
        effects.extend(SetOutput(tag, value) for tag, value in self.outputs.writes(now_ns))
        effects.extend(
            Event("output", {"tag": tag, "transition": "confirmed" if good else "unconfirmed"})
            for tag, good in self.outputs.reports(now_ns)
        )
        self.wake_ns = min(
            int(self.due_ns.min(initial=NEVER)),
            self.annunciator.due_ns(self.states, now_ns),
            self.outputs.due_ns(),
            *self.interlocks.due_ns(),
            NEVER,
        )

    def _alarm_event(self, i: int, transition: str, **more: Any) -> Event:
        return Event(
            "alarm",
            {
                "alarm": self.defined.alarms[i],
                "occurrence": int(self.states.occurrence[i]),
                "transition": transition,
                "letter": self.states.letter(i),
                "priority": int(self.defined.priority[i]),
                **more,
            },
        )

    def _interlock_event(self, k: int, transition: str, **more: Any) -> Event:
        return Event("interlock", {"interlock": self.interlocks.rows[k].id, "transition": transition, **more})


def _json(value: float) -> float | None:
    return None if np.isnan(value) else value
