"""How long the supervisor waits before it starts a child again."""

from telemetry.supervisor.child import ENGINE_WAIT_S, FIRST_WAIT_S, LONGEST_WAIT_S, QUICK_S, wait_after


def waits(ran_s: float, longest_s: float, times: int) -> list[float]:
    found = [0.0]
    for _ in range(times):
        found.append(wait_after(ran_s, found[-1], longest_s))
    return found[1:]


def test_a_child_that_ends_again_and_again_is_waited_for_longer_each_time() -> None:
    assert waits(1.0, LONGEST_WAIT_S, 7) == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_the_engine_is_never_waited_for_long() -> None:
    assert waits(1.0, ENGINE_WAIT_S, 6) == [0.2, 0.4, 0.8, 1.0, 1.0, 1.0]


def test_a_child_that_ran_well_is_started_again_at_once() -> None:
    assert wait_after(QUICK_S + 0.1, 5.0, LONGEST_WAIT_S) == FIRST_WAIT_S
    assert wait_after(QUICK_S - 0.1, 0.4, LONGEST_WAIT_S) == 0.8
