"""Interlocks: trip, hold, and who may let go when."""

from copy import deepcopy

import pytest
from small_core import SECOND, START_NS, frozen

from alarms.interlocks import Interlock, Interlocks
from alarms.states import IllegalAct

HOLD = (("ISO.hold", 1.0, 0.0),)
MANUAL = Interlock("ISO.lost", HOLD, automatic=False, healthy_ns=60 * SECOND)
AUTOMATIC = Interlock("ISO.low", (("ISO.lock", 1.0, 0.0), ("ISO.boost", 2.0, 0.5)), automatic=True, healthy_ns=SECOND)


def at(seconds: float) -> int:
    return START_NS + round(seconds * SECOND)


def test_a_cause_trips_once_and_the_trip_stays_when_it_is_gone() -> None:
    rows = Interlocks((MANUAL, AUTOMATIC))
    assert rows.levels() == {}
    assert rows.set_cause(0, True, at(0))
    assert not rows.set_cause(0, False, at(1))
    assert not rows.set_cause(0, True, at(2))
    assert rows.tripped.tolist() == [True, False]
    assert rows.levels() == {"ISO.hold": 1.0}


@pytest.mark.parametrize(
    ("after_s", "words"),
    [(0, "another 60 s"), (0.5, "another 60 s"), (59, "another 1 s"), (59.999999999, "another 1 s")],
)
def test_reset_too_early_says_how_long_it_takes_and_changes_nothing(after_s: float, words: str) -> None:
    rows = Interlocks((MANUAL,))
    rows.set_cause(0, True, at(0))
    rows.set_cause(0, False, at(10))
    before = deepcopy(rows)
    with pytest.raises(IllegalAct, match=words):
        rows.reset(0, at(10 + after_s))
    assert frozen(rows) == frozen(before)


def test_reset_is_refused_untripped_and_while_the_cause_is_there() -> None:
    rows = Interlocks((MANUAL,))
    with pytest.raises(IllegalAct, match="not tripped"):
        rows.reset(0, at(0))
    rows.set_cause(0, True, at(0))
    before = deepcopy(rows)
    with pytest.raises(IllegalAct, match="still there"):
        rows.reset(0, at(1000))
    assert frozen(rows) == frozen(before)


def test_after_the_healthy_time_the_outputs_are_asked_back_to_normal() -> None:
    rows = Interlocks((MANUAL, AUTOMATIC))
    for k in (0, 1):
        rows.set_cause(k, True, at(0))
        rows.set_cause(k, False, at(10))
    rows.reset(1, at(11))
    assert rows.levels() == {"ISO.hold": 1.0, "ISO.lock": 0.0, "ISO.boost": 0.5}
    rows.reset(0, at(70))
    assert rows.tripped.tolist() == [False, False]
    assert rows.levels() == {"ISO.hold": 0.0, "ISO.lock": 0.0, "ISO.boost": 0.5}


def test_a_trip_is_stronger_than_a_release_of_the_same_output() -> None:
    other = Interlock("ISO.reversal", HOLD, automatic=False, healthy_ns=0)
    rows = Interlocks((MANUAL, other))
    rows.set_cause(0, True, at(0))
    rows.set_cause(1, True, at(0))
    rows.set_cause(1, False, at(1))
    rows.reset(1, at(1))
    assert rows.levels() == {"ISO.hold": 1.0}


def test_only_automatic_rows_release_themselves_and_only_when_healthy_for_long_enough() -> None:
    rows = Interlocks((MANUAL, AUTOMATIC))
    for k in (0, 1):
        rows.set_cause(k, True, at(0))
    assert (rows.due_ns(), rows.automatic_resets(at(1000))) == ([], [])
    for k in (0, 1):
        rows.set_cause(k, False, at(10))
    assert rows.due_ns() == [at(11)]
    assert rows.automatic_resets(at(11) - 1) == []
    assert rows.automatic_resets(at(11)) == [1]
    rows.reset(1, at(11))
    assert (rows.due_ns(), rows.automatic_resets(at(1000))) == ([], [])
