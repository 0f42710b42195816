"""Limit rules: stories of one rule, and many rules on arrays against one plain object a rule."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from naive import Rule
from small_core import NAN, SECOND, START_NS, ns

from alarms.limits import EQUAL, HIGH, LOW, NEVER, LimitRules, LimitState, observe, settle

INF = float("inf")


def arrays(slots: list[int], rules: list[Rule]) -> LimitRules:
    return LimitRules(
        np.array(slots, np.intp),
        np.array([r.side for r in rules], np.int8),
        np.array([r.limit for r in rules], np.float64),
        np.array([r.deadband for r in rules], np.float64),
        np.array([ns(r.on_delay_s) for r in rules], np.int64),
        np.array([ns(r.off_delay_s) for r in rules], np.int64),
        np.array([NEVER if r.bad_delay_s is None else ns(r.bad_delay_s) for r in rules], np.int64),
    )


@dataclass
class Watched:
    """One rule on one value, as arrays: `read` and `wait` give what `active` is then."""

    rule: Rule
    state: LimitState = field(default_factory=lambda: LimitState.normal(1))

    def read(self, second: float, value: float) -> bool:
        rules = arrays([0], [self.rule])
        observe(rules, self.state, slice(0, 1), np.array([value]), START_NS + ns(second))
        return self.wait(second)

    def wait(self, second: float) -> bool:
        settle(arrays([0], [self.rule]), self.state, slice(0, 1), START_NS + ns(second))
        return bool(self.state.active[0])


def test_low_is_below_the_limit_and_over_past_the_deadband() -> None:
    pressure = Watched(Rule(LOW, 10, deadband=2))
    assert [pressure.read(i, x) for i, x in enumerate([10, 9.75, 10, 11.75, 12, 10])] == [0, 1, 1, 1, 0, 0]


def test_high_is_above_the_limit_and_over_past_the_deadband() -> None:
    temperature = Watched(Rule(HIGH, 38, deadband=0.5))
    assert [temperature.read(i, x) for i, x in enumerate([38, 38.25, 38, 37.75, 37.5, 38])] == [0, 1, 1, 1, 0, 0]


def test_a_state_is_there_while_the_value_equals_it() -> None:
    door = Watched(Rule(EQUAL, 1, deadband=5))
    assert [door.read(i, x) for i, x in enumerate([0, 1, 1, 2, 1, 0])] == [0, 1, 1, 0, 1, 0]


def test_without_a_deadband_the_limit_itself_is_already_good_again() -> None:
    pressure = Watched(Rule(LOW, 10))
    assert [pressure.read(i, x) for i, x in enumerate([9, 10])] == [1, 0]


def test_an_on_delay_needs_the_value_beyond_without_a_break() -> None:
    pressure = Watched(Rule(LOW, 10, on_delay_s=30))
    assert not pressure.read(0, 5)
    assert not pressure.read(29, 5)
    assert not pressure.read(29.5, 11)
    assert not pressure.read(30, 5)
    assert not pressure.wait(59.999999999)
    assert pressure.wait(60)


def test_an_off_delay_needs_the_value_good_without_a_break() -> None:
    pressure = Watched(Rule(LOW, 10, off_delay_s=15))
    assert pressure.read(0, 5)
    assert pressure.read(1, 20)
    assert pressure.read(15, 5)
    assert pressure.read(16, 20)
    assert pressure.wait(30.999999999)
    assert not pressure.wait(31)


@pytest.mark.parametrize("unknown", [NAN, float("-nan")])
def test_an_unknown_value_changes_nothing_by_itself(unknown: float) -> None:
    pressure = Watched(Rule(LOW, 10))
    assert not pressure.read(0, unknown)
    assert pressure.read(1, 5)
    assert pressure.read(2, unknown)
    assert not pressure.read(3, 20)
    assert not pressure.read(1000, unknown)


def test_a_delay_runs_on_while_the_value_is_unknown() -> None:
    pressure = Watched(Rule(LOW, 10, on_delay_s=5))
    pressure.read(0, 5)
    assert not pressure.read(1, NAN)
    assert pressure.read(5, NAN)


def test_unknown_for_its_bad_delay_votes_and_one_good_value_starts_it_anew() -> None:
    pressure = Watched(Rule(LOW, 10, bad_delay_s=10))
    assert not any(pressure.read(second, NAN) for second in range(10))
    assert not pressure.read(10 - 1e-9, 40)
    assert not any(pressure.read(second, NAN) for second in range(11, 21))
    assert pressure.read(21, NAN)
    assert pressure.read(22, NAN)
    assert not pressure.read(23, 40)


def test_a_bad_vote_is_subject_to_the_on_delay_like_any_other() -> None:
    pressure = Watched(Rule(LOW, 10, on_delay_s=5, bad_delay_s=10))
    for second in range(11):
        pressure.read(second, NAN)
    assert not pressure.wait(14.9)
    assert pressure.wait(15)


def test_a_frame_touches_the_rules_of_its_own_slice_only() -> None:
    rules, state = arrays([0, 0], [Rule(LOW, 10), Rule(LOW, 10)]), LimitState.normal(2)
    observe(rules, state, slice(1, 2), np.array([5.0]), START_NS)
    changed, due_ns = settle(rules, state, slice(1, 2), START_NS)
    assert (changed.tolist(), due_ns, state.active.tolist()) == ([1], NEVER, [False, True])
    assert settle(rules, state, slice(0, 1), START_NS)[0].tolist() == []


def test_an_empty_slice_is_no_trouble() -> None:
    rules, state = arrays([], []), LimitState.normal(0)
    observe(rules, state, slice(0, 0), np.array([5.0]), START_NS)
    assert settle(rules, state, slice(0, 0), START_NS)[1] == NEVER


# ---- against the oracle

VALUES = st.sampled_from([NAN, NAN, -INF, -2.0, -1.0, -0.75, -0.25, 0.0, 0.25, 0.75, 1.0, 2.0, 3.0, INF])
DELAYS = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0, 10.0])
RULES = st.builds(
    Rule,
    side=st.sampled_from([LOW, HIGH, EQUAL]),
    limit=st.sampled_from([-1.0, 0.0, 0.25, 1.0]),
    deadband=st.sampled_from([0.0, 0.25, 1.0, 10.0]),
    on_delay_s=DELAYS,
    off_delay_s=DELAYS,
    bad_delay_s=st.one_of(st.none(), DELAYS),
)
WIDTH = 3
DEVICES = st.lists(st.lists(st.tuples(st.integers(0, WIDTH - 1), RULES), max_size=4), min_size=1, max_size=3)
"""Devices, each with its rules: slot of the value, and the rule."""
STEPS = st.lists(
    st.tuples(
        st.sampled_from([1, SECOND // 2, SECOND - 1, SECOND, SECOND, 2 * SECOND, 10 * SECOND]),
        st.integers(0, 2),
        st.one_of(st.none(), st.lists(VALUES, min_size=WIDTH, max_size=WIDTH)),
    ),
    max_size=25,
)
"""Time that passes in ns, which device, and its values (None: only time has passed)."""


@given(DEVICES, STEPS)
@example([[(0, Rule(LOW, 0.0, bad_delay_s=0.0))]], [(1, 0, [NAN] * 3)])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_arrays_agree_with_one_object_a_rule(
    devices: list[list[tuple[int, Rule]]], steps: list[tuple[int, int, list[float] | None]]
) -> None:
    oracle = [[Rule(**vars(rule)) for _, rule in device] for device in devices]
    flat = [pair for device in devices for pair in device]
    rules, state = arrays([slot for slot, _ in flat], [rule for _, rule in flat]), LimitState.normal(len(flat))
    ends = np.cumsum([len(device) for device in devices]).tolist()
    parts = [slice(end - len(device), end) for end, device in zip(ends, devices, strict=True)]
    now_ns = START_NS
    for passed_ns, which, values in steps:
        now_ns += passed_ns
        which %= len(devices)
        part, mine = parts[which], oracle[which]
        if values is not None:
            observe(rules, state, part, np.array(values), now_ns)
            for (slot, _), rule in zip(devices[which], mine, strict=True):
                rule.read(values[slot], now_ns)
        changed, due_ns = settle(rules, state, part, now_ns)
        assert changed.tolist() == [part.start + i for i, rule in enumerate(mine) if rule.settle(now_ns)]
        assert due_ns == min((due for rule in mine if (due := rule.due_ns()) is not None), default=NEVER)
        assert due_ns > now_ns
        assert state.active.tolist() == [rule.active for device in oracle for rule in device]
