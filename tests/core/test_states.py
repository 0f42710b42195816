"""Alarm states: the whole ISA-18.2 graph, walked: every act in every state, latching and not."""

from collections.abc import Callable, Iterator
from copy import deepcopy

import numpy as np
import pytest
from naive import NEXT
from small_core import START_NS, Story, frozen, small

from alarms.states import LETTERS, AlarmStates, IllegalAct

REFUSED = {
    ("A", "acknowledge"): "The alarm is normal; there is nothing to act on.",
    ("C", "acknowledge"): "It is acknowledged already.",
    ("F", "acknowledge"): "It is acknowledged already.",
    ("A", "reset"): "The alarm is normal; there is nothing to act on.",
    ("B", "reset"): "Its cause is still there; it can be reset when the value is back within its limit.",
    ("C", "reset"): "Its cause is still there; it can be reset when the value is back within its limit.",
    ("E", "reset"): "Acknowledge it first, then reset it.",
}
UNLATCHED = "It is not latched, so there is nothing to reset."


def refusal(latching: bool, letter: str, act: str) -> str:
    return UNLATCHED if act == "reset" and not latching and letter != "A" else REFUSED[(letter, act)]


def reached(latching: bool) -> dict[str, list[str]]:
    """Every letter that can be reached from A, with the shortest way there."""
    ways, fresh = {"A": list[str]()}, ["A"]
    while fresh:
        here = fresh.pop(0)
        for (letter, what), there in NEXT[latching].items():
            if letter == here and there not in ways:
                ways[there] = [*ways[here], what]
                fresh.append(there)
    return ways


PLACES = [(latching, letter) for latching in (False, True) for letter in reached(latching)]


def at(latching: bool, letter: str) -> tuple[AlarmStates, int]:
    """Alarm 1 of three in that state at its second occurrence, by its shortest way; and the time then."""
    states, now_ns = AlarmStates.normal(np.array([latching] * 3)), START_NS
    for _, step in walk(states, [*around(latching), *reached(latching)[letter]]):
        now_ns += 1
        step(now_ns)
    assert states.letter(1) == letter
    return states, now_ns


def around(latching: bool) -> list[str]:
    return ["raise", "acknowledge", "clear", "reset"] if latching else ["raise", "acknowledge", "clear"]


def walk(states: AlarmStates, ways: list[str]) -> Iterator[tuple[str, Callable[[int], None]]]:
    for what in ways:
        yield (
            what,
            {
                "raise": lambda now_ns: states.raise_(1, -3.0, now_ns),
                "clear": lambda now_ns: states.clear(1, now_ns),
                "acknowledge": lambda now_ns: states.acknowledge(1, int(states.occurrence[1]), "lin", now_ns),
                "reset": lambda _: states.reset(1, int(states.occurrence[1])),
            }[what],
        )


def test_all_letters_are_reached() -> None:
    assert {letter for _, letter in PLACES} == set(LETTERS)
    assert set(reached(False)) == set("ABCD")
    assert set(reached(True)) == set("ABCEF")


@pytest.mark.parametrize(("latching", "letter"), PLACES)
@pytest.mark.parametrize("what", ["raise", "clear", "acknowledge", "reset"])
def test_every_step_leads_where_the_standard_says(latching: bool, letter: str, what: str) -> None:
    states, now_ns = at(latching, letter)
    before = deepcopy(states)
    ((_, step),) = walk(states, [what])
    follows = NEXT[latching].get((letter, what))
    if follows is not None:
        step(now_ns + 1)
        assert states.letter(1) == follows
        assert states.occurrence[1] == before.occurrence[1] + (what == "raise")
    elif what in ("acknowledge", "reset"):
        with pytest.raises(IllegalAct) as refused:
            step(now_ns + 1)
        assert str(refused.value) == refusal(latching, letter, what)
        assert frozen(states) == frozen(before)
    assert (states.letter(0), states.letter(2), states.occurrence[[0, 2]].tolist()) == ("A", "A", [0, 0])


@pytest.mark.parametrize(("latching", "letter"), PLACES)
@pytest.mark.parametrize("act", ["acknowledge", "reset"])
@pytest.mark.parametrize("occurrence", [1, 0, -1, 4])
def test_an_act_on_another_occurrence_is_refused_in_every_state(
    latching: bool, letter: str, act: str, occurrence: int
) -> None:
    states, now_ns = at(latching, letter)
    states.occurrence[1] = 3
    before = deepcopy(states)
    with pytest.raises(IllegalAct):
        if act == "acknowledge":
            states.acknowledge(1, occurrence, "lin", now_ns + 1)
        else:
            states.reset(1, occurrence)
    assert frozen(states) == frozen(before)


@pytest.mark.parametrize(("latching", "letter"), PLACES)
@pytest.mark.parametrize("act", ["acknowledge", "reset"])
def test_the_same_through_the_core_and_a_refused_act_changes_nothing_at_all(
    latching: bool, letter: str, act: str
) -> None:
    alarm = {"tag": "ISO.pressure", "low": 0, "priority": 1, "latching": latching}
    story = Story(small({"ISO.reversal": alarm}, read_back=["BCN.horn"]))
    for second, what in enumerate(reached(latching)[letter]):
        story.at(second)
        if what in ("raise", "clear"):
            story.reads(ISO__pressure=-3 if what == "raise" else 40)
        else:
            story.act(what, "ISO.reversal", 1)
    assert story.letter("ISO.reversal") == letter
    before = frozen(story.core)
    told = story.at(10).act(act, "ISO.reversal", 1)
    follows = NEXT[latching].get((letter, act))
    if follows is None:
        assert told == [f"10 refused: {refusal(latching, letter, act)}"]
        assert frozen(story.core) == before
    else:
        done = {"acknowledge": "acknowledged", "reset": "reset"}[act]
        assert told[0] == f"10 ISO.reversal/1 {done} {follows} by lin"
        assert story.letter("ISO.reversal") == follows


def test_an_alarm_that_never_was_raised_cannot_be_acted_on() -> None:
    states = AlarmStates.normal(np.array([True]))
    for occurrence in (0, 1):
        with pytest.raises(IllegalAct, match="normal"):
            states.acknowledge(0, occurrence, "lin", START_NS)


def test_who_and_when_belong_to_the_occurrence() -> None:
    states = AlarmStates.normal(np.array([False]))
    states.raise_(0, -3.0, 10)
    states.clear(0, 20)
    states.acknowledge(0, 1, "lin", 30)
    assert (states.raised_ns[0], states.cleared_ns[0], states.acknowledged_ns[0]) == (10, 20, 30)
    assert (states.value[0], states.acknowledged_by) == (-3.0, {0: "lin"})
    states.raise_(0, -5.0, 40)
    assert (states.raised_ns[0], states.cleared_ns[0], states.acknowledged_ns[0]) == (40, 0, 0)
    assert (states.value[0], states.acknowledged_by) == (-5.0, {})


def test_what_stands_is_what_is_not_normal() -> None:
    standing: dict[str, list[int]] = {}
    for latching, letter in PLACES:
        standing[letter] = at(latching, letter)[0].standing().tolist()
    assert standing == {letter: [] if letter == "A" else [1] for letter in LETTERS}
