"""Horn and lamps as levels: stories, and every combination of what stands against the sentence that defines it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_core import SECOND, START_NS

from alarms.annunciator import SILENCE_NS, TEST_NS, Annunciator, Area
from alarms.limits import NEVER
from alarms.states import AlarmStates

W1 = Area("W1", "W1.horn", {1: "W1.red", 2: "W1.yellow", 3: "W1.blue"})
W2 = Area("W2", "W2.horn", {1: "W2.red"})


def plant(*alarms: tuple[int, int]) -> tuple[Annunciator, AlarmStates]:
    """Two areas, and alarms as (number of the area, priority)."""
    area_of, priority = (np.array(column, np.int64) for column in zip(*alarms, strict=True))
    return Annunciator((W1, W2), area_of == [[0], [1]], priority), AlarmStates.normal(np.zeros(len(alarms), np.bool_))


def on(annunciator: Annunciator, states: AlarmStates, now_ns: int = START_NS) -> set[str]:
    return {tag for tag, level in annunciator.levels(states, now_ns).items() if level}


def test_every_output_has_a_level_also_when_all_is_quiet() -> None:
    annunciator, states = plant((0, 1))
    quiet = dict.fromkeys(["W1.horn", "W1.red", "W1.yellow", "W1.blue", "W2.horn", "W2.red"], 0.0)
    assert annunciator.levels(states, START_NS) == quiet
    assert annunciator.due_ns(states, START_NS) == NEVER


def test_high_and_medium_sound_low_and_diagnostic_only_shine() -> None:
    for priority, expected in ((1, {"W1.horn", "W1.red"}), (2, {"W1.horn", "W1.yellow"}), (3, {"W1.blue"}), (4, set())):
        annunciator, states = plant((0, priority))
        states.raise_(0, 0.0, START_NS)
        assert on(annunciator, states) == expected


def test_an_alarm_is_heard_in_its_own_area_and_one_without_area_nowhere() -> None:
    annunciator, states = plant((1, 1), (-1, 1))
    states.raise_(1, 0.0, START_NS)
    assert on(annunciator, states) == set()
    assert annunciator.silence(states, None, START_NS) == []
    states.raise_(0, 0.0, START_NS)
    assert on(annunciator, states) == {"W2.horn", "W2.red"}


def test_acknowledged_is_quiet_but_shines_while_the_cause_stands() -> None:
    annunciator, states = plant((0, 1))
    states.raise_(0, 0.0, START_NS)
    states.acknowledge(0, 1, "lin", START_NS)
    assert on(annunciator, states) == {"W1.red"}
    states.clear(0, START_NS)
    assert on(annunciator, states) == set()


def test_a_latched_alarm_shines_until_it_is_reset() -> None:
    annunciator, states = plant((0, 1))
    states.latching[0] = True
    states.raise_(0, 0.0, START_NS)
    states.acknowledge(0, 1, "lin", START_NS)
    states.clear(0, START_NS)
    assert on(annunciator, states) == {"W1.red"}
    states.reset(0, 1)
    assert on(annunciator, states) == set()


def test_silence_holds_120_s_in_the_area_named_and_asks_to_be_woken() -> None:
    annunciator, states = plant((0, 1), (1, 1))
    states.raise_(0, 0.0, START_NS)
    states.raise_(1, 0.0, START_NS)
    assert annunciator.silence(states, "W1", START_NS) == ["W1"]
    assert annunciator.due_ns(states, START_NS) == START_NS + SILENCE_NS == START_NS + 120 * SECOND
    assert on(annunciator, states, START_NS + SILENCE_NS - 1) == {"W1.red", "W2.horn", "W2.red"}
    assert on(annunciator, states, START_NS + SILENCE_NS) == {"W1.horn", "W1.red", "W2.horn", "W2.red"}
    assert annunciator.due_ns(states, START_NS + SILENCE_NS) == NEVER


def test_silencing_again_quiets_what_is_new_and_does_not_prolong_what_is_silent() -> None:
    annunciator, states = plant((0, 1), (0, 2))
    states.raise_(0, 0.0, START_NS)
    assert annunciator.silence(states, None, START_NS) == ["W1"]
    assert annunciator.silence(states, None, START_NS + 1) == []
    states.raise_(1, 0.0, START_NS + 2)
    assert annunciator.silence(states, None, START_NS + 3) == ["W1"]
    assert annunciator.silenced_until_ns.tolist() == [START_NS + SILENCE_NS, START_NS + 3 + SILENCE_NS]
    assert annunciator.due_ns(states, START_NS + 4) == START_NS + SILENCE_NS


def test_the_end_of_a_silence_is_of_no_interest_once_acknowledged() -> None:
    annunciator, states = plant((0, 1))
    states.raise_(0, 0.0, START_NS)
    annunciator.silence(states, None, START_NS)
    states.acknowledge(0, 1, "lin", START_NS)
    assert annunciator.due_ns(states, START_NS) == NEVER


def test_a_test_lights_everything_until_its_end() -> None:
    annunciator, states = plant((0, 1))
    annunciator.test_until_ns = START_NS + TEST_NS
    everything = {"W1.horn", "W1.red", "W1.yellow", "W1.blue", "W2.horn", "W2.red"}
    assert on(annunciator, states, START_NS + TEST_NS - 1) == everything
    assert annunciator.due_ns(states, START_NS) == START_NS + TEST_NS
    assert on(annunciator, states, START_NS + TEST_NS) == set()


ALARMS = st.lists(
    st.tuples(
        st.integers(-1, 1), st.integers(1, 4), st.booleans(), st.booleans(), st.booleans(), st.sampled_from([-5, 0, 5])
    ),
    min_size=1,
    max_size=8,
)
"""Area, priority, active, unacknowledged, latched, and the end of its silence from now."""


@given(ALARMS)
def test_levels_are_what_the_sentence_says(alarms: list[tuple[int, int, bool, bool, bool, int]]) -> None:
    annunciator, states = plant(*((area, priority) for area, priority, *_ in alarms))
    for i, (_, _, active, unacknowledged, latched, silence) in enumerate(alarms):
        states.active[i], states.unacknowledged[i], states.latched[i] = active, unacknowledged, latched
        annunciator.silenced_until_ns[i] = START_NS + silence
    expected: set[str] = set()
    for number, area in enumerate((W1, W2)):
        mine = [alarm for alarm in alarms if alarm[0] == number]
        if any(p in (1, 2) and unacknowledged and silence <= 0 for _, p, _, unacknowledged, _, silence in mine):
            expected.add(area.horn)
        shining = {p for _, p, active, unacknowledged, latched, _ in mine if active or unacknowledged or latched}
        expected |= {lamp for priority, lamp in area.lamps.items() if priority in shining}
    assert on(annunciator, states) == expected
    silent = [START_NS + silence for *_, unacknowledged, _, silence in alarms if unacknowledged and silence > 0]
    assert annunciator.due_ns(states, START_NS) == min(silent, default=NEVER)
