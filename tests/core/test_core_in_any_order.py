"""The core against the naive oracle: readings, acts, outcomes and wake-ups in any order, while time goes forward."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from naive import Naive
from small_core import NAN, SECOND, START_NS, events, frozen, in_words, small

from alarms.core import Act, Core, Effect, Input, Outcome, Readings, SetOutput, Wake
from alarms.limits import NEVER
from alarms.states import IllegalAct

ALARMS: Final[dict[str, dict[str, Any]]] = {
    "ISO.reversal": {"tag": "ISO.pressure", "low": 0, "priority": 1},
    "ISO.action-low": {
        "tag": "ISO.pressure", "low": 10, "deadband": 2, "on_delay_s": 5, "off_delay_s": 3, "priority": 2,
    },
    "ISO.residual": {"tag": "ISO.h2o2", "high": 1, "deadband": 0.5, "on_delay_s": 1, "latching": True, "priority": 2},
    "ISO.communication": {"tag": "ISO.silent", "equals": 1, "on_delay_s": 10, "priority": 3},
    "BSC.door": {"tag": "BSC.door", "equals": 1, "latching": True, "priority": 1, "area": "W2"},
    "BSC.elsewhere": {"tag": "BSC.door", "equals": 2, "priority": 1, "area": "nowhere"},
    "BCN.communication": {"tag": "BCN.silent", "equals": 1, "on_delay_s": 10, "priority": 2, "area": "W2"},
}  # fmt: skip
INTERLOCKS: Final[dict[str, dict[str, Any]]] = {
    "ISO.lost": {
        "tag": "ISO.pressure", "low": 10, "deadband": 2, "delay_s": 5, "bad_delay_s": 10, "healthy_s": 20,
        "effects": {"ISO.hold": 1},
    },
    "ISO.low": {
        "tag": "ISO.pressure", "low": 20, "on_bad": "ignore", "reset": "automatic", "healthy_s": 10,
        "effects": {"ISO.hold": 1, "ISO.valve": [0, 1]},
    },
    "BSC.h2o2": {"tag": "BSC.h2o2", "high": 1, "bad_delay_s": 0, "healthy_s": 1, "effects": {"BSC.hold": 1}},
}  # fmt: skip
AREAS: Final[dict[str, dict[str, Any]]] = {
    "W1": {"horn": "BCN.horn", "lamps": {1: "BCN.red", 2: "BCN.yellow", 3: "BCN.blue"}},
    "W2": {"horn": "BCN.horn2", "lamps": {1: "BCN.red2"}},
    "CR": {"horn": "CR.horn", "lamps": {2: "CR.yellow"}, "also": ["W1", "W2"]},
}
PLANT: Final = small(ALARMS, INTERLOCKS, AREAS, ["BCN.horn", "BCN.red", "ISO.hold"])
WATCHED: Final = {
    "ISO.pressure": st.sampled_from([-1.0, 0.0, 9.0, 10.0, 11.5, 12.0, 19.0, 20.0, 40.0, NAN]),
    "ISO.h2o2": st.sampled_from([0.0, 0.5, 1.0, 1.5, NAN]),
    "BSC.door": st.sampled_from([0.0, 1.0, 2.0, NAN]),
    "BSC.h2o2": st.sampled_from([0.0, 2.0, NAN]),
}
PASSING_NS: Final = st.sampled_from([0, 1, SECOND // 4, SECOND, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND])
TRANSITIONS: Final = {
    "raised": "raise", "cleared": "clear", "acknowledged": "acknowledge", "reset": "reset", "tripped": "trip",
    "silenced": "silence", "tested": "test",
}  # fmt: skip


def as_naive(effects: list[Effect]) -> list[str]:
    """Events as the oracle tells them: without value and person; outputs are looked at by their levels."""
    told: list[str] = []
    for event in events(effects):
        words = in_words(event).split(" at ")[0].split(" by ")[0].split(" ")
        if event.kind != "output":
            told.append(" ".join(TRANSITIONS.get(word, word) for word in words))
    return told


class AnyOrder(RuleBasedStateMachine):
    """Readings, acts, outcomes and wake-ups in any order while time goes forward."""

    @initialize()
    def starts(self) -> None:
        self.core, self.naive = Core(PLANT.definitions), Naive.of(ALARMS, INTERLOCKS, AREAS)
        self.now_ns = START_NS
        self.taken: list[tuple[Input, int]] = []
        self.told: list[Effect] = []
        self.holds: dict[str, float] = {"ISO.valve": 1.0}  # what the plant's outputs are; those not named: 0
        self.asked: list[SetOutput] = []
        self.occurrences = self.core.states.occurrence.copy()
        self.give(Wake(), self.naive.wake(self.now_ns))

    def give(self, given: Input, expected: list[str]) -> None:
        effects, wake_ns = self.core.step(given, self.now_ns)
        assert as_naive(effects) == expected
        assert wake_ns == self.core.wake_ns
        self.taken.append((given, self.now_ns))
        self.told += effects
        for effect in effects:
            if isinstance(effect, SetOutput):
                self.asked = [x for x in self.asked if x.tag != effect.tag] + [effect]

    # ---- what happens

    @rule(passed_ns=PASSING_NS)
    def time_passes_with_every_wake_up(self, passed_ns: int) -> None:
        until_ns = self.now_ns + passed_ns
        while self.core.wake_ns <= until_ns:
            asleep_ns = self.core.wake_ns
            self.now_ns = max(self.now_ns, asleep_ns)
            self.wakes()
            assert self.core.wake_ns > max(asleep_ns, self.now_ns), "no progress"
        self.now_ns = until_ns

    @rule(passed_ns=PASSING_NS)
    def time_passes_and_the_wake_up_is_late(self, passed_ns: int) -> None:
        self.now_ns += passed_ns

    @rule()
    def wakes(self) -> None:
        self.give(Wake(), self.naive.wake(self.now_ns))
        assert self.core.wake_ns > self.now_ns

    @rule(pressure=WATCHED["ISO.pressure"], h2o2=WATCHED["ISO.h2o2"])
    def isolator_is_read(self, pressure: float, h2o2: float) -> None:
        self.scanned("ISO", {"ISO.pressure": pressure, "ISO.h2o2": h2o2, "ISO.hold": self.holds.get("ISO.hold", 0.0)})

    @rule(door=WATCHED["BSC.door"], h2o2=WATCHED["BSC.h2o2"])
    def cabinet_is_read(self, door: float, h2o2: float) -> None:
        self.scanned("BSC", {"BSC.door": door, "BSC.h2o2": h2o2})

    @rule()
    def beacon_is_read(self) -> None:
        self.scanned("BCN", {tag: self.holds.get(tag, 0.0) for tag in ("BCN.horn", "BCN.red")})

    @rule(device=st.sampled_from(["ISO", "BSC", "BCN"]))
    def is_silent(self, device: str) -> None:
        self.scanned(device, {}, silent=True)

    def scanned(self, device: str, values: Mapping[str, float], silent: bool = False) -> None:
        frame = [values.get(tag, NAN) for tag in PLANT.tags[device]] + [float(silent)]
        names = (*PLANT.tags[device], f"{device}.silent")
        expected = self.naive.read(device, dict(zip(names, frame, strict=True)), self.now_ns)
        self.give(Readings(PLANT.layout[device], np.array(frame)), expected)

    @precondition(lambda self: self.asked)
    @rule(takes=st.booleans())
    def write_ends(self, takes: bool) -> None:
        asked = self.asked.pop(0)
        if takes:
            self.holds[asked.tag] = asked.value
        self.give(Outcome(asked.tag, asked.value if takes else None), self.naive.other(self.now_ns))

    @rule()
    def beacon_is_switched_off_and_on(self) -> None:
        self.holds.clear()

    @rule(
        verb=st.sampled_from(["acknowledge", "acknowledge", "reset"]),
        alarm=st.sampled_from([*ALARMS, "ISO.lost", "unknown"]),
        older=st.sampled_from([0, 0, 0, 1, -1]),
    )
    def somebody_acts_on_an_alarm(self, verb: str, alarm: str, older: int) -> None:
        known = self.naive.alarms.get(alarm)
        self.acts(verb, alarm, known.occurrence - older if known else 1)

    @rule(row=st.sampled_from([*INTERLOCKS, "ISO.reversal"]))
    def somebody_resets_an_interlock(self, row: str) -> None:
        self.acts("reset-interlock", row, 0)

    @rule(verb=st.sampled_from(["silence", "silence", "test"]), area=st.sampled_from(["", "W1", "W2", "CR", "W9"]))
    def somebody_at_the_annunciator(self, verb: str, area: str) -> None:
        self.acts(verb, area, 0)

    def acts(self, verb: str, target: str, occurrence: int) -> None:
        act = Act(verb, target, occurrence, "lin")  # type: ignore[arg-type]
        expected = self.naive.act(verb, target, occurrence, self.now_ns)
        if expected is not None:
            self.give(act, expected)
            return
        before, arrays = frozen(self.core), self.core.states.active
        try:
            effects, _ = self.core.step(act, self.now_ns)
            raise AssertionError(f"{act} should be refused, gave {effects}")
        except IllegalAct as refusal:
            assert str(refusal).endswith(".")
        assert frozen(self.core) == before
        assert self.core.states.active is arrays

    # ---- what always holds

    @invariant()
    def states_are_those_of_the_oracle(self) -> None:
        for i, alarm in enumerate(self.naive.alarms.values()):
            assert self.core.states.letter(i) == alarm.letter
            assert self.core.states.occurrence[i] == alarm.occurrence
            assert self.core.limits.active[self.core.defined.alarm_of == i] == (alarm.letter in "BC")
        assert self.core.interlocks.tripped.tolist() == [row.tripped for row in self.naive.interlocks.values()]
        assert (self.core.states.occurrence >= self.occurrences).all()
        self.occurrences = self.core.states.occurrence.copy()

    @invariant()
    def outputs_are_asked_for_as_they_should_be(self) -> None:
        last_ns = self.taken[-1][1]
        wanted = {tag: output.wanted for tag, output in self.core.outputs.by_tag.items()}
        if last_ns < self.core.wake_ns:  # else a wake-up is late, and horn and lamps follow it
            expected = self.naive.levels(last_ns)
            assert expected.items() <= wanted.items()
            releasing = {"ISO.hold": 0.0, "ISO.valve": 1.0, "BSC.hold": 0.0}
            assert (wanted.items() - expected.items()) <= releasing.items()

    @invariant()
    def nothing_due_is_slept_over(self) -> None:
        last_ns = self.taken[-1][1]
        assert self.core.wake_ns <= min(self.naive.pending_ns(last_ns), default=NEVER)
        for output in self.core.outputs.by_tag.values():
            assert output.held == output.wanted or self.core.wake_ns <= output.next_try_ns

    # ---- at the end

    def teardown(self) -> None:
        if not hasattr(self, "core"):
            return
        self.a_second_core_that_takes_the_same_stands_the_same()
        self.a_plant_that_obeys_comes_to_rest()

    def a_second_core_that_takes_the_same_stands_the_same(self) -> None:
        second, told = Core(PLANT.definitions), list[Effect]()
        for given, now_ns in self.taken:
            told += second.step(given, now_ns)[0]
        assert frozen(second) == frozen(self.core)
        assert told == self.told

    def a_plant_that_obeys_comes_to_rest(self) -> None:
        for _ in range(60):
            while self.asked:
                self.write_ends(True)
            if self.core.wake_ns == NEVER:
                break
            self.now_ns = max(self.now_ns, self.core.wake_ns)
            self.wakes()
        assert self.core.wake_ns == NEVER
        self.outputs_are_asked_for_as_they_should_be()
        for tag, output in self.core.outputs.by_tag.items():
            assert (tag, output.held) == (tag, output.wanted)


AnyOrder.TestCase.settings = settings(stateful_step_count=40)
TestAnyOrder = AnyOrder.TestCase
