"""Seconds that were not scanned: after a stop, while the engine was held up; each slot a frame or in a gap, in few sentences."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from drivers.frame import Layout
from telemetry.engine.gaps import SECOND, HeldUp, gap, last_slots, while_stopped
from tests.historian.accounting import absent, doubled, missing_s, unaccounted

S = SECOND


def spans(gaps: list[dict[str, Any]]) -> list[tuple[str | None, int, int, str]]:
    return [(g["device"], g["first_ns"] // S, g["last_ns"] // S, g["reason"]) for g in gaps]


def test_a_stop_is_one_gap_of_all_devices() -> None:
    last, first = {"A": 100 * S, "B": 99 * S}, {"A": 104 * S, "B": 103 * S}
    assert spans(while_stopped(last, first)) == [(None, 100, 103, "engine stopped")]


def test_a_device_that_was_taken_out_meanwhile_has_a_gap_of_its_own() -> None:
    last, first = {"A": 100 * S, "B": 40 * S, "GONE": 99 * S}, {"A": 102 * S, "B": 102 * S, "NEW": 102 * S}
    assert spans(while_stopped(last, first)) == [
        (None, 101, 101, "engine stopped"),
        ("B", 41, 101, "not configured"),
    ]


def test_no_gap_where_nothing_is_missing() -> None:
    assert while_stopped({}, {"A": 5 * S}) == []
    assert while_stopped({"A": 4 * S}, {"A": 5 * S}) == []
    assert while_stopped({"A": 4 * S, "B": 1 * S}, {"B": 2 * S}) == []


def test_a_kill_between_two_layouts_of_a_scan_costs_the_slot_of_both() -> None:
    last = last_slots({"A": {1: 100 * S, 2: 99 * S}, "B": {3: 99 * S}}, {1, 2, 3})
    assert last == {"A": 99 * S, "B": 99 * S}
    assert spans(while_stopped(last, {"A": 103 * S, "B": 103 * S})) == [(None, 100, 102, "engine stopped")]


def test_layouts_of_an_older_configuration_count_where_there_is_no_other() -> None:
    slots = {"A": {1: 40 * S, 2: 99 * S}, "B": {3: 98 * S, 4: 99 * S}}
    assert last_slots(slots, {2}) == {"A": 99 * S, "B": 99 * S}
    assert last_slots({}, {2}) == {}


def test_one_device_that_is_late_is_named_and_a_thousand_are_one_sentence() -> None:
    held = HeldUp()
    assert spans(held.missed("A", 5 * S, 6 * S, "engine held up")) == [("A", 5, 6, "engine held up")]
    assert spans(held.missed("B", 5 * S, 6 * S, "x")) == [("B", 5, 6, "x")]
    assert spans(held.missed("C", 6 * S, 7 * S, "x")) == [("C", 6, 7, "x")]
    assert spans(held.missed("D", 5 * S, 6 * S, "x")) == [(None, 5, 7, "x")]
    assert [held.missed(f"E{n}", 5 * S, 7 * S, "x") for n in range(1000)] == [[]] * 1000
    assert spans(held.missed("F", 4 * S, 8 * S, "x")) == [(None, 4, 4, "x"), (None, 8, 8, "x")]
    assert spans(held.missed("A", 50 * S, 50 * S, "x")) == [("A", 50, 50, "x")], "another time: named again"
    assert spans(held.missed("A", 5 * S, 5 * S, "x")) == [("A", 5, 5, "x")]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30), st.integers(0, 5)), max_size=40))
def test_every_slot_that_was_missed_is_told(missed: list[tuple[int, int, int]]) -> None:
    held, told, wanted = HeldUp(), list[dict[str, Any]](), set[tuple[str, int]]()
    for device, first, more in missed:
        told += held.missed(f"D{device}", first * S, (first + more) * S, "engine held up")
        wanted |= {(f"D{device}", slot) for slot in range(first, first + more + 1)}
    covered = {
        (device, slot)
        for g in told
        for device in ([g["device"]] if g["device"] else [f"D{n}" for n in range(10)])
        for slot in range(g["first_ns"] // S, g["last_ns"] // S + 1)
    }
    assert wanted <= covered


def test_the_accounting_finds_what_no_gap_covers() -> None:
    one, other = Layout("A", ("A.x",)), Layout("B", ("B.x",))
    slots = {one: [1 * S, 2 * S, 5 * S, 5 * S + 7], other: [2 * S, 6 * S, 6 * S]}
    assert absent(slots[one]).tolist() == [3 * S, 4 * S]
    assert absent([]).tolist() == []
    assert absent([2 * S], until_ns=4 * S).tolist() == [3 * S, 4 * S]
    assert doubled(slots[other]) == [6 * S]
    assert missing_s(slots) == 3.0
    told = [gap(None, 3 * S, 3 * S, ""), gap("B", 4 * S, 5 * S, "")]
    assert unaccounted(slots, told) == [(one, 4 * S)]
    assert unaccounted(slots, told, until_ns=6 * S) == [(one, 4 * S), (one, 6 * S)]
