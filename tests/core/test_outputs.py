"""Outputs as levels: written when wanted, written again until the plant shows it, reported when it does not."""

from hypothesis import given
from hypothesis import strategies as st
from small_core import SECOND, START_NS

from alarms.limits import NEVER
from alarms.outputs import RETRY_NS, UNCONFIRMED_NS, Outputs


def at(seconds: float) -> int:
    return START_NS + round(seconds * SECOND)


def settled(**levels: float) -> Outputs:
    """Outputs that the plant has held since the start."""
    outputs = Outputs()
    outputs.want(levels, at(0))
    for tag, value in levels.items():
        outputs.seen(tag, value, at(0))
    return outputs


def test_a_level_is_written_at_once_and_again_every_1_5_s_until_it_is_read_back() -> None:
    outputs = settled(horn=0.0)
    assert (outputs.writes(at(1)), outputs.due_ns()) == ([], NEVER)
    outputs.want({"horn": 1.0}, at(1))
    assert outputs.writes(at(1)) == [("horn", 1.0)]
    assert (outputs.writes(at(2.4)), outputs.due_ns()) == ([], at(2.5))
    outputs.seen("horn", None, at(2.4))
    assert outputs.writes(at(2.5)) == [("horn", 1.0)]
    outputs.seen("horn", 1.0, at(3))
    assert (outputs.writes(at(4)), outputs.due_ns()) == ([], NEVER)


def test_a_new_level_does_not_wait_for_the_retry_of_the_old_one() -> None:
    outputs = settled(horn=0.0)
    for second, level in ((1.0, 1.0), (1.1, 0.0), (1.2, 1.0)):
        outputs.want({"horn": level}, at(second))
        outputs.seen("horn", None, at(second))
        assert outputs.writes(at(second)) == [("horn", level)]


def test_at_a_start_what_should_be_off_waits_for_the_first_scan_and_what_should_be_on_does_not() -> None:
    outputs = Outputs()
    outputs.want({"horn": 1.0, "red": 0.0, "valve": 0.0}, at(0), trips=["valve"])
    assert outputs.writes(at(0)) == [("horn", 1.0), ("valve", 0.0)]
    assert outputs.due_ns() == at(1.5)
    outputs.seen("red", 0.0, at(1))
    assert outputs.writes(at(1.5)) == [("horn", 1.0), ("valve", 0.0)]


def test_what_was_found_on_at_a_start_is_turned_off() -> None:
    outputs = Outputs()
    outputs.want({"red": 0.0}, at(0))
    outputs.seen("red", 1.0, at(1))
    assert outputs.writes(at(1)) == []
    assert outputs.writes(at(1.5)) == [("red", 0.0)]


def test_later_an_output_that_is_new_is_written_at_once_also_when_off() -> None:
    outputs = settled(horn=0.0)
    outputs.want({"horn": 0.0, "hold": 0.0}, at(1))
    assert outputs.writes(at(1)) == [("hold", 0.0)]


def test_an_output_that_is_no_longer_named_is_left_alone() -> None:
    outputs = settled(horn=0.0, hold=1.0)
    outputs.want({"horn": 0.0}, at(1))
    outputs.seen("hold", 0.0, at(2))
    assert (outputs.writes(at(2)), outputs.reports(at(100)), outputs.confirmed("hold")) == ([], [], True)


def test_unconfirmed_for_5_s_is_reported_once_and_confirmed_once() -> None:
    outputs = settled(horn=0.0)
    outputs.want({"horn": 1.0}, at(10))
    assert not outputs.confirmed("horn")
    assert outputs.reports(at(10) + UNCONFIRMED_NS - 1) == []
    assert outputs.reports(at(10) + UNCONFIRMED_NS) == [("horn", False)]
    assert outputs.reports(at(100)) == []
    outputs.seen("horn", 1.0, at(101))
    assert outputs.reports(at(101)) == [("horn", True)]
    assert outputs.reports(at(102)) == []
    assert outputs.confirmed("horn")


def test_the_5_s_count_from_when_it_began_to_differ_not_from_when_it_was_wanted() -> None:
    outputs = settled(horn=1.0)
    outputs.seen("horn", None, at(3600))
    assert outputs.reports(at(3600)) == []
    outputs.seen("horn", 0.0, at(3603))
    assert outputs.reports(at(3604.9)) == []
    assert outputs.reports(at(3605)) == [("horn", False)]


SEEN = st.sampled_from([None, 0.0, 1.0])
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, SECOND // 2, SECOND, 2 * SECOND]), st.sampled_from(["want", "seen", "wait"]), SEEN
    ),
    max_size=40,
)


@given(STEPS)
def test_whatever_happens_it_is_asked_again_in_time_and_reported_in_turns(
    steps: list[tuple[int, str, float | None]],
) -> None:
    outputs, now_ns = settled(horn=0.0), START_NS
    wanted, last_report = 0.0, True
    held: float | None = 0.0
    written_ns = turned_ns = now_ns
    for passed_ns, what, value in steps:
        now_ns += passed_ns
        differed = held != wanted
        if what == "want" and value is not None:
            if value != wanted:
                written_ns, turned_ns = now_ns - RETRY_NS, now_ns
            wanted = value
            outputs.want({"horn": value}, now_ns)
        elif what == "seen":
            held = value
            outputs.seen("horn", value, now_ns)
        differs = held != wanted
        if differs and not differed:
            turned_ns = now_ns
        expected = [("horn", wanted)] if differs and now_ns >= written_ns + RETRY_NS else []
        assert outputs.writes(now_ns) == expected
        if expected:
            written_ns = now_ns
        if differs:
            assert now_ns < outputs.due_ns() <= now_ns + RETRY_NS
        else:
            assert outputs.due_ns() == NEVER
        for tag, good in outputs.reports(now_ns):
            assert (tag, good) == ("horn", not last_report)
            assert good != differs
            assert good or now_ns - turned_ns >= UNCONFIRMED_NS
            last_report = good
        assert last_report or differs
