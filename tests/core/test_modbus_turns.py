"""Turns on a shared connection: one request a unit, no more than it bears, and a silent unit only in slack time."""

from drivers.modbus.turns import LONGEST_WAIT_S, OVERDUE_S, Turns


def test_each_unit_has_one_request_on_the_way() -> None:
    turns = Turns(None)
    assert turns.take(1)
    assert turns.take(2)
    assert not turns.take(1)
    turns.queue(1, "second of unit 1")
    assert turns.give(2) == []
    assert turns.give(1) == ["second of unit 1"]
    assert not turns.take(1)


def test_a_line_bears_one_request_and_serves_in_order() -> None:
    turns = Turns(1)
    assert turns.take(1)
    for unit in (2, 3, 4):
        assert not turns.take(unit)
        turns.queue(unit, unit)
    turns.leave(3, 3)
    turns.leave(3, 3)  # has left already
    assert turns.give(1) == [2]
    assert turns.give(2) == [4]
    assert turns.give(4) == []
    assert turns.take(3)


def test_who_waits_is_not_overtaken() -> None:
    turns = Turns(2)
    assert turns.take(1)
    assert turns.take(2)
    turns.queue(1, "first")
    assert turns.give(2) == []
    assert not turns.take(3), "somebody waits already"


def test_a_silent_unit_waits_longer_each_time_but_never_long() -> None:
    turns = Turns(1)
    assert turns.is_due(1, 0.0)
    waits: list[float] = []
    for _ in range(4):
        turns.unanswered(1, 10.0, 1.0)
        waits.append(next(w / 10 for w in range(100) if turns.is_due(1, 10.0 + w / 10)))
    assert waits == [1.0, 2.0, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert turns.is_silent(1)
    turns.answered(1)
    assert not turns.is_silent(1)
    turns.unanswered(1, 10.0, 1.0)
    assert turns.is_due(1, 11.0)


def test_slack_is_what_lies_before_the_next_scan_of_another_unit() -> None:
    turns = Turns(1)
    turns.scanned(1, 0.0)
    turns.scanned(2, 0.3)
    turns.unanswered(9, -0.5, 1.0)  # due at 0.5
    assert turns.has_slack(9, 0.6, 0.3)  # unit 1 comes at 1.0
    assert not turns.has_slack(9, 0.6, 0.5)
    assert turns.take(2)
    assert not turns.has_slack(9, 0.6, 0.3), "the line is busy"
    turns.give(2)
    assert turns.has_slack(9, 0.5 + OVERDUE_S, 0.5), "it must not be left dark"


def test_units_that_are_silent_or_gone_need_no_time() -> None:
    turns = Turns(1)
    turns.scanned(1, 0.0)
    turns.scanned(2, 0.0)
    turns.unanswered(1, 0.1, 1.0)
    turns.unanswered(9, 0.1, 1.0)
    assert not turns.has_slack(9, 0.9, 0.3)
    assert turns.has_slack(9, 2.0, 0.3), "unit 2 was not scanned for two periods"
